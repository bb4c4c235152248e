"""From a sample to the text that a model sees: turns of the model's own chat template."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.prompts.completions import Ending
from codetune.prompts.endings import chat_ending
from codetune.prompts.rendering import Conversation, Rendering, UnusableError, confined, rendered_elsewhere
from codetune.prompts.templates import Serialisation

# Texts that are rendered to find out what a chat template puts around requests and answers.
REQUESTS = ("Sort the list\n[3, 1]", "<b>{{ 'x' }}</b>\n\n  </think>&amp; \u00e9")
ANSWERS = ("sorted([3, 1])", "<b>{{ 'x' }}</b>\n\n  &amp; \u00e9")
NEXT_REQUEST = "Reverse the list\n[2, 7]"

WITHOUT_CHAT = (
    "In the config, take this model out of the runs of methods that ask for it ('prompt: chat', as base-chat has); and "
    "if its own or the study's template is chat, write 'template: paper' in the entry of this model."
)


@dataclass(frozen=True)
class ChatSerialisation(Serialisation):
    """Turns of the model's own chat template, which hold what the template writes of requests and answers."""

    @property
    def adds_special_tokens(self) -> bool:
        """It does not: a chat template contains the BOS token."""
        return False

    def prompt(self, sample: Sample, examples: Sequence[Sample] = ()) -> str:
        """Renders all text before the completion; examples are earlier turns.

        Raises:
            StudyError: There is no chat template, or it changes the request or an example.
        """
        content = self.frames.request_of(sample)
        if examples or sample.earlier:
            turns = [turn for one in examples for turn in [*_earlier(one), one]]
            return self._with_earlier_turns(content, [*turns, *_earlier(sample)]) + self._start_of_answer
        if content != content.strip():  # some templates strip the request
            return self._render_request(content) + self._start_of_answer
        before, after = self._around_request
        return f"{before}{content}{after}"

    @property
    def frame(self) -> tuple[str, str]:
        """The text before and after a request without an input."""
        (before, after), (first, last) = self._around_request, self.frames.around_request
        return before + first, last + after

    @cached_property
    def _around_request(self) -> tuple[str, str]:
        """The text around a user's turn, found once: rendering 20,000 prompts costs as much as tokenising 10,000.

        Raises:
            StudyError: The chat template does more with a request than insert it.
        """
        before, _, after = self._render_request(REQUESTS[0]).partition(REQUESTS[0])
        if self.template.system.strip() not in before:
            raise self._unusable("leaves out the system turn")
        if [self._render_request(text) for text in REQUESTS] != [f"{before}{text}{after}" for text in REQUESTS]:
            raise self._unusable("changes what a user writes")
        return before, after + self._start_of_answer

    @property
    def answer_start(self) -> str:
        """What stands between a request and its answer."""
        return self.frame[1]

    def completion(self, sample: Sample) -> str:
        """Renders what the model has to write, without its end token.

        Raises:
            StudyError: The chat template cannot be used for training.
        """
        opening, after = self._around_answer
        content = self._answer_of(sample)
        if content != content.strip():  # some templates strip the answer
            content = self._answer_in(self._render_answer(content), after)
        if not content.startswith(self.frames.prefix):
            raise self._unusable("changes what an assistant writes")
        written = content.removeprefix(self.frames.prefix)
        return f"{'' if self._start_of_answer else opening}{written}{self._own_ending.closing}"

    def _answer_of(self, sample: Sample) -> str:
        """What an assistant's turn holds."""
        return f"{self.frames.prefix}{self.frames.lead}{sample.output}{self.frames.end}"

    @cached_property
    def ending(self) -> Ending:
        """How a completion ends.

        Raises:
            StudyError: The tokenizer has no EOS token, or its chat template cannot be used for training.
        """
        own, markers = self._own_ending, dict.fromkeys(self.frames.markers)
        return replace(
            own, closing=self.frames.closing + own.closing, markers=list(markers | dict.fromkeys(own.markers))
        )

    @cached_property
    def _own_ending(self) -> Ending:
        """How an assistant's turn ends."""
        _, after = self._around_answer
        return chat_ending(after, self._between_turns, self.tokenizer)

    @property
    def _after_completion(self) -> str | None:
        return self._around_answer[1]

    def check_repeatable(self) -> None:
        """Checks that the chat template gives the same text in another process.

        Raises:
            StudyError: It does not, or it cannot be used.
        """
        renderings: list[Rendering] = [
            (self._conversation(REQUESTS[0]), True),
            (self._conversation(REQUESTS[0], ANSWERS[0]), False),
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
    def _start_of_answer(self) -> str:
        """What each answer begins with, an empty block of thoughts or a code fence for example: part of the prompt.

        White space alone is part of the completion instead, since tokens like " answer" hold it.
        """
        opening = self._around_answer[0] + self.frames.prefix
        return opening if opening.strip() else ""

    @cached_property
    def _between_turns(self) -> str:
        """The text between an answer and the next request; empty if the template takes only one request."""
        conversation = [*self._conversation(REQUESTS[0], ANSWERS[0]), _turn("user", NEXT_REQUEST)]
        try:
            rest = self._render(conversation, False).partition(ANSWERS[0])[2]
        except StudyError:
            return ""
        between, found, _ = rest.partition(NEXT_REQUEST)
        return between if found else ""

    def _with_earlier_turns(self, request: str, before: Sequence[Sample]) -> str:
        """Renders a request after others and their answers.

        Raises:
            StudyError: The chat template does not show one of these as it is.
        """
        turns = [(self.frames.request_of(one), self._answer_of(one)) for one in before]
        earlier = [_turn(*one) for asked, answer in turns for one in (("user", asked), ("assistant", answer))]
        (*system, last) = self._conversation(request)
        text = self._render([*system, *earlier, last], True)
        if not all(content.strip() in text for turn in turns for content in turn):
            raise self._unusable("changes earlier turns, or leaves some out")
        return text

    def _conversation(self, request: str, answer: str | None = None) -> Conversation:
        """A conversation of one request, with the template's system turn."""
        turns = [_turn("system", self.template.system)] if self.template.system else []
        turns.append(_turn("user", request))
        return turns if answer is None else [*turns, _turn("assistant", answer)]

    def _render_request(self, request: str) -> str:
        """Renders a request up to the start of the answer."""
        return self._render(self._conversation(request), True)

    def _render_answer(self, answer: str) -> str:
        """Renders an answer: what a whole conversation has after the prompt.

        Raises:
            StudyError: A conversation does not begin with the prompt.
        """
        whole = self._render(self._conversation(REQUESTS[0], answer), False)
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


def _earlier(sample: Sample) -> list[Sample]:
    """The turns before a sample, each as a sample of its own."""
    return [Sample(sample.id, request, "", answer) for request, answer in sample.earlier or ()]


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
