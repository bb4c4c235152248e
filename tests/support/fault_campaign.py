"""Campaigns of faults: a small study is killed at random moments until it is through, and compared with one left alone.

The study goes as far as Table 2 and Figure 2. Table 2, predictions, scores, curves, training logs and adapters have to
equal, byte for byte, those of the undisturbed study. Whenever the study gets through before all faults are used up, it
is compared and begun anew.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml
from small_study import BIN, LOCAL, MODELS, digests, generated_records, make_checkpoints, make_project

TARGETS = ("table2", "figure2")
COMMAND = [str(BIN / "snakemake"), *TARGETS, *LOCAL, "--cores", "2"]
LEFTOVERS = (".*.tmp", "unfinished", "*.partial")


def undisturbed_study(folder: Path) -> tuple[Path, dict[str, str]]:
    """Makes the study of `make_study`, with its checkpoints, and lets it end: see `left_alone`."""
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(parents=True)
    return left_alone(make_study(folder, make_checkpoints(checkpoints)))


def left_alone(project: Path) -> tuple[Path, dict[str, str]]:
    """Lets a study end that nobody disturbs, and forgets what it computed.

    Args:
        project: The study's folder.

    Returns:
        The folder, in which nothing has been computed, and the hashes of what the study gives.
    """
    finish(project)
    expected = digests(project)
    begin_anew(project)
    return project, expected


def make_study(
    folder: Path,
    checkpoints: Path,
    models: int = len(MODELS),
    methods: Sequence[str] = ("base", "base-chat", "qlora"),
) -> Path:
    """Makes a small study that has more checkpoints and batches than the tests' usual one, so that kills meet them.

    Args:
        folder: A folder to work in.
        checkpoints: The folder of the models.
        models: How many of the tests' four models it has; the first two are tuned.
        methods: Those of the models that are tuned.

    Returns:
        The project's folder, in which nothing has been computed.
    """
    project = make_project(folder / "project", checkpoints, generated_records())
    config = yaml.safe_load((project / "small.yaml").read_text())
    for entry in config["models"].values():
        entry["epochs"] = 4
    for runs, names in zip(config["runs"][:2], (MODELS[:models][:2], MODELS[:models][2:]), strict=True):
        runs["models"] = list(names)
    config["runs"][0]["methods"] = list(methods)
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


def campaign(project: Path, expected: dict[str, str], kills: int, seed: int, longest: float = 25.0) -> str:
    """Runs the whole campaign, and forgets what was computed.

    Args:
        project: A project in which nothing has been computed, as `undisturbed_study` gives it.
        expected: The hashes of what its study gives.
        kills: Number of faults.
        seed: Of the moments and kinds of the faults.
        longest: Latest moment of a fault, in seconds after the command.

    Returns:
        What was done, as a table.
    """
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
    begin_anew(project)
    return table(kinds, struck, resumed, compared + 1, len(expected))


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
