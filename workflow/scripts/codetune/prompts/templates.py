"""From a sample to the text the model sees: the paper's serialisation, or the model's own chat template."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_json
from codetune.data.samples import Sample

# Llama's chat template prints the day it is rendered on, unless told another. Bytes must not depend on the day.
FIXED_DATE = "26 Jul 2024"


# Requests by which a chat template shows what it puts around one.
PROBES = ("Sort the list\n[3, 1]", "<b>{{ 'x' }}</b>\n\n  </think>&amp; \u00e9")


class Tokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    eos_token: str | None
    chat_template: str | None

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> str:
        """Renders a conversation."""


@dataclass(frozen=True)
class Template:
    """How a sample is serialised: T in the paper's section 3.2.

    Attributes:
        name: `paper` or `chat`.
        tokenizer: Gives the chat template and the model's end token.
    """

    name: str
    tokenizer: Tokenizer

    @property
    def adds_special_tokens(self) -> bool:
        """Whether tokenising the prompt must add the model's begin token; a chat template writes its own."""
        return self.name == "paper"

    def prompt(self, sample: Sample) -> str:
        """All that stands before the completion."""
        if sample.request != sample.request.strip() and self.name == "chat":
            return self._ask(sample.request)  # some templates trim
        before, after = self._frame
        return f"{before}{sample.request}{after}"

    @cached_property
    def _frame(self) -> tuple[str, str]:
        """What stands before and after a request. Rendering 20,000 of them takes as long as tokenising half of them.

        Raises:
            StudyError: The chat template does more with a request than to put it in its place.
        """
        if self.name == "paper":
            return "<|user|> ", " <|end|> <|assistant|>"
        before, _, after = self._ask(PROBES[0]).partition(PROBES[0])
        if [self._ask(text) for text in PROBES] != [f"{before}{text}{after}" for text in PROBES]:
            raise StudyError("the chat template changes what a user writes; use the template 'paper' for this model")
        return before, after

    def completion(self, sample: Sample) -> str:
        """What the model has to write, up to but without its end token."""
        if self.name == "paper":
            return f" {sample.output} <|end|>"
        return sample.output

    @property
    def ending(self) -> str:
        """What follows a finished completion; its first token is the model's end token.

        Raises:
            StudyError: The model has no end token, or its chat template cannot be used for training.
        """
        if self.name == "paper":
            if not self.tokenizer.eos_token:
                raise StudyError("the tokenizer has no end token; add 'eos_token' to its tokenizer_config.json")
            return self.tokenizer.eos_token
        start = self._ask("question") + "answer"
        conversation = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
        whole = self._render(conversation, add_generation_prompt=False)
        if not whole.startswith(start) or whole == start:
            raise StudyError(
                "the chat template does not end an answer that follows its own generation prompt; use the template "
                "'paper' for this model"
            )
        return whole.removeprefix(start)

    @property
    def sha256(self) -> str:
        """Identifies the template: the SHA-256 of one rendered sample."""
        sample = Sample(0, "instruction", "input", "output")
        return sha256_of_json([self.prompt(sample), self.completion(sample), self.ending])

    def _ask(self, request: str) -> str:
        return self._render([{"role": "user", "content": request}], add_generation_prompt=True)

    def _render(self, conversation: list[dict[str, str]], add_generation_prompt: bool) -> str:
        if not self.tokenizer.chat_template:
            raise StudyError("the tokenizer has no chat template; use the template 'paper' for this model")
        return self.tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=add_generation_prompt, date_string=FIXED_DATE
        )


def clean_completion(text: str) -> str:
    """The code in a generated text: up to the paper template's end marker, without outer white space."""
    return text.split("<|end|>")[0].strip()
