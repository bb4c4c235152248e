"""What the statistics of a token set say about its prompts and completions."""

from dataclasses import dataclass
from pathlib import Path

from codetune.base.plain import read_as
from codetune.prompts.completions import Ending


@dataclass(frozen=True)
class PromptFrame:
    """What stands around a request.

    Attributes:
        added: Ids that the tokenizer puts before a text, such as BOS; none where the template has them itself.
        before: Text before the request.
        after: Text between the request and the completion.
        with_input: How a request with an input is written, where that is not below the instruction, on a line of its
            own: a text, the name of a field, a text, and so on; None else.
        added_after: Ids that the tokenizer puts after a prompt that is a text of its own; None where a completion
            follows in the same text.
    """

    added: list[int]
    before: str
    after: str
    with_input: list[str] | None = None
    added_after: list[int] | None = None


@dataclass(frozen=True)
class Described:
    """How the samples of a token set were serialised.

    Attributes:
        template: Name of the template.
        prompt: What stands around a request.
        ending: How a completion ends.
        end_token: The end token, as the vocabulary spells it.
    """

    template: str
    prompt: PromptFrame
    ending: Ending
    end_token: str

    @property
    def apart(self) -> bool:
        """Whether prompt and completion are two texts, as an encoder-decoder has them."""
        return self.prompt.added_after is not None


def read_described(stats: str | Path) -> Described:
    """Reads how samples were serialised, from the statistics of their token set.

    Raises:
        StudyError: The statistics are damaged.
    """
    return read_as(stats, Described)
