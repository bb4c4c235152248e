"""From a sample to the text that a model sees: turns that stand one after the other as they are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from codetune.base.files import sha256_of_json
from codetune.data.samples import Sample
from codetune.prompts.completions import Ending
from codetune.prompts.endings import text_ending
from codetune.prompts.frames import Frames, frames_of
from codetune.prompts.rendering import Conversation
from codetune.study.template import Template

SHOWN = Sample(0, "instruction", "input", "output")  # whose rendering identifies a template


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that templates use.

    Attributes:
        eos_token: Text of the EOS token, if there is one.
        chat_template: Source of the chat template, if there is one.
        name_or_path: Folder that it was loaded from.
        special_tokens_map: The tokens that a chat template can name.
    """

    eos_token: str | None
    chat_template: str | None
    name_or_path: str
    special_tokens_map: dict[str, Any]

    def apply_chat_template(self, conversation: Conversation, **options: Any) -> str:
        """Renders a conversation."""

    def get_chat_template(self) -> str:
        """Returns the chat template that is used where there are several."""

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        """Returns the tokens as the vocabulary spells them."""


@dataclass(frozen=True)
class Serialisation(ABC):
    """How a sample is serialised for one model: T in the paper's section 3.2.

    Attributes:
        template: The template.
        tokenizer: Provides the chat template and the EOS token.
        apart: Whether prompt and completion are two texts, as an encoder-decoder has them, or one.
    """

    template: Template
    tokenizer: Tokenizer
    apart: bool = False

    @cached_property
    def frames(self) -> Frames:
        """What the template writes around its fields.

        Raises:
            StudyError: It cannot be used.
        """
        return frames_of(self.template)

    @property
    @abstractmethod
    def adds_special_tokens(self) -> bool:
        """Whether tokenising the prompt must add the model's BOS token."""

    @abstractmethod
    def prompt(self, sample: Sample, examples: Sequence[Sample] = ()) -> str:
        """Renders all text before the completion.

        Args:
            sample: The sample.
            examples: Samples that stand with their outputs before it.

        Raises:
            StudyError: The template cannot be used with this tokenizer, or it changes the request.
        """

    @property
    @abstractmethod
    def frame(self) -> tuple[str, str]:
        """The text before and after a request without an input."""

    @property
    def frame_with_input(self) -> list[str] | None:
        """How a request with an input is written, if that is not below the instruction, on a line of its own."""
        pieces = self.frames.separate_input
        if pieces is None:
            return None
        (before, after), (first, last) = self.frame, self.frames.around_request
        return [before.removesuffix(first) + pieces[0], *pieces[1:-1], pieces[-1] + after.removeprefix(last)]

    @property
    @abstractmethod
    def answer_start(self) -> str:
        """The end of the prompt, after which a completion is tokenised; empty where it is tokenised by itself."""

    @abstractmethod
    def completion(self, sample: Sample) -> str:
        """Renders what the model has to write, without its end token."""

    @property
    @abstractmethod
    def ending(self) -> Ending:
        """How a completion ends.

        Raises:
            StudyError: There is no end token.
        """

    @property
    def sha256(self) -> str:
        """SHA-256 of one rendered sample, which identifies the template."""
        return sha256_of_json([self.prompt(SHOWN), self.completion(SHOWN), self._after_completion])

    @property
    @abstractmethod
    def _after_completion(self) -> str | None:
        """What ends a completion, as text."""

    @abstractmethod
    def check_repeatable(self) -> None:
        """Checks that the template gives the same text in another process.

        Raises:
            StudyError: It does not, or it cannot be used.
        """


@dataclass(frozen=True)
class TextSerialisation(Serialisation):
    """Turns that stand one after the other as they are, as in the paper."""

    @property
    def adds_special_tokens(self) -> bool:
        """It does: the template writes text alone."""
        return True

    def prompt(self, sample: Sample, examples: Sequence[Sample] = ()) -> str:
        """Renders all text before the completion."""
        frames, parts = self.frames, [self.template.system]
        for example in examples:
            answer = f"{frames.prefix}{frames.lead}{example.output}{frames.end}"
            parts.append(f"{frames.request_of(example)}{answer}{self.template.between}")
        return "".join([*parts, frames.request_of(sample), frames.prefix])

    @property
    def frame(self) -> tuple[str, str]:
        """The text before and after a request without an input."""
        before, after = self.frames.around_request
        return self.template.system + before, after + self.frames.prefix

    @property
    def answer_start(self) -> str:
        """The end of the prompt, unless a completion starts with a space, which no tokenizer has to add."""
        return "" if self.frames.lead else self.frame[1]

    def completion(self, sample: Sample) -> str:
        """Renders what the model has to write, without its end token."""
        return f"{self.frames.lead}{sample.output}{self.frames.end}"

    @cached_property
    def ending(self) -> Ending:
        """How a completion ends."""
        return text_ending(self.frames.closing, self.frames.markers, self.tokenizer)

    @property
    def _after_completion(self) -> str | None:
        return self.tokenizer.eos_token

    def check_repeatable(self) -> None:
        """Checks nothing: these templates write nothing but their own text and what they insert."""
