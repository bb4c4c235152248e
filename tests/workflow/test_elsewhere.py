"""Starting from anywhere: another folder, a module of another workflow, a repository, one script by hand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from codetune.base.locks import lock_of, one_writer
from codetune.report.rocrate import COPIED
from conftest import ROOT
from small_study import hashlib_of, make_project, small_config, snakemake

MODEL = "llama-3.2-1b"
TOKENS, PAGE = "results/tokens/own/mini/paper", "results/report/pages/card-own.html"
# Cheap, and by rules of each kind: local ones, one that would go to a cluster, one with a template.
MADE = (f"{TOKENS}/stats.json", f"{TOKENS}/train.arrow", PAGE)
START = ("--configfile", "mine.yaml", "--cores", "1")
HUB = "hub.invalid"
MODULE = """\
module study:
    snakefile:
        {snakefile}
{config}

use rule * from study
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, checkpoints, records):
    """A copy of the project, in which nothing runs."""
    return make_project(tmp_path_factory.mktemp("project") / "project", checkpoints, records)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, project, checkpoints):
    """A study's folder: data, a model, and an overlay that names both as seen from there."""
    folder = tmp_path_factory.mktemp("folder")
    shutil.copy(project / "records.json", folder)
    shutil.copytree(checkpoints / MODEL, folder / "model")
    config = small_config(checkpoints, folder / "records.json", 0)
    (dataset,) = config["datasets"].values()
    model = config["models"][MODEL] | {"path": "model", "label": "Mini", "family": "Mini", "parameters": 1}
    records = len(yaml.safe_load((folder / "records.json").read_text()))
    dataset |= {"path": "records.json", "records": records, "sha256": hashlib_of(folder / "records.json")}
    dataset["split"] |= {"seed": 0, "near_duplicates": "together"}
    config |= {"datasets": {"own": dataset}, "models": {"mini": model}}
    config["runs"] = [{"datasets": ["own"], "models": ["mini"], "methods": ["base", "qlora"], "seeds": [0]}]
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def elsewhere(tmp_path, folder):
    return Path(shutil.copytree(folder, tmp_path / "elsewhere"))


@pytest.fixture(scope="module")
def home(tmp_path_factory, folder, project):
    """The study where its folder is the project's, after a run."""
    home = Path(shutil.copytree(project, tmp_path_factory.mktemp("home") / "project"))
    shutil.copytree(folder, home, dirs_exist_ok=True)
    assert snakemake("--workflow-profile", "local", *START, *MADE, cwd=home).returncode == 0
    return home


@pytest.fixture(scope="module")
def at_home(home):
    return contents(home)


@pytest.fixture(scope="module")
def repository(tmp_path_factory, project):
    """The project in a git repository of its own, tagged v1."""
    folder = tmp_path_factory.mktemp("hub") / "someone" / "study"
    files = (ROOT / "workflow/files.txt").read_text().split()
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    identity = {f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{who}_DATE": "2020-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    for command in ("init -q -b main", "add -A -f", "commit -q -m v1", "tag v1"):
        subprocess.run(["git", *command.split()], cwd=folder, env={**os.environ, **identity, **dates}, check=True)
    return folder


def contents(folder):
    """What the study has made in a folder."""
    # Of what it fetches from a repository Snakemake drops the last line break, of a template too.
    return {name: (folder / name).read_bytes().rstrip() for name in MADE}


def made(done, folder):
    """What a run has made in a folder, after a look at how it ended."""
    assert done.returncode == 0, done.stdout + done.stderr
    return contents(folder)


def as_module(folder, snakefile, own_config=True, **environment):
    """Runs the project as a module of a workflow in this folder: as snakedeploy writes it, with a config of its own."""
    if own_config:
        shutil.copytree(ROOT / "config", folder / "config")
    module = MODULE.format(snakefile=snakefile, config="    config:\n        config\n" if own_config else "")
    text = 'configfile: "config/config.yaml"\n\n\n' + module if own_config else module
    (folder / "Snakefile").write_text(text)
    return snakemake("--workflow-profile", ROOT / "profiles/local", *START, *MADE, cwd=folder, **environment)


def hub(repository, cache):
    """The environment in which a repository host's address leads to the repository."""
    return {
        "XDG_CACHE_HOME": str(cache),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository.parents[1]}/.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://{HUB}/",
    }


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_a_study_starts_in_another_folder(snakefile, project, elsewhere, at_home):
    before = sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts)
    done = snakemake(
        "-s", project / snakefile, "--workflow-profile", project / "profiles/local", *START, *MADE, cwd=elsewhere
    )
    assert made(done, elsewhere) == at_home
    assert sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts) == before


def test_a_study_starts_for_another_folder(project, elsewhere, at_home):
    overlay = os.path.relpath(elsewhere / "mine.yaml", project)
    options = ("--directory", elsewhere, "--configfile", overlay, "--workflow-profile", "local", "--cores", "1")
    assert made(snakemake(*options, "--", *MADE, cwd=project), elsewhere) == at_home
    assert not (project / "results").exists()


