"""Downloads from the stand-in for the hub, each in its own process, and what they must leave."""

import hashlib
import json
import os
import subprocess
import sys
from types import SimpleNamespace

from codetune.base.plain import to_plain
from codetune.study.dataset import Published
from codetune.study.model import Source
from hubserver import OTHER_WEIGHTS, REVISION, WEIGHTS
from small_study import ROOT

TOKEN = "hf_secret"
CHECKPOINT = Source(repo="org/model", revision=REVISION)
DATASET = Published(Source(repo="org/data", revision=REVISION), "data/train.json")
ALWAYS = 10**6
CODE = """
import json, os, sys, time
from codetune.base import github, hub
from codetune.base.errors import StudyError
from codetune.base.hub_access import ask_for_access
from codetune.base.plain import from_plain
from codetune.data.sources import dataset_files
from codetune.models.checkpoints import fetch_encoder, fetch_model
from codetune.study.dataset import Published
from codetune.study.model import Source
hub.WAITS, hub.LONGEST_WAIT = (0.01, 0.02, 0.03), 0.04
github.WAITS, github.ADDRESS = hub.WAITS, os.environ["HF_ENDPOINT"]
wanted, target = json.loads(sys.argv[1]), sys.argv[2]
try:
    if isinstance(wanted, list):
        ask_for_access(wanted)
    elif "file" in wanted:
        with dataset_files(from_plain(wanted, Published, "test"), target) as files:
            print(*(f"read: {file.read_text()}" for file in files), sep="\\n")
    elif sys.argv[3] == "encoder":
        fetch_encoder(from_plain(wanted, Source, "test"), target)
    else:
        fetch_model(from_plain(wanted, Source, "test"), target, weights=sys.argv[3] == "weights")
except StudyError as error:
    print("error:", error)
"""


def start(address, wanted, target, what="weights", **settings):
    """Starts a download of a Source or a Published, or asks for access to a list of repositories, in its own process.

    The hub library reads its settings once per process.
    """
    settings = {
        "HF_ENDPOINT": address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **settings,
    }
    settings |= {"PYTHONPATH": str(ROOT / "workflow/scripts"), "HF_HOME": str(target.parent / "hf")}
    plain = wanted if isinstance(wanted, list) else to_plain(wanted)
    return subprocess.Popen(
        [sys.executable, "-c", CODE, json.dumps(plain), str(target), what],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def fetch(hub, wanted, target, what="weights", **settings):
    """Runs a download to its end. Returns its log, its error line, and the lines on retries."""
    address = hub if isinstance(hub, str) else hub.address
    log, _ = start(address, wanted, target, what, **settings).communicate(timeout=60)
    assert "hf_s" not in log, "the token must not appear"
    assert "Traceback" not in log, log
    lines = log.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) <= 1
    assert not errors or errors == lines[-1:], "an error is one line, and the last"
    assert target.exists() == (not errors) or isinstance(wanted, (Published, list))
    return SimpleNamespace(log=log, error="".join(errors), tries=[line for line in lines if "next try in" in line])


def assert_whole(target, revision=REVISION):
    """Asserts that the target holds one revision's files, as declared, and that no partial download is left."""
    weights = WEIGHTS if revision == REVISION else OTHER_WEIGHTS
    assert (target / "model.safetensors").read_bytes() == weights
    assert sorted(path.name for path in target.iterdir()) == [
        "config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["revision"] == revision
    for name, facts in manifest["files"].items():
        body = (target / name).read_bytes()
        assert facts == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    assert not target.with_name(target.name + ".partial").exists()
