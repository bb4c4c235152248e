"""Fingerprints follow what code computes, through packages, and not what it says."""

import itertools
import shutil
from pathlib import Path

import pytest
from codetune.study import fingerprints
from codetune.study.fingerprints import Fingerprints
from conftest import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"
PRINTS = Fingerprints()
fingerprint, closure = PRINTS.of, PRINTS.closure  # one for all tests, so that equal files are parsed once

# A script and a library in small; each file's place is below the folder of scripts.
SMALL = {
    "x.py": "from codetune.base.jobs import job\n\nwith job():\n    from codetune.tools.saw import cut\n    cut()\n",
    "codetune/__init__.py": '"""The library."""\n',
    "codetune/base/__init__.py": '"""The ground floor."""\n',
    "codetune/base/errors.py": "class StudyError(Exception):\n    pass\n",
    "codetune/base/jobs.py": "def job():\n    return open('log')\n",
    "codetune/study/__init__.py": '"""The nouns."""\n',
    "codetune/study/runs.py": "RUNS = 1\n",
    "codetune/tools/__init__.py": '"""Tools."""\n',
    "codetune/tools/saw.py": '''"""A saw."""
from codetune.base.errors import StudyError
from codetune.study.runs import RUNS
from codetune.wood.oak import DENSITY


def cut(depth=1):
    """Cuts."""
    # with care
    if depth > DENSITY:
        raise StudyError(f"too deep: {depth}")
    print(f"cutting {depth}")
    with doing(f"sawing {depth}", "cuts", depth):
        return depth * RUNS
''',
    "codetune/wood/__init__.py": '"""Wood."""\n',
    "codetune/wood/oak.py": "DENSITY = 0.7\n",
    "codetune/wood/pine.py": "DENSITY = 0.4\n",
}

# What the scripts of the GPU jobs and of the first job of all reach in the library. A module that appears here without
# need makes its every change rerun that job; a list that is suddenly short means that imports are no longer followed.
DECODING = """
    data/predictions generation/batches generation/beams generation/candidates generation/decoding generation/loading
    generation/sampling generation/seq2seq generation/trial methods/tuning
    models/architecture models/caches models/context models/cpu models/device models/fresh_decoder models/int8
    models/loading models/memory models/patches models/quantization models/seq2seq models/settings models/tokenizers
    models/weights
    prompts/completions prompts/tokensets
"""
REACHED = {
    "finetune.py": """
        methods/trained methods/tuning models/architecture models/attention models/context models/cpu models/device
        models/memory models/patches models/tokenizers prompts/packing prompts/text_bytes prompts/tokensets
        training/attention training/batches training/build training/cost training/finetune training/history
        training/loss training/outcome training/gradients training/progress training/rounding training/seq2seq
        training/states training/thinning training/tracking training/trainer training/trial training/validation
    """,
    "generate.py": DECODING + "generation/generate",
    "curve.py": DECODING + "data/samples generation/checkpoints generation/curve",
    "split.py": """
        data/cleaning data/drawing data/duplicates data/filters data/samples data/shares data/split data/triples
    """,
}

# What the modules that implement a tuning add to these, each for its own runs alone.
TUNINGS = {
    "codetune.methods.adapters": "methods/adapters methods/allocation methods/peft_config methods/penalties "
    "methods/residuals methods/tokens methods/trained models/architecture models/device models/fresh_decoder "
    "models/int8 models/loading models/quantization models/roles models/seq2seq models/weights",
    "codetune.methods.full": "methods/full methods/trained models/architecture models/device models/fresh_decoder "
    "models/int8 models/loading models/quantization models/seq2seq models/weights",
    "codetune.methods.soft_prompts": "methods/adapters methods/allocation methods/encoder_prompts methods/peft_config "
    "methods/penalties methods/residuals methods/soft_prompts methods/tokens methods/trained methods/virtual_tokens "
    "models/architecture models/device models/fresh_decoder models/int8 models/loading models/quantization "
    "models/roles models/seq2seq models/weights",
}

