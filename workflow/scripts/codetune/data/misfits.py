"""What is said of records in which no request with an answer is found: what they look like, and what would map them."""

import json
import re
from collections.abc import Mapping
from typing import Any

from codetune.base.errors import StudyError

# Names that fields with a request and with an answer often have, the likeliest first.
REQUESTS = (
    *("instruction", "rewritten_intent", "intent", "prompt", "question", "request", "query", "problem", "task"),
    *("nl", "text", "docstring", "description", "input", "source", "user", "human", "context", "title"),
)
ANSWERS = (
    *("output", "response", "answer", "completion", "snippet", "code", "canonical_solution", "solution", "target"),
    *("cmd", "program", "reference", "assistant", "solutions", "label", "chosen", "content"),
)
IMAGES = ("image", "images", "pixel_values", "image_path")
LISTED = 12  # most names of fields that a message lists
LONGEST = 60  # characters of a name that it quotes
PLAIN = re.compile(r"[\w<>][\w<>.-]*")  # names that YAML takes for text as they are, numbers aside
UNDERSTOOD = (
    "instruction (input) output, prompt completion, question answer, nl cmd, messages and conversations are understood "
    "without a mapping"
)


def refuse_other_data(path: object, record: dict[str, Any]) -> None:
    """Refuses preferences and images, which are more than a request and an answer.

    Args:
        path: The file, for messages.
        record: Its first record.

    Raises:
        StudyError: The record is of such data.
    """
    if {"chosen", "rejected"} <= record.keys():
        request = next((name for name in REQUESTS if isinstance(record.get(name), str)), None)
        if isinstance(record["chosen"], list):
            remedy = f"To train on the chosen ones, add {_mapping(messages='chosen')}."
        elif request is None:
            remedy = "Its requests stand in no field of their own; write request and chosen answer into two fields."
        else:
            remedy = f"To train on the chosen ones, add {_mapping(instruction=request, output='chosen')}."
        raise StudyError(f"{path}: these look like preferences, with a chosen and a rejected answer each. {remedy}")
    image = next((name for name, value in record.items() if _is_image(name, value)), None)
    if image is not None:
        names = [name for name in record if name != image]
        request, answer = _guess(record, REQUESTS), _guess(record, ANSWERS)
        remedy = f"add {_mapping(instruction=request or '<request>', output=answer or '<answer>')}"
        if (turns := next((name for name in ("messages", "conversations") if name in names), None)) is not None:
            remedy = f"add {_mapping(messages=turns)}"
        raise StudyError(
            f"{path}: the field {quoted(image)} holds images or the like, but only text can be trained on. To train on "
            f"the texts alone, {remedy}."
        )


def unknown_shape(path: object, record: dict[str, Any]) -> StudyError:
    """Says what records look like that have none of the known shapes, and which lines of the config would map them.

    Args:
        path: The file, for messages.
        record: Its first record.
    """
    names = ", ".join(quoted(name) for name in list(record)[:LISTED])
    more = f" and {len(record) - LISTED} more" if len(record) > LISTED else ""
    lists = [name for name, value in record.items() if _is_list_of_records(value)]
    texts = [name for name, value in record.items() if isinstance(value, str)]
    if lists and not texts:
        return StudyError(
            f"{path}, record 0: an object whose field {quoted(lists[0])} holds a list. If these are the records, save "
            f"that list alone; if they are the turns of a conversation, add {_mapping(messages=lists[0])}."
        )
    request, answer = _guess(record, REQUESTS), _guess(record, ANSWERS)
    if request == answer:
        answer = None
    if len(texts) == 1 and answer is None:
        return StudyError(
            f"{path}: these look like plain text (field {quoted(texts[0])}), without a request that is answered. Write "
            f"the requests into a field of their own, and add {_mapping(instruction='request', output=texts[0])}."
        )
    if not record:
        return StudyError(f"{path}, record 0: has no fields; each record needs a request and an answer.")
    mapping = _mapping(instruction=request or "<request>", output=answer or "<answer>")
    return StudyError(
        f"{path}, record 0: has the fields {names}{more}; which is the request and which the answer? Say so in the "
        f"data set's entry, for example by {mapping} ({UNDERSTOOD})."
    )


def quoted(name: object) -> str:
    """A field's name for a message, on one line and of bounded length."""
    return ascii(str(name)[:LONGEST])


def mapping_line(fields: Mapping[str, str]) -> str:
    """The line of the config that maps these fields."""
    words = {
        key: name if PLAIN.fullmatch(name) else json.dumps(name[:LONGEST], allow_nan=False)
        for key, name in fields.items()
    }
    return f"`fields: {{{', '.join(f'{key}: {word}' for key, word in words.items())}}}`"


def _mapping(**fields: str) -> str:
    return mapping_line(fields)


def _guess(record: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The likeliest field of text among some names, whatever their case."""
    texts = {name.lower(): name for name, value in record.items() if isinstance(value, str)}
    return next((texts[name] for name in names if name in texts), None)


def _is_image(name: str, value: Any) -> bool:
    return value is not None and (
        name.lower() in IMAGES or isinstance(value, bytes) or (isinstance(value, dict) and "bytes" in value)
    )


def _is_list_of_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
