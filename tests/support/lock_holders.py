"""Processes that hold a lock, or try to."""

import os
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager

from small_study import ROOT

HOLD = """
    import errno, fcntl, os, sys, time
    from pathlib import Path
    from codetune.base import locks
    lock, mark, seconds, mode = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    locks.BEAT = 0.1
    if mode == "no locks":
        def flock(handle, how):
            raise OSError(errno.ENOLCK, "No locks available")
        fcntl.flock = flock
    workflow = int(os.environ.get("WORKFLOW", 0))
    with locks.one_writer(lock, "results/adapter", workflow, lambda line: print(line, flush=True), patience=1.0):
        began = time.time()
        mark.touch()
        time.sleep(seconds)
        print("inside", began, time.time(), flush=True)
"""


@contextmanager
def lock_holders(lock, folder):
    """Gives a function that starts a process which holds the lock for some seconds, or tries to."""
    started = []

    def start(seconds=30.0, mode="", wait=True, **environment):
        mark = folder / f"mark{len(started)}"
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLD), str(lock), str(mark), str(seconds), mode],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        deadline = time.monotonic() + 30
        while wait and not mark.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()
