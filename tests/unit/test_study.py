"""The configuration's checks: each mistake gives one line that names the place and the remedy."""

import copy
from pathlib import Path

import pytest
import yaml
from codetune.errors import StudyError
from codetune.study import load_runs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config():
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


def edit(config, path, value):
    config = copy.deepcopy(config)
    entry = config
    *parents, last = path
    for key in parents:
        entry = entry[key]
    if value is ...:
        del entry[last]
    else:
        entry[last] = value
    return config


def test_the_paper_s_study_is_five_tuned_models_and_six_untuned(config):
    runs = load_runs(config)
    assert sum(run.tuned for run in runs) == 5
    assert sum(not run.tuned for run in runs) == 6
    assert len({run.model for run in runs}) == 6


CASES = [
    (["trainin"], {}, "config: 'trainin' is unknown; did you mean 'training'?"),
    (["training", "learning_rat"], 1e-4, "config: training: 'learning_rat' is unknown; did you mean 'learning_rate'?"),
    (["training", "learning_rate"], "2e-4", 'config: training.learning_rate: "2e-4" is not of type number'),
    (["training", "learning_rate"], 0, "config: training.learning_rate: 0 is not above 0"),
    (["training", "schedule"], "cosin", 'config: training.schedule: "cosin" is not one of cosine, linear, constant'),
    (["training", "patience"], ..., "config: training: the key 'patience' is missing"),
    (["models", "gemma-2-2b", "epoch"], 3, "config: models.gemma-2-2b: 'epoch' is unknown; did you mean 'epochs'?"),
    (["models", "gemma-2-2b", "epochs"], 0, "config: models.gemma-2-2b.epochs: 0 is below 1"),
    (["models", "gemma-2-2b", "micro_batch"], 3, "batch_size 128 is not a multiple of micro_batch 3"),
    (["models", "gemma-2-2b", "micro_batch"], ..., "the key 'micro_batch' is missing, and a run fine-tunes this model"),
    (["models", "gemma-2-2b", "revision"], "main", "a revision is pinned by its 40 hexadecimal digits"),
    (["models", "gemma-2-2b", "revision"], ..., "models.gemma-2-2b: the key 'revision' is missing (or give a local"),
    (["models", "gemma-2-2b", "path"], "no/such", "models.gemma-2-2b.path: there is no no/such"),
    (["models", "gemma-2-2b", "attention"], "flash", '"flash" is not one of sdpa, eager'),
    (["runs", 0, "models"], ["gema-2-2b"], "runs[0].models: 'gema-2-2b' is unknown; did you mean 'gemma-2-2b'?"),
    (["runs", 0, "methods"], ["lora"], "runs[0].methods: 'lora' is unknown; did you mean 'qlora'?"),
    (["runs", 0, "datasets"], ["conala"], "runs[0].datasets: 'conala' is unknown; known: codealpaca-20k"),
    (["runs", 0, "seeds"], [], "config: runs[0].seeds: []"),
    (["runs", 1, "models"], ["gemma-2-2b"], "runs: codealpaca-20k, gemma-2-2b, base, seed 0 stands twice"),
    (["datasets", "codealpaca-20k", "split", "test"], 0.2, "train + validation + test is 1.1, but has to be 1"),
    (["datasets", "codealpaca-20k", "split", "test"], 1.5, "split.test: 1.5 is not below 1"),
    (["datasets", "codealpaca-20k", "sha256"], "abc", 'sha256: "abc" does not match'),
    (["datasets", "codealpaca-20k", "file"], ..., "datasets.codealpaca-20k: the key 'file' is missing"),
    (["methods", "qlora", "lora", "r"], 0, "config: methods.qlora.lora.r: 0 is below 1"),
    (["methods", "qlora", "lora", "dropout"], 1.0, "config: methods.qlora.lora.dropout: 1.0 is not below 1"),
    (["methods", "qlora", "lora", "target_modules"], ["q_prj"], '"q_prj" is not one of q_proj'),
    (["quantization", "type"], "int4", '"int4" is not one of nf4, fp4'),
    (["tokenization", "max_length"], 8, "config: tokenization.max_length: 8 is below 16"),
    (["results"], ..., "config: top level: the key 'results' is missing"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), CASES, ids=[".".join(map(str, c[0])) + f"={c[1]}" for c in CASES]
)
def test_a_mistake_gives_one_clear_line(config, path, value, message):
    with pytest.raises(StudyError) as error:
        load_runs(edit(config, path, value))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_seeds_multiply_the_tuned_runs(config):
    runs = load_runs(edit(config, ["runs", 0, "seeds"], [0, 1, 2]))
    assert sum(run.tuned for run in runs) == 5 * 3
    assert sum(not run.tuned for run in runs) == 6


def test_a_local_path_replaces_the_hub(config, tmp_path):
    changed = edit(config, ["models", "gemma-2-2b", "path"], str(tmp_path))
    assert len(load_runs(changed)) == 11
