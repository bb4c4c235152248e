"""The gradients of an optimizer step, added up over micro-batches; again in smaller parts if memory runs out."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import torch

from codetune.models.memory import RowLimit
from codetune.training.batches import select_sequences
from codetune.training.states import Generators, generator_states, set_generator_states

Compute = Callable[[dict[str, Any]], torch.Tensor]  # adds up the gradients of some sequences, and returns their loss


class GradientSum:
    """Adds up gradients without a copy of what has been added before, which for a whole model would take gigabytes.

    When memory runs out, the gradients of the step are discarded, and all of its micro-batches so far are computed
    again in smaller parts, each from the random numbers that it began with. Until then it keeps their token ids.

    Attributes:
        limit: Most sequences that are computed at once.
        trained: Gives the parameters that have gradients. A step begins when none has one.
    """

    def __init__(self, limit: RowLimit, trained: Callable[[], list[torch.nn.Parameter]]) -> None:
        self.limit, self.trained = limit, trained
        self._done: list[tuple[dict[str, Any], Generators]] = []

    def add(self, inputs: dict[str, Any], compute: Compute, pause: Callable[[], None]) -> torch.Tensor:
        """Adds the gradients of one micro-batch.

        Args:
            inputs: The micro-batch.
            compute: What computes a part of a micro-batch of this step.
            pause: Called before each micro-batch that is computed again; may raise.

        Returns:
            The loss of the micro-batch. Those of earlier ones stay what they were when these were added.

        Raises:
            StudyError: One sequence alone does not fit into memory.
        """
        begun, again = generator_states(), False
        if all(parameter.grad is None for parameter in self.trained()):
            self._done.clear()

        def undo() -> None:
            nonlocal again
            again = True
            for parameter in self.trained():
                parameter.grad = None

        def part(sequences: slice) -> torch.Tensor:
            if again and sequences.start == 0:
                for earlier, states in self._done:
                    pause()
                    set_generator_states(states)
                    for start in range(0, len(earlier["seq_lengths"]), self.limit.rows):
                        compute(select_sequences(earlier, slice(start, start + self.limit.rows)))
                set_generator_states(begun)
            return compute(select_sequences(inputs, sequences))

        loss = torch.stack(self.limit.map(part, len(inputs["seq_lengths"]), undo)).sum()
        self._done.append((inputs, begun))
        return loss


def digests(tensors: Iterable[torch.Tensor | None]) -> list[str | None]:
    """Hashes of the bytes of tensors: NaN is NaN, and -0 is not 0; None for a gradient that is not there."""
    return [None if tensor is None else _digest(tensor) for tensor in tensors]


def _digest(tensor: torch.Tensor) -> str:
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(data.numpy().data).hexdigest()
