"""The code in what a model wrote. The rule, in the order in which it is applied, the same for all models:

1. The text ends where the next turn begins: a control token of a chat template that is written out, or a line such as
   `User: ...` or `### Instruction:`. A head of its own turn, such as `<|assistant|>`, is left out (`turns`).
2. Of this, the code is the first fenced block that is not empty; one in a comment or docstring is none (`fences`).
3. Where there is no fence, lines at the start that announce code are left out, if code follows them (`lead_ins`).

It is applied until nothing changes, so that the code in code is that code. White space around code is left out.
"""

from typing import NamedTuple

from codetune.evaluation.fences import first_block
from codetune.evaluation.lead_ins import without_lead_in
from codetune.evaluation.metric import MOST_CHARACTERS
from codetune.evaluation.turns import first_turn

# What the signature of each metric on code says of it. The number changes with the rule.
EXTRACTION = (
    "code:first fenced block of the text up to the next turn, else that text without a lead-in sentence|extraction:1"
)


class Code(NamedTuple):
    """The code in a text.

    Attributes:
        text: The code; the text itself where nothing was taken off.
        how: What it was found by: `fence`, `turn` (what stands before the next turn) or `lead-in` (what stands after a
            sentence that announces it); None where nothing was taken off.
    """

    text: str
    how: str | None


def extract_code(text: str) -> Code:
    """Finds the code in a text; one that is too long to be measured stays as it is.

    Args:
        text: The text as a model wrote it.
    """
    if len(text) > MOST_CHARACTERS:
        return Code(text, None)
    code, how = text.strip(), None
    while True:
        found, by = _take_off(code)
        if found == code:
            return Code(text, None) if how is None else Code(code, how)
        code, how = found, how or by


def _take_off(text: str) -> tuple[str, str]:
    """Applies the rule once; returns what is left of a text, and what it was found by."""
    turn = first_turn(text)
    block = first_block(turn)
    if block is not None:
        return block.strip(), "fence"
    return (turn, "turn") if turn != text else (without_lead_in(text), "lead-in")
