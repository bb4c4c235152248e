"""The noun Unpinned: an entry of the config whose commit is still to be filled in; and what is said of those."""

from collections.abc import Iterable
from dataclasses import dataclass

from codetune.study.runs import Run

TO_BE_FILLED_IN = "to-be-filled-in"  # the `revision` of such an entry; the schema of the config knows it, too
NAMED = 6  # methods that a line names


@dataclass(frozen=True)
class Unpinned:
    """An entry of the config whose commit is still to be filled in, and that some run needs.

    Attributes:
        kind: Section of the config: models, datasets or encoders.
        name: Its name there.
        address: URL of its repository.
        runs: The runs that are left out until then.
        untested: Those that are not tested on it until then; it is a data set.
    """

    kind: str
    name: str
    address: str
    runs: list[Run]
    untested: list[Run]

    @property
    def key(self) -> str:
        """The key to fill in."""
        return f"{self.kind}.{self.name}.revision"


def describe_unpinned(found: Iterable[Unpinned]) -> list[str]:
    """Says in one line per entry what to fill in, how to find it, and which runs are left out until then."""
    return [f"config: {one.key}: {TO_BE_FILLED_IN}. {_say_runs(one)}. {where_to_look(one)}" for one in found]


def where_to_look(one: Unpinned) -> str:
    """Says how the commit is found."""
    commits = f"{one.address}/commits{'' if 'github.com/' in one.address else '/main'}"
    return (
        f"`git ls-remote {one.address} HEAD` prints the newest commit, and {commits} lists all: fill in the one that "
        "you mean."
    )


def _say_runs(one: Unpinned) -> str:
    said = {"left out": one.runs, "not tested on it": one.untested}
    parts = [
        f"{len(runs)} {'runs are' if len(runs) > 1 else 'run is'} {what} ({_methods_of(runs)})"
        for what, runs in said.items()
        if runs
    ]
    return f"Until then {', and '.join(parts)}"


def _methods_of(runs: list[Run]) -> str:
    methods = list(dict.fromkeys(run.method for run in runs))
    more = f" and {len(methods) - NAMED} more" if len(methods) > NAMED else ""
    return f"{', '.join(methods[:NAMED])}{more}"
