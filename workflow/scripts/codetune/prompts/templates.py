"""From a sample to the text that the model sees: the paper's serialisation, or the model's own chat template."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from codetune.base.errors import StudyError
from codetune.base.files import sha256_of_json
from codetune.data.samples import Sample
from codetune.prompts.completions import END_MARKER, Ending
from codetune.prompts.endings import chat_ending, paper_ending
from codetune.prompts.rendering import Conversation, Rendering, UnusableError, confined, rendered_elsewhere

# Texts that are rendered to find out what a chat template puts around requests and answers.
REQUESTS = ("Sort the list\n[3, 1]", "<b>{{ 'x' }}</b>\n\n  </think>&amp; \u00e9")
ANSWERS = ("sorted([3, 1])", "<b>{{ 'x' }}</b>\n\n  &amp; \u00e9")
NEXT_REQUEST = "Reverse the list\n[2, 7]"

WITHOUT_CHAT = (
    "In the config, take this model out of the runs of methods that ask for it ('prompt: chat', as base-chat has); and "
    "if its own or the study's template is chat, write 'template: paper' in the entry of this model."
)


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
            return self._render_request(sample.request) + self._prefilled  # some templates strip the request
        before, after = self.frame
        return f"{before}{sample.request}{after}"

    @cached_property
    def frame(self) -> tuple[str, str]:
        """The text before and after a request, found once: rendering 20,000 prompts costs as much as tokenising 10,000.

        Raises:
            StudyError: The chat template does more with a request than insert it.
        """
        if self.name == "paper":
            return "<|user|> ", f" {END_MARKER} <|assistant|>"
        before, _, after = self._render_request(REQUESTS[0]).partition(REQUESTS[0])
        if [self._render_request(text) for text in REQUESTS] != [f"{before}{text}{after}" for text in REQUESTS]:
            raise self._unusable("changes what a user writes")
        return before, after + self._prefilled

    @property
    def answer_start(self) -> str:
        """What a chat template writes between a request and its answer; empty for the paper's template."""
        return self.frame[1] if self.name == "chat" else ""

    def completion(self, sample: Sample) -> str:
        """Renders what the model has to write, without its end token.

        Raises:
            StudyError: The chat template cannot be used for training.
        """
        if self.name == "paper":
            return f" {sample.output} {END_MARKER}"
        opening, after = self._around_answer
        output = sample.output
        if output != output.strip():  # some templates strip the answer
            output = self._answer_in(self._render_answer(output), after)
        return f"{'' if self._prefilled else opening}{output}{self.ending.closing}"

    @cached_property
    def ending(self) -> Ending:
        """How a completion ends.

        Raises:
            StudyError: The tokenizer has no EOS token, or its chat template cannot be used for training.
        """
        if self.name == "paper":
            return paper_ending(self.tokenizer)
        _, after = self._around_answer
        return chat_ending(after, self._between_turns, self.tokenizer)

    @property
    def sha256(self) -> str:
        """SHA-256 of one rendered sample, which identifies the template."""
        sample = Sample(0, "instruction", "input", "output")
        texts = [self.prompt(sample), self.completion(sample)]
        return sha256_of_json([*texts, self._around_answer[1] if self.name == "chat" else self.tokenizer.eos_token])

    def check_repeatable(self) -> None:
        """Checks that a chat template gives the same text in another process.

        Raises:
            StudyError: It does not, or it cannot be used.
        """
        if self.name == "paper":
            return
        renderings: list[Rendering] = [
            (_conversation(REQUESTS[0]), True),
            (_conversation(REQUESTS[0], ANSWERS[0]), False),
        ]
        here = [self._render(*rendering) for rendering in renderings]
        source = self.tokenizer.get_chat_template()
        if rendered_elsewhere(source, self.tokenizer.special_tokens_map, renderings) != here:
            raise self._unusable("does not give the same text twice: it depends on chance or on addresses in memory")

    @cached_property
    def _around_answer(self) -> tuple[str, str]:
        """The text between the prompt and an answer, and the text after an answer.

        Raises:
            StudyError: The chat template does more with an answer than to insert it after its own generation prompt.
        """
        opening, found, after = self._render_answer(ANSWERS[0]).partition(ANSWERS[0])
        if not found:
            raise self._unusable("does not show an answer")
        if self._render_answer(ANSWERS[1]) != f"{opening}{ANSWERS[1]}{after}":
            raise self._unusable("changes what an assistant writes")
        return opening, after

    @property
    def _prefilled(self) -> str:
        """What a chat template begins each answer with, an empty block of thoughts for example: part of the prompt.

        White space is part of the completion instead, since tokens like " answer" hold it.
        """
        opening, _ = self._around_answer
        return opening if opening.strip() else ""

    @cached_property
    def _between_turns(self) -> str:
        """The text between an answer and the next request; empty if the template takes only one request."""
        conversation = [*_conversation(REQUESTS[0], ANSWERS[0]), *_conversation(NEXT_REQUEST)]
        try:
            rest = self._render(conversation, False).partition(ANSWERS[0])[2]
        except StudyError:
            return ""
        between, found, _ = rest.partition(NEXT_REQUEST)
        return between if found else ""

    def _render_request(self, request: str) -> str:
        """Renders a request up to the start of the answer."""
        return self._render(_conversation(request), True)

    def _render_answer(self, answer: str) -> str:
        """Renders an answer: what a whole conversation has after the prompt.

        Raises:
            StudyError: A conversation does not begin with the prompt.
        """
        whole = self._render(_conversation(REQUESTS[0], answer), False)
        if not whole.startswith(self._start):
            raise self._unusable("does not put an answer after its own generation prompt")
        return whole.removeprefix(self._start)

    @cached_property
    def _start(self) -> str:
        return self._render_request(REQUESTS[0])

    def _answer_in(self, rendered: str, after: str) -> str:
        opening, _ = self._around_answer
        if not (rendered.startswith(opening) and rendered.endswith(after)):
            raise self._unusable("changes what an assistant writes")
        return rendered.removeprefix(opening).removesuffix(after)

    def _render(self, conversation: Conversation, starts_answer: bool) -> str:
        """Renders a conversation.

        Raises:
            StudyError: There is no chat template, or it fails or does not end.
        """
        if not self.tokenizer.chat_template:
            raise StudyError(f"{self.tokenizer.name_or_path}: the tokenizer has no chat template. {WITHOUT_CHAT}")
        try:
            return self._rendering(conversation, starts_answer)
        except UnusableError as reason:
            raise self._unusable(str(reason)) from None

    @cached_property
    def _rendering(self) -> Callable[[Conversation, bool], str]:
        def render(conversation: Conversation, **options: Any) -> str:
            return self.tokenizer.apply_chat_template(conversation, tokenize=False, **options)

        return confined(render)

    def _unusable(self, why: str) -> StudyError:
        """The error of a chat template that cannot be used."""
        return StudyError(f"{self.tokenizer.name_or_path}: the chat template {why}. {WITHOUT_CHAT}")


def _conversation(request: str, answer: str | None = None) -> Conversation:
    turns = [{"role": "user", "content": request}]
    return turns if answer is None else [*turns, {"role": "assistant", "content": answer}]
