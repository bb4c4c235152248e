"""The estimate of the disk space that a study takes."""

import json
import re
from types import SimpleNamespace

import pytest
from codetune.models import disk
from codetune.models.disk import describe_disk, describe_shortage, state_bytes
from codetune.models.shapes import lora_parameters
from codetune.study.config import load_study
from paper_config import edit, paper_config
from paper_models import PROJECTIONS, PUBLISHED
from paper_study import NAMES


def described(config, keeps=True, budget=100):
    return describe_disk(load_study(config), keeps, budget)


def gigabytes(config, keeps=True, budget=100):
    """All sizes of the sentence but the budget."""
    found = re.findall(r"(?<!at most )\b([\d.]+) ([GM])B", described(config, keeps, budget))
    return [float(number) / {"G": 1, "M": 1000}[unit] for number, unit in found]


def test_the_paper_s_study_takes_what_its_files_have():
    models = paper_config()["models"]
    weights = sum(model["parameters"] * 2 for model in models.values())
    adapters = sum(lora_parameters(PUBLISHED[name][0], 8, PROJECTIONS) * 4 / 1e9 for name in NAMES.values())
    total, downloads, tuned, checkpoints = gigabytes(paper_config())
    assert downloads == pytest.approx(weights, abs=0.05)
    assert tuned == pytest.approx(adapters, rel=0.02)
    assert checkpoints == pytest.approx(50 * adapters, rel=0.02)
    assert total == pytest.approx(downloads + tuned + checkpoints, abs=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_each_model_s_adapters_are_estimated_within_a_quarter(name):
    config = edit(paper_config(), ("runs",), [paper_config()["runs"][0] | {"models": [name]}])
    adapter = lora_parameters(PUBLISHED[NAMES[name]][0], 8, PROJECTIONS) * 4 / 1e9
    assert gigabytes(config)[3] == pytest.approx(50 * adapter, rel=0.25)


def test_checkpoints_that_are_not_kept_need_space_until_their_curves_are_drawn():
    assert gigabytes(paper_config(), keeps=False) == gigabytes(paper_config())
    assert "(kept; keep_checkpoints; at most 100 GB per training, checkpoints_gb)" in described(paper_config())
    assert "(each until its curve is drawn; keep_checkpoints;" in described(paper_config(), keeps=False)


def test_what_takes_nothing_is_left_out():
    untuned = {"datasets": ["codealpaca-20k"], "models": ["phi-3-mini"], "methods": ["base"], "seeds": [0]}
    said = described(edit(paper_config(), ("runs",), [untuned]))
    assert said == "Disk: up to 7.6 GB for this study, with what is there already: 7.6 GB to download."


def test_a_local_checkpoint_is_not_downloaded_and_its_own_shapes_count(tmp_path):
    before = gigabytes(paper_config())
    config = edit(paper_config(), ("models", "gemma-2-2b", "path"), str(tmp_path))
    downloads, tuned = gigabytes(config)[1:3]
    assert downloads == pytest.approx(before[1] - 2 * 2.61, abs=0.1)
    assert tuned == before[2]  # there is no config.json
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED["Gemma-2-2B"][0] | {"num_hidden_layers": 260}))
    assert gigabytes(config)[2] == pytest.approx(before[2] + 9 * 10.38e6 * 4 / 1e9, rel=0.05)
    unknown = json.dumps(PUBLISHED["Gemma-2-2B"][0] | {"model_type": "mixtral", "num_hidden_layers": 260})
    for damaged in ("{", "[]", '{"hidden_size": "x"}', unknown):
        (tmp_path / "config.json").write_text(damaged)
        assert gigabytes(config)[2] == before[2]


def test_ranks_and_seeds_multiply():
    config = paper_config()
    config["runs"][0]["seeds"] = [0, 1, 2]
    assert gigabytes(config)[3] == pytest.approx(3 * gigabytes(paper_config())[3], rel=0.02)
    config["methods"]["qlora"]["peft"]["r"] = 64
    assert gigabytes(config)[3] == pytest.approx(24 * gigabytes(paper_config())[3], rel=0.02)


def full_config(**training):
    """The paper's study, with one model tuned as a whole."""
    training = {"learning_rate": 1e-5, **training}
    entry = {"quantization": "none", "full": True, "baselines": ["base"], "training": training}
    config = edit(paper_config(), ("methods", "full"), entry)
    run = {"datasets": ["codealpaca-20k"], "models": ["llama-3.2-1b"], "methods": ["full"], "seeds": [0]}
    return edit(config, ("runs",), [run])


