"""What a training reports to TensorBoard, and that nothing of the training depends on it."""

import json
import socket
import struct
from dataclasses import replace

import pytest
import transformers
from codetune.base.errors import StudyError
from codetune.base.files import write_json
from codetune.base.identity import file_hashes
from codetune.base.signals import Stopped
from codetune.models.checkpoints import fetch_model
from codetune.prompts.tokensets import TokenSample, write_tokens
from codetune.study.model import Source
from codetune.study.schema import SCHEMA, check_schema
from codetune.training.finetune import FinetuneInputs, FinetuneOutputs, finetune
from codetune.training.tracking import NO_TRACKING, Tracking
from codetune.training.trainer import ResumableTrainer
from miniatures import MODEL, PLAN
from paper_config import paper_config
from tensorboardX.proto.event_pb2 import Event
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

SECRET = "no-log-may-hold-this-1f4e"
KEYS = ("HF_TOKEN", "WANDB_API_KEY", "COMET_API_KEY", "NEPTUNE_API_TOKEN", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture(scope="module")
def inputs(checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    fetch_model(Source(path=str(checkpoints / MODEL)), folder / "model", weights=True)
    samples = [TokenSample(n, [5 + n % 7, 9, 300 + n], [40 + n, 41 + n % 3, 2]) for n in range(60)]
    write_tokens(folder / "train.arrow", samples[:50])
    write_tokens(folder / "validation.arrow", samples[50:])
    hashes = file_hashes(train=folder / "train.arrow", validation=folder / "validation.arrow")
    parts = {"validation": {"bytes_of_completions": 60}}
    samples_sha256 = {"train": "1" * 64, "validation": "2" * 64}
    write_json(folder / "stats.json", {"parts": parts, "sha256": hashes, "samples_sha256": samples_sha256})
    names = ("train.arrow", "validation.arrow", "stats.json", "model/manifest.json")
    return FinetuneInputs(*(str(folder / name) for name in names))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def train(inputs, folder, report_to=None):
    """Trains; gives the bytes of what was trained, and of the log."""
    tracking = NO_TRACKING if report_to is None else Tracking(report_to, str(folder / "tracking"), "d/m/qlora/seed0")
    names = ("tuned/manifest.json", "checkpoints/manifest.json", "training_log.jsonl", "training.json")
    outputs = FinetuneOutputs(*(str(folder / name) for name in (*names, "unfinished/finetune")), tracking=tracking)
    plan = replace(PLAN, settings=replace(PLAN.settings, epochs=3, batch_size=2, max_length=64))
    finetune(inputs, outputs, plan, "code")
    kept = [*sorted((folder / "checkpoints").rglob("*.*")), folder / "tuned/adapter_model.safetensors"]
    return {path.relative_to(folder): path.read_bytes() for path in kept if path.is_file()}


def events(path):
    """The events of a file of TensorBoard's: each record is a length, its checksum, the bytes, their checksum."""
    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield Event.FromString(data[place + 12 : place + 12 + length])
        place += 12 + length + 4


def scalars(folder, name):
    """The values of a scalar by step, over all event files of a folder; what two attempts report must be equal."""
    found = {}
    for event in (event for path in sorted(folder.iterdir()) for event in events(path)):
        for value in event.summary.value:
            if value.tag == name:
                assert found.setdefault(event.step, value.simple_value) == value.simple_value
    return found


def test_the_plan_knows_the_trackers_of_the_locked_transformers():
    known = json.loads(SCHEMA.read_text())["$defs"]["tracker"]["enum"]
    assert known == sorted(INTEGRATION_TO_CALLBACK), f"transformers {transformers.__version__} has others"


@pytest.mark.parametrize("value", ["none", "tensorboard", [], ["tensorboard", "wandb"]])
def test_one_tracker_or_several_or_none_can_be_named(value):
    check_schema(paper_config() | {"tracking": value})


@pytest.mark.parametrize("value", ["tensorbord", ["wandb", "tensorbord"]])
def test_a_wrong_name_is_told_with_those_that_there_are(value):
    with pytest.raises(StudyError) as error:
        check_schema(paper_config() | {"tracking": value})
    where = "tracking" if isinstance(value, str) else "tracking[1]"
    names = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
    assert str(error.value) == (f'config: {where}: "tensorbord" is not one of {names}; did you mean "tensorboard"?')


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_loaded(inputs, tmp_path):
    with pytest.raises(StudyError, match="no package of wandb is in the environment of trainings. Add it to"):
        train(inputs, tmp_path, ["tensorboard", "wandb"])
    assert not (tmp_path / "tracking").exists()


def test_tensorboard_gets_what_the_log_gets_and_the_training_stays_the_same(inputs, tmp_path, no_network):
    silent, told = train(inputs, tmp_path / "a"), train(inputs, tmp_path / "b", "tensorboard")
    assert silent == told
    log = [json.loads(line) for line in (tmp_path / "b/training_log.jsonl").read_text().splitlines()]
    for name, shown in (("loss", "train/loss"), ("eval_loss", "eval/loss"), ("learning_rate", "train/learning_rate")):
        expected = {row["step"]: pytest.approx(row[name], rel=1e-6) for row in log if name in row}
        assert expected
        assert scalars(tmp_path / "b/tracking", shown) == expected
    beside = {path.name for path in (tmp_path / "b").iterdir()} - {path.name for path in (tmp_path / "a").iterdir()}
    assert beside == {"tracking"}
    lines = [(tmp_path / name / "training_log.jsonl").read_bytes() for name in "ab"]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("ended", ["by a signal", "at once"])
def test_events_outlive_an_attempt_and_those_of_another_training_go(inputs, tmp_path, monkeypatch, ended):
    undisturbed = train(inputs, tmp_path / "a", "tensorboard")
    (tmp_path / "b/tracking").mkdir(parents=True)
    (tmp_path / "b/tracking/events.out.tfevents.1.other").write_bytes(b"of another training")
    step = ResumableTrainer.training_step

    def stop(trainer, *arguments, **options):
        if trainer.state.global_step == 5:
            raise Stopped(15) if ended == "by a signal" else KeyboardInterrupt
        return step(trainer, *arguments, **options)

    monkeypatch.setattr(ResumableTrainer, "training_step", stop)
    with pytest.raises((Stopped, KeyboardInterrupt)):
        train(inputs, tmp_path / "b", "tensorboard")
    monkeypatch.undo()
    (first,) = (tmp_path / "b/tracking").iterdir()
    before = first.read_bytes()
    first = first.rename(first.with_name("events.out.tfevents.1.first"))  # within one second both have one name
    assert train(inputs, tmp_path / "b", "tensorboard") == undisturbed
    assert first.read_bytes() == before
    for name in ("train/loss", "eval/loss"):
        assert scalars(tmp_path / "b/tracking", name) == scalars(tmp_path / "a/tracking", name)


def test_no_file_and_no_line_holds_a_key_of_the_environment(inputs, tmp_path, monkeypatch, capfd):
    for name in KEYS:
        monkeypatch.setenv(name, SECRET)
    train(inputs, tmp_path, "tensorboard")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.parent.name == "tracking" for path in written)
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
    assert SECRET not in "".join(capfd.readouterr())
