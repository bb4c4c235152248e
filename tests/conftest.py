"""What the tests share: where the project is, a small study's data and models, and the real data where it lies."""

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch  # before any tokenizer: a process that first loads one without torch stays without it
from codetune.base import progress
from codetune.base.errors import StudyError
from codetune.base.progress import Stretch
from filelock import FileLock

if TYPE_CHECKING:
    from codetune.execution.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
# Real data sets, tokenizers and model configurations lie outside the project. Tests that use them skip without them.
REAL = Path(os.environ.get("CODETUNE_REAL_DATA", ROOT.parent / "shared" / "data"))

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "true"
os.environ["TORCHDYNAMO_DISABLE"] = "1"  # as in jobs
# One thread per process: on models this small several wait for one another longer than they compute.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """Leaves what was imported and collected, some millions of objects that stay, out of each garbage collection."""
    gc.freeze()


@pytest.fixture(scope="session")
def real() -> Path:
    """Folder with the real CodeAlpaca-20k, tokenizers and configurations."""
    if not (REAL / "codealpaca" / "code_alpaca_20k.json").exists():
        pytest.skip(f"the real data are not at {REAL} (set CODETUNE_REAL_DATA)")
    return REAL


@pytest.fixture(scope="session")
def records() -> list[dict[str, str]]:
    """A generated data set with its flaws."""
    from small_study import generated_records

    return generated_records()


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first process of the tests to ask for it makes, and the others find."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with FileLock(f"{folder}.lock"):
        if not (made := folder.with_name(f"{name}.made")).exists():
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one miniature checkpoint of each architecture, pre-trained for a few steps; nobody writes there."""
    from small_study import make_checkpoints

    return made_once(tmp_path_factory, "checkpoints", make_checkpoints)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path, records: list[dict[str, str]]) -> Path:
    """A finished small study, in a copy for this process. Who changes it puts it back, or takes a copy."""
    from small_study import LOCAL, make_project, snakemake

    def make(folder: Path) -> None:
        done = snakemake(*LOCAL, "--cores", "2", cwd=make_project(folder / "project", checkpoints, records))
        assert done.returncode == 0, done.stdout + done.stderr

    made = made_once(tmp_path_factory, "study", make)
    return Path(shutil.copytree(made / "project", tmp_path_factory.mktemp("study") / "project", symlinks=True))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> "Sandbox":
    """The sandbox for generated code, whose interpreter is made once; tests skip where pip cannot fetch it."""
    from codetune.execution.interpreter import Interpreter, fetch_interpreter
    from codetune.execution.sandbox import Sandbox

    def make(folder: Path) -> None:
        try:
            fetch_interpreter(folder / "python.wasm")
        except StudyError:
            return
        _ = Interpreter(folder / "python.wasm").module

    interpreter = Interpreter(made_once(tmp_path_factory, "interpreter", make) / "python.wasm")
    if not interpreter.path.exists():
        pytest.skip("pip cannot fetch the interpreter of the sandbox")
    return Sandbox(interpreter)


@pytest.fixture
def stretches(monkeypatch: pytest.MonkeyPatch) -> list[Stretch]:
    """What code says that it does and how far it is, in the order in which it begins."""
    begun: list[Stretch] = []

    class Noted(list[Stretch]):
        def append(self, stretch: Stretch) -> None:
            begun.append(stretch)
            super().append(stretch)

    monkeypatch.setattr(progress, "_stretches", Noted())
    return begun
