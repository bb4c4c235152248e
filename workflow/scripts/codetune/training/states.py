"""The state of a training, from which a later attempt resumes."""

import torch


def generator_states() -> tuple[torch.Tensor, torch.Tensor | None]:
    """The states of the random number generators that dropout draws from."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def set_generator_states(states: tuple[torch.Tensor, torch.Tensor | None]) -> None:
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1])
