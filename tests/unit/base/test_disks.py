"""Disks that are full or read-only: one line that names the place, earlier results intact, nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from codetune.base.files import write_json
from conftest import ROOT

WRITERS = {
    "json": "files.write_json(target, ['x' * 1000] * 4000)",
    "json lines": "files.write_jsonl(target, ({'x': 'y' * 1000} for _ in range(4000)))",
    "tokens": "tokens.write_tokens(target, [tokens.TokenSample(i, [1] * 1000, [2] * 1000) for i in range(600)])",
    "safetensors": "unfinished.save_sealed(target, lambda f: save_file({'a': torch.zeros(10**6)}, f / 'a'))",
    "torch": "unfinished.save_sealed(target, lambda folder: torch.save(torch.zeros(10**6), folder / 'optimizer.pt'))",
    "appended": "files.append_jsonl(target, [{'x': 'y' * 4_000_000}])",
}
JOB = """
    import sys
    from pathlib import Path
    from types import SimpleNamespace
    from codetune.base.jobs import job
    log, disk, writer = sys.argv[1:]
    target = Path(disk) / "target"
    here = Path(log).parent if Path(log).parent != Path(disk) else Path(disk).parent
    places = {"output": [here / "results" / "x"], "config": {"results": here / "results", "resources": here}}
    with job(SimpleNamespace(log=[log], threads=1, params={}, resources={}, **places)):
        import torch
        from safetensors.torch import save_file
        from codetune.base import files
        from codetune.prompts import tokensets as tokens
        from codetune.base import unfinished
        eval(writer)
"""


def in_namespace(*command):
    """Runs a command where this process may mount what it likes, unseen by others."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def disk(tmp_path):
    """A folder to mount something on."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here, to mount a small disk with")
    probe = in_namespace("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path)
    if probe.returncode != 0:
        pytest.skip(f"no small disk can be mounted here ({probe.stderr.strip()})")
    folder = tmp_path / "disk"
    folder.mkdir()
    return folder


def write_on(disk, mount, writer, log, then="ls -A"):
    """Mounts, writes as a job does, and looks at what is there; returns the process and what is there."""
    script = f'{mount} && {{ "$@"; code=$?; cd {disk}; {then}; exit $code; }}'
    return in_namespace("sh", "-c", script, "sh", sys.executable, "-c", textwrap.dedent(JOB), log, disk, writer)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_named_and_leaves_nothing_half_written(disk, tmp_path, kind):
    done = write_on(disk, f"mount -t tmpfs -o size=1m tmpfs {disk}", WRITERS[kind], tmp_path / "log")
    text = (tmp_path / "log").read_text()
    assert done.returncode == 1, done.stderr
    assert text == f"error: No space left on device: {disk}/target\n"
    assert done.stdout.split() == (["target"] if kind == "appended" else [])


def test_an_earlier_result_survives_a_full_disk(disk, tmp_path):
    mount = f"mount -t tmpfs -o size=1m tmpfs {disk} && echo earlier > {disk}/target"
    done = write_on(disk, mount, WRITERS["json"], tmp_path / "log", then="cat target; ls -A")
    assert done.stdout.split() == ["earlier", "target"]


def test_a_batch_that_did_not_fit_is_not_taken_for_whole(disk, tmp_path):
    done = write_on(
        disk,
        f"mount -t tmpfs -o size=1m tmpfs {disk}",
        "files.append_jsonl(target, [{'a': 1}]) or files.append_jsonl(target, [{'x': 'y' * 4_000_000}])",
        tmp_path / "log",
        then=f"{sys.executable} -c 'from codetune.base.files import *; print(json.dumps(recover_jsonl(\"target\")))'",
    )
    assert json.loads(done.stdout) == [{"a": 1}]


def test_a_log_that_cannot_be_written_does_not_hide_the_error(disk, tmp_path):
    mount = f"mount -t tmpfs -o size=1m tmpfs {disk}"
    done = write_on(
        disk, mount, f"open('{disk}/fill', 'wb', 0).write(bytes(2**21)) and {WRITERS['json']}", disk / "log"
    )
    assert done.returncode == 1
    assert f"error: No space left on device: {disk}/target" in done.stderr


def test_a_read_only_disk_is_named(disk, tmp_path):
    done = write_on(disk, f"mount -t tmpfs -o size=1m,ro tmpfs {disk}", WRITERS["json"], tmp_path / "log")
    assert done.returncode == 1
    assert (tmp_path / "log").read_text().startswith(f"error: Read-only file system: {disk}/")


def test_a_log_s_folder_that_cannot_be_made_is_named_on_the_console(disk, tmp_path):
    done = write_on(disk, f"mount -t tmpfs -o size=1m,ro tmpfs {disk}", WRITERS["json"], disk / "logs" / "log")
    assert done.returncode == 1
    assert "error: Read-only file system" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_without_permission_is_named():
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        try:
            if root:
                os.seteuid(65534)  # root may write everywhere
            with pytest.raises(PermissionError, match="x.json"):
                write_json(Path(folder) / "x.json", {})
        finally:
            if root:
                os.seteuid(0)
        assert list(Path(folder).iterdir()) == []
