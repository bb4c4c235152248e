"""A model card's metadata, read back by the hub's own library: base, data, licence and scores."""

import math
from dataclasses import replace

import pytest
from codetune.prompts.described import read_described
from codetune.report.publish import model_card
from codetune.study.config import load_study
from codetune.study.method import TuningSettings
from codetune.study.model import Source
from codetune.study.publications import Publication, Publications, publications_of
from codetune.study.runs import Run
from fake_records import SHA256, fake_record, with_test, write_stats
from huggingface_hub import ModelCard
from paper_config import paper_config

COMMIT = "c" * 40
BASE = Publication("x/base", "f" * 40, "Apache-2.0")
DATA = Publication("y/data", COMMIT, "CC0-1.0")
PROMPT = TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": 20})
SCORES = {"rouge_l": 0.412349, "rouge_l_on_code": 0.5, "bleu": 12.344, "bleu_on_code": None, "codebleu": math.nan}


@pytest.fixture
def card(tmp_path):
    """Writes a card and reads it as the hub's library does."""

    def make(model=BASE, metric="rouge_l", tuning=None, path=None, **datasets):
        record = fake_record("a", "qlora", "d", test="d", scores=SCORES)
        source = Source(path=path) if path else Source(repo=model.repo, revision=model.revision)
        plan = replace(record.training.plan, source=source, tuning=tuning or record.training.plan.tuning)
        training = replace(record.training, plan=plan, adapted={})
        record = replace(record, training=training)
        if "e" in datasets:
            record = with_test(record, "e", {"rouge_l": 0.25}, samples=1234)
        known = Publications(model, {"d": DATA, **datasets}, ["d"])
        text = model_card(record, training, metric, known, read_described(write_stats(tmp_path)))
        (tmp_path / "README.md").write_text(text)
        return ModelCard.load(tmp_path / "README.md")

    return make


def test_the_hub_reads_each_score_as_written_and_on_code(card):
    results = card().data.eval_results
    found = {(one.dataset_name, one.metric_name): (one.metric_type, one.metric_value) for one in results}
    on_d = "d, test part of the study"
    assert found == {
        (on_d, "ROUGE-L"): ("rouge", 0.4123),
        (on_d, "ROUGE-L on code"): ("rouge", 0.5),
        (on_d, "BLEU"): ("sacrebleu", 12.34),
    }
    (first, *_) = results
    assert (first.task_type, first.dataset_type, first.dataset_split) == ("text-generation", "y/data", "test")
    assert first.dataset_revision == COMMIT
    assert first.dataset_args == {"samples": 10, "sha256": SHA256}
    assert first.metric_args == {"signature": "a signature"}
    assert {one.verified for one in results} == {False}


def test_the_study_s_metric_comes_first(card):
    assert card(metric="bleu").data.eval_results[0].metric_name == "BLEU"


def test_each_test_set_has_its_scores(card):
    results = card(e=Publication(license="MIT")).data.eval_results
    (on_e,) = [one for one in results if one.dataset_name.startswith("e,")]
    assert (on_e.dataset_type, on_e.dataset_revision) == ("e (not on the hub)", None)
    assert (on_e.metric_value, on_e.dataset_args["samples"]) == (0.25, 1234)


def test_the_card_can_be_written_again_by_the_hub_s_library_without_a_loss(card, tmp_path):
    made = card()
    made.save(tmp_path / "again.md")
    assert ModelCard.load(tmp_path / "again.md").data.to_dict() == made.data.to_dict()


@pytest.mark.parametrize(
    ("tuning", "tag", "library", "relation"),
    [
        (None, "qlora", "peft", "adapter"),
        (
            TuningSettings("peft", {"type": "PROMPT_TUNING", "num_virtual_tokens": 20}),
            "prompt-tuning",
            "peft",
            "adapter",
        ),
        (TuningSettings("full", {}), "full", "transformers", "finetune"),
    ],
    ids=["an adapter", "a soft prompt", "a whole model"],
)
def test_the_hub_reads_what_it_is_and_what_it_was_made_from(card, tuning, tag, library, relation):
    data = card(tuning=tuning).data
    assert data.tags == [tag, "code-generation"]
    assert (data.library_name, data.base_model, data["base_model_relation"]) == (library, "x/base", relation)
    assert (data.datasets, data.pipeline_tag) == (["y/data"], "text-generation")
    assert data.model_name == "base-qlora-seed0"


def test_nothing_local_is_named_as_if_it_were_on_the_hub(card):
    data = card(path="models/base", d=Publication()).data
    assert (data.base_model, data.datasets) == (None, None)
    assert {one.dataset_type for one in data.eval_results} == {"d (not on the hub)"}


@pytest.mark.parametrize(
    ("base", "data", "license", "name"),
    [
        ("Apache-2.0", "CC0-1.0", "apache-2.0", None),
        ("MIT", "MIT", "mit", None),
        ("Llama 3.2 Community License", "CC0-1.0", "llama3.2", None),
        ("Gemma Terms of Use", "CC BY-NC 4.0", "other", "gemma-and-cc-by-nc-4.0"),
        ("Qwen Research License", "CC0-1.0", "other", "qwen-research-license"),
        (None, "MIT", None, None),
        ("MIT", None, None, None),
    ],
)
def test_the_licence_is_that_of_base_and_data_or_none_is_claimed(card, base, data, license, name):
    made = card(model=replace(BASE, license=base), d=replace(DATA, license=data))
    assert (made.data.license, made.data.license_name) == (license, name)
    assert f"- Base model `x/base`: {base or 'not stated'}" in made.text
    assert f"- Training data `y/data`: {data or 'not stated'}" in made.text


def test_the_config_says_where_base_and_data_are_published():
    config = paper_config()
    run = load_study(config).training_runs[0]
    found = publications_of(config, run, ["codealpaca-20k"])
    assert found.model == Publication(
        "meta-llama/Llama-3.2-1B-Instruct", config["models"][run.model]["revision"], "Llama 3.2 Community License"
    )
    assert found.datasets["codealpaca-20k"].repo == "sahil2801/CodeAlpaca-20k"
    config["datasets"]["mine"] = {"path": "mine.json", "repo": "y/another", "license": "MIT"}
    mine = publications_of(config, Run("mine", run.model, "qlora", 0), []).datasets
    assert mine == {"mine": Publication(license="MIT")}
