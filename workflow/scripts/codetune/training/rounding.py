"""Optimizers for weights in bfloat16: what a step adds to a weight is less than the distance to the next number."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import Optimizer

GENERATOR = "generator"  # in the optimizer's state: that of the random numbers by which is rounded
LOST_BITS = 16  # of an fp32 number's 32, in bfloat16


class StochasticRounding(Optimizer):  # type: ignore[misc]
    """An optimizer whose steps are computed in fp32 for one parameter after the other, and rounded stochastically.

    bfloat16 has 8 significant bits: rounded to the nearest number, a weight does not move if its step is less than
    0.2 % of it, and most are. Here each is rounded up or down, with the probabilities that make its mean the number
    that is rounded (Zamirai et al. 2020). So a weight moves, on average, as one in fp32 does; the optimizer's moments
    are as for fp32 weights. Memory is needed for fp32 copies of one parameter and its gradient at a time.

    Attributes:
        optimizer: The optimizer that computes the steps.
    """

    def __init__(self, optimizer: Optimizer, seed: int) -> None:
        """Takes the optimizer, whose parameters are all in bfloat16, and the seed of the rounding."""
        self.optimizer = optimizer
        self._generator = torch.Generator(next(self._parameters()).device).manual_seed(seed)

    @property
    def param_groups(self) -> Any:
        """The optimizer's own, which the schedule of the learning rate changes."""
        return self.optimizer.param_groups

    @property
    def state(self) -> Any:
        """The optimizer's own, by parameter."""
        return self.optimizer.state

    @property
    def defaults(self) -> Any:
        """The optimizer's own."""
        return self.optimizer.defaults

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Discards all gradients."""
        self.optimizer.zero_grad(set_to_none)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, _closure: None = None) -> None:
        """Does the optimizer's own step, with one parameter at a time having a gradient."""
        gradients = [(parameter, parameter.grad) for parameter in self._parameters()]
        self.zero_grad()
        for parameter, gradient in gradients:
            if gradient is None:
                continue
            kept = parameter.data
            parameter.data, parameter.grad = kept.float(), None
            parameter.grad = gradient.float()
            self.optimizer.step()
            kept.copy_(round_stochastically(parameter.data, self._generator))
            parameter.data, parameter.grad = kept, None
        for parameter, gradient in gradients:
            parameter.grad = gradient  # a tuning may look at it after the step

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's state, and that of the random numbers."""
        return {**self.optimizer.state_dict(), GENERATOR: self._generator.get_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up both."""
        own = {key: value for key, value in state_dict.items() if key != GENERATOR}
        with self._seeming_fp32():
            self.optimizer.load_state_dict(own)
        self._generator.set_state(state_dict[GENERATOR].cpu())

    def _parameters(self) -> Iterator[torch.nn.Parameter]:
        return (parameter for group in self.param_groups for parameter in group["params"])

    @contextmanager
    def _seeming_fp32(self) -> Iterator[None]:
        """Empty fp32 weights in place of the parameters': the library rounds a state to the type of its parameter."""
        kept = [(parameter, parameter.data) for parameter in self._parameters()]
        for parameter, data in kept:
            parameter.data = torch.empty(0, device=data.device)
        try:
            yield
        finally:
            for parameter, data in kept:
                parameter.data = data


def round_stochastically(values: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Rounds fp32 numbers to bfloat16, to one of the two neighbours each, so that the mean is the number itself.

    A bfloat16 number is an fp32 number without its last 16 bits. A random number of so many bits is added to them, and
    they are cut off: the number is rounded away from 0 with the probability that they are of the whole. What is no
    finite number stays that.

    Args:
        values: The numbers.
        generator: Of the random numbers, on their device.
    """
    bits = values.view(torch.int32)
    noise = torch.randint(0, 1 << LOST_BITS, values.shape, generator=generator, device=values.device, dtype=torch.int32)
    rounded = noise.add_(bits).bitwise_and_(-1 << LOST_BITS).view(torch.float32)
    return torch.where(values.isfinite(), rounded, values).to(torch.bfloat16)
