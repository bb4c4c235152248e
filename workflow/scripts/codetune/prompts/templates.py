"""From a sample to the text that the model sees: the paper's serialisation, or the model's own chat template."""

import traceback
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from codetune.base.confined import Confined, ExceededError
from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_json
from codetune.data.samples import Sample
from codetune.prompts.completions import END_MARKER

# Llama's chat template contains the current date unless it is given one. The bytes must not depend on the day.
FIXED_DATE = "26 Jul 2024"

# Requests that are rendered to find out what text a chat template puts around a request.
PROBES = ("Sort the list\n[3, 1]", "<b>{{ 'x' }}</b>\n\n  </think>&amp; \u00e9")

# Most characters that a chat template may put around a conversation. The longest of those in use put a few thousand.
MOST_CHARACTERS = 100_000

Conversation = list[dict[str, str]]


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that templates use.

    Attributes:
        eos_token: Text of the EOS token, if there is one.
        chat_template: Source of the chat template, if there is one.
        name_or_path: Folder that it was loaded from.
    """

    eos_token: str | None
    chat_template: str | None
    name_or_path: str

    def apply_chat_template(self, conversation: Conversation, **options: Any) -> str:
        """Renders a conversation."""


@dataclass(frozen=True)
class Template:
    """How a sample is serialised: T in the paper's section 3.2.

    Attributes:
        name: `paper` or `chat`.
        tokenizer: Provides the chat template and the EOS token.
    """

    name: str
    tokenizer: Tokenizer

    @property
    def adds_special_tokens(self) -> bool:
        """Whether tokenising the prompt must add the model's BOS token; a chat template contains it."""
        return self.name == "paper"

    def prompt(self, sample: Sample) -> str:
        """Renders all text before the completion.

        Raises:
            StudyError: There is no chat template, or it changes the request.
        """
        if sample.request != sample.request.strip() and self.name == "chat":
            return self._render_request(sample.request)  # some templates strip the request
        before, after = self._frame
        return f"{before}{sample.request}{after}"

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """The text before and after a request, found once: rendering 20,000 prompts costs as much as tokenising 10,000.

        Raises:
            StudyError: The chat template does more with a request than insert it.
        """
        if self.name == "paper":
            return "<|user|> ", f" {END_MARKER} <|assistant|>"
        before, _, after = self._render_request(PROBES[0]).partition(PROBES[0])
        if [self._render_request(text) for text in PROBES] != [f"{before}{text}{after}" for text in PROBES]:
            raise self._unusable("changes what a user writes")
        return before, after

    def completion(self, sample: Sample) -> str:
        """Renders what the model has to write, without its EOS token."""
        if self.name == "paper":
            return f" {sample.output} {END_MARKER}"
        return sample.output

    @property
    def ending(self) -> str:
        """The text after a complete completion; its first token is the EOS token.

        Raises:
            StudyError: The tokenizer has no EOS token, or its chat template cannot be used for training.
        """
        if self.name == "paper":
            if not self.tokenizer.eos_token:
                raise StudyError("the tokenizer has no EOS token; add 'eos_token' to its tokenizer_config.json")
            return self.tokenizer.eos_token
        start = self._render_request("question") + "answer"
        conversation = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
        whole = self._render(conversation, add_generation_prompt=False)
        if not whole.startswith(start) or whole == start:
            raise self._unusable("puts no ending after an answer to its own generation prompt")
        return whole.removeprefix(start)

    @property
    def sha256(self) -> str:
        """SHA-256 of one rendered sample, which identifies the template."""
        sample = Sample(0, "instruction", "input", "output")
        return sha256_of_json([self.prompt(sample), self.completion(sample), self.ending])

    def _render_request(self, request: str) -> str:
        """Renders a request up to the start of the answer."""
        return self._render([{"role": "user", "content": request}], add_generation_prompt=True)

    def _render(self, conversation: Conversation, add_generation_prompt: bool) -> str:
        """Renders a conversation, in a process of its own: a chat template is a program by whoever made the checkpoint.

        Raises:
            StudyError: There is no chat template, or it fails or does not end.
        """
        if not self.tokenizer.chat_template:
            raise StudyError("the tokenizer has no chat template; use the template 'paper' for this model")
        try:
            return self._rendering(conversation, add_generation_prompt)
        except ExceededError as reason:
            raise self._unusable(str(reason)) from None

    @cached_property
    def _rendering(self) -> Confined[str]:
        return Confined(self._render_here)

    def _render_here(self, conversation: Conversation, add_generation_prompt: bool) -> str:
        """Renders a conversation in this process."""
        try:
            text = self.tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=add_generation_prompt, date_string=FIXED_DATE
            )
            text.encode()  # halves of surrogate pairs cannot be tokenised
        except MemoryError:
            raise
        except Exception as error:  # a template can raise whatever its expressions raise
            raise self._unusable(f"cannot be rendered{_place_of(error)}: {_first_words(error)}") from None
        if len(text) > MOST_CHARACTERS + sum(len(message["content"]) for message in conversation):
            raise self._unusable(f"makes {len(text):,} characters of a conversation")
        return text

    def _unusable(self, why: str) -> StudyError:
        """The error of a chat template that cannot be used."""
        folder = self.tokenizer.name_or_path
        return StudyError(f"{folder}: the chat template {why}; use the template 'paper' for this model")


def _place_of(error: Exception) -> str:
    """Where in a template an error is."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    line = getattr(error, "lineno", lines[-1] if lines else None)  # a syntax error knows its line
    return f" (line {line})" if line else ""


def _first_words(error: Exception) -> str:
    """An error's type and message on one short line, without characters that a terminal would act on."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return "".join(c if c.isprintable() else "?" for c in text[:200]) + ("..." if len(text) > 200 else "")
