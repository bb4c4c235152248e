"""Claims as entries of a paper's file: each is measured by its kind, and its verdict follows from what is measured."""

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from itertools import product
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import Row, reason_in_short
from codetune.papers.intervals import compare, of_all
from codetune.papers.kinds_of_checkpoints import (
    all_smaller,
    context_of_checkpoint,
    lora_of_checkpoint,
    size_of_checkpoint,
)
from codetune.papers.kinds_of_code import codebleu_of_empty
from codetune.papers.kinds_of_formulas import levels_of_nf4, scaling
from codetune.papers.kinds_of_runs import records_of_data, setting
from codetune.papers.kinds_of_scores import (
    all_above_here,
    all_improve_here,
    best_here,
    gain_here,
    score_here,
    score_in_table,
)
from codetune.papers.kinds_of_sizes import memory_left, parameters, trained, weights_gb
from codetune.papers.kinds_of_steps import (
    one_length_of_sequences,
    one_number_of_sequences,
    part_of_records,
    rate_where_stopped,
    same_column,
    steps_here,
    steps_trained,
)
from codetune.papers.kinds_of_tables import (
    ascending,
    best,
    best_mean,
    cells,
    gain_percent,
    implied_base,
    larger,
    low_where_zero,
    mean_gain,
    multiples,
    stated,
    wins,
)
from codetune.papers.measured import Declared, Measured
from codetune.papers.printed import parse_printed, rounds_to
from codetune.papers.verdicts import NOT_CHECKABLE, Claim, Verdict, exact

KEYS = ("id", "what", "where", "says", "each", "measure", "decide")
NEEDED = ("id", "what", "where", "measure", "decide")
NEAR = 0.01  # of the measured value, up to which a number is near it

KINDS: Mapping[str, Callable[..., Measured | None]] = {
    kind.__name__: kind
    for kind in (
        *(trained, memory_left, weights_gb, parameters, codebleu_of_empty, setting, records_of_data),
        *(stated, cells, gain_percent, implied_base, mean_gain, multiples, best, best_mean, wins, ascending),
        *(size_of_checkpoint, all_smaller, context_of_checkpoint, lora_of_checkpoint),
        *(steps_here, steps_trained, rate_where_stopped, same_column, one_number_of_sequences, part_of_records),
        *(one_length_of_sequences, score_here, score_in_table, gain_here, all_improve_here, best_here, all_above_here),
        *(low_where_zero, larger, scaling, levels_of_nf4),
    )
}


def _is_near(says: object, value: float) -> bool:
    return abs(parse_printed(says)[0] - value) <= NEAR * value


def _exactly(holds: Callable[[Any, Sequence[Any]], bool]) -> Callable[[Any, Measured], str]:
    """Returns a decision on something that has no sampling error, by whether its values agree with what is said."""
    return lambda says, found: exact(holds(says, found.values))


# The verdict that follows from what the paper says and from what is measured.
DECISIONS: Mapping[str, Callable[[Any, Measured], str]] = {
    "rounds_to": _exactly(lambda says, values: all(one is not None and rounds_to(says, float(one)) for one in values)),
    "near": _exactly(lambda says, values: all(_is_near(says, one) for one in values)),
    "below": _exactly(lambda says, values: all(one < parse_printed(says)[0] for one in values)),
    "is": _exactly(lambda says, values: says in values),
    "equal": _exactly(lambda _says, values: len(set(values)) == 1),
    "different": _exactly(lambda _says, values: len(set(values)) == len(values)),
    "several": _exactly(lambda _says, values: sum(values) > 1),
    "all": _exactly(lambda _says, values: all(values)),
    "unstated": _exactly(lambda says, _values: says is None),
    "compatible": lambda says, found: compare(found.interval, says, found.samples, found.widest),
    "all_better": lambda _says, found: of_all(found.values, found.samples),
}


def check_entries(declared: Declared, file: str) -> dict[str, list[Verdict]]:
    """Holds the claims of a paper's file against what their measures give.

    Args:
        declared: The paper.
        file: Its path within the project.

    Returns:
        The verdicts in the order of the entries, by their subject.

    Raises:
        StudyError: An entry names what there is not; the message says which one.
    """
    found: dict[str, list[Verdict]] = {}
    for subject, entries in declared.paper.get("claims", {}).items():
        for number, entry in enumerate(entries):
            name = entry.get("id", number) if isinstance(entry, dict) else number
            try:
                _check(entry)
                verdicts = [_verdict_of(declared, one, _bound(entry, one), file) for one in _bindings(entry)]
                found.setdefault(subject, []).extend(verdict for verdict in verdicts if verdict)
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                reason = reason_in_short(error)
                raise StudyError(f"{file}: claims.{subject}.{name}: {reason}. Correct the entry.") from None
    return found


def _check(entry: Any) -> None:
    """Checks an entry's keys and the names of its measure and decision."""
    if not isinstance(entry, dict):
        raise TypeError(f"{entry} is not a mapping")
    for key in entry:
        if key not in KEYS:
            raise ValueError(f"'{key}' is unknown; known: {', '.join(KEYS)}")
    for key in NEEDED:
        if not entry.get(key):
            raise ValueError(f"the key '{key}' is missing or empty")
    for key, known in (("decide", DECISIONS), ("measure", KINDS)):
        for name in [entry[key]] if key == "decide" else entry[key]:
            if name not in known:
                raise ValueError(f"{key}: '{name}' is unknown; known: {', '.join(known)}")
    if len(entry["measure"]) != 1:
        raise ValueError(f"measure: one kind is needed, not {len(entry['measure'])}")


def _bindings(entry: Row) -> list[Row]:
    """What the names in an entry stand for, row by row: a list of that, or lists of values, for their product."""
    each = entry.get("each", [{}])
    if isinstance(each, dict):
        return [dict(zip(each, values, strict=True)) for values in product(*each.values())]
    return list(each)


def _bound(value: Any, binding: Mapping[str, Any]) -> Any:
    """A value with `{name}` replaced by what it stands for, in all texts within."""
    if isinstance(value, dict):
        return {key: one if key == "what" else _bound(one, binding) for key, one in value.items()}
    if isinstance(value, list):
        return [_bound(one, binding) for one in value]
    if isinstance(value, str):
        for name, one in binding.items():
            if value == f"{{{name}}}":
                return one
            value = value.replace(f"{{{name}}}", str(one))
    return value


def _verdict_of(declared: Declared, binding: Mapping[str, Any], entry: Row, file: str) -> Verdict | None:
    """The verdict on one claim; None where it is about what this study did not run."""
    says, ((kind, arguments),) = entry.get("says"), entry["measure"].items()
    if isinstance(says, dict):
        says = declared.cell(**says)
    signature(KINDS[kind]).bind(declared, **arguments)
    found = KINDS[kind](declared, **arguments)
    if found is None:
        return None
    names = {name: declared.name_of(str(one)) for name, one in binding.items()}
    outcome = NOT_CHECKABLE if found.because else DECISIONS[entry["decide"]](says, found)
    return Claim(entry["what"].format(**names | dict(found.words)), entry["where"], says).against(
        found.shown, outcome, how=found.how, files=found.files or [file], because=found.because
    )
