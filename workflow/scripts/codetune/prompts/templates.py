"""From a sample to the text that the model sees: the paper's serialisation, or the model's own chat template."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_json
from codetune.data.samples import Sample
from codetune.prompts.completions import END_MARKER

# Llama's chat template contains the current date unless it is given one. The bytes must not depend on the day.
FIXED_DATE = "26 Jul 2024"

# Requests that are rendered to find out what text a chat template puts around a request.
PROBES = ("Sort the list\n[3, 1]", "<b>{{ 'x' }}</b>\n\n  </think>&amp; \u00e9")


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that templates use.

    Attributes:
        eos_token: Text of the EOS token, if there is one.
        chat_template: Source of the chat template, if there is one.
    """

    eos_token: str | None
    chat_template: str | None

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> str:
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
            raise StudyError("the chat template changes what a user writes; use the template 'paper' for this model")
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
            raise StudyError(
                "the chat template puts no ending after an answer to its own generation prompt; use the template "
                "'paper' for this model"
            )
        return whole.removeprefix(start)

    @property
    def sha256(self) -> str:
        """SHA-256 of one rendered sample, which identifies the template."""
        sample = Sample(0, "instruction", "input", "output")
        return sha256_of_json([self.prompt(sample), self.completion(sample), self.ending])

    def _render_request(self, request: str) -> str:
        """Renders a request up to the start of the answer."""
        return self._render([{"role": "user", "content": request}], add_generation_prompt=True)

    def _render(self, conversation: list[dict[str, str]], add_generation_prompt: bool) -> str:
        if not self.tokenizer.chat_template:
            raise StudyError("the tokenizer has no chat template; use the template 'paper' for this model")
        return self.tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=add_generation_prompt, date_string=FIXED_DATE
        )
