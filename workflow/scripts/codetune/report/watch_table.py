"""The table of all jobs of a study on a terminal, by the package `rich`."""

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from codetune.base.text import printable
from codetune.report.watch import Seen, Sight, State, as_line, headline

AROUND = 6  # lines of the terminal that are not rows: headline, head of the table, what is left out
BAR = 12  # characters
WIDE = 120  # characters of a line that has room for bars
COLORS = {
    State.RUNNING: "green",
    State.FAILED: "bold red",
    State.STOPPED: "yellow",
    State.READY: "cyan",
    State.WAITING: "dim",
    State.DONE: "dim green",
}
EVERY = 60.0  # seconds between two lines of a job, where there is no terminal


def show(look: Callable[[], Sight], console: Console, interval: float, once: bool) -> Sight:
    """Shows all jobs until the study is finished, or is left; on a terminal in one table, else as lines.

    Args:
        look: Looks at the study.
        console: Where it is shown.
        interval: Seconds between two looks.
        once: Whether one look is enough.

    Returns:
        The last sight.
    """
    return _live(look, console, interval, once) if console.is_terminal else _lines(look, console, once)


def _live(look: Callable[[], Sight], console: Console, interval: float, once: bool) -> Sight:
    """One table that changes, until the study is finished or the user ends it."""
    sight = look()
    if once or sight.is_finished:
        console.print(picture(sight, console.width, console.height))
        return sight
    with Live(picture(sight, console.width, console.height), console=console, auto_refresh=False) as live:
        while not sight.is_finished:
            time.sleep(interval)
            sight = look()
            live.update(picture(sight, console.width, console.height), refresh=True)
    return sight


def _lines(look: Callable[[], Sight], console: Console, once: bool) -> Sight:
    """A line per minute and job that runs, and one per job that ends, until no job runs any more."""
    known: dict[str, State] = {}
    while True:
        sight = look()
        for seen in sight.in_order():
            running, before = seen.state is State.RUNNING, known.get(seen.job.output)
            ended = before is not None and before is not seen.state and seen.state not in (State.READY, State.WAITING)
            if running or ended or (before is None and seen.state in (State.FAILED, State.STOPPED)):
                console.print(printable(as_line(seen, sight.now)), highlight=False, markup=False, soft_wrap=True)
            known[seen.job.output] = seen.state
        console.print(headline(sight), highlight=False, markup=False, soft_wrap=True)
        if once or not sight.is_at_work:
            return sight
        time.sleep(EVERY)


def picture(sight: Sight, width: int, height: int) -> RenderableType:
    """The table of a moment; a column that has nothing to show is left out.

    Args:
        sight: All jobs.
        width: Characters of a line that there is room for.
        height: Lines that there is room for; jobs beyond are counted.
    """
    jobs = sight.in_order()
    shown = jobs[: max(1, height - AROUND)]
    rows = [_cells(seen, width) for seen in shown]
    names = [name for name in COLUMNS if any(name in row for row in rows)]
    table = Table(box=None, pad_edge=False, expand=True, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=COLUMNS[name])
    for seen, row in zip(shown, rows, strict=True):
        table.add_row(*(row.get(name, "") for name in names), style=COLORS[seen.state])
    return Group(Text(headline(sight)), Text(), table, Text(_left_out(jobs[len(shown) :]), style="dim"))


# The columns, and the share of the line that those with long texts get of what the others leave.
COLUMNS = {
    "stage": None,
    "of": 3,
    "state": None,
    "": None,
    "done": None,
    "loss": None,
    "speed": None,
    "left": None,
    "memory": None,
    "where, or why": 4,
}


def _cells(seen: Seen, width: int) -> dict[str, RenderableType]:
    """The cells of a job that have something to show, by the name of their column."""
    progress, share = seen.progress, seen.progress.share
    where = ", ".join(part for part in (progress.doing, f"on {seen.host}" if seen.host else "", progress.gpus) if part)
    texts = {
        "stage": seen.job.rule,
        "of": seen.job.what,
        "state": seen.state.value,
        "done": "" if share is None else f"{share:.0%}",
        "loss": progress.loss,
        "speed": progress.speed,
        "left": progress.left,
        "memory": progress.memory,
        "where, or why": seen.why or ("waits for a GPU" if progress.waits else where),
    }
    cells: dict[str, RenderableType] = {name: Text(printable(text)) for name, text in texts.items() if text}
    if share is not None and width >= WIDE:
        cells[""] = ProgressBar(total=1.0, completed=share, width=BAR)
    return cells


def _left_out(jobs: list[Seen]) -> str:
    """How many jobs there is no room for, by their state."""
    found = [(state, sum(seen.state is state for seen in jobs)) for state in State]
    text = ", ".join(f"{count:,} {state.value}" for state, count in found if count)
    return f"not shown: {text}" if text else ""
