"""How tables, figures and pages mark a model whose training diverged or did not lower the validation loss."""

from collections.abc import Sequence

from codetune.study.record import Record

FLAG = "†"
MEANING = "training diverged, or did not lower the validation loss"
MOST = 5  # of the trainings that a note says all about


def flagged(records: Sequence[Record]) -> list[Record]:
    """The runs whose training has a problem (`problem` in training.json)."""
    return [record for record in records if record.training is not None and record.training.result.problem]


def flag(count: int, seeds: int = 1) -> str:
    """The mark behind a model's name; nothing if there is nothing to say.

    Args:
        count: How many of its trainings have a problem.
        seeds: How many trainings it has, where the mark is to say that.
    """
    return "" if not count else f" {FLAG}" if seeds == 1 else f" {FLAG} {count} of {seeds}"


def problems_of(records: Sequence[Record]) -> list[str]:
    """What is wrong with each training that has a problem, with the run's name."""
    several = len({record.run.data for record in records if record.trains}) > 1
    found = []
    for record in flagged(records):
        data = f", {record.run.data}" if several else ""
        problem = record.training.result.problem if record.training else None
        found.append(f"{record.model.label} ({record.run.method}{data}, seed {record.run.seed}): {problem}")
    return found


def flag_note(records: Sequence[Record]) -> str:
    """A sentence for the note of a table, which says what the mark means; nothing if no training has a problem."""
    found = list(dict.fromkeys(problems_of(records)))
    if not found:
        return ""
    more = f"; and {len(found) - MOST} more (`problem` in their record.json)" if len(found) > MOST else ""
    return f" {FLAG} {MEANING}: {'; '.join(found[:MOST])}{more}."
