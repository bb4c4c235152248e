"""What the benchmarks share: rows of the table, the two ways to time, and what a result must say of its origin."""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codetune.study.study import Study

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "demo")]

ARCHITECTURES = ROOT / "benchmarks" / "architectures.json"
RESULTS = ROOT / "benchmarks" / "results" / "cpu.json"  # of `make bench`
GPU_BYTES = 24e9
# Of memory.py, which works out the memory of jobs at full size:
GOAL = 22.0  # GB, of 1e9 bytes
CONTEXT = 0.6e9  # bytes of CUDA, its libraries' code and their workspaces: assumed
SLACK = 0.10  # of what is not weights, lost between the blocks of torch's allocator: assumed


@dataclass(frozen=True)
class Row:
    """One row of the table of results.

    Attributes:
        part: What was measured.
        against: What a user would otherwise run, with its settings; "-" for a limit.
        goal: What is to be reached, with its sign: ">= 2.0 x", "< 4 s"; "- x" where a row only says what is.
        result: What was measured, in the goal's unit; None where it was not run.
        detail: The two figures behind a ratio, and what they were measured on.
    """

    part: str
    against: str
    goal: str
    result: float | None
    detail: str


def reached(row: Row) -> bool | None:
    """Whether a row's result reaches its goal; None where it was not run, and where there is no goal."""
    sign, limit = row.goal.split()[:2]
    if row.result is None or sign == "-":
        return None
    return row.result >= float(limit) if sign == ">=" else row.result < float(limit)


def unit(row: Row) -> str:
    """The unit of a row's result."""
    sign, rest = row.goal.split(maxsplit=1)
    return rest if sign == "-" else rest.split(maxsplit=1)[1]


def in_turn(rounds: int, *ways: Callable[[], Any]) -> list[list[float]]:
    """Seconds of each way in each round. All ways run in each round, so that a drift of the machine hits all."""
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, times in zip(ways, seconds, strict=True):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    return seconds


@dataclass
class Timed:
    """What one way took.

    Attributes:
        seconds: Of each round.
        result: What it returned last.
        peak_gb: The most of the GPU's memory that was reserved, in GB; None on a CPU.
    """

    seconds: list[float]
    result: Any = None
    peak_gb: float | None = None


def in_turn_prepared(rounds: int, *ways: Callable[[], Callable[[], Any]]) -> list[Timed]:
    """As `in_turn`, for ways that load a model first, which is not timed and not kept. A first round is not counted."""
    import torch

    timed = [Timed([]) for _ in ways]
    for number in range(rounds + 1):
        for prepare, times in zip(ways, timed, strict=True):
            run = prepare()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            times.result = run()
            if number > 0:
                times.seconds.append(time.perf_counter() - start)
            if torch.cuda.is_available():
                times.peak_gb = torch.cuda.max_memory_reserved() / 1e9
            del run
    return timed


def ratio(ours: list[float], theirs: list[float]) -> float:
    """How many times faster ours is: the median of the rounds' ratios."""
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def records_of(data: Path | None) -> tuple[list[dict[str, str]], str]:
    """The records of the real data set in `data`, else as many of the demo's; and what they are, for a row's detail."""
    if data is not None:
        from codetune.data.reading import read_records

        return read_records(data / "codealpaca" / "code_alpaca_20k.json"), "CodeAlpaca-20k"
    from make_samples import make_records

    return make_records(20022, seed=1), "generated data"


def read_architectures(path: Path = ARCHITECTURES) -> dict[str, Any]:
    """The models' shapes by name, with the tokens, batches and decode steps of CodeAlpaca-20k."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def full_study() -> "Study":
    """The study of config/config.yaml."""
    import yaml
    from codetune.study.config import load_study

    return load_study(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))


def limit_gpu_memory() -> None:
    """Leaves no more of the GPU's memory than a card of 24 GB has, so that what runs here runs there."""
    import torch

    if torch.cuda.is_available():
        whole = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, GPU_BYTES / whole))


def memory_rows(part: str, peak_gb: float | None) -> list[Row]:
    """The row that says whether it fits a GPU of 24 GB; none on a CPU."""
    detail = "reserved by torch, with no more than 24 GB to be had"
    return [] if peak_gb is None else [Row(f"memory, {part}", "24 GB", "< 22 GB", peak_gb, detail)]


def write_result(path: str | Path, rows: list[Row], **facts: Any) -> None:
    """Writes the rows of one benchmark, with the versions and the machine they are from."""
    from codetune.base.machine import environment
    from codetune.base.plain import to_plain

    result = {"rows": [asdict(row) for row in rows], **facts, "environment": to_plain(environment())}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    for row in rows:
        shown = "not run" if row.result is None else f"{row.result:.3g}"
        print(f"{row.part} | {row.against} | {row.goal} | {shown} | {row.detail}", flush=True)