# Scripts whose outputs adapters and predictions are made from, and what none of them may reach.
TO_PREDICTIONS = ("split", "tokenize_samples", "prompt", "finetune", "generate", "curve")
BEYOND_PREDICTIONS = ("evaluation/", "report/", "papers/", "data/card", "data/languages")

# An edit of the scripts' folder, and the scripts whose fingerprints it changes: what runs again.
SCORED = "answers browser score score_curve significance"
NO_RULE_S = {"check_results"}  # it makes everything anew, and so it reaches nearly everything
GENERATED, TOKENISED = "curve generate", "prompt tokenize_samples"
EDITS = {
    "a message of a job": ("codetune/base/jobs.py", "stopped by {stop}", "ended by {stop}", ""),
    "the waits of a download": ("codetune/base/hub.py", "WAITS = (1.0, ", "WAITS = (2.0, ", ""),
    "a mistake in the config": ("codetune/study/mistakes.py", "did you mean", "do you mean", ""),
    "a path of the layout": ("codetune/study/layout.py", "comparisons/{test}.json", "{test}.json", ""),
    "the script of records": ("record.py", 'files={"training_log"', 'files={"log"', "record"),
    "a docstring of training": ("codetune/training/trainer.py", '"""Does what comes', '"""Does all that comes', ""),
    "code of training": ("codetune/training/trainer.py", "deterministic = True", "deterministic = False", "finetune"),
    "code of decoding": ("codetune/generation/batches.py", "not ending.ends(raw)", "True", GENERATED),
    "the search for similar samples": (
        "codetune/prompts/nearest.py",
        '"lucene", 1.5',
        '"lucene", 1.2',
        "examples retrieve",
    ),
    "the choice of examples": ("codetune/prompts/examples.py", "random.Random(seed)", "random.Random(0)", "examples"),
    "the vectors": ("codetune/models/embed.py", "BATCH = 32", "BATCH = 16", "embed"),
    "the search by vectors": ("codetune/prompts/dense.py", "DECIMALS = 6", "DECIMALS = 5", "examples"),
    "code of splitting": ("codetune/data/split.py", "random.Random(settings.seed)", "random.Random(0)", "split"),
    "a language": (
        "codetune/data/languages.py",
        '"Ruby", r"',
        '"Ruby", r"r',
        "browser card rehearse score score_curve",
    ),
    "a word of the data card": ("codetune/data/card.py", "# Data card", "# Card", "card"),
    "a word of the model card": ("codetune/report/trained.py", "Keep the adapter", "Leave the adapter", "publish"),
    "a figure's label": ("codetune/report/costs.py", '"tokens per second"', '"tokens/s"', "figure"),
    "a table's head": ("codetune/report/table2.py", "score_low=", "low=", "table"),
    "an equation of the paper": ("codetune/papers/levels.py", "last = 2**bits - 1", "last = 2**bits", "table"),
    "a metric": ("codetune/evaluation/codebleu.py", "DEEPEST = 300", "DEEPEST = 301", f"publish table {SCORED}"),
    "ROUGE-L": ("codetune/evaluation/rouge.py", "f1 = 2 *", "f1 = 3 *", f"publish {SCORED}"),
    "the score of a curve": ("codetune/evaluation/score_curve.py", "!= ids", "> ids", "score_curve"),
    "a page": ("codetune/report/page.py", "encoding=", "errors=", "browser page summary"),
    "the text of a prompt": ("codetune/prompts/templates.py", "(sample), frames.prefix", "(sample)", TOKENISED),
    "a patch": ("codetune/models/patches.py", "_use_triton", "_triton", f"finetune {GENERATED} {TOKENISED}"),
}


@pytest.fixture
def made(tmp_path):
    """Writes the small library, changed as told, to a folder of its own; gives the script."""
    numbers = itertools.count()

    def make(changes=None):
        folder = tmp_path / str(next(numbers))
        for name, text in (SMALL | (changes or {})).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder / "x.py"

    return make


def edit(name, old, new):
    """The change of one file of the small library."""
    assert old in SMALL[name]
    return {name: SMALL[name].replace(old, new)}


def reached(script, by_name=()):
    """The library's modules in a script's closure, as `room/module`."""
    library = script.parent / "codetune"
    files = closure(script, by_name)
    return {path.relative_to(library).with_suffix("").as_posix() for path in files if path != script}


