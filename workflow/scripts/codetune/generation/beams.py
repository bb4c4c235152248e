"""Batched beam search."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from transformers import GenerationConfig

from codetune.base.progress import doing
from codetune.generation.decoding import begin_reading, room_of
from codetune.models.device import device

UNREACHED = -1e9  # the score of a beam that there is not, as transformers has it
NOTHING = -1  # in the place of a token, after the end of a beam


class Beam(NamedTuple):
    """A completion that a search ends with.

    Attributes:
        ids: Its tokens, the end token included where there is one.
        score: The mean logarithm of their probabilities; 0 without a token.
    """

    ids: list[int]
    score: float


@dataclass
class _Group:
    """Some beams of each prompt, the best first.

    Attributes:
        ids: Their tokens so far; shape (prompts, beams, most tokens).
        scores: Sums of the logarithms of their tokens' probabilities, once they have ended means; (prompts, beams).
        there: Whether there is such a beam; shape as of the scores.
    """

    ids: torch.Tensor
    scores: torch.Tensor
    there: torch.Tensor

    def at(self, places: torch.Tensor) -> "_Group":
        """The beams at some places among those of their prompts; shape (prompts, new beams)."""
        ids = self.ids.gather(1, places[:, :, None].expand(-1, -1, self.ids.shape[2]))
        return _Group(ids, self.scores.gather(1, places), self.there.gather(1, places))

    def beside(self, other: "_Group") -> "_Group":
        """These beams and others of the same prompts."""
        parts = ((self.ids, other.ids), (self.scores, other.scores), (self.there, other.there))
        return _Group(*(torch.cat(pair, dim=1) for pair in parts))

    def of(self, prompts: torch.Tensor) -> "_Group":
        """The beams of some of the prompts."""
        return _Group(self.ids[prompts], self.scores[prompts], self.there[prompts])


class _Search:
    """The state of a search, step by step that of transformers' own with its default settings.

    That is: a score is a mean over tokens (`length_penalty` 1), and a prompt is done when there are as many ended beams
    as are wanted, and the best running one is worse than all of them (`early_stopping` false).
    """

    def __init__(self, most: list[int], stops: list[int], count: int) -> None:
        """Begins a search.

        Args:
            most: Most new tokens of each prompt.
            stops: The end tokens.
            count: Number of beams.
        """
        self.count, self.length = count, 0
        self.stops, self.most = torch.tensor(stops, device=device()), torch.tensor(most, device=device())
        ids = torch.full((len(most), count, max(most)), NOTHING, device=device())
        scores = torch.full((len(most), count), UNREACHED, device=device())
        none = torch.zeros_like(scores, dtype=torch.bool)
        self.ended, self.running = _Group(ids, scores, none), _Group(ids, scores.clone(), none)
        self.running.scores[:, 0] = 0
        self.hopeful = torch.ones(len(most), 1, dtype=torch.bool, device=device())

    def step(self, logits: torch.Tensor) -> torch.Tensor:
        """Adds a token to each running beam.

        Args:
            logits: Of the next token of each beam; shape (prompts * beams, vocabulary).

        Returns:
            For each new running beam which of the old ones it goes on with; shape (prompts, beams).
        """
        found, origins = self._continuations(logits)
        best = (found.scores + found.there * UNREACHED).topk(self.count).indices
        self.running = found.at(best)
        self.running.scores += self.running.there * UNREACHED
        self.length += 1
        first = torch.arange(found.there.shape[1], device=device()) < self.count
        ends = found.there & first
        scores = found.scores / self.length + ~self.hopeful * UNREACHED
        ended = self.ended.beside(_Group(found.ids, scores + ~ends * UNREACHED, ends))
        self.ended = ended.at(ended.scores.topk(self.count).indices)
        worst = torch.where(self.ended.there, self.ended.scores.min(dim=1, keepdim=True).values, UNREACHED)
        possible = self.running.scores[:, :1] / self.length
        self.hopeful = self.hopeful & (possible > worst).any(dim=1, keepdim=True)
        return origins.gather(1, best)

    def _continuations(self, logits: torch.Tensor) -> tuple[_Group, torch.Tensor]:
        """The best continuations of all running beams of each prompt, and which beam each is of.

        There are so many that `count` of them go on. Of a continuation, `there` says whether it has ended.
        """
        chances = torch.log_softmax(logits.float(), dim=-1).view(*self.running.scores.shape, -1)
        sums = (chances + self.running.scores[:, :, None]).flatten(1)
        scores, places = sums.topk(max(2, 1 + len(self.stops)) * self.count)
        origins, tokens = places // chances.shape[2], places % chances.shape[2]
        found = self.running.at(origins)
        found.ids[:, :, self.length] = tokens
        ended = torch.isin(tokens, self.stops) | (self.length + 1 >= self.most[:, None])
        return _Group(found.ids, scores, ended), origins

    @property
    def done(self) -> torch.Tensor:
        """Which prompts no better beam is to be expected of, or have as many tokens as they may."""
        return ~self.hopeful[:, 0] | (self.length >= self.most)

    def keep(self, prompts: torch.Tensor) -> None:
        """Goes on with some of the prompts."""
        self.running, self.ended = self.running.of(prompts), self.ended.of(prompts)
        self.most, self.hopeful = self.most[prompts], self.hopeful[prompts]

    def beams(self, prompt: int) -> list[Beam]:
        """The ended beams of a prompt, the best first."""
        rows = zip(self.ended.ids[prompt].tolist(), self.ended.scores[prompt].tolist(), strict=True)
        return [Beam([token for token in ids if token != NOTHING], score) for ids, score in rows]


def search_beams(
    model: Any, prompts: list[list[int]], options: GenerationConfig, count: int, context: int | None = None
) -> list[list[Beam]]:
    """Completes prompts by beam search, as `model.generate` does with `num_beams`, with less to compute.

    There each prompt is read once per beam, all are padded to one length, and all beams are fed until the last prompt
    is done. Here each prompt is read once, with those of like length, and leaves the batch when it is done.

    Args:
        model: A language model of transformers.
        prompts: Token ids.
        options: `max_new_tokens` and `eos_token_id` (a list).
        count: Number of beams.
        context: Most tokens of a prompt with its completion, of an encoder-decoder of each; None without a limit.

    Returns:
        The beams of each prompt, the best first; without tokens for a prompt that fills the context.
    """
    found = [[Beam([], 0.0)] * count for _ in prompts]
    context = context or max(map(len, prompts)) + options.max_new_tokens
    most = room_of(model, prompts, options, context)
    left = [number for number, room in enumerate(most) if room > 0]
    if not left:
        return found
    width = max(len(prompts[number]) for number in left)
    search = _Search([most[number] for number in left], options.eos_token_id, count)
    with torch.inference_mode(), doing(f"a batch of {len(prompts)}", "tokens at most", max(most)) as told:
        reading = begin_reading(model, [prompts[number] for number in left], count)
        while True:
            origins, done = search.step(reading.logits), search.done.tolist()
            for place, number in enumerate(left):
                if done[place]:
                    found[number] = search.beams(place)
            going = [place for place, is_done in enumerate(done) if not is_done]
            if not going:
                return found
            told.add()
            left = [left[place] for place in going]
            start = width - max(len(prompts[number]) for number in left)  # where the longest prompt left begins
            width -= start
            index = torch.tensor(going, device=device())
            rows = (origins[index] + count * index[:, None]).flatten()
            search.keep(index)
            reading.keep(rows, start)
            reading.read(search.running.ids[:, :, search.length - 1].flatten())
