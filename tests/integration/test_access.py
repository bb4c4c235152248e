"""Access to all repositories of the hub is asked for before anything large comes, whatever is asked of Snakemake."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from codetune.data.samples import sha256_of_records
from downloads import TOKEN
from hubserver import MODEL, REVISION, Hub, declare, refuse, running_hub
from small_study import copy_workflow, snakemake

LLAMA, GEMMA, OPEN, DATA = "org/gated-llama", "org/gated-gemma", "org/open", "org/data"
MODELS = {"llama-3.2-1b": LLAMA, "gemma-2-2b": GEMMA, "qwen2.5-1.5b": OPEN}
TOKENIZERS = [f"resources/tokenizers/{model}/manifest.json" for model in MODELS]
ALWAYS = 10**6


@dataclass
class Started:
    """A project whose models come from a stand-in for the hub, which refuses two of them."""

    hub: Hub
    folder: Path

    def run(self, *arguments):
        """Runs the workflow. Returns what it printed."""
        self.hub.requests.clear()
        options = ("--workflow-profile", "profiles/local", "--configfile", "mine.yaml")
        settings = {"HF_ENDPOINT": self.hub.address, "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
        settings |= {"HF_HOME": str(self.folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        done = snakemake(*arguments, *options, cwd=self.folder, **settings)
        told = (
            done.stdout + done.stderr + "".join(path.read_text() for path in self.folder.rglob("results/logs/**/*.log"))
        )
        assert TOKEN not in told
        assert "Traceback" not in told, told
        return told

    def change(self, **overlay):
        (self.folder / "mine.yaml").write_text(json.dumps(overlay))

    def asked(self):
        return {"/".join(request.path.split("/resolve/")[0].split("/")[-2:]) for request in self.hub.requests}


def overlay(models):
    on = {"datasets": ["codealpaca-20k"], "seeds": [0]}
    data = {"repo": DATA, "revision": REVISION, "file": "data/train.json", "records": 1}
    data["sha256"] = sha256_of_records([{"instruction": "a", "input": "", "output": "b"}])
    return {
        "runs": [on | {"models": list(models), "methods": ["base"]}],
        "models": models,
        "datasets": {"codealpaca-20k": data},
    }


@pytest.fixture
def started(tmp_path):
    copy_workflow(tmp_path)
    with running_hub() as hub:
        for repo in MODELS.values():
            hub.files[repo, REVISION] = dict(MODEL)
            hub.declared[repo, REVISION] = {name: declare(name, body) for name, body in MODEL.items()}
        study = Started(hub, tmp_path)
        study.change(**overlay({model: {"repo": repo, "revision": REVISION} for model, repo in MODELS.items()}))
        yield study


def close(hub):
    """From now on two of the publishers ask for consent. Their lists of files stay open, as on the hub."""
    for repo in (LLAMA, GEMMA):
        hub.fault(f"{repo}/resolve", refuse(403, "GatedRepo"), ALWAYS)


def assert_both_named_and_nothing_large_asked_for(told, hub):
    lines = set(told.splitlines())
    for repo in (LLAMA, GEMMA):
        remedy = f"Accept the licence on https://huggingface.co/{repo}; the token in use has no access to it."
        assert f"{repo}: the publisher asks for consent first. {remedy}" in lines
    assert f"error: the hub refuses 2 repositories: {LLAMA}, {GEMMA}." in told
    assert not [request for request in hub.requests if "safetensors" in request.path]


@pytest.mark.parametrize(
    "arguments",
    [
        [*TOKENIZERS, "--cores", "1", "--keep-going"],
        ["--cores", "4", "--resources", "downloads=5"],
        ["resources/models/qwen2.5-1.5b/manifest.json", *TOKENIZERS, "--cores", "1"],  # an open one's weights
    ],
    ids=["one after another, and going on", "several at once", "the weights of the open one"],
)
def test_all_that_is_refused_is_named_at_once(started, arguments):
    close(started.hub)
    assert_both_named_and_nothing_large_asked_for(started.run(*arguments), started.hub)


def test_access_is_asked_for_again_where_tokenizers_are_there_already(started):
    started.run(*TOKENIZERS, "--cores", "4")
    assert all((started.folder / path).exists() for path in TOKENIZERS)
    close(started.hub)  # the token was revoked, or the folder is another user's
    told = started.run("--cores", "4")
    assert_both_named_and_nothing_large_asked_for(told, started.hub)
    assert "localrule download_tokenizer" not in told, "what others are asked for does not fetch a tokenizer again"


def test_only_what_is_about_to_be_downloaded_is_asked_for(started):
    close(started.hub)
    told = started.run("gemma-2-2b", "--cores", "4")
    assert re.search(rf"^error: {GEMMA}: the publisher asks for consent first", told, re.MULTILINE)
    assert started.asked() == {GEMMA, DATA}


def test_an_open_model_alone_is_fetched(started):
    close(started.hub)
    model = "resources/models/qwen2.5-1.5b/manifest.json"
    started.run(model, "--cores", "1")
    assert (started.folder / model).exists()
    assert not [request for request in started.hub.requests if "gated" in request.path]
