"""A fault campaign: a small study is killed at random moments, and the same command given again, until it is through.

Usage: python tests/faults.py [--kills 100] [--restarts 20] [--slurm-restarts 10] [--seed 0] [--folder build/faults]

A kill is followed by the same command once all has ended. A restart comes while jobs of the killed workflow are still
alive, on this machine and, where SLURM is installed, on a cluster of one node. There must never be two processes that
write in one folder. The final tables, predictions, scores, curves, training logs and adapters have to equal, byte for
byte, those of a study that nobody disturbed. Whenever the study gets through before all faults are used up, it is
compared and begun anew. (See `make faults`.)
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml
from small_study import BIN, LOCAL, MODELS, digests, generated_records, make_checkpoints, make_project

sys.path.append(str(Path(__file__).parent / "integration"))
from slurm_cluster import SUBMIT, ask, missing_programs, one_node_cluster

COMMAND = [str(BIN / "snakemake"), *LOCAL, "--cores", "2"]
ON_SLURM = [str(BIN / "snakemake"), *SUBMIT]
LEFTOVERS = (".*.tmp", "unfinished", "*.partial")


def make_study(folder: Path, models: int) -> Path:
    """A small study with more checkpoints and batches than the tests' usual one, so that kills meet them.

    Args:
        folder: An empty folder.
        models: How many of the tests' four models it has; the first two are tuned.
    """
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True)
    project = make_project(folder / "project", make_checkpoints(checkpoints), generated_records())
    config = yaml.safe_load((project / "small.yaml").read_text())
    for entry in config["models"].values():
        entry["epochs"] = 4
    for runs, names in zip(config["runs"], (MODELS[:models][:2], MODELS[:models][2:]), strict=True):
        runs["models"] = list(names)
    config["runs"] = [runs for runs in config["runs"] if runs["models"]]
    config["training"]["evaluations_per_epoch"] = 3
    config["generation"] = {"max_new_tokens": 24, "batch_size": 8}
    (project / "small.yaml").write_text(yaml.safe_dump(config))
    return project


def start(project: Path, command: list[str] = COMMAND, **environment: str) -> subprocess.Popen[str]:
    """The study's command, as the leader of a session of its own."""
    log = (project / "console.log").open("a")
    return subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, **environment},
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # which nohup would have it ignore
    )


def processes_of(workflow: subprocess.Popen[str]) -> list[psutil.Process]:
    """The workflow's process and all that it has started."""
    try:
        leader = psutil.Process(workflow.pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def job_of(process: psutil.Process) -> str | None:
    """The rule whose script a process runs; None for other processes."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return None
    found = re.search(r"tmp\w+\.(\w+)\.py$", words[-1]) if words and "python" in words[0] else None
    return found[1] if found else None


def power_cut(processes: list[psutil.Process]) -> None:
    """Everything is gone at once."""
    for process in processes:
        send(process, signal.SIGKILL)


def send(process: psutil.Process, number: int) -> None:
    """Sends a signal to a process that may be gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def strike(workflow: subprocess.Popen[str], chance: random.Random) -> tuple[str, list[str]]:
    """One fault; returns its kind and the rules that were running."""
    processes = processes_of(workflow)
    jobs = [process for process in processes if job_of(process)]
    kind = chance.choice(KINDS if jobs else KINDS_WITHOUT_A_JOB)
    rules = [job_of(process) or "" for process in jobs]
    if kind == "power cut":
        power_cut(processes)
    elif kind == "workflow killed":
        workflow.kill()
    elif kind == "Ctrl-C":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(workflow.pid, signal.SIGINT)
    elif kind == "workflow stopped":
        workflow.terminate()
    else:
        send(chance.choice(jobs), signal.SIGKILL if kind == "job killed" else signal.SIGTERM)
    return kind, rules


KINDS_WITHOUT_A_JOB = ("power cut", "workflow killed", "Ctrl-C", "workflow stopped")
KINDS = (*KINDS_WITHOUT_A_JOB, "job killed", "job stopped")


def disturb(project: Path, chance: random.Random, longest: float) -> tuple[str, list[str]] | None:
    """Gives the command and strikes at a random moment; None if the study was through before."""
    workflow = start(project)
    try:
        workflow.wait(chance.uniform(1.0, longest))
        return None
    except subprocess.TimeoutExpired:
        pass
    fault = strike(workflow, chance)
    workflow.wait(120)
    unlock_if_asked(project)
    return fault


def unlock_if_asked(project: Path) -> None:
    """What a user does who is told that the folder is locked, if a lock was left. Jobs may still be saving."""
    locks = project / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        told = subprocess.run(COMMAND, cwd=project, capture_output=True, text=True, check=False)
        assert told.returncode != 0, told.stderr
        assert "--unlock" in told.stdout + told.stderr, told.stderr
        subprocess.run([*COMMAND, "--unlock"], cwd=project, capture_output=True, check=True)


def finish(project: Path, command: list[str] = COMMAND, **environment: str) -> None:
    """Gives the command once more and lets it end."""
    workflow = start(project, command, **environment)
    if workflow.wait(1200) != 0:
        raise SystemExit(f"error: the study did not get through:\n{(project / 'console.log').read_text()[-4000:]}")


def check(project: Path, expected: dict[str, str]) -> None:
    """Compares with the undisturbed study, and looks for anything left behind."""
    found = digests(project)
    different = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
    if different:
        raise SystemExit(f"error: not as in the undisturbed study: {', '.join(sorted(different))}")
    left = [str(path) for pattern in LEFTOVERS for path in (project / "results").rglob(pattern)]
    if left:
        raise SystemExit(f"error: left behind: {', '.join(left)}")


def begin_anew(project: Path) -> None:
    """Forgets all that was computed."""
    for name in ("results", "resources", ".snakemake"):
        shutil.rmtree(project / name)


def campaign(folder: Path, kills: int, seed: int, longest: float = 25.0, models: int = len(MODELS)) -> str:
    """Runs the whole campaign.

    Args:
        folder: An empty folder to work in.
        kills: Number of faults.
        seed: Of the moments and kinds of the faults.
        longest: Latest moment of a fault, in seconds after the command.
        models: Number of models.

    Returns:
        What was done, as a table.
    """
    project = make_study(folder, models)
    finish(project)
    expected = digests(project)
    begin_anew(project)
    chance = random.Random(seed)
    struck: Counter[tuple[str, str]] = Counter()
    kinds: Counter[str] = Counter()
    resumed: Counter[str] = Counter()
    compared = 0
    while sum(kinds.values()) < kills:
        fault = disturb(project, chance, longest)
        count_resumed(project, resumed)
        if fault is None:
            check(project, expected)
            compared += 1
            begin_anew(project)
            continue
        kind, rules = fault
        kinds[kind] += 1
        struck.update((kind, rule) for rule in rules or ["none"])
        print(f"{sum(kinds.values())}: {kind} during {', '.join(rules) or 'no job'}", flush=True)
    finish(project)
    count_resumed(project, resumed)
    check(project, expected)
    return table(kinds, struck, resumed, compared + 1, len(expected))


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
    folder: Path,
    restarts: int,
    seed: int,
    again: Again,
    longest: float = 25.0,
    models: int = len(MODELS),
    jobs_alive: Callable[[], bool] = lambda: True,
) -> str:
    """Ends the workflow's process alone, at random moments, and gives its command again while its jobs are alive.

    Args:
        folder: An empty folder to work in.
        restarts: Number of restarts.
        seed: Of their moments and kinds.
        again: Starts the workflow, whatever still runs of the one before.
        longest: Latest moment of a kill, in seconds after the command.
        models: Number of models.
        jobs_alive: Whether there are jobs to be left alive: otherwise the kill waits for some.

    Returns:
        What was done, in a sentence.
    """
    project = make_study(folder, models)
    finish(project)
    expected = digests(project)
    begin_anew(project)
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