def importing(statement):
    """The small library's script with another import."""
    return {"x.py": f"def main():\n    {statement}\n"}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("from codetune.wood.oak import DENSITY", {"wood/oak"}),
        ("from codetune.wood import oak, pine", {"wood/oak", "wood/pine"}),
        ("from codetune.wood import oak as tree", {"wood/oak"}),
        ("from codetune.wood.oak import *", {"wood/oak"}),
        ("import codetune.wood.oak", {"wood/oak"}),
        ("import codetune.wood.oak as tree, codetune.wood.pine", {"wood/oak", "wood/pine"}),
        ("import codetune.tools.saw", {"tools/saw", "wood/oak"}),
        ("import os.path, codetunes", set()),
        ("from codetune.base import jobs", set()),
        ("import codetune.study.runs", set()),
    ],
)
def test_imports_are_followed_however_they_are_written(made, statement, expected):
    script = made(importing(statement))
    assert reached(script) == expected
    assert script in closure(script)


def test_imports_are_followed_from_module_to_module_and_each_counts_once(made):
    circle = {"codetune/wood/oak.py": "from codetune.tools import saw\nDENSITY = 0.7\n"}
    assert reached(made(circle)) == {"tools/saw", "wood/oak"}


@pytest.mark.parametrize(
    "statement",
    [
        "import codetune",
        "import codetune.wood",
        "from codetune import wood",
        "from codetune.wood import birch",
        "from codetune.wood import *",
        "import codetune.wood.birch",
        "from codetune.birch.wood import DENSITY",
    ],
)
def test_an_import_that_leads_to_no_module_is_an_error(made, statement):
    script = made(importing(statement))
    with pytest.raises(ValueError, match=rf"{script}: imports codetune.* neither a module of the library nor in one"):
        fingerprint(script)


@pytest.mark.parametrize("statement", ["from . import oak", "from .oak import DENSITY", "from ..wood import oak"])
def test_a_relative_import_is_an_error(made, statement):
    script = made({"codetune/wood/oak.py": f"DENSITY = 0.7\n{statement}\n"})
    with pytest.raises(ValueError, match="oak.py, line 2: a relative import"):
        fingerprint(script)


SAW = "codetune/tools/saw.py"


@pytest.mark.parametrize(
    "change",
    [
        {},
        edit(SAW, '"""A saw."""', '"""A fretsaw."""'),
        edit(SAW, '"""Cuts."""', '"""Cuts wood."""'),
        edit(SAW, '    """Cuts."""\n', ""),
        edit(SAW, "# with care", "# without care"),
        edit(SAW, "depth > DENSITY", "(depth >\n            DENSITY)"),
        edit(SAW, 'f"too deep: {depth}"', '"deeper than the wood is thick"'),
        edit(SAW, 'f"cutting {depth}"', '"cutting", depth, flush=True'),
        edit(SAW, '    print(f"cutting {depth}")\n', ""),
        edit(SAW, 'f"sawing {depth}", "cuts"', '"work", "pieces"'),
        edit("codetune/base/jobs.py", "open('log')", "open('another')"),
        edit("codetune/base/errors.py", "pass", "number = 1"),
        edit("codetune/study/runs.py", "RUNS = 1", "RUNS = 2"),
        edit("codetune/wood/pine.py", "0.4", "0.5"),
        edit("codetune/wood/__init__.py", "Wood", "Trees"),
        {"codetune/wood/birch.py": "DENSITY = 0.6\n"},
        {"y.py": "from codetune.wood.pine import DENSITY\n"},
    ],
    ids=lambda change: " ".join(change) if isinstance(change, dict) else None,
)
def test_what_changes_no_result_changes_no_fingerprint(made, change):
    assert fingerprint(made(change)) == fingerprint(made())


