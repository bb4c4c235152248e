"""The states of a training, from which a later attempt resumes, and the checkpoints that are kept beside them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file

from codetune.base.errors import StudyError
from codetune.base.files import read_json, remove
from codetune.base.unfinished import is_whole, remove_except, save_sealed
from codetune.methods.trained import TRAINED
from codetune.training.history import evaluated_steps

TRAINER_STATE = "trainer_state.json"  # as the library names the file with its step and its history
Generators = tuple[torch.Tensor, torch.Tensor | None]
Write = Callable[[Path], None]


class States:
    """What a training keeps in its folder of unfinished work: the last state, and a checkpoint of each evaluation.

    Each lies in a sealed folder, so that a later attempt sees whether it is as it was written. A state is used only if
    all checkpoints that were kept before it are whole, too.

    Attributes:
        work: The folder of unfinished work.
    """

    def __init__(self, work: Path) -> None:
        self.work = work
        self._generators = generator_states()

    def checkpoint(self, step: int) -> Path:
        """The folder of the checkpoint that is kept for a step."""
        return self.work / f"step-{step:06d}"

    def keep(self, step: int, write: Write) -> None:
        """Keeps the checkpoint of a step; `write` puts its files into the folder that it is given."""
        save_sealed(self.checkpoint(step), write)

    def save(self, number: int, write: Write) -> None:
        """Saves a state, then removes the ones before it.

        Args:
            number: Grows from state to state. A state of this number that is there already is left as it is.
            write: Puts the state's files into the folder that it is given.
        """
        name = f"state-{number:06d}"
        if not (self.work / name).exists():
            save_sealed(self.work / name, write)
        remove_except(self.work.glob("state-*"), name)

    def last_whole(self) -> Path | None:
        """The newest state that can be used, None if there is none; those that cannot be used are removed."""
        for state in sorted(self.work.glob("state-*"), reverse=True):
            if is_whole(state):
                steps = evaluated_steps(read_json(state / TRAINER_STATE)["log_history"])
                if all(is_whole(self.checkpoint(step)) for step in steps if step > 0):
                    return state
            print(f"{state.name} is damaged: not used", flush=True)
            remove(state)
        return None

    def note_generators(self) -> None:
        """Notes the random number generators as they are after the last finished step."""
        self._generators = generator_states()

    def restore_generators(self) -> None:
        """Puts the random number generators back to where they were noted last."""
        set_generator_states(self._generators)


def check_loaded(saved: Path, steps: Mapping[str, set[int]], weights: Mapping[str, torch.Tensor]) -> None:
    """Compares what was loaded with what the state holds: the library ignores files that it does not find.

    Args:
        saved: The state.
        steps: The steps that each part of the training stands at, by the part's name.
        weights: The trained parameters as they were loaded.

    Raises:
        StudyError: A step is not the saved one, a weight is not, or the state has changed on the disk.
    """
    if not is_whole(saved):
        raise _other_than_saved(saved, "it has changed since it was checked")
    step = read_json(saved / TRAINER_STATE)["global_step"]
    for name, found in steps.items():
        if found != {step}:
            raise _other_than_saved(saved, f"{name} stands at step {', '.join(map(str, found))}, the state at {step}")
    expected = load_file(saved / TRAINED)
    other = [name for name in expected.keys() | weights.keys() if not _same(expected.get(name), weights.get(name))]
    if other:
        raise _other_than_saved(saved, f"{len(other)} of {len(expected)} weights are not those of the state")


def _other_than_saved(saved: Path, difference: str) -> StudyError:
    return StudyError(
        f"{saved}: what was loaded is not what was saved ({difference}). Make sure that nothing else writes there, and "
        "give the same command again."
    )


def _same(saved: torch.Tensor | None, loaded: torch.Tensor | None) -> bool:
    """Whether both are there and hold the same numbers, NaN included: a training may have diverged."""
    if saved is None or loaded is None or saved.shape != loaded.shape:
        return False
    return bool(torch.allclose(saved, loaded.cpu().to(saved.dtype), rtol=0.0, atol=0.0, equal_nan=True))


def generator_states() -> Generators:
    """The states of the random number generators that dropout draws from: the CPU's and, if there is one, the GPU's."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def set_generator_states(states: Generators) -> None:
    """Puts the generators into these states."""
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1])