def count_resumed(project: Path, resumed: Counter[str]) -> None:
    """Counts the jobs whose logs say that they went on, once each."""
    seen = project / "logs-counted"
    seen.mkdir(exist_ok=True)
    for log in (project / "results" / "logs").rglob("*.log"):
        mark = seen / f"{log.stat().st_ino}-{log.stat().st_mtime_ns}"
        if "going on after" in log.read_text(errors="replace") and not mark.exists():
            resumed[log.relative_to(project / "results" / "logs").parts[0]] += 1
            mark.touch()


def table(
    kinds: Counter[str], struck: Counter[tuple[str, str]], resumed: Counter[str], compared: int, files: int
) -> str:
    """The summary, as Markdown."""
    rules = [*sorted({rule for _, rule in struck} - {"none"}), "none"]
    lines = [
        "| fault | number | " + " | ".join(f"in {rule}" if rule != "none" else "between jobs" for rule in rules) + " |",
        "|---|---:|" + "---:|" * len(rules),
    ]
    for kind in KINDS:
        counts = " | ".join(str(struck[kind, rule]) for rule in rules)
        lines.append(f"| {kind} | {kinds[kind]} | {counts} |")
    went_on = ", ".join(f"{rule} {count}" for rule, count in sorted(resumed.items())) or "none"
    return "\n".join(
        [
            *lines,
            "",
            f"{sum(kinds.values())} faults; jobs that went on after what a killed one had kept: {went_on}.",
            f"{compared} studies got through; all {files} files of each equal the undisturbed study's, byte for byte.",
        ]
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--slurm-restarts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="default: a temporary folder, removed in the end")
    arguments = parser.parse_args()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=bool(arguments.folder is None))
        if arguments.kills:
            print(campaign(folder / "kills", arguments.kills, arguments.seed))
        if arguments.restarts:
            print(restart_campaign(folder / "restarts", arguments.restarts, arguments.seed, restart_here))
        if arguments.slurm_restarts and not (missing := missing_programs()):
            (folder / "cluster").mkdir()
            cluster = stack.enter_context(one_node_cluster(folder / "cluster", gpus=4))
            again = restart_on_slurm(cluster)
            print(
                restart_campaign(
                    folder / "slurm",
                    arguments.slurm_restarts,
                    arguments.seed,
                    again,
                    longest=60.0,
                    jobs_alive=lambda: bool(ask(cluster, "squeue", "--noheader")),
                )
            )
        elif arguments.slurm_restarts:
            print(f"no restarts on SLURM: {', '.join(missing)} not installed")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
