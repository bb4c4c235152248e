"""Campaigns of restarts: the workflow is ended alone, and its command given again while its jobs are still alive.

There must never be two processes that write in one folder.
"""

import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from fault_campaign import COMMAND, TARGETS, begin_anew, check, job_of, start
from slurm_cluster import SUBMIT, ask
from small_study import BIN

ON_SLURM = [str(BIN / "snakemake"), *TARGETS, *SUBMIT]


class Writers(threading.Thread):
    """Looks all the time for two processes that write in one folder of a project.

    Attributes:
        project: The project folder.
        seen: Folders of unfinished work that were written in.
        doubled: Those in which two processes did so at the same time.
    """

    def __init__(self, project: Path) -> None:
        super().__init__(daemon=True)
        self.project = project.resolve()
        self.seen: set[str] = set()
        self.doubled: set[str] = set()
        self._over = threading.Event()

    def run(self) -> None:
        """Looks until it is told to end."""
        while not self._over.wait(0.05):
            found = [folder for folder in map(folder_of, psutil.process_iter()) if folder]
            folders = Counter(folder for folder in found if Path(folder).is_relative_to(self.project))
            self.seen |= folders.keys()
            self.doubled |= {folder for folder, count in folders.items() if count > 1}

    def end(self) -> None:
        """Stops looking.

        Raises:
            SystemExit: Two processes have written in one folder.
        """
        self._over.set()
        self.join()
        if self.doubled:
            raise SystemExit(f"error: two processes wrote in {', '.join(sorted(self.doubled))}")


def folder_of(process: psutil.Process) -> str | None:
    """The folder of unfinished work that a job's process has opened and not left yet, as its own log says."""
    if job_of(process) is None:
        return None
    try:
        log = Path(f"/proc/{process.pid}/fd/1").read_text(errors="replace")
        found = re.search(r"^unfinished work is kept in (.+)$", log, re.MULTILINE)
        ended = re.search(r"^(done in|error:)", log, re.MULTILINE)
        return str(Path(process.cwd()) / found[1]) if found and not ended else None
    except (OSError, psutil.Error):
        return None


RESTARTS = {"killed": signal.SIGKILL, "terminal closed": signal.SIGHUP}
Again = Callable[[Path, random.Random], "subprocess.Popen[str]"]


def restart_campaign(
    project: Path,
    expected: dict[str, str],
    restarts: int,
    seed: int,
    again: Again,
    longest: float = 25.0,
    jobs_alive: Callable[[], bool] = lambda: True,
) -> str:
    """Ends the workflow's process alone, at random moments, and gives its command again while its jobs are alive.

    What was computed is forgotten in the end.

    Args:
        project: A project in which nothing has been computed, as `undisturbed_study` gives it.
        expected: The hashes of what its study gives.
        restarts: Number of restarts.
        seed: Of their moments and kinds.
        again: Starts the workflow, whatever still runs of the one before.
        longest: Latest moment of a kill, in seconds after the command.
        jobs_alive: Whether there are jobs to be left alive: otherwise the kill waits for some.

    Returns:
        What was done, in a sentence.
    """
    chance = random.Random(seed)
    writers = Writers(project)
    writers.start()
    kinds: Counter[str] = Counter()
    compared = 0
    workflow = again(project, chance)
    while sum(kinds.values()) < restarts:
        deadline = time.monotonic() + chance.uniform(2.0, longest)
        while workflow.poll() is None and (time.monotonic() < deadline or not jobs_alive()):
            time.sleep(0.1)
        if workflow.poll() is not None:
            if workflow.returncode != 0:
                raise SystemExit(f"error: a restart failed:\n{(project / 'console.log').read_text()[-4000:]}")
            check(project, expected)
            compared += 1
            begin_anew(project)
            workflow = again(project, chance)
            continue
        kind = chance.choice(list(RESTARTS))
        kinds[kind] += 1
        workflow.send_signal(RESTARTS[kind])
        if workflow.wait(10) != -RESTARTS[kind]:
            raise SystemExit(f"error: Snakemake outlived a signal ({kind})")
        print(f"restart {sum(kinds.values())}: {kind}", flush=True)
        workflow = again(project, chance)
    if workflow.wait(1200) != 0:
        raise SystemExit(f"error: the study did not get through:\n{(project / 'console.log').read_text()[-4000:]}")
    check(project, expected)
    begin_anew(project)
    writers.end()
    struck = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    return (
        f"{sum(kinds.values())} restarts while jobs were alive ({struck}); {len(writers.seen)} folders watched, never "
        f"two writers in one; {compared + 1} studies got through, all {len(expected)} files of each equal the "
        "undisturbed study's, byte for byte."
    )


def restart_here(project: Path, _chance: random.Random) -> subprocess.Popen[str]:
    """The same command at once. --nolock stands for a user who removes Snakemake's own lock."""
    return start(project, [*COMMAND, "--nolock"])


def restart_on_slurm(environment: dict[str, str]) -> Again:
    """The same command at once, on a cluster; what a refusal asks for is done, and the command given again."""

    def again(project: Path, chance: random.Random) -> subprocess.Popen[str]:
        while True:
            console = project / "console.log"
            before = console.stat().st_size if console.exists() else 0
            workflow = start(project, [*ON_SLURM, "--nolock"], **environment)
            try:
                workflow.wait(15)
            except subprocess.TimeoutExpired:
                return workflow
            if workflow.returncode == 0:
                return workflow
            told = console.read_bytes()[before:].decode()
            named = re.search(r"are in SLURM's queue: .*\(scancel ([\d ]+)\)", told)
            if not named:
                raise SystemExit(f"error: a restart failed:\n{told[-4000:]}")
            print(f"refused while SLURM jobs {named[1]} are there", flush=True)
            if chance.random() < 0.5:
                ask(environment, "scancel", *named[1].split())
            else:
                while ask(environment, "squeue", "--noheader"):
                    time.sleep(1.0)

    return again
