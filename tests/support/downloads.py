"""Downloads from the stand-in for the hub, each in a process of its own, and what they must leave."""

import hashlib
import json
import os
import subprocess
import sys
from types import SimpleNamespace

from hubserver import REVISION, WEIGHTS
from small_study import ROOT

TOKEN = "hf_secret"
ENTRY = {"repo": "org/model", "revision": REVISION}
DATA_ENTRY = {"repo": "org/data", "revision": REVISION, "file": "data/train.json"}
ALWAYS = 10**6
CODE = """
import json, sys, time
from codetune.base import hub
from codetune.base.errors import StudyError
from codetune.data.sources import dataset_file
from codetune.models.checkpoints import fetch_model
hub.WAITS, hub.LONGEST_WAIT = (0.01, 0.02, 0.03), 0.04
entry, target = json.loads(sys.argv[1]), sys.argv[2]
try:
    if "file" in entry:
        with dataset_file(entry, target) as file:
            print("read:", file.read_text())
    else:
        fetch_model(entry, target, weights=sys.argv[3] == "weights")
except StudyError as error:
    print("error:", error)
"""


def start(address, entry, target, what="weights", **settings):
    """Starts a download in a process of its own: the hub library reads its settings once."""
    settings = {
        "HF_ENDPOINT": address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **settings,
    }
    settings |= {"PYTHONPATH": str(ROOT / "workflow/scripts"), "HF_HOME": str(target.parent / "hf")}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, json.dumps(entry), str(target), what],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def fetch(hub, entry, target, what="weights", **settings):
    """Runs a download to its end. Gives its log, its error line, and the lines on further tries."""
    address = hub if isinstance(hub, str) else hub.address
    log, _ = start(address, entry, target, what, **settings).communicate(timeout=60)
    assert "hf_s" not in log, "the token must not appear"
    assert "Traceback" not in log, log
    lines = log.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) <= 1
    assert not errors or errors == lines[-1:], "an error is one line, and the last"
    assert target.exists() == (not errors) or "file" in entry
    return SimpleNamespace(log=log, error="".join(errors), tries=[line for line in lines if "next try in" in line])


def assert_whole(target, revision=REVISION):
    """The target holds one revision's files, as declared, and no rest of a download lies beside it."""
    weights = WEIGHTS if revision == REVISION else WEIGHTS[::-1]
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
