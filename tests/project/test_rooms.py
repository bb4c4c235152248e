"""The library's rooms: who may import whom, what loads torch, and how long files and functions are."""

import ast
import re
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions

import pytest
from conftest import ROOT
from packaging.utils import canonicalize_name

WORKFLOW = ROOT / "workflow"
LIBRARY = WORKFLOW / "scripts" / "codetune"
MODULES = sorted(path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")
CODE = sorted([*WORKFLOW.rglob("*.py"), *WORKFLOW.rglob("*.smk"), ROOT / "Snakefile"])

# The floors, from the ground up. A room's modules import from lower floors and from their own room.
FLOORS = [
    {"base"},
    {"study"},
    {"data", "models"},
    {"prompts", "methods", "evaluation", "execution"},
    {"training", "generation", "papers"},
    {"report", "rehearsal"},
]
ROOMS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
WITH_TORCH = {"models", "methods", "training", "generation"}
WITHOUT_TORCH_IN_MODELS = set(
    "architecture shapes checkpoints tokenizers patches weight_files context settings fits".split()
)
LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def name_of(path):
    """A module's name as `room/module`."""
    return path.with_suffix("").as_posix()


def imports(path):
    """What a module imports, inside functions too: the library's modules as `room/module`, and foreign packages."""
    ours, foreign = set(), set()
    for node in ast.walk(ast.parse((LIBRARY / path).read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}, line {node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for package, *rest in (name.split(".") for name in names):
            if package == "codetune":
                ours.add("/".join(rest[:2]))
            else:
                foreign.add(package)
    return ours, foreign


def may_load_torch(path):
    return path.parts[0] in WITH_TORCH and not (path.parts[0] == "models" and path.stem in WITHOUT_TORCH_IN_MODELS)


def test_every_module_lies_in_a_room_and_every_room_on_a_floor():
    assert {path.parts[0] for path in MODULES} == set(ROOMS)
    assert {len(path.parts) for path in MODULES} == {2}
    assert {path.parent.name for path in LIBRARY.glob("*/__init__.py")} == set(ROOMS)


def test_the_library_s_docstring_draws_these_floors():
    drawn = re.findall(r"^ +(\d)  (.+)$", ast.get_docstring(ast.parse((LIBRARY / "__init__.py").read_text())), re.M)
    assert [(int(number), set(rooms.split(", "))) for number, rooms in drawn[::-1]] == list(enumerate(FLOORS, start=1))


def test_modules_import_from_lower_floors_and_from_their_own_room():
    known = {name_of(path) for path in MODULES}
    arrows = {(name_of(path), other) for path in MODULES for other in imports(path)[0]}
    assert len(arrows) > len(known)
    assert {other for _, other in arrows} <= known
    rooms = {(one, other): (one.split("/")[0], other.split("/")[0]) for one, other in arrows}
    wrong = {arrow for arrow, (room, other) in rooms.items() if room != other and ROOMS[other] >= ROOMS[room]}
    assert wrong == set()


def test_no_two_test_files_share_a_name():
    """pytest takes the second for the first, where one process reads both."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_modules_import_one_another_in_a_circle():
    try:
        TopologicalSorter({name_of(path): imports(path)[0] for path in MODULES}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_only_the_rooms_with_models_import_torch():
    assert [name_of(path) for path in MODULES if "torch" in imports(path)[1] and not may_load_torch(path)] == []


def test_the_other_modules_load_without_torch():
    """In one process: torch stays loaded, so that the first module that loads it is named."""
    names = ["codetune." + ".".join(path.with_suffix("").parts) for path in MODULES if not may_load_torch(path)]
    assert len(names) > 50
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        sys.exit(f'{name} loads torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=LIBRARY.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def packages_that_snakemake_does_not_bring():
    """What is installed here for jobs and for developing, by the names that one imports."""
    sys.path.insert(0, str(ROOT / "envs"))
    from lock import closure, groups

    brought = closure(groups()["workflow"])
    return {
        name
        for name, owners in packages_distributions().items()
        if name not in sys.stdlib_module_names and not {canonicalize_name(owner) for owner in owners} & brought.keys()
    }


def test_planning_needs_what_snakemake_brings_and_neither_numpy_nor_pandas():
    """The imports of the rules, and what these do first: check the config, make the study, hash the scripts."""
    rules = [path.read_text() for path in CODE if path.suffix != ".py"]
    statements = sorted({line for text in rules for line in re.findall(r"^(?:from|import) codetune.*", text, re.M)})
    assert "from codetune.study.config import load_study" in statements
    assert "from codetune.study.fingerprints import Fingerprints" in statements
    without = packages_that_snakemake_does_not_bring() | {"numpy", "pandas"}
    assert {"msgspec", "torch", "transformers"} <= without
    code = [
        "import sys, yaml",
        "from pathlib import Path",
        f"sys.path.insert(0, {str(LIBRARY.parent)!r})",
        "sys.modules.update(dict.fromkeys(sys.argv[1:]))",  # None there makes an import fail
        *statements,
        f"study = load_study(yaml.safe_load(Path({str(ROOT / 'config/config.yaml')!r}).read_text()))",
        "to_plain(study.for_training(study.training_runs[0]))",
        "print(len({Fingerprints().of(path) for path in Path(sys.path[0]).glob('*.py')}))",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code), *sorted(without)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(list(LIBRARY.parent.glob("*.py")))


def test_the_library_knows_nothing_of_snakemake():
    assert [name_of(path) for path in MODULES if "snakemake" in imports(path)[1]] == []


def test_a_room_s_own_file_holds_a_docstring_alone():
    for path in LIBRARY.rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        assert len(tree.body) == 1, path
        assert ast.get_docstring(tree), path


def test_no_file_of_the_workflow_is_longer_than_some_screens():
    assert len(CODE) > len(MODULES)
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in CODE}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_of_the_workflow_is_longer_than_a_screen():
    long = set()
    for path in WORKFLOW.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LONGEST_FUNCTION:
                long.add(f"{path.relative_to(WORKFLOW)}, line {node.lineno}: {node.name}")
    assert long == set()
