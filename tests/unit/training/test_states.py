"""The states of a training, without a training: what is kept, what is used, and what is found to be another's."""

import math
import random
import shutil
from itertools import pairwise, product

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.base.files import write_json
from codetune.methods.trained import TRAINED
from codetune.training.states import States, check_loaded
from codetune.training.thinning import thinned
from safetensors.torch import save_file

WEIGHTS = {"a": torch.tensor([1.0, math.nan]), "b": torch.tensor([[2.0]])}


def write(step, evaluated=()):
    """Writes what of a state is read again."""

    def into(folder):
        history = [{"step": done, "eval_loss": 1.0} for done in evaluated] + [{"step": step, "loss": 2.0}]
        write_json(folder / "trainer_state.json", {"global_step": step, "log_history": history})
        save_file(WEIGHTS, folder / TRAINED)

    return into


def keep(states, *steps, best=None):
    for number, step in enumerate(steps, start=1):
        states.keep(steps[:number], best or step, lambda folder: save_file(WEIGHTS, folder / "model.safetensors"))


def spoil(file):
    file.write_bytes(file.read_bytes()[:-1])


@pytest.fixture
def states(tmp_path):
    return States(tmp_path)


def test_without_a_state_there_is_none_to_resume_from(states):
    assert states.last_whole() is None


def test_a_state_replaces_the_one_before(states, tmp_path):
    states.save(4, write(2))
    states.save(12, write(5))
    assert states.last_whole() == tmp_path / "state-000012"
    assert [path.name for path in tmp_path.iterdir()] == ["state-000012"]


def test_a_state_that_is_there_is_not_written_again(states):
    states.save(4, write(2))
    states.save(4, lambda folder: pytest.fail("written again"))
    assert states.last_whole().name == "state-000004"


def test_a_state_that_could_not_be_written_leaves_the_one_before(states, tmp_path):
    def fails(folder):
        write(5)(folder)
        raise RuntimeError

    states.save(4, write(2))
    with pytest.raises(RuntimeError):
        states.save(12, fails)
    assert [path.name for path in tmp_path.iterdir()] == ["state-000004"]
    assert states.last_whole().name == "state-000004"


def test_a_damaged_state_is_removed_and_an_older_one_used(states, tmp_path, capsys):
    states.save(4, write(2))
    shutil.copytree(tmp_path / "state-000004", tmp_path / "copy")
    states.save(12, write(5))
    (tmp_path / "copy").rename(tmp_path / "state-000004")  # as if the process had been killed before it removed this
    spoil(tmp_path / "state-000012" / TRAINED)
    assert states.last_whole() == tmp_path / "state-000004"
    assert "state-000012 is damaged: not used" in capsys.readouterr().out
    assert not (tmp_path / "state-000012").exists()


def test_the_checkpoint_of_a_step_lies_in_a_folder_of_its_own(states, tmp_path):
    keep(states, 3)
    assert states.checkpoint(3) == tmp_path / "step-000003"
    assert (states.checkpoint(3) / "model.safetensors").exists()


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_a_state_is_not_used_without_the_checkpoints_kept_before_it(states, fault):
    keep(states, 2, 4)
    states.save(4, write(4, evaluated=[0, 2, 4]))
    assert states.last_whole() is not None
    if fault == "damaged":
        spoil(states.checkpoint(2) / "model.safetensors")
    else:
        states.checkpoint(2).rename(states.work / "elsewhere")
    assert states.last_whole() is None


def losses_of(seed):
    """Validation losses that fall and then rise, with noise: the best one moves."""
    draw = random.Random(seed)
    return [abs(number - 12) / 12 + draw.random() for number in range(24)]


@pytest.mark.parametrize(("room", "seed"), [(1, 0), (3, 1), (8, 2), (99, 3)])
def test_checkpoints_keep_to_their_budget_evenly_and_the_best_stays(tmp_path, room, seed):
    """However often the training is killed, the same ones are kept."""
    (probe := States(tmp_path / "probe")).keep([1], 1, lambda folder: save_file(WEIGHTS, folder / "x"))
    size = (probe.checkpoint(1) / "x").stat().st_size
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
        states, best, losses = States(folder, budget=room * size), None, losses_of(seed)
        for number in range(1, len(losses) + 1):
            if folder.name == "other" and number % 7 == 0:
                states = States(folder, budget=room * size)
                states.last_whole()
            best = min(range(1, number + 1), key=lambda one: losses[one - 1])
            evaluated = list(range(1, number + 1))
            states.keep(evaluated, best, lambda folder: save_file(WEIGHTS, folder / "x"))
            assert len(list(folder.glob("step-*"))) <= max(room, 2)
            states.save(number, write(number, evaluated))
            kept = [int(path.name[5:]) for path in sorted(folder.glob("step-*"))]
            assert kept == states.kept
            assert best in kept
            assert len(kept) == number or len(kept) >= (room - 1) // 2
    assert [path.name for path in sorted(folders[0].iterdir())] == [path.name for path in sorted(folders[1].iterdir())]


