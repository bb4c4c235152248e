"""Where in a file's records a sample's instruction, input and output stand."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import Row
from codetune.base.plain import declared
from codetune.data.conversations import read_turns, requests_and_answers
from codetune.data.misfits import LISTED, mapping_line, quoted, refuse_other_data, unknown_shape
from codetune.data.problems import read_problem, read_texts
from codetune.data.samples import FIELDS

# For each field of a sample, or for `messages`, the fields of a record in which it stands: the first that is not empty.
Fields = Mapping[str, Sequence[str]]

# The shapes that are understood without a mapping, by the fields that make them known; an input may be missing.
SHAPES: tuple[Fields, ...] = (
    {"instruction": ["instruction"], "input": ["input"], "output": ["output"]},
    {"messages": ["messages"]},
    {"messages": ["conversations"]},
    {"instruction": ["prompt"], "output": ["completion"]},
    {"instruction": ["question"], "output": ["answer"]},
    {"instruction": ["nl"], "output": ["cmd"]},
)
OPTIONAL = "input"

# How error messages name the type of a field's value.
NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    tuple: "two values",
    bytes: "bytes",
}


@dataclass(frozen=True)
class Found:
    """What a file's records are.

    Attributes:
        records: The records that end in a request with its answer, in their order.
        others: The numbers of all others in the file, counted from 0: conversations with calls of tools, and the like.
    """

    records: list[Row]
    others: list[int]


def find_records(
    path: object,
    rows: Sequence[Any],
    fields: Fields | None,
    instruction: str | None = None,
    unit_tests: str | None = None,
) -> Found:
    """Reads records by the config's mapping of their fields, or else by what they look like.

    Args:
        path: The file, for messages.
        rows: What it holds.
        fields: The mapping; None if the config has none.
        instruction: That of all records; None if it stands in a field of theirs.
        unit_tests: In which form each record has unit tests for its answer; None if it has none.

    Raises:
        StudyError: A row is not a record, no known shape fits, or a field is missing or not text.
    """
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise StudyError(
                f"{path}, record {number}: not a JSON object. Each record needs the fields {', '.join(FIELDS)}, or "
                "others that the config's 'fields' maps to them."
            )
    if fields is None:
        fields = _recognise(path, rows[0])
    else:
        _check_names(path, rows, fields)
    records, others = [], []
    for number, row in enumerate(rows):
        place = f"{path}, record {number}"
        record = _read_record(place, row, fields, instruction)
        if record is None:
            others.append(number)
        elif unit_tests is not None:
            record = read_texts(unit_tests, row, record, place)
            problem = read_problem(unit_tests, row, record["output"], place)
            records.append(record | {"problem": declared(problem)})
        else:
            records.append(record)
    return Found(records, others)


def _recognise(path: object, record: dict[str, Any]) -> Fields:
    """Finds out which of the known shapes a file's records have, by the first of them."""
    refuse_other_data(path, record)
    fitting = [shape for shape in SHAPES if all(names[0] in record for key, names in shape.items() if key != OPTIONAL)]
    if not fitting:
        raise unknown_shape(path, record)
    if len(fitting) > 1 and fitting[0] != SHAPES[0]:
        ways = " or ".join(mapping_line({key: names[0] for key, names in shape.items()}) for shape in fitting)
        raise StudyError(f"{path}: its records can be read in several ways; add to the data set's entry {ways}.")
    return fitting[0]


def _check_names(path: object, rows: Sequence[dict[str, Any]], fields: Fields) -> None:
    """Checks that each field that the config names is there in some record."""
    found = dict.fromkeys(name for row in rows for name in row)
    for key, names in fields.items():
        for name in names:
            if name not in found:
                similar = difflib.get_close_matches(name, found, 1)
                meant = f"; did you mean {quoted(similar[0])}?" if similar else "."
                there = ", ".join(quoted(one) for one in list(found)[:LISTED]) or "none"
                raise StudyError(
                    f"{path}: no record has the field '{name}', which the config's 'fields' names for {key}{meant} The "
                    f"fields that are there: {there}."
                )


def _read_record(place: str, row: dict[str, Any], fields: Fields, instruction: str | None) -> Row | None:
    """Reads one record; None if it is a conversation of something else than requests and their answers."""
    if instruction is not None:
        texts = {field: _text_of(place, row, fields.get(field, ()), field == OPTIONAL) for field in FIELDS[1:]}
        return {"instruction": instruction, **texts}
    if "messages" not in fields:
        first, last = fields["instruction"][0], fields["output"][0]
        if not (isinstance(row.get(first), list) and isinstance(row.get(last), list)):
            return {field: _text_of(place, row, fields.get(field, ()), field == OPTIONAL) for field in FIELDS}
        turns = read_turns(f"{place}: '{first}'", row[first]) + read_turns(f"{place}: '{last}'", row[last])
    else:
        name = next((name for name in fields["messages"] if row.get(name) is not None), fields["messages"][0])
        if name not in row:
            raise StudyError(f"{place}: the field '{name}' is missing; a list of turns is needed")
        turns = read_turns(f"{place}: '{name}'", row[name])
    pairs = requests_and_answers(turns)
    if pairs is None:
        return None
    *earlier, (request, answer) = pairs
    return {"instruction": request, "input": "", "output": answer, **({"earlier": earlier} if earlier else {})}


def _text_of(place: str, row: dict[str, Any], names: Sequence[str], optional: bool) -> str:
    """The first of some fields' texts that is not empty, else an empty one; an optional one may be a list of lines."""
    texts = []
    for name in names:
        value = row.get(name)
        if optional and isinstance(value, list) and all(isinstance(line, str) for line in value):
            value = "\n".join(value)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, str):
            texts.append(value)
        elif value is not None:
            what = NAMES.get(type(value), f"a value of type {type(value).__name__}")
            raise StudyError(f"{place}: the field '{name}' holds {what}; text is needed")
    if texts or optional:
        return texts[0] if texts else ""
    if len(names) > 1:
        listed = " and ".join(f"'{name}'" for name in names)
        raise StudyError(f"{place}: of the fields {listed} none holds text; one of them has to")
    state = "holds null" if names[0] in row else "is missing"
    raise StudyError(f"{place}: the field '{names[0]}' {state}; text is needed")
