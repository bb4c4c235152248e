"""Tokens that are drawn, each candidate of each prompt by random numbers of its own."""

import random

import torch
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from codetune.study.decoding import Decoding


class Sampler:
    """Draws the next tokens of a batch.

    A candidate's random numbers follow from the run's seed, the id of its sample and its own number. So they are the
    same in whatever batch it is, on a CPU and on a GPU.
    """

    def __init__(self, decoding: Decoding, ids: list[int]) -> None:
        """Begins a batch.

        Args:
            decoding: The settings.
            ids: Of the samples; each has as many rows as it has candidates, one after the other.
        """
        assert decoding.temperature is not None and decoding.top_p is not None  # as of all that is drawn
        self._temperature, self._top_p = TemperatureLogitsWarper(decoding.temperature), decoding.top_p
        names = (f"seed {decoding.seed}, sample {one}, candidate {n}" for one in ids for n in range(decoding.count))
        self._numbers = [random.Random(name) for name in names]

    def __call__(self, logits: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Draws a token for each row.

        Args:
            logits: Shape (rows, vocabulary).
            rows: Which row of the whole batch each is.
        """
        shares = torch.tensor([[self._numbers[row].random()] for row in rows], dtype=torch.float64)
        sums = self.probabilities(logits).double().cumsum(-1)
        drawn: torch.Tensor = torch.searchsorted(sums, shares.to(sums.device) * sums[:, -1:], right=True)[:, 0]
        return drawn

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """With what probability each token is drawn; shape as of the logits."""
        logits = self._temperature(None, logits.float())
        if self._top_p < 1:
            logits = TopPLogitsWarper(self._top_p)(None, logits)
        return logits.softmax(-1)
