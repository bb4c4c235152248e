"""The states of a training, from which a later attempt resumes, and the checkpoints that are kept beside them."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from codetune.base.errors import StudyError
from codetune.base.files import read_json, remove, write_json
from codetune.base.unfinished import content_of, is_whole, remove_except, save_sealed
from codetune.methods.trained import TRAINED
from codetune.training.thinning import thinned

KEPT = "kept.json"  # the file of a state that names the checkpoints that belong to it
TRAINER_STATE = "trainer_state.json"  # as the library names the file with its step and its history
Generators = tuple[torch.Tensor, torch.Tensor | None]
Write = Callable[[Path], None]


class States:
    """What a training keeps in its folder of unfinished work: the last state, and a checkpoint of each evaluation.

    Each lies in a sealed folder, so that a later attempt sees whether it is as it was written. A state is used only if
    all checkpoints that were kept before it are whole, too. Where checkpoints would take more than their budget, they
    are thinned (see training/thinning.py); those that lose their place are deleted when a state is saved that does not
    need them.

    Attributes:
        work: The folder of unfinished work.
        kept: The steps of the checkpoints that are kept, in ascending order.
    """

    def __init__(self, work: Path, budget: float = math.inf) -> None:
        """Begins without a state.

        Args:
            work: The folder of unfinished work.
            budget: Most bytes of all checkpoints together, the one included that is being written. Two find room in any
                case: the best one, and the next.
        """
        self.work, self.budget = work, budget
        self.kept: list[int] = []
        self._largest = 0  # bytes of a checkpoint
        self._generators = generator_states()

    def checkpoint(self, step: int) -> Path:
        """The folder of the checkpoint that is kept for a step."""
        return self.work / f"step-{step:06d}"

    def keep(self, evaluated: Sequence[int], best: int | None, write: Write) -> None:
        """Keeps the checkpoint of the last evaluation, unless there is no room for it.

        Args:
            evaluated: The steps of all evaluations of a trained model so far.
            best: The step of the best of them.
            write: Puts the checkpoint's files into the folder that it is given.
        """
        most = max(1, self.budget / self._largest - 1) if self._largest else math.inf
        wanted, step = thinned(evaluated, best, most), evaluated[-1]
        if step in wanted:
            save_sealed(self.checkpoint(step), write)
            size = sum(file.stat().st_size for file in content_of(self.checkpoint(step)))
            self._largest = max(self._largest, size)
        self.kept = [one for one in (*self.kept, step) if one in wanted]

    def save(self, number: int, write: Write) -> None:
        """Saves a state, then removes the ones before it.

        Args:
            number: Grows from state to state. A state of this number that is there already is left as it is.
            write: Puts the state's files into the folder that it is given.
        """
        name = f"state-{number:06d}"

        def write_all(folder: Path) -> None:
            write(folder)
            write_json(folder / KEPT, {"steps": self.kept, "largest": self._largest})

        if not (self.work / name).exists():
            save_sealed(self.work / name, write_all)
        remove_except(self.work.glob("state-*"), {name})
        remove_except(self.work.glob("step-*"), {self.checkpoint(step).name for step in self.kept})

    def last_whole(self) -> Path | None:
        """The newest state that can be used, None if there is none; those that cannot be used are removed."""
        for state in sorted(self.work.glob("state-*"), reverse=True):
            if is_whole(state):
                kept = read_json(state / KEPT)
                if all(is_whole(self.checkpoint(step)) for step in kept["steps"]):
                    self.kept, self._largest = kept["steps"], kept["largest"]
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


def has_state(work: Path) -> bool:
    """Whether an earlier attempt left a state, be it whole or not."""
    return any(work.glob("state-*"))


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
    with safe_open(saved / TRAINED, "pt") as file:  # one after the other: a whole model's fp32 weights are gigabytes
        names = set(file.keys())
        expected = {name: file.get_slice(name) for name in names}
        other = [name for name in names | weights.keys() if not _same(expected.get(name), weights.get(name))]
    if other:
        raise _other_than_saved(saved, f"{len(other)} of {len(names)} weights are not those of the state")


def _other_than_saved(saved: Path, difference: str) -> StudyError:
    return StudyError(
        f"{saved}: what was loaded is not what was saved ({difference}). Make sure that nothing else writes there, and "
        "give the same command again."
    )


def _same(part: Any, loaded: torch.Tensor | None) -> bool:
    """Whether both are there and hold the same numbers, NaN included: a training may have diverged."""
    if part is None or loaded is None or part.get_shape() != list(loaded.shape):
        return False
    saved = part[:] if loaded.ndim else part[...]
    return bool(torch.allclose(saved, loaded.cpu().to(saved.dtype), rtol=0.0, atol=0.0, equal_nan=True))


def generator_states() -> Generators:
    """The states of the random number generators that dropout draws from: the CPU's and, if there is one, the GPU's."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None


def set_generator_states(states: Generators) -> None:
    """Puts the generators into these states."""
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1])
