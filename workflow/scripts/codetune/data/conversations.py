"""Conversations as records hold them: turns with a role and a text, of which the last request and answer are read."""

from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError

# How the two ways of writing a turn name who speaks and what is said.
KEYS = (("role", "content"), ("from", "value"))
ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "bing", "bard"), "assistant"),
    **dict.fromkeys(("tool", "function", "function_call", "observation", "ipython"), "tool"),
}


@dataclass(frozen=True)
class Turn:
    """What one side of a conversation says.

    Attributes:
        role: `system`, `user`, `assistant`, or `tool` for calls of tools and their answers.
        text: What is said.
    """

    role: str
    text: str


def read_turns(place: str, value: Any) -> list[Turn]:
    """Reads the turns of a conversation.

    Args:
        place: File, record and field, for messages.
        value: What the field holds.

    Raises:
        StudyError: It is no list of turns with a known role and a text.
    """
    if not isinstance(value, list | tuple):
        raise StudyError(
            f"{place} has to hold a list of turns, as in [{{role: user, content: ...}}, {{role: assistant, ...}}]"
        )
    return [_read_turn(f"{place}, turn {number}", turn) for number, turn in enumerate(value)]


def _read_turn(place: str, turn: Any) -> Turn:
    found = turn if isinstance(turn, dict) else {}
    role_key, text_key = next(((role, text) for role, text in KEYS if role in found), ("", ""))
    if not role_key:
        raise StudyError(f"{place}: neither 'role' and 'content' nor 'from' and 'value' are there")
    role = found[role_key]
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise StudyError(f"{place}: the role {str(role)[:40]!r} is unknown. Known are {', '.join(ROLES)}. Rename it.")
    text = found.get(text_key)
    if text is None and (ROLES[role.lower()] == "assistant" or "tool_calls" in found):  # it calls a tool
        return Turn("tool", "")
    if isinstance(text, list):
        text = _join_parts(place, text)
    if not isinstance(text, str):
        raise StudyError(f"{place}: '{text_key}' holds no text")
    return Turn(ROLES[role.lower()], text)


def _join_parts(place: str, parts: list[Any]) -> str:
    """Joins a text that is written as a list of parts, none of which may be an image or the like."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) and part.get("type", "text") == "text" else None
        if not isinstance(text, str):
            raise StudyError(f"{place}: holds something else than text, as of an image. Only text can be trained on.")
        texts.append(text)
    return "".join(texts)


def requests_and_answers(turns: list[Turn]) -> list[list[str]] | None:
    """Reads a conversation of requests, each with its answer.

    What a system turn says stands before the first request, separated by an empty line.

    Returns:
        Pairs of a request and its answer; None if there are other turns, or none.
    """
    said = [turn for turn in turns if turn.role != "system" or turn.text.strip()]
    system = f"{said.pop(0).text.strip()}\n\n" if said and said[0].role == "system" else ""
    roles, texts = [turn.role for turn in said], [turn.text for turn in said]
    if not said or roles != ["user", "assistant"] * (len(said) // 2):
        return None
    return [[system + texts[0], texts[1]], *(texts[place : place + 2] for place in range(2, len(texts), 2))]
