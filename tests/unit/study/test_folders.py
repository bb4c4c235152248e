"""The folders that the workflow writes to: apart from all else, and without a study in an earlier layout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.study import folders, layout
from codetune.study.folders import (
    LONGEST_FOLDER,
    check_given_files,
    check_old_results,
    find_outputs,
)
from codetune.study.runs import Evaluation, Run
from conftest import ROOT

OLD = [
    "data/codealpaca-20k/train.jsonl",
    "runs/codealpaca-20k/gemma-2-2b/base/seed0/predictions.jsonl",
    "runs/codealpaca-20k/gemma-2-2b/qlora/seed0/predictions.jsonl",
    "runs/codealpaca-20k/gemma-2-2b/qlora/seed0/adapter/adapter_config.json",
    "tables/table2.md",
]
EVALUATIONS = [
    Evaluation(Run("codealpaca-20k", "gemma-2-2b", "qlora", 0), "codealpaca-20k"),
    Evaluation(Run("none", "gemma-2-2b", "base", 0), "codealpaca-20k"),
]


def make_files(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"the content of {name}")


def content_of(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_results_in_the_layout_before_0_2_are_refused_in_one_line_and_left_as_they_are(tmp_path):
    results = tmp_path / "results"
    make_files(results, OLD)
    before = content_of(results)
    with pytest.raises(StudyError) as error:
        check_old_results(str(results))
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{results} holds a study in the layout of releases before 0.2 ({results}/runs/")
    assert f"Move it away (mv {results} {results}-0.1), or let 'results' in the config name another folder." in message
    assert content_of(results) == before


def test_one_old_run_among_new_ones_is_refused(tmp_path):
    make_files(tmp_path, [layout.fill(layout.PREDICTIONS, evaluation) for evaluation in EVALUATIONS])
    check_old_results(str(tmp_path))
    make_files(tmp_path, OLD[1:2])
    with pytest.raises(StudyError, match=OLD[1]):
        check_old_results(str(tmp_path))


def test_results_in_the_present_layout_and_no_results_are_accepted(tmp_path):
    check_old_results(str(tmp_path / "none"))
    check_old_results(str(tmp_path))
    patterns = [
        value
        for name, value in vars(layout).items()
        if name.isupper() and "{stage}" not in value and "{file}" not in value
    ]
    of_runs = [pattern for pattern in patterns if "{model}" in pattern and pattern.startswith("runs/")]
    assert layout.PREDICTIONS in of_runs
    make_files(tmp_path, {layout.fill(pattern, EVALUATIONS[0]) for pattern in of_runs})
    check_old_results(str(tmp_path))


def test_the_workflow_refuses_them_before_it_plans_anything(tmp_path):
    make_files(tmp_path / "results", OLD)
    before = content_of(tmp_path / "results")
    command = [Path(sys.executable).parent / "snakemake", "-n", "--cores", "1", "--directory", tmp_path]
    command += ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config/config.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "error: results holds a study in the layout of releases before 0.2 (results/runs/" in done.stderr
    assert "Traceback" not in done.stderr
    assert content_of(tmp_path / "results") == before


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A user's project, in which Snakemake works."""
    here = tmp_path / "home" / "project"
    for name in ("workflow/rules", "config", "results/runs", "resources/models", "elsewhere/deep", ".git"):
        (here / name).mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here.parent))
    for link, target in (
        *(("to_workflow", "workflow"), ("up", "elsewhere/.."), ("to_home", here.parent), ("to_results", "results")),
        *(("loop", "loop"), ("nowhere", "nothing"), ("to_docs", ROOT / "docs"), ("deep/in/link", ROOT / "docs")),
    ):
        (here / link).parent.mkdir(parents=True, exist_ok=True)
        (here / link).symlink_to(target)
    (here / "file").touch()
    os.mkfifo(here / "pipe")
    return here


def check(results="results", resources="resources"):
    find_outputs({"results": results, "resources": resources})


def test_a_project_where_snakemake_cannot_work_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "PROJECT", tmp_path / "a {b}")
    with pytest.raises(StudyError, match=r"the project lies in .*\{b\}: Snakemake takes braces for wildcards. Rename"):
        check()


HOLDS = [".", "..", "/", "up", "a/..", "elsewhere/..", "to_home", "to_home/project", "./", str(ROOT), str(ROOT.parent)]
OWN = ["workflow", "./config", "workflow/x", "to_workflow", "to_workflow/x/y", "envs/x", "profiles", "to_docs"]
OWN += [str(ROOT / name) for name in ("docs", "workflow/rules", "tests/unit", "benchmarks/results", "demo", "envs/x")]
HIDDEN = [".git", ".git/x", ".snakemake", ".snakemake/x", ".new", str(ROOT / ".venv"), str(ROOT / ".github/x")]