@pytest.mark.parametrize(("options", "profile"), [((), "default"), (("--workflow-profile", "local"), "local")])
def test_profiles_are_found_beside_the_snakefile(options, profile, project, elsewhere):
    done = snakemake("-n", "-s", project / "Snakefile", *options, *START, cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Using workflow specific profile {project}/profiles/{profile} " in done.stderr


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_the_default_target_is_the_whole_study(snakefile):
    done = snakemake("-n", "--cores", "1", "-s", snakefile)
    assert re.search(r"^all +1$", done.stdout + done.stderr, re.MULTILINE), done.stderr


def test_a_module_takes_the_config_of_the_workflow_that_imports_it(project, elsewhere, at_home):
    assert made(as_module(elsewhere, f'"{project}/workflow/Snakefile"'), elsewhere) == at_home


def test_a_module_without_a_config_takes_the_project_s_and_the_overlay(project, elsewhere, at_home):
    assert made(as_module(elsewhere, f'"{project}/Snakefile"', own_config=False), elsewhere) == at_home


def test_a_module_can_come_from_a_local_repository(repository, elsewhere, at_home):
    assert made(as_module(elsewhere, f'"git+file://{repository}/workflow/Snakefile@main"'), elsewhere) == at_home


@pytest.mark.parametrize("ref", ['tag="v1"', 'branch="main"'])
def test_a_module_can_come_from_a_repository_host(ref, repository, tmp_path, elsewhere, at_home):
    snakefile = f'github("someone/study", path="workflow/Snakefile", {ref}, host="{HUB}")'
    environment = hub(repository, tmp_path / "cache")
    assert made(as_module(elsewhere, snakefile, **environment), elsewhere) == at_home
    again = snakemake("-n", "--workflow-profile", ROOT / "profiles/local", *START, *MADE, cwd=elsewhere, **environment)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_workflow_that_imports_the_module_can_check_the_start_as_the_project_does(project, elsewhere):
    assert as_module(elsewhere, f'"{project}/Snakefile"', own_config=False).returncode == 0
    with (elsewhere / "Snakefile").open("a") as target:
        target.write("\n\nonstart:\n    study.onstart()\n")
    lock = lock_of(elsewhere / PAGE, [str(elsewhere / "results")])
    options = ("--workflow-profile", ROOT / "profiles/local", *START, "--forcerun", "page")
    with one_writer(lock, PAGE, 0, print):
        done = snakemake(*options, "--", PAGE, cwd=elsewhere)
    assert done.returncode == 1
    assert f"error: {PAGE} is being written by process {os.getpid()}" in done.stderr


def test_the_crate_of_a_module_from_a_repository_holds_the_project(study, repository, tmp_path):
    for name in ("results", "resources"):
        shutil.copytree(study / name, tmp_path / name, symlinks=True)
    module = MODULE.format(snakefile=f'"git+file://{repository}/workflow/Snakefile@main"', config="")
    (tmp_path / "Snakefile").write_text(module)
    options = ("--workflow-profile", ROOT / "profiles/local", "--configfile", study / "small.yaml", "--cores", "1")
    done = snakemake(*options, "--forcerun", "rocrate", "--allowed-rules", "rocrate", "--", "rocrate", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    copy = tmp_path / "results/workflow"
    copied = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file() and path.name[0] != "."}
    copied = {name for name in copied if not name.endswith((".png", ".pdf"))}
    assert copied == {*(ROOT / "workflow/files.txt").read_text().split(), "config-used.yaml"}


def test_the_list_of_the_project_s_files_is_complete():
    paths = [path for name in COPIED for path in (ROOT / name, *(ROOT / name).rglob("*")) if path.is_file()]
    left_out = (".pyc", ".png", ".pdf")  # pictures cannot be fetched as text
    names = sorted(str(path.relative_to(ROOT)) for path in paths if path.suffix not in left_out and path.name[0] != ".")
    assert (ROOT / "workflow/files.txt").read_text().split() == names, "`make format` writes it anew"


def test_the_catalog_finds_what_it_asks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"]
    assert "--sdm conda" in usage["mandatory-flags"]["flags"]
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (ROOT / name).is_file()


def by_hand(folder, *arguments, commands=None):
    """Runs a script by hand in a folder, in pdb where there are commands for it."""
    script = [ROOT / "workflow/scripts/by_hand.py", *arguments, "--configfile", "mine.yaml"]
    debugger = ["-m", "pdb", *(word for command in commands for word in ("-c", command))] if commands else []
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, *debugger, *script]
    return subprocess.run(command, cwd=folder, env=environment, input="", capture_output=True, text=True, timeout=120)


def test_a_script_run_by_hand_makes_what_its_job_makes(home, elsewhere):
    for name in ("results", "resources"):
        shutil.copytree(home / name, elsewhere / name)
    paths = [elsewhere / f"{TOKENS}/stats.json", *(elsewhere / "results/data/own").iterdir()]
    before = {path: path.read_bytes() for path in paths}
    logs = {path: path.read_bytes() for path in (elsewhere / "results/logs").rglob("*.log")}
    for path in paths:
        path.unlink()
    for target in ("results/data/own/split.json", "results/data/own/card.md", f"{TOKENS}/stats.json"):
        done = by_hand(elsewhere, target)
        assert done.returncode == 0, done.stderr
        assert re.search(r"^done in [0-9.]+ s$", done.stdout, re.MULTILINE)
    assert {path: path.read_bytes() for path in paths} == before
    assert {path: path.read_bytes() for path in logs} == logs


def test_a_debugger_stops_in_a_script_run_by_hand(home, elsewhere):
    shutil.copytree(home / "resources", elsewhere / "resources")
    commands = ("from codetune.data import split", "break split.split_dataset", "continue", "args", "quit")
    done = by_hand(elsewhere, "results/data/own/split.json", commands=commands)
    assert "source = 'resources/data/own.jsonl'" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("table2", "error: table2: rule table2 has no script: give the file that you want"),
        ("results/tables/table2.md", "table2.md is made from results/records.jsonl, which is not there"),
        ("nothing.txt", "error: No rule to produce nothing.txt"),
    ],
)
def test_what_cannot_be_run_by_hand_is_named_with_the_reason(target, message, elsewhere):
    done = by_hand(elsewhere, target)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
