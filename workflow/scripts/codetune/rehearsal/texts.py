"""What a model would have written, made up: references with mistakes, in the layouts that real models use.

How difficult a sample is does not depend on who answers it, so that differences between systems are paired as real
ones are.
"""

import random
import re

from codetune.data.languages import language_of
from codetune.data.predictions import Candidate, Prediction
from codetune.data.samples import Sample
from codetune.rehearsal.skills import uniform

PIECES = re.compile(r"\s+|\w+|[^\w\s]")
CHARACTERS_PER_TOKEN = 3.4
LEAD_INS = ("Here is the code:", "Sure! Here's one way to do it:", "You can use the following:")
CLOSING = "\n\nThis solution handles the general case; adapt the names to your own code."
EMPTY, NEVER_ENDS = 0.003, 0.03  # shares of the texts that are empty, or go on until they are cut off


def made_up(sample: Sample, skill: float, chatter: float, most: int, *of: object) -> Prediction:
    """What a model with some skill would have written for a sample.

    Args:
        sample: The sample.
        skill: From 0 to 1.
        chatter: How often the model talks about its code, as untuned models do, from 0 to 1.
        most: Most tokens of a completion.
        of: Whose text it is: the same for the same values.
    """
    rng = random.Random("\n".join(map(str, (*of, sample.id))))
    text, fate = _answer(sample, skill, rng), rng.random()
    if fate < EMPTY:
        return Prediction(sample.id, [Candidate("", 1, False)])
    if rng.random() < chatter:
        text = _talked(text, sample, rng)
    if fate > 1 - NEVER_ENDS * (0.2 + chatter):
        length = int(most * CHARACTERS_PER_TOKEN)
        text = (f"{text}\n" * (length // (len(text) + 1) + 1))[:length].strip()
        return Prediction(sample.id, [Candidate(text, most, True)])
    tokens = max(1, round(len(text) / CHARACTERS_PER_TOKEN)) + 1
    if tokens >= most:
        return Prediction(sample.id, [Candidate(text[: int(most * CHARACTERS_PER_TOKEN)].strip(), most, True)])
    return Prediction(sample.id, [Candidate(text, tokens, False)])


def _answer(sample: Sample, skill: float, rng: random.Random) -> str:
    """The reference with mistakes: the fewer, the more skill, and the easier the sample."""
    difficulty = uniform(0.0, 1.0, "sample", sample.id)
    mistakes = max(0.0, (1 - skill) * (0.35 + 1.1 * difficulty) - 0.3 + rng.gauss(0, 0.12))
    pieces = PIECES.findall(sample.output)
    words = [piece for piece in PIECES.findall(f"{sample.request} {sample.output}") if piece[0].isalnum()] or ["x"]
    kept: list[str] = []
    for piece in pieces:
        luck = rng.random()
        if piece.isspace() or luck > mistakes:
            kept.append(piece)
        elif luck < 0.5 * mistakes:
            kept.append(rng.choice(words))
        elif luck < 0.6 * mistakes:
            kept += [piece, " ", rng.choice(words)]
    return "".join(kept).strip()


def _talked(text: str, sample: Sample, rng: random.Random) -> str:
    """An answer as a model gives it in a conversation: in a fence, with words around it, or as it is."""
    manner = rng.random()
    if manner < 0.35:
        return text
    language = language_of(sample)
    fenced = f"```{language.lower() if language.isalpha() else ''}\n{text}\n```"
    if manner < 0.55:
        return fenced
    return f"{rng.choice(LEAD_INS)}\n\n{fenced}{CLOSING if manner > 0.8 else ''}"
