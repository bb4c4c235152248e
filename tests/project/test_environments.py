"""The conda environments agree with the lock file."""

import re
import sys

import pytest
import yaml
from conftest import ROOT

sys.path.insert(0, str(ROOT / "envs"))
from lock import FROM_CONDA, closure, groups

ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def pins(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    return dict(pin.split("==") for pin in dependencies[-1]["pip"]), dependencies[:-1]


def test_there_is_one_environment_per_kind_of_work():
    assert [path.stem for path in ENVIRONMENTS] == ["analysis", "download", "embed", "execute", "tokenize", "train"]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_hold_the_lock_s_exact_versions(path):
    found, conda = pins(path)
    assert found
    assert found.items() <= lock().items()
    assert [text for text in conda if not re.fullmatch(r"(python|pip)=\d+(\.\d+)+", text)] == FROM_CONDA.get(
        path.stem, []
    )


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_only_training_and_encoders_have_torch(path):
    assert ("torch" in pins(path)[0]) == (path.stem in ("train", "embed"))
    assert ("sentence-transformers" in pins(path)[0]) == (path.stem == "embed")


def test_only_gpu_jobs_have_a_c_compiler():
    """torch's kernels are compiled with Triton where they first run. In place, `make lock` keeps it."""
    assert FROM_CONDA == {"train": ["c-compiler"]}


def test_the_lock_is_exact_and_free_of_cuda():
    assert lock()["torch"] == "2.13.0"
    assert not [name for name in lock() if name.startswith(("nvidia", "cuda", "triton")) and name != "nvidia-ml-py"]
    assert all(re.fullmatch(r"[\w.]+", version) for version in lock().values())


def test_nothing_is_installed_that_would_load_code_from_a_hub():
    """bitsandbytes asks the hub for compiled kernels wherever the package `kernels` is installed."""
    assert "kernels" not in lock()


def test_the_lock_is_what_is_installed():
    from importlib.metadata import version

    assert {name: version(name).split("+")[0] for name in lock()} == lock()


def test_environments_and_lock_are_up_to_date():
    """`make lock` on this environment would write what is there."""
    wanted = groups()
    for path in ENVIRONMENTS:
        assert closure(wanted[path.stem]) == pins(path)[0]
