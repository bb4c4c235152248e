"""The conda environments agree with the lock file, and the library's layers with what each may load."""

import ast
import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

LIBRARY = ROOT / "workflow" / "scripts" / "codetune"
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
LAYERS = [
    {"audit", "tables", "figures", "checking", "browser", "crate"},
    {"curves", "significance"},
    {"training", "generation"},
    {"metrics"},
    {"rouge", "parsing", "bootstrap"},
    {"models", "memory", "attention", "caches"},
    {"tokens"},
    {"prompts"},
    {"samples", "hub", "study", "cards"},
    {
        "languages",
        "architectures",
        "records",
        "jobs",
        "fingerprints",
        "unfinished",
        "duplicates",
        "pages",
        "provenance",
    },
    {"summaries"},
    {"devices"},
    {"locks"},
    {"files", "slurm"},
    {"errors", "signals"},
]
WITH_TORCH = {"models", "memory", "attention", "caches", "training", "generation", "curves"}


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def pins(path):
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    return dict(pin.split("==") for pin in dependencies[-1]["pip"]), dependencies[:-1]


def test_there_is_one_environment_a_kind_of_work():
    assert [path.stem for path in ENVIRONMENTS] == ["analysis", "download", "tokenize", "train"]


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environments_hold_the_lock_s_exact_versions(path):
    found, conda = pins(path)
    assert found
    assert found.items() <= lock().items()
    assert all(re.fullmatch(r"(python|pip)=\d+(\.\d+)+", text) for text in conda)


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_only_training_has_torch(path):
    assert ("torch" in pins(path)[0]) == (path.stem == "train")


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
    sys.path.insert(0, str(ROOT / "envs"))
    from lock import closure, groups

    wanted = groups()
    for path in ENVIRONMENTS:
        assert closure(wanted[path.stem]) == pins(path)[0]


def imports(name):
    """The library's modules and the foreign packages that a module imports."""
    ours, foreign = set(), set()
    for node in ast.walk(ast.parse((LIBRARY / f"{name}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "codetune":
            ours |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("codetune."):
            ours.add(node.module.split(".")[1])
        elif isinstance(node, ast.ImportFrom):
            foreign.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
    return ours, foreign


def test_every_module_has_its_layer_and_imports_downwards():
    depth = {name: level for level, layer in enumerate(LAYERS) for name in layer}
    modules = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
    assert modules == set(depth)
    upwards = {(name, other) for name in modules for other in imports(name)[0] if depth[other] <= depth[name]}
    assert not upwards


def test_the_library_knows_nothing_of_snakemake():
    assert not [path.stem for path in LIBRARY.glob("*.py") if "snakemake" in imports(path.stem)[1]]


def test_only_models_training_and_generation_import_torch():
    assert {path.stem for path in LIBRARY.glob("*.py") if "torch" in imports(path.stem)[1]} <= WITH_TORCH


@pytest.mark.parametrize(
    "module", ["metrics", "significance", "audit", "tables", "figures", "samples", "hub", "tokens"]
)
def test_other_modules_load_without_torch(module):
    code = f"import sys; import codetune.{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIBRARY.parent)