@pytest.mark.parametrize(
    "change",
    [
        edit("x.py", "cut()", "cut(2)"),
        edit(SAW, "depth=1", "depth=2"),
        edit(SAW, "depth > DENSITY", "depth >= DENSITY"),
        edit(SAW, "raise StudyError", "raise ValueError"),
        edit(SAW, "return depth", "return -depth"),
        edit(SAW, "def cut", "NAME = 'saw'\n\n\ndef cut"),
        edit("codetune/wood/oak.py", "0.7", "0.8"),
        {
            "codetune/wood/birch.py": "D = 1\n",
            **edit("codetune/wood/oak.py", "D", "from codetune.wood import birch\nD"),
        },
    ],
    ids=lambda change: " ".join(change) if isinstance(change, dict) else None,
)
def test_changed_code_changes_the_fingerprint(made, change):
    assert fingerprint(made(change)) != fingerprint(made())


def test_the_words_of_other_errors_count(made):
    """Such an error may be caught, and what it says looked at."""
    one, other = ({"codetune/wood/oak.py": f"DENSITY = 1\nraise ValueError('{word}')\n"} for word in ("a", "b"))
    assert fingerprint(made(one)) != fingerprint(made(other))


def test_a_raised_version_of_the_results_changes_every_fingerprint(made, monkeypatch):
    script = made()
    before = fingerprint(script)
    monkeypatch.setattr(fingerprints, "RESULTS_VERSION", fingerprints.RESULTS_VERSION + 1)
    assert fingerprint(script) != before


def test_what_was_parsed_is_remembered_by_the_bytes_of_the_files(made, tmp_path, monkeypatch):
    memory = tmp_path / "memory" / "code.json"
    script = made()
    before = Fingerprints(memory).of(script)
    assert memory.is_file()
    monkeypatch.setattr(fingerprints, "_read_code", None)  # nothing is parsed any more
    assert Fingerprints(memory).of(script) == before
    script.write_text(script.read_text().replace("cut()", "cut(2)"))
    with pytest.raises(TypeError):
        Fingerprints(memory).of(script)


@pytest.mark.parametrize("spoil", ["not JSON", "[]", "{}", '{"by": "another version", "files": {}}'])
def test_a_memory_that_is_none_or_another_version_s_is_not_used(made, tmp_path, spoil):
    memory = tmp_path / "code.json"
    script = made()
    before = Fingerprints(memory).of(script)
    written = memory.read_text()
    memory.write_text(spoil)
    assert Fingerprints(memory).of(script) == before
    assert memory.read_text() == written


def test_a_memory_that_cannot_be_written_costs_only_time(made, tmp_path):
    (tmp_path / "file").write_text("")
    script = made()
    assert Fingerprints(tmp_path / "file" / "code.json").of(script) == fingerprint(script)


@pytest.mark.parametrize("script", REACHED)
def test_the_scripts_reach_these_modules_of_the_library(script):
    assert reached(SCRIPTS / script) == set(REACHED[script].split())


@pytest.mark.parametrize("module", TUNINGS)
def test_each_tuning_reaches_these_modules_of_the_library(module):
    script = SCRIPTS / "provenance.py"
    assert reached(script, [module]) - reached(script) == set(TUNINGS[module].split())


@pytest.mark.parametrize("script", TO_PREDICTIONS)
def test_what_comes_before_predictions_depends_on_nothing_that_comes_after(script):
    modules = reached(SCRIPTS / f"{script}.py")
    assert modules
    assert [module for module in sorted(modules) if module.startswith(BEYOND_PREDICTIONS)] == []


def test_every_script_has_a_fingerprint_of_its_own():
    prints = {path.name: fingerprint(path) for path in SCRIPTS.glob("*.py")}
    assert len(set(prints.values())) == len(prints)
    assert all(len(value) == 64 for value in prints.values())


@pytest.mark.parametrize(("name", "old", "new", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_of_the_library_changes_the_fingerprints_of_these_scripts(tmp_path, name, old, new, expected):
    folder = Path(shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__")))
    edited = folder / name
    text = edited.read_text()
    assert old in text, "the file has changed: choose another edit of this kind"
    edited.write_text(text.replace(old, new))
    changed = {path.stem for path in SCRIPTS.glob("*.py") if fingerprint(path) != fingerprint(folder / path.name)}
    assert changed - NO_RULE_S == set(expected.split())
