"""The noun Decoding: how completions are decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from codetune.base.errors import StudyError

OF_SAMPLING = ("temperature", "top_p")  # keys of the config that say nothing where nothing is drawn


@dataclass(frozen=True)
class Decoding:
    """Settings of decoding: the config's `generation`. What greedy decoding has no use for is None there.

    Attributes:
        max_new_tokens: Most new tokens per completion; a longer one is truncated.
        batch_size: Most rows per batch: prompts, or candidates where a prompt has several.
        cache_gb: Most gigabytes for the key-value cache of a batch.
        kind: `beam`: the candidates are those of a beam search; `sample`: they are drawn; None: greedy decoding.
        candidates: Number of completions per prompt, also of beams.
        temperature: What logits are divided by before a token is drawn.
        top_p: The likeliest tokens that have this share of the probability together are those that may be drawn.
        seed: Of what is drawn: the run's.
    """

    max_new_tokens: int
    batch_size: int
    cache_gb: float
    kind: Literal["beam", "sample"] | None = None
    candidates: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None

    @property
    def count(self) -> int:
        """Number of completions per prompt."""
        return self.candidates or 1

    @property
    def is_random(self) -> bool:
        """Whether completions are drawn."""
        return self.kind == "sample"

    @property
    def prompts_at_once(self) -> int:
        """Most prompts per batch, each of which has a row per candidate."""
        return max(1, self.batch_size // self.count)

    @property
    def greedy(self) -> "Decoding":
        """Greedy decoding with the same bounds."""
        return Decoding(self.max_new_tokens, self.batch_size, self.cache_gb)

    @property
    def name(self) -> str:
        """The kind with its settings, for readers."""
        if self.kind is None:
            return "greedy"
        if self.kind == "beam":
            return f"beam search with {self.count} beams"
        return f"drawn at temperature {self.temperature:g} with top-p {self.top_p:g}"

    @property
    def words(self) -> str:
        """How often a prompt is completed, and how, for a sentence."""
        if self.kind == "beam":
            return f"by {self.name}"
        return f"{'once' if self.count == 1 else f'{self.count} times'}, {self.name.replace('greedy', 'greedily')}"

    def of_seed(self, seed: int) -> "Decoding":
        """The same, with the seed of a run where completions are drawn."""
        return replace(self, seed=seed) if self.is_random else self


def read_decoding(entry: Mapping[str, Any]) -> Decoding:
    """Builds the decoding from the config's `generation`.

    Args:
        entry: The config's `generation`, of which the schema has checked each value.

    Raises:
        StudyError: Two keys do not go together.
    """
    settings = dict(entry)
    kind, count = settings.pop("decoding", "greedy"), settings.pop("candidates", 1)
    of_sampling = {key: settings.pop(key, None) for key in OF_SAMPLING}
    drawn = {key: value for key, value in of_sampling.items() if value is not None}  # null leaves it out
    if kind == "greedy" and count > 1:
        raise StudyError(
            f"config: generation.candidates: greedy decoding has one candidate, not {count}. Add 'decoding: beam' or "
            "'decoding: sample', or leave the key out."
        )
    if kind == "beam" and count < 2:
        raise StudyError(
            "config: generation: a beam search needs the number of its beams. Add 'candidates', 2 or more, or leave "
            "'decoding: beam' out: with one beam it is greedy decoding."
        )
    if kind != "sample":
        for key in drawn:
            raise StudyError(
                f"config: generation.{key}: says nothing with 'decoding: {kind}', which draws nothing. Leave it out; "
                f"in an overlay on a study that has it, '{key}: null' does. Or write 'decoding: sample'."
            )
        return Decoding(**settings) if kind == "greedy" else Decoding(**settings, kind="beam", candidates=count)
    temperature, top_p = (float(drawn.get(key, 1.0)) for key in OF_SAMPLING)
    return Decoding(**settings, kind="sample", candidates=count, temperature=temperature, top_p=top_p)
