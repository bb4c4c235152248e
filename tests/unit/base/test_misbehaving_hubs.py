"""Whatever a hub does, a download ends in time with one line, keeps what has arrived, and tells nobody the token."""

import json
import os
import subprocess
import sys
import time
from base64 import b64encode

import pytest
from codetune.base.plain import to_plain
from conftest import ROOT
from downloads import ALWAYS, CHECKPOINT, assert_whole
from hubserver import REVISION, WEIGHTS, running_hub
from misbehaving_hubs import ANYWHERE, ECHOES, FILES, LISTINGS, TOKEN

ARRIVED = 1_000_000  # bytes of the weights that are here from before
LONGEST = 20.0  # seconds
MOST_MEMORY = 150_000  # kB
CASES = {
    **{f"list: {name}": ("/api/", action) for name, action in (LISTINGS | ANYWHERE | ECHOES).items()},
    **{f"file: {name}": ("model.safetensors", action) for name, action in (FILES | ANYWHERE | ECHOES).items()},
}
CODE = """
import json, sys
from codetune.base import hub, hub_answers
from codetune.base.errors import StudyError
from codetune.base.plain import from_plain
from codetune.models.checkpoints import fetch_model
from codetune.study.model import Source
hub.WAITS, hub.LONGEST_WAIT = (0.01, 0.02), 0.04
hub_answers.WINDOW, hub_answers.LONGEST_LISTING = 0.4, 1_000_000
for line in sys.stdin:
    wanted, target = json.loads(line)
    try:
        fetch_model(from_plain(wanted, Source, "test"), target, weights=True)
    except StudyError as error:
        print("error:", error)
    print("END", flush=True)
"""


@pytest.fixture(scope="module")
def server():
    with running_hub() as hub:
        yield hub


@pytest.fixture
def hub(server):
    server.faults.clear()
    server.requests.clear()
    return server


@pytest.fixture(scope="module")
def downloader(server, tmp_path_factory):
    """A process that downloads again and again: to start one for each takes longer than all of them."""
    settings = {
        "HF_ENDPOINT": server.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "HF_HOME": str(tmp_path_factory.mktemp("hf")),
        "PYTHONPATH": str(ROOT / "workflow/scripts"),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", CODE],
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def fetch(target):
        print(json.dumps([to_plain(CHECKPOINT), str(target)]), file=process.stdin, flush=True)
        lines = list(iter(lambda: process.stdout.readline() or "END\n", "END\n"))
        assert process.poll() is None, "".join(lines)
        return "".join(lines)

    fetch.memory = lambda: int(open(f"/proc/{process.pid}/status").read().partition("VmHWM:")[2].split()[0])
    yield fetch
    process.stdin.close()
    process.wait(10)


def tells(text):
    forms = [
        TOKEN[:6],
        TOKEN[::-1][:7],
        "hf%",
        TOKEN.encode().hex()[:12],
        b64encode(TOKEN.encode()).decode()[:8],
        "h f _",
    ]
    return [form for form in forms if form.lower() in text.lower()]


@pytest.mark.parametrize("case", CASES)
def test_a_hub_that_misbehaves_costs_one_line(hub, downloader, tmp_path, case):
    target = tmp_path / "model"
    part = tmp_path / "model.partial" / REVISION / "model.safetensors"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:ARRIVED])
    hub.fault(*CASES[case], ALWAYS)
    begin = time.monotonic()
    log = downloader(target)
    assert time.monotonic() - begin < LONGEST
    lines = log.splitlines()
    assert lines[-1].startswith("error: org/model"), log
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert all("next try in" in line or "bytes" in line for line in lines[:-1]), log
    assert not tells(log)
    assert not target.exists()
    assert part.read_bytes().startswith(WEIGHTS[:ARRIVED])
    assert part.stat().st_size <= len(WEIGHTS)
    assert downloader.memory() < MOST_MEMORY

    hub.faults.clear()
    hub.requests.clear()
    downloader(target)
    assert_whole(target)
    assert all(int(request.range[6:-1]) >= ARRIVED for request in hub.asked_for("model.safetensors"))
    assert all(not tells(path.read_text()) for path in target.glob("*.json"))