def test_another_budget_in_a_later_attempt_is_kept_to_from_then_on(tmp_path):
    sizes = {}
    for budget in (1, 10**9, 1):
        states = States(tmp_path, budget=budget)
        states.last_whole()
        done = max(sizes, default=0)
        for number in range(done + 1, done + 5):
            states.keep(list(range(1, number + 1)), number, lambda folder: save_file(WEIGHTS, folder / "x"))
            states.save(number, write(number))
            sizes[number] = len(states.kept)
    assert list(sizes.values()) == [1, 1, 1, 1, 2, 3, 4, 5, 1, 1, 1, 1]


def test_checkpoints_lose_their_place_only_when_the_state_no_longer_needs_them(tmp_path):
    """A job may be killed between the two."""
    states = States(tmp_path, budget=1)
    states.keep([1], 1, lambda folder: save_file(WEIGHTS, folder / "x"))
    states.save(1, write(1))
    states.keep([1, 2], 2, lambda folder: save_file(WEIGHTS, folder / "x"))
    assert States(tmp_path, budget=1).last_whole() is not None, "the state of step 1 has its checkpoint"
    states.save(2, write(2))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["state-000002", "step-000002"]


def test_what_was_left_out_once_is_not_wanted_again():
    for most, seed in product(range(1, 20), range(5)):
        losses, wanted = losses_of(seed), set()
        for number in range(1, len(losses) + 1):
            evaluated = range(1, number + 1)
            best = min(evaluated, key=lambda one: losses[one - 1])
            now = thinned(evaluated, best, most)
            assert now <= wanted | {number}
            assert best in now
            assert len(now) <= most
            assert len(now) == number or len(now) >= most // 2, "room is used"
            between = {after - before for before, after in pairwise(sorted({0} | now - {best}))}
            assert len(between) <= 2, "the others lie evenly, but for the place of the best"
            wanted = now


def test_generators_are_put_back_to_where_they_were_noted(states):
    torch.rand(3)
    states.note_generators()
    expected = torch.rand(3)
    torch.rand(5)
    states.restore_generators()
    assert torch.equal(torch.rand(3), expected)


# --- What was loaded -------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(states):
    states.save(9, write(7))
    return states.last_whole()


def test_what_was_loaded_as_it_was_saved_passes(saved):
    check_loaded(saved, {"the training": {7}, "the optimizer": {7}}, WEIGHTS)


@pytest.mark.parametrize(
    ("steps", "weights", "message"),
    [
        ({"the optimizer": {0}}, WEIGHTS, "the optimizer stands at step 0, the state at 7"),
        ({"the optimizer": {6, 7}}, WEIGHTS, "the optimizer stands at step 6, 7, the state at 7"),
        ({}, {**WEIGHTS, "b": torch.tensor([[2.1]])}, "1 of 2 weights are not those of the state"),
        ({}, {**WEIGHTS, "b": torch.tensor([2.0])}, "1 of 2 weights"),
        ({}, {**WEIGHTS, "a": torch.tensor([1.0, 0.0])}, "1 of 2 weights"),
        ({}, {"a": WEIGHTS["a"]}, "1 of 2 weights"),
        ({}, {**WEIGHTS, "c": torch.tensor([1.0])}, "1 of 2 weights"),
    ],
)
def test_what_was_not_loaded_as_it_was_saved_is_an_error(saved, steps, weights, message):
    with pytest.raises(StudyError, match=f"state-000009: what was loaded is not what was saved .{message}"):
        check_loaded(saved, steps, weights)


def test_a_state_that_has_changed_since_is_an_error(saved):
    spoil(saved / "trainer_state.json")
    with pytest.raises(StudyError, match="it has changed since it was checked"):
        check_loaded(saved, {}, WEIGHTS)
