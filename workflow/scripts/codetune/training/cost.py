"""What a training costs: time and energy, over all its attempts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from codetune.base.machine import gpu_joules


@dataclass(frozen=True)
class Spent:
    """What a training has used.

    Attributes:
        seconds: Evaluations included.
        evaluation_seconds: Evaluations alone.
        joules: Energy of the GPU; 0 where it is not measured.
    """

    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    joules: float = 0.0


NOTHING = Spent()


class CostMeter:
    """Adds up what the attempts at a training use."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, energy: Callable[[], float | None] = gpu_joules
    ) -> None:
        """Begins a first attempt.

        Args:
            clock: Seconds since some moment.
            energy: Joules that the GPU has used since some moment; None where they are not counted.
        """
        self._clock, self._energy = clock, energy
        self.start()

    def start(self, before: Spent = NOTHING) -> None:
        """Begins an attempt.

        Args:
            before: What the earlier attempts used.
        """
        self._before = before
        self._began, self._joules = self._clock(), self._energy()
        self._evaluation_seconds = 0.0

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Counts the time within the block as time of evaluation."""
        began = self._clock()
        try:
            yield
        finally:
            self._evaluation_seconds += self._clock() - began

    @property
    def evaluation_seconds(self) -> float:
        """What the evaluations of all attempts have taken so far."""
        return self._before.evaluation_seconds + self._evaluation_seconds

    def spent(self) -> Spent:
        """What all attempts have used so far, rounded to a tenth."""
        joules = self._energy()
        used = 0.0 if joules is None or self._joules is None else joules - self._joules
        return Spent(
            seconds=round(self._before.seconds + self._clock() - self._began, 1),
            evaluation_seconds=round(self.evaluation_seconds, 1),
            joules=round(self._before.joules + used, 1),
        )
