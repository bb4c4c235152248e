"""What the start refuses, by Snakemake itself: one line, nothing written, nothing lost."""

import json
import os
import shutil

import pytest
from conftest import ROOT
from small_study import copy_workflow, snakemake

RUN = ("-n", "--cores", "1", "--workflow-profile", "profiles/local")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a checkpoint and a data set that lie where downloads go, and elsewhere."""
    folder = tmp_path_factory.mktemp("study") / "project"
    folder.mkdir()
    copy_workflow(folder)
    for place in ("resources/models/gemma-2-2b", "elsewhere/model", "resources/data", "pipes"):
        (folder / place).mkdir(parents=True)
    for place in ("resources/models/gemma-2-2b/config.json", "elsewhere/model/config.json", "resources/data/d.jsonl"):
        (folder / place).write_text("{}")
    (folder / "link").symlink_to("resources")
    os.mkfifo(folder / "pipes/config.json")
    return folder


def contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path): path.read_bytes() for path in paths if ".snakemake" not in path.parts}


def model(path):
    return json.dumps({"models": {"gemma-2-2b": {"path": path}}})


def dataset(**entry):
    return json.dumps({"datasets": {"codealpaca-20k": entry}})


REFUSED = [
    (model("link/models/gemma-2-2b"), "path: link/models/gemma-2-2b lies in resources, the folder of resources"),
    (model("pipes"), "models.gemma-2-2b.path: pipes/config.json is a pipe, a socket or a device"),
    (dataset(file="../../x.json"), "datasets.codealpaca-20k.file: '../../x.json' is not the name of a file"),
    ("results: .", "config: results: . holds"),
    ("runs: []\nresults: r\nruns: []", "mine.yaml: the key 'runs' stands twice in one place, in lines 1 and 3"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message[:50] for _, message in REFUSED])
def test_a_harmful_config_is_refused_by_a_dry_run_in_one_line(project, text, message):
    (project / "mine.yaml").write_text(text)
    before = contents(project)
    done = snakemake(*RUN, "--configfile", "mine.yaml", cwd=project)
    assert done.returncode == 1
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "error" in line.lower()]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in done.stdout + done.stderr
    assert contents(project) == before


def test_values_on_the_command_line_are_checked_too(project):
    done = snakemake(*RUN, "--config", "results=config", cwd=project)
    assert done.returncode == 1
    assert "error: config: results: config holds a folder of the project's own" in done.stderr


def test_the_project_s_own_config_is_checked_before_snakemake_reads_it(project, tmp_path):
    own = shutil.copytree(project, tmp_path / "project", ignore=shutil.ignore_patterns("pipes"))
    with (own / "config/config.yaml").open("ab") as file:
        file.write(b"x: \xff\n")
    done = snakemake(*RUN, cwd=own)
    assert done.returncode == 1
    assert f"error: {own}/config/config.yaml: not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_checkpoint_elsewhere_is_planned_also_where_the_home_folder_cannot_be_written(project, tmp_path):
    assert "`XDG_CACHE_HOME`" in (ROOT / "docs/full-study.md").read_text()
    (project / "mine.yaml").write_text(model("elsewhere/model"))
    settings = {"HOME": "/proc", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = snakemake(*RUN, "--configfile", "mine.yaml", cwd=project, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