@pytest.mark.parametrize("key", ["results", "resources"])
@pytest.mark.parametrize(
    ("folder", "message"),
    [
        *((folder, r" holds .*\. Name a folder that holds nothing but what") for folder in HOLDS),
        *((folder, r" (holds|lies in) a folder of the project's own, .*\. Name a folder that") for folder in OWN),
        *((folder, r" lies in a hidden folder of the project\. Name a folder that") for folder in HIDDEN),
        *((f"{folder}/x", r"'~' and '\$' are not expanded in .*\. Write the path out") for folder in ("~", "$SCRATCH")),
        *((folder, " is not a folder, but has to be one") for folder in ("file", "file/x", "pipe", "pipe/x")),
        *((folder, " is a link to nothing, not a folder, but") for folder in ("nowhere", "nowhere/x")),
        ("loop/x", ": Too many levels of symbolic links. Name another folder"),
        ("x" * 256, r"the path x{57}\.\.\. is too long"),
        ("/".join(["x" * 200] * (LONGEST_FOLDER // 200)), r"the path x{57}\.\.\. is too long"),
        ("é" * 128, r"the path é{57}\.\.\. is too long"),
    ],
)
def test_outputs_cover_nothing_of_the_user_s(here, key, folder, message):
    before = sorted(here.rglob("*"))
    with pytest.raises(StudyError, match=f"^config: {key}: .*{message}") as error:
        check(**{key: folder})
    assert str(error.value).isprintable()
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("key", ["results", "resources"])
@pytest.mark.parametrize(
    "folder", ["out", "deep/er/out", "../out", "/scratch/me", "my é out", "elsewhere", "elsewhere/../out", "x" * 255]
)
def test_any_folder_apart_will_do(here, key, folder):
    check(**{key: folder})


@pytest.mark.parametrize("link", ["tables", "runs/d/m/qlora/seed0/tuned"])
@pytest.mark.parametrize(
    ("target", "said"), [("workflow", "holds a folder of the"), (".", "holds Snakemake's working")]
)
def test_no_link_within_an_output_leads_to_what_is_the_user_s(here, link, target, said):
    (here / "results" / link).parent.mkdir(parents=True, exist_ok=True)
    (here / "results" / link).symlink_to(here / target)
    with pytest.raises(StudyError, match=rf"results \(a link in it leads to .*\) {said}"):
        check()


def test_a_link_within_an_output_may_lead_to_another_disk(here, tmp_path):
    (tmp_path / "disk").mkdir()
    (here / "resources/tokenizers").symlink_to(tmp_path / "disk")
    check()


@pytest.mark.parametrize(("results", "resources"), [("x", "x/y"), ("x/y", "x"), ("to_results/x", "results")])
def test_neither_output_lies_in_the_other(here, results, resources):
    with pytest.raises(StudyError, match="lies in the other: deleting that one would delete both. Name two folders"):
        check(results, resources)
    with pytest.raises(StudyError, match="are the same folder"):
        check(results, f"./{results}/../{Path(results).name}")


def test_a_folder_named_workflow_is_replaced_only_if_the_workflow_made_it(here):
    (here / "paper/workflow").mkdir(parents=True)
    check("paper")
    (here / "paper/workflow/Snakefile").touch()
    with pytest.raises(StudyError, match="paper/workflow is not made by the workflow, but 'snakemake rocrate' would"):
        check("paper")
    (here / "paper" / layout.CRATE_CONFIG).touch()
    check("paper")


def test_every_file_lies_in_one_of_the_folders_that_links_are_sought_in():
    patterns = [value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
    tops = {pattern.partition("/")[0] for pattern in patterns if "/" in pattern and not pattern.startswith("{")}
    assert tops | {"logs", "benchmarks"} == {*layout.IN_RESULTS, *layout.IN_RESOURCES}


def test_no_file_that_the_start_names_lies_where_the_crate_is_written(here):
    (here / "results/workflow").mkdir()
    (here / "link.yaml").symlink_to("results/workflow/config-used.yaml")
    check_given_files("results", ["config/config.yaml", "results/mine.yaml", here / "Snakefile"])
    for path in ("results/workflow/config-used.yaml", "link.yaml", here / "results/workflow/Snakefile"):
        with pytest.raises(StudyError, match="which 'snakemake rocrate' replaces. Copy it elsewhere first"):
            check_given_files("results", ["config/config.yaml", path])
