"""What every script does around its one call of codetune: log, lock, errors, threads and GPUs."""

import errno
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from codetune.base.devices import ONLY_NAMES, claim_gpus
from codetune.base.environment import STOPPING, TIME_LIMITED, WORKFLOW_PID, clean_environment, set_environment
from codetune.base.errors import StudyError
from codetune.base.files import reason_in_short
from codetune.base.libraries import PANIC
from codetune.base.locks import PATIENCE, lock_of, one_writer
from codetune.base.machine import is_out_of_memory
from codetune.base.progress import signs_of_life
from codetune.base.rehearsal import rehearsing
from codetune.base.signals import Stopped, end_with, stop_on_signals
from codetune.base.slurm import put_back_if_preempted
from codetune.base.text import printable

TIME_TO_SAVE = 120  # a job stops by itself this many seconds before its time limit
KEPT_LOGS = 5  # logs of earlier attempts that are kept per job
NO_FILES = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP)  # a folder, or a circle of links, in a file's place
PACKAGE = str(Path(__file__).parents[1])
DONE = "done"  # start of the last line in the log of a job that succeeded


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Runs the block as one job of the workflow, the only one that writes its outputs.

    All output goes to the job's log, line by line, where a line per minute says what is being done while nothing else
    comes; or to the terminal if the job has no log. Libraries see no variable that a launcher left
    (`clean_environment`). Their thread pools get the rule's threads, the job gets the rule's GPUs, and no library may
    use the network unless the rule downloads (`params.network`). A `StudyError`, an error of the disk, a lack of memory
    or a signal ends the process with one line instead of a traceback.

    Args:
        snakemake: The object that Snakemake puts into scripts, or anything with the same `log`, `output`, `threads`,
            `resources` (`gpu`, `gpu_memory_gb`; `runtime` in minutes), `params` and `config` (`results`, `resources`).

    Raises:
        SystemExit: The block failed (status 1) or a signal stopped it (128 + the signal's number).
    """
    clean_environment()
    console = os.dup(2)
    log = snakemake.log[0] if snakemake.log else None
    workflow = int(os.environ.get(WORKFLOW_PID, 0))
    start = time.monotonic()

    def say(line: str) -> None:
        print(line, flush=True)
        if log:
            os.write(console, f"{log}: {line}\n".encode())

    with _failures_in_one_line(log, console):
        stop_on_signals()
        if workflow:
            end_with(workflow, os.environ.get(STOPPING, ""))
        if log:
            _write_output_to(log)
        downloads = snakemake.params.get("network", False)
        set_environment(snakemake.threads, offline=not downloads)
        # Another project may be downloading the same checkpoint; waiting for it is better than failing.
        patience = None if downloads else PATIENCE
        roots = [snakemake.config[name] for name in ("results", "resources")]
        lock = lock_of(snakemake.output[0], roots)
        signs = signs_of_life() if log else nullcontext()  # none at the prompt of a debugger
        with rehearsing(snakemake.config), signs, one_writer(lock, snakemake.output[0], workflow, say, patience):
            if os.environ.get(TIME_LIMITED):
                _stop_before(60 * snakemake.resources.get("runtime", 0))
            with claim_gpus(*_gpus_wanted(snakemake.resources)) as devices:
                if devices:
                    print(f"GPUs of this job: {', '.join(devices)}", flush=True)
                    if os.environ.get(ONLY_NAMES):
                        print(f"{ONLY_NAMES} is set: this job computes on the CPU", flush=True)
                yield
        print(f"{DONE} in {time.monotonic() - start:.1f} s", flush=True)


@contextmanager
def importing() -> Iterator[None]:
    """Imports in the block what a job on a GPU needs: torch, transformers, and what else they load.

    The garbage collector rests: it would go through all modules many times, and once more at the job's end, although
    they stay until then. That is more than a quarter of what it takes to import torch and transformers.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _gpus_wanted(resources: Any) -> tuple[int, int]:
    """The number of GPUs of a job, and the memory in GB that each of them needs; 0 where nothing is said."""
    return int(resources.get("gpu", 0)), int(resources.get("gpu_memory_gb", 0))


@contextmanager
def _failures_in_one_line(log: str | None, console: int) -> Iterator[None]:
    """Ends the process with one line and a status if the block fails by the user's fault, the disk's, or a signal."""
    try:
        yield
    except StudyError as error:
        _end(str(error), 1, console)
    except OSError as error:
        # All files that codetune writes are named in their errors, so an error without a name comes from a full log.
        place = error.filename or (log if error.errno == errno.ENOSPC else None)
        remedy = ". A file should lie there: move that away and run again." if error.errno in NO_FILES else ""
        _end(printable(f"{error.strerror or error}" + (f": {place}" if place else "") + remedy), 1, console)
    except Stopped as stop:
        put_back_if_preempted()
        _end(f"stopped by {stop}. The same command resumes from what is saved.", 128 + stop.number, console)
    except BaseException as error:
        if not (isinstance(error, Exception) or type(error).__name__ == PANIC):
            raise
        _end(_shortage_of_memory(error) or _unforeseen(error), 1, console)


def _unforeseen(error: BaseException) -> str:
    """Says on one line what happened and where, innermost first: a mistake of ours or of a library, or an odd file."""
    frames = traceback.extract_tb(error.__traceback__)[::-1]
    shown = [frame for frame in frames if frame is frames[0] or frame.filename.startswith(PACKAGE)][:4]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in shown)
    return (
        f"{type(error).__name__}: {reason_in_short(error)} [{places}]. This was not foreseen. If a file below "
        "`results` or `resources` was changed by hand, delete it and run again; else please report this line."
    )


def _shortage_of_memory(error: BaseException) -> str | None:
    """Says whose memory ran out, if that is what an error says."""
    if isinstance(error, MemoryError):
        return "this machine's memory ran out. Run fewer jobs at once, or give the job more (mem_mb)."
    if is_out_of_memory(error):
        problem = str(error).split(". ")[0]
        return f"the GPU's memory ran out ({problem}). Is another program using that GPU?"
    return None


def _stop_before(limit: float) -> None:
    """Stops this process some time before the batch system would, which leaves a process only seconds to save.

    Args:
        limit: The job's time limit in seconds. Limits below twice `TIME_TO_SAVE` are left to the batch system.
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
    """Sends this process's standard output and error, also of C code, to a new log file.

    An earlier log of that name is moved aside, not truncated, since another process may still be writing to it.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    keep_log(path)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    # A line is written as a whole, also with PYTHONUNBUFFERED: other lines may come from other threads.
    sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]


def keep_log(path: str | Path) -> None:
    """Moves the log of the last attempt aside: it becomes `.1`, the one before becomes `.2`, and so on.

    Snakemake deletes a log before its job starts; and if a job never starts, it shows whatever lies there as the job's
    log. If the last attempt succeeded, its log and those of the attempts before it are removed instead.

    Args:
        path: The log that the new attempt will write.
    """
    path = Path(path)
    if not path.exists():
        return
    if path.stat().st_size == 0:  # left by an attempt that never started
        path.unlink()
        return
    older = [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT_LOGS + 1)]
    if _last_line(path).startswith(DONE):
        for log in (path, *older):
            log.unlink(missing_ok=True)
        return
    for source, target in reversed(list(pairwise([path, *older]))):
        if source.exists():
            source.replace(target)


def _last_line(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 1000))
        return stream.read().decode(errors="replace").rstrip().rpartition("\n")[2]
