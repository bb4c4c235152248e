"""Chat templates are programs by whoever made the checkpoint: rendered in processes of their own, and always alike."""

import json
import locale
import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, NoReturn

from codetune.base.confined import Confined, ExceededError
from codetune.base.errors import StudyError

# Every prompt is of this day, in every zone: Llama's and Granite's templates print the date.
FIXED_DATE = "26 Jul 2024"
NOON = (2024, 7, 26, 12)

# Most characters that a chat template may put around a conversation. The longest of those in use put a few thousand.
MOST_CHARACTERS = 100_000

ANOTHER_PROCESS = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from codetune.prompts.rendering import render_again; render_again(sys.stdin.read())"
)

Conversation = list[dict[str, str]]
Rendering = tuple[Conversation, bool]  # a conversation, and whether the start of an answer follows it


class UnusableError(Exception):
    """A chat template that cannot be used; the message says what it does."""


class FixedClock(datetime):
    """The clock that chat templates see."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "FixedClock":
        """Returns the same moment at all times."""
        return cls(*NOON, tzinfo=tz)


def confined(render: Callable[..., str]) -> Callable[[Conversation, bool], str]:
    """Confines the rendering of a chat template to a process of its own, in which no day, zone or chance shows.

    Args:
        render: Renders a conversation, as a tokenizer's `apply_chat_template`.

    Returns:
        A function of a conversation, and of whether the start of an answer follows it. It raises `UnusableError`.
    """

    def here(conversation: Conversation, starts_answer: bool) -> str:
        _fix_surroundings()
        try:
            text = render(conversation, add_generation_prompt=starts_answer, date_string=FIXED_DATE)
            text.encode()  # halves of surrogate pairs cannot be tokenised
        except MemoryError:
            raise
        except Exception as error:  # a template can raise whatever its expressions raise
            raise UnusableError(f"cannot be rendered{_place_of(error)}: {_first_words(error)}") from None
        if len(text) > MOST_CHARACTERS + sum(len(message["content"]) for message in conversation):
            raise UnusableError(f"makes {len(text):,} characters of a conversation")
        return text

    there = Confined(here)

    def call(conversation: Conversation, starts_answer: bool) -> str:
        try:
            return there(conversation, starts_answer)
        except ExceededError as reason:
            raise UnusableError(str(reason)) from None

    return call


def rendered_elsewhere(source: str, special_tokens: dict[str, Any], renderings: list[Rendering]) -> list[str]:
    """Renders conversations in a new process, which has other addresses and another hash seed.

    Args:
        source: The chat template.
        special_tokens: The tokens that a template can name.
        renderings: What to render.

    Returns:
        The text of each.

    Raises:
        StudyError: The process did not end well.
    """
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS, json.dumps(sys.path)],
        input=json.dumps([source, special_tokens, renderings]),
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise StudyError(f"the process that renders chat templates again failed: {last}. Run the same command again.")
    texts: list[str] = json.loads(done.stdout.splitlines()[-1])
    return texts


def render_again(request: str) -> None:
    """Renders what another process has asked for, and prints the texts; "" for what cannot be rendered here."""
    from transformers.utils.chat_template_utils import render_jinja_template

    source, special_tokens, renderings = json.loads(request)

    def render(conversation: Conversation, **options: Any) -> str:
        texts, _ = render_jinja_template([conversation], chat_template=source, **special_tokens, **options)
        return str(texts[0])

    call, texts = confined(render), []
    for conversation, starts_answer in renderings:
        try:
            texts.append(call(conversation, starts_answer))
        except UnusableError:
            texts.append("")
    print(json.dumps(texts))


def _fix_surroundings() -> None:
    """Hides from chat templates what differs between days, zones and machines; in this process, which has no other use.

    transformers gives templates `strftime_now`, which reads the clock, and lets no argument take its place. Jinja gives
    them a filter and a function that draw at random.
    """
    import jinja2.utils
    from transformers.utils import chat_template_utils

    chat_template_utils.datetime = FixedClock
    os.environ["TZ"] = "UTC"
    time.tzset()
    locale.setlocale(locale.LC_TIME, "C")
    for module in (random, jinja2.utils):
        module.choice = module.randrange = _no_chance  # type: ignore[attr-defined]


def _no_chance(*_: Any) -> NoReturn:
    raise ValueError("it draws at random")


def _place_of(error: Exception) -> str:
    """Where in a template an error is."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    line = getattr(error, "lineno", lines[-1] if lines else None)  # a syntax error knows its line
    return f" (line {line})" if line else ""


def _first_words(error: Exception) -> str:
    """An error's type and message on one short line, without characters that a terminal would act on."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return "".join(c if c.isprintable() else "?" for c in text[:200]) + ("..." if len(text) > 200 else "")
