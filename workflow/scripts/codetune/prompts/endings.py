"""Which token ends a completion, and what else does: found in a tokenizer, its checkpoint and a template."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_json, reading
from codetune.prompts.completions import Ending


def text_ending(closing: str, markers: Iterable[str], tokenizer: Any) -> Ending:
    """The ending of a template whose turns stand one after the other as they are: the tokenizer's EOS token.

    Args:
        closing: The end of a completion where no marker finds it.
        markers: Texts at which a completion is cut.
        tokenizer: The tokenizer, which knows its folder.

    Raises:
        StudyError: The tokenizer has no EOS token.
    """
    end = _eos(tokenizer)
    return Ending(closing, end, sorted({end, *_declared_ends(tokenizer)}), list(markers))


def chat_ending(after: str, between: str, tokenizer: Any) -> Ending:
    """The ending of a chat template.

    The end token is the first control token after an answer. Where there is none, it is the one before the next
    request, if the checkpoint declares that as an end, and else the tokenizer's EOS token.

    Args:
        after: What the template puts after the last answer of a conversation.
        between: What it puts between an answer and the next request; empty if it takes only one request.
        tokenizer: The tokenizer, which knows its folder.

    Raises:
        StudyError: There is no such token.
    """
    controls, added = control_tokens(tokenizer), _added_tokens(tokenizer)
    declared = _declared_ends(tokenizer)
    mark, text = _first(after, controls) or _first(after, added), after
    if mark is None:
        following = _first(between, controls)
        if following is not None and controls[following] in {tokenizer.eos_token_id, *declared}:
            mark, text = following, between
    known = added | controls
    closing, end = (text.partition(mark)[0], known[mark]) if mark else (text, _eos(tokenizer))
    passing = {end, *declared, tokenizer.eos_token_id, tokenizer.bos_token_id}
    stops, marker = _next_turn(between.removeprefix(closing) if closing.strip() else between, known, passing)
    if not stops - passing and marker is None:
        print("the chat template has no mark before the next request that could end a completion, beside the end token")
    ends = {end, *declared, *stops} | ({tokenizer.eos_token_id} - {None})
    markers = dict.fromkeys(filter(None, (marker_of(closing), marker)))
    return Ending(closing, end, sorted(ends), list(markers))


def control_tokens(tokenizer: Any) -> dict[str, int]:
    """Returns the tokens that steer a model and are no text: the special ones, and those that end a completion."""
    added = {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    ends = {tokenizer.eos_token_id, *_declared_ends(tokenizer)} - {None}
    return added | {text: end for end in ends if (text := _text_of(end, tokenizer))}


def holding_control_tokens(texts: Iterable[tuple[str, str]], tokenizer: Any, ending: Ending) -> int:
    """Counts samples that hold the text of a control token, or an output that a marker would cut short.

    Args:
        texts: Request and output of each sample.
        tokenizer: It reads the text of a control token as the token, wherever it stands.
        ending: What ends a completion: tokens that a checkpoint does not declare special may be among it.
    """
    known = {*control_tokens(tokenizer), *(_text_of(stop, tokenizer) for stop in ending.stops)}
    names = [re.escape(name) for name in sorted(known, key=len, reverse=True) if name.strip()]
    control = re.compile("|".join(names) or r"(?!)")
    return sum(bool(control.search(f"{request}\n{output}")) or ending.ends(output) for request, output in texts)


def _eos(tokenizer: Any) -> int:
    """The id of the tokenizer's EOS token."""
    if not tokenizer.eos_token:
        raise StudyError(
            f"{tokenizer.name_or_path}: the tokenizer has no EOS token. Add 'eos_token' to its tokenizer_config.json."
        )
    found: int | None = tokenizer.eos_token_id
    if found is None or (found == tokenizer.unk_token_id and tokenizer.eos_token != tokenizer.unk_token):
        raise StudyError(
            f"{tokenizer.name_or_path}: the EOS token {tokenizer.eos_token!r} is not in the vocabulary. Correct "
            "'eos_token' in its tokenizer_config.json."
        )
    return found


def _declared_ends(tokenizer: Any) -> list[int]:
    """The end tokens that a checkpoint declares, in generation_config.json or else in config.json.

    What is a piece of text in this vocabulary is no end: CodeGen2's config.json names the token "#".
    """
    folder = Path(tokenizer.name_or_path)
    path = next(
        (folder / name for name in ("generation_config.json", "config.json") if (folder / name).is_file()), None
    )
    if path is None:
        return []
    with reading(path):
        value = read_json(path).get("eos_token_id")
        ids = [] if value is None else value if isinstance(value, list) else [value]
        if any(type(number) is not int or number < 0 for number in ids):
            raise ValueError(f"eos_token_id is {value!r}")
    added = tokenizer.added_tokens_decoder
    return [number for number in ids if number in added or number >= len(tokenizer)]


def _text_of(number: int, tokenizer: Any) -> str:
    token = tokenizer.added_tokens_decoder.get(number)
    return str(token.content) if token else ""


def _added_tokens(tokenizer: Any) -> dict[str, int]:
    """All added tokens but runs of white space: some checkpoints do not declare their control tokens special."""
    added = tokenizer.added_tokens_decoder.items()
    return {token.content: number for number, token in added if token.content.strip()}


def _first(text: str, tokens: Iterable[str]) -> str | None:
    """The first token in a text; of several at one place the longest, as tokenizers do."""
    found = [token for token in tokens if token and token in text]
    return min(found, key=lambda token: (text.find(token), -len(token)), default=None)


def _next_turn(text: str, tokens: dict[str, int], passing: set[int | None]) -> tuple[set[int], str | None]:
    """What begins the next turn: control tokens, or else a text.

    Args:
        text: What stands between the closing of an answer and the next request.
        tokens: Tokens that are no text.
        passing: Tokens that may end a turn or begin a conversation: what comes after them begins the turn, too.

    Returns:
        The tokens, and the text at which to cut if no token of the next turn's own begins it.
    """
    stops: set[int] = set()
    while beginning := [token for token in tokens if text.lstrip().startswith(token)]:
        token = max(beginning, key=len)
        stops.add(tokens[token])
        if tokens[token] not in passing:
            return stops, None
        text = text.lstrip().removeprefix(token)
    return stops, marker_of(text)


def marker_of(text: str) -> str | None:
    """Returns a text at which to cut: the first line, if it can be told from code by its signs and letters.

    With several signs ("### Question", "[INST]", "</s>") it counts anywhere. With one ("User:") it counts at the start
    of a line and, if the template breaks the line after it, only as a line of its own.
    """
    line, broken, _ = text.lstrip().partition("\n")
    line = line.rstrip()
    signs = sum(not (c.isalnum() or c.isspace() or c == "_") for c in line)
    letters = sum(len(c.encode()) for c in line if c.isalpha())  # one of Chinese says as much as several of Latin
    if not (signs and letters and signs + letters > 2 + (signs == 2)):
        return None
    return line if signs > 1 else f"\n{line}{broken}"