@pytest.mark.parametrize(
    ("training", "state"),
    [
        ({}, 12),
        ({"optimizer": "adafactor"}, 4),
        ({"optimizer": "adafactor", "precision": "bfloat16"}, 2),
        ({"precision": "bfloat16"}, 10),
    ],
)
def test_a_whole_model_s_checkpoints_keep_to_the_budget_and_its_states_count_twice(training, state):
    model = 1.24 * 2
    total, downloads, tuned, checkpoints, states = gigabytes(full_config(**training))
    assert (downloads, tuned, checkpoints) == (2.5, 2.5, 100.0)
    assert states == pytest.approx(2 * 1.24 * state, abs=0.05)
    assert total == pytest.approx(2 * model + checkpoints + states, abs=0.15)
    assert gigabytes(full_config(**training), budget=200)[3] == pytest.approx(50 * model, abs=0.05)
    assert gigabytes(full_config(**training), budget=1)[3] == pytest.approx(2 * model, abs=0.05)
    run = load_study(full_config(**training)).training_runs[0]
    assert state_bytes(load_study(full_config(**training)), run) == pytest.approx(1.24e9 * state)


def test_trials_of_a_search_count_each():
    one, two = (gigabytes(full_config(learning_rate=rate)) for rate in (1e-5, [1e-5, 5e-5]))
    assert two[1:] == [one[1], 5.0, 200.0, one[4]], "two trainings, of which one computes at a time"


def test_what_is_not_known_is_said_and_not_0():
    config = edit(paper_config(), ("methods", "scaled"), {"peft": {"type": "IA3"}, "baselines": ["base"]})
    config["runs"][0]["methods"] = ["scaled"]
    said = described(config)
    assert said.endswith(" Not counted: the checkpoints of scaled, mostly megabytes each.")
    assert "of adapters" not in said


def test_fused_projections_count_as_those_that_they_hold():
    modules = ("methods", "qlora", "peft", "target_modules")
    fused = edit(paper_config(), modules, ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"])
    assert gigabytes(fused) == gigabytes(paper_config())
    assert gigabytes(edit(paper_config(), modules, ["qkv_proj"]))[2] < gigabytes(paper_config())[2]


@pytest.fixture
def free(monkeypatch):
    """Sets how many GB are free, whichever folder is asked about."""

    def set_free(gigabytes):
        usage = SimpleNamespace(free=gigabytes * 1e9)
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)

    return set_free


def shortage(folder, models=None, trainings=None):
    study = load_study(paper_config())
    models, trainings = models or study.used_models, study.training_runs if trainings is None else trainings
    return describe_shortage(study, models, trainings, 100, str(folder / "not/there/yet"), str(folder))


def test_a_study_that_may_not_fit_is_told_so_before_it_starts(tmp_path, free):
    free(41.0)
    said = shortage(tmp_path)
    assert said.startswith("Disk: up to 41.6 GB are still to come into")
    assert "where 41.0 GB are free" in said
    free(42.0)
    assert shortage(tmp_path) is None


def test_only_what_is_still_to_come_counts(tmp_path, free):
    free(7.7)
    assert shortage(tmp_path, ["phi-3-mini"], []) is None
    free(7.0)
    assert "up to 7.6 GB are" in shortage(tmp_path, ["phi-3-mini"], [])
    part = tmp_path / "not/there/yet/models/phi-3-mini.partial" / ("a" * 40) / "model.safetensors"
    part.parent.mkdir(parents=True)
    with part.open("wb") as stream:
        stream.truncate(1_000_000_000)
    assert shortage(tmp_path, ["phi-3-mini"], []) is None


def test_two_disks_count_each_for_itself(tmp_path, free, monkeypatch):
    def place_on(folder):
        return SimpleNamespace(stat=lambda: SimpleNamespace(st_dev=1 if folder == str(tmp_path) else 2))

    monkeypatch.setattr(disk, "_existing", place_on)
    free(32.0)
    assert shortage(tmp_path) is None
    free(20.0)
    assert shortage(tmp_path).startswith(f"Disk: up to 31.0 GB are still to come into {tmp_path}/not/there/yet, where")


def test_a_folder_that_cannot_be_looked_at_is_left_to_the_jobs(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(disk.shutil, "disk_usage", refuse)
    assert shortage(tmp_path) is None


def test_a_download_that_ends_while_it_is_looked_at_is_left_to_the_jobs(tmp_path, free, monkeypatch):
    free(1.0)

    def gone(*_):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(disk, "_arrived", gone)
    assert shortage(tmp_path) is None
