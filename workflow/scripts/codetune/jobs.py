"""What every script does around its one library call: log, errors, threads and GPUs."""

import errno
import fcntl
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from codetune.devices import claim_gpus
from codetune.errors import StudyError
from codetune.signals import Stopped, end_with, stop_on_signals

WORKFLOW_PID = "CODETUNE_WORKFLOW_PID"  # set by the workflow: the process that a job must not outlive
TIME_TO_SAVE = 120  # seconds before SLURM's time limit at which a job stops by itself


def environment_of_jobs() -> dict[str, str]:
    """What the workflow, whose process calls this, puts into the environment of its jobs.

    A job ends when the workflow's process does, even when that is killed: otherwise it would meet its successor of the
    next try. And codebleu's data flow depends on the order of sets of names, which Python else draws anew in each
    process.
    """
    return {WORKFLOW_PID: str(os.getpid()), "PYTHONHASHSEED": "0"}


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Runs the block as one job of the workflow.

    All output goes to the job's log, line by line. The thread pools of the numeric libraries get the rule's threads,
    the job gets the rule's GPUs, and no library may reach a network unless the rule is one that downloads
    (`params.network`). A `StudyError` ends the process with one line instead of a traceback, and so does a signal.

    Args:
        snakemake: The object that Snakemake puts into scripts, or anything with the same `log`, `threads`,
            `resources` (`gpu`; `runtime` in minutes) and `params`.
    """
    console = os.dup(2)
    stop_on_signals()
    if WORKFLOW_PID in os.environ:
        end_with(int(os.environ[WORKFLOW_PID]))
    start = time.monotonic()
    try:
        _write_output_to(snakemake.log[0])
        _set_environment(snakemake.threads, offline=not snakemake.params.get("network", False))
        if "SLURM_JOB_ID" in os.environ:
            _stop_before(60 * snakemake.resources.get("runtime", 0))
        with claim_gpus(int(snakemake.resources.get("gpu", 0))) as devices:
            if devices:
                print(f"GPUs of this job: {', '.join(devices)}", flush=True)
            yield
        print(f"done in {time.monotonic() - start:.1f} s", flush=True)
    except StudyError as error:
        _end(str(error), 1, console)
    except OSError as error:
        # Whatever the library writes has a name: without one it is the log that had no room.
        place = error.filename or (snakemake.log[0] if error.errno == errno.ENOSPC else None)
        _end(f"{error.strerror or error}" + (f": {place}" if place else ""), 1, console)
    except Stopped as stop:
        _end(f"stopped by {stop}. The same command goes on from what is saved.", 128 + stop.number, console)


def _stop_before(limit: float) -> None:
    """Stops this process in time before SLURM does.

    SLURM's own SIGTERM at the time limit does not reach it on clusters that track processes by cgroup: there only the
    job's first process gets it, Snakemake, which passes nothing on.

    Args:
        limit: The job's time limit, in seconds; shorter ones than twice the time to save are left to SLURM.
    """

    def stop() -> None:
        print(f"the time limit of {limit / 60:.0f} minutes is near", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    if limit >= 2 * TIME_TO_SAVE:
        timer = threading.Timer(limit - TIME_TO_SAVE, stop)
        timer.daemon = True
        timer.start()


def _end(message: str, status: int, console: int) -> NoReturn:
    """Ends the process with one line in the log, or on the console where the log cannot be written."""
    try:
        print(f"error: {message}", flush=True)
    except OSError:
        os.write(console, f"error: {message}\n".encode())
    sys.exit(status)


def _write_output_to(path: str) -> None:
    """Sends this process's standard output and error, those of C code too, to the log file.

    The log is also the job's lock: if the workflow was killed and started again while a process of the earlier one
    still saves its work, this one waits until that has ended.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting for an earlier process of this job to end ({path})", file=sys.stderr, flush=True)
        fcntl.flock(log, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks
    os.ftruncate(log, 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _set_environment(threads: int, offline: bool) -> None:
    """Has to run before torch, transformers or tokenizers are imported: they read these once."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    # Deprecations inside the pinned libraries are nothing the reader of a log can act on.
    warnings.filterwarnings("ignore", category=FutureWarning)
    for library in ("bitsandbytes", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what torch's deterministic mode asks for on a GPU
    os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"
