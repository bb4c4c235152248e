"""The studies of other papers in config/studies: their plans, and as many trained parameters as the papers print."""

import pytest
import yaml
from codetune.methods.counting import count_parameters
from codetune.study.config import load_study
from codetune.study.unpinned import TO_BE_FILLED_IN
from conftest import ROOT
from make_models import STUDIES as MADE
from small_study import copy_workflow, planned, snakemake

STUDIES = ROOT / "config" / "studies"
PINNED = "0" * 40


def merge(into, more):
    """Lays an overlay over a config, as Snakemake does."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def study_of(name, *more, pin=True):
    """One of the studies, with further overlays of its folder; with all commits filled in, or as it is."""
    config = {}
    files = [ROOT / "config/config.yaml", ROOT / "config/datasets.yaml", STUDIES / f"{name}.yaml"]
    for path in (*files, *(STUDIES / file for file in more)):
        merge(config, yaml.safe_load(path.read_text()))
    for model in config["models"].values():
        if pin and model.get("revision") == TO_BE_FILLED_IN:
            model["revision"] = PINNED
    return load_study(config)


def count(runs, *methods, **wanted):
    """Number of runs of some methods, and of given data or seeds."""
    found = [run for run in runs if run.method in methods]
    return sum(all(getattr(run, key) == value for key, value in wanted.items()) for run in found)


def test_four_ways_of_tuning_eight_models_without_mistral_s_prefix():
    study = study_of("peft-methods")
    assert len(study.used_models) == 8
    assert len(study.training_runs) == 8 * 4 - 1
    assert count(study.training_runs, "prefix") == 7
    assert len(study.runs) == 31 + 8
    assert {one.test for one in study.evaluations} == {"conala"}
    assert len(study.trainings) == 2 * 31, "two learning rates each"


SETS, T5, SMALL, LLAMAS, SEEDS = 2, 2, 1, 3, 5


def test_each_question_has_the_runs_that_the_paper_compares():
    study = study_of("peft-or-icl")
    one, two, three, four = (study.runs_of(f"rq{number}") for number in (1, 2, 3, 4))
    methods = ["lora", "ia3", "prompt", "prefix"]
    assert count(one, *methods) == (T5 + SMALL + LLAMAS) * 4 * SETS
    assert count(one, "full") == (T5 + SMALL) * SETS, "of models of up to 770 million parameters"
    assert {run.seed for run in one if run.method in methods} == {42}
    assert count(two, "icl") == (SMALL + LLAMAS) * SETS * SEEDS
    assert count(two, "zero-shot") == SMALL + LLAMAS, "one run on both sets"
    assert count(two, "lora") == (SMALL + LLAMAS) * SETS
    assert count(three, "lora", data="both") == T5 + SMALL + LLAMAS
    assert count(three, "lora") == (T5 + SMALL + LLAMAS) * (1 + SETS)
    quantised = {(run.model, run.method) for run in four if "qlora" in run.method}
    assert len(quantised) == 2 + 2 + 1
    assert ("codellama-34b-python", "qlora-8bit") not in quantised, "in 4 bits alone"
    assert count(four, "qlora-8bit", "qlora-4bit") == (2 + 2 + 1) * SETS
    assert count(four, "lora") == SETS
    assert len(study.runs) == 54 + (4 + 40) + 6 + 10 + (6 + 5), "and untuned ones for the gains"


def test_joint_training_is_tested_on_each_part_and_every_prediction_has_ten_candidates():
    study = study_of("peft-or-icl")
    joint = [run for run in study.runs if run.data == "both"]
    assert {tuple(one.test for one in study.of_run(run)) for run in joint} == {("conala-resplit", "codealpaca-py")}
    assert (study.decoding.count, study.decoding.is_random) == (10, False)
    assert study.methods["icl"].counts == [1, 2, 3]


def test_retrieval_is_by_words_and_by_an_encoder_and_problems_are_solved_five_times():
    study = study_of("rag-and-execution")
    assert count(study.runs, "rag-conala", "words-conala", "icl-conala", "lora", data="conala-resplit") == 4 * LLAMAS
    assert count(study.runs, "rag-py", "words-py", "icl-py", "lora", data="codealpaca-py") == 4 * LLAMAS
    assert count(study.runs, "retrieval") == SETS
    tuned = {one.run.method for one in study.of_test("apps") if study.method_of(one.run).trains}
    assert tuned == {"lora-apps", "qlora-8bit-apps", "qlora-4bit-apps"}
    assert study.methods["rag-conala"].counts == [1, 2, 3, 4, 5, 8, 16]
    assert {study.methods[name].examples.encoder for name in ("rag-py", "words-py")} == {"gte-small", None}
    assert (study.decoding.count, study.decoding.is_random) == (5, True)
    assert len(study.runs) == LLAMAS + 12 + 12 + 2 + 6


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[]")


@pytest.mark.parametrize("name", ["peft-methods", "peft-or-icl", "rag-and-execution"])
def test_in_small_each_method_and_question_of_the_study_is_run_on_models_that_are_made(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = ("conala/train.json", "conala/validation.json", "conala/test.json", "apps/train.jsonl", "apps/test.jsonl")
    for made in ("codealpaca-py.json", *parts):
        put(tmp_path / "build/demo" / made)
    for model in (*MADE[name], "gte-small"):
        (tmp_path / "build/demo/models" / model).mkdir(parents=True)
    whole, small = study_of(name), study_of(name, f"miniature/{name}.yaml")
    assert {run.method for run in small.runs} == {run.method for run in whole.runs}
    assert {run.data for run in small.runs} == {run.data for run in whole.runs}
    assert small.targets.keys() == whole.targets.keys()
    assert [one.name for one in small.questions] == [one.name for one in whole.questions]
    made = {model for model in small.used_models if model != "none"}
    assert made == set(MADE[name])
    assert {small.models[model].source.path for model in made} == {f"build/demo/models/{model}" for model in made}


LLAMA = {"model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008}
LLAMA |= {"num_hidden_layers": 32, "num_attention_heads": 32, "tie_word_embeddings": False}
T5_220M = {"model_type": "t5", "d_model": 768, "d_ff": 3072, "d_kv": 64, "num_heads": 12, "num_layers": 12}
T5_220M |= {"vocab_size": 32100, "num_decoder_layers": 12, "feed_forward_proj": "relu", "is_encoder_decoder": True}
CODEGEN = {"model_type": "codegen", "vocab_size": 51200, "n_embd": 1024, "n_layer": 20, "n_head": 16, "rotary_dim": 32}
MISTRAL = LLAMA | {"model_type": "mistral", "intermediate_size": 14336, "num_key_value_heads": 8}


def gpt2(width, layers, heads):
    return {"model_type": "gpt2", "vocab_size": 50257, "n_embd": width, "n_layer": layers, "n_head": heads}


# Study, shapes, method, and the trainable parameters that the paper prints or that follow from its settings.
TRAINED = [
    ("peft-methods", gpt2(768, 12, 12), {"full": 124_439_808, "lora": 2_359_296, "prefix": 368_640, "prompt": 15_360}),
    ("peft-methods", gpt2(1600, 48, 25), {"full": 1_557_611_200, "lora": 19_660_800, "prefix": 3_072_000}),
    ("peft-methods", LLAMA | {"vocab_size": 32016}, {"full": 6_738_546_688, "lora": 39_976_960, "prefix": 5_242_880}),
    ("peft-methods", MISTRAL, {"full": 7_241_732_096, "lora": 41_943_040, "prompt": 81_920}),
    ("peft-or-icl", T5_220M, {"lora": 2_654_208, "ia3": 175_104, "prompt": 30_720, "prefix": 184_320}),
    ("peft-or-icl", CODEGEN, {"lora": 1_310_720, "ia3": 163_840, "prompt": 20_480, "prefix": 409_600}),
    ("peft-or-icl", LLAMA, {"lora": 12_582_912, "ia3": 1_007_616, "prompt": 81_920, "prefix": 2_621_440}),
    ("rag-and-execution", LLAMA, {"lora": 39_976_960, "lora-apps": 39_976_960}),
]


@pytest.mark.parametrize(("name", "shapes", "trained"), TRAINED)
def test_as_much_is_trained_as_in_the_paper(name, shapes, trained):
    methods = study_of(name).methods
    assert {method: count_parameters(shapes, methods[method].tuning).trainable for method in trained} == trained


# Of each study, as it is: the runs that are planned, and the models that wait for a commit.
PLANS = {
    "peft-methods": (39 - 2 * 5, ["codegpt-small", "codegpt-adapt"]),
    "peft-or-icl": (125 - 12 - 27 - 6, ["codet5p-770m", "codellama-7b-python", "codellama-13b-python"]),
    "rag-and-execution": (35 - 9, ["codellama-7b-python"]),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("papers"))


def ask(project, name, *targets):
    overlays = ["--configfile", "config/datasets.yaml", f"config/studies/{name}.yaml"]
    return snakemake("-n", "--cores", "all", *overlays, "--", *targets, cwd=project)


@pytest.mark.parametrize("name", PLANS)
def test_a_study_is_planned_by_one_command_but_for_what_waits_for_a_commit(name, project):
    runs, waiting = PLANS[name]
    done = ask(project, name)
    text = done.stdout + done.stderr
    assert planned(done)["record"] == runs == len(study_of(name, pin=False).runs)
    assert "error" not in text.lower()
    lines = [line for line in text.splitlines() if line.startswith("config: models.")]
    assert [line.partition(".revision: to-be-filled-in. Until then ")[0] for line in lines] == [
        f"config: models.{model}" for model in waiting
    ]


@pytest.mark.parametrize("name", ["rq1", "rq2", "rq3", "rq4"])
def test_one_question_is_planned_by_its_name(name, project):
    study = study_of("peft-or-icl", pin=False)
    jobs = planned(ask(project, "peft-or-icl", name))
    runs = study.runs_of(name)
    assert jobs["record"] == len(runs) < len(study.runs)
    assert jobs["finetune"] == sum(len(study.trials_of(run)) or 1 for run in runs if study.method_of(run).trains)
    assert jobs["table"] == 0
