"""Prompts with examples: their runs, seeds and paths, and what is refused of them."""

import pytest
from codetune.base.errors import StudyError
from codetune.study import layout
from codetune.study.config import load_study
from codetune.study.downloads import repositories_of
from codetune.study.model import Source
from codetune.study.runs import Run
from paper_config import paper_config

DATA = "codealpaca-20k"


def config_with(examples, *methods, seeds=(0,), data=(DATA,), **entries):
    """The paper's configuration with a prompt with examples, and runs of one model."""
    config = paper_config()
    config["datasets"] |= dict.fromkeys(data, config["datasets"][DATA])
    config["prompts"]["shown"] = {"template": "paper", "examples": examples}
    config["methods"] |= {"few-shot": {"prompt": "shown"}} | entries
    ran = {"models": ["gemma-2-2b"], "methods": list(methods or ("base", "few-shot", "qlora")), "seeds": list(seeds)}
    config["runs"] = [{"datasets": list(data)} | ran]
    return config


def runs_of(study, method):
    return [run for run in study.runs if run.method == method]


def test_random_examples_are_a_run_per_seed_under_their_data_and_train_nothing():
    study = load_study(config_with({"count": 3, "choose": "random"}, seeds=(0, 1, 2)))
    assert runs_of(study, "few-shot") == [Run(DATA, "gemma-2-2b", "few-shot", seed) for seed in (0, 1, 2)]
    assert runs_of(study, "base") == [Run("none", "gemma-2-2b", "base", 0)]
    assert {run.method for run in study.training_runs} == {"qlora"}
    assert {system.method for system in study.trained_systems} == {"qlora"}
    assert all(study.datasets_of(run) == [DATA] for run in study.runs)


def test_similar_examples_are_one_run_whatever_the_seeds():
    study = load_study(config_with({"count": 3, "choose": "similar"}, seeds=(1, 2)))
    assert runs_of(study, "few-shot") == [Run(DATA, "gemma-2-2b", "few-shot", 0)]


def test_each_choice_has_prompts_and_examples_of_its_own_and_all_others_share_those_of_their_template():
    study = load_study(config_with({"count": 3, "choose": "random"}, seeds=(0, 1), data=(DATA, "more")))
    paths = {layout.PROMPTS.format(**entry) for entry in study.prompt_sets}
    assert paths == {
        *(f"prompts/{test}/gemma-2-2b/paper/none/seed0/prompts.arrow" for test in (DATA, "more")),
        *(
            f"prompts/{data}/gemma-2-2b/shown/{data}/seed{seed}/prompts.arrow"
            for data in (DATA, "more")
            for seed in (0, 1)
        ),
    }
    assert {layout.EXAMPLES.format(**entry) for entry in study.example_sets} == {
        f"data/{data}/examples/{data}/shown/seed{seed}.json" for data in (DATA, "more") for seed in (0, 1)
    }
    assert {entry["data"] for entry in study.zero_shot_sets} == {"none"}


def with_encoder(entry, encoder="small"):
    """A configuration whose prompt names an encoder, beside the entry of one that is called `small`."""
    config = config_with({"count": 3, "choose": "similar", "encoder": encoder}, data=(DATA, "more"))
    return config | {"encoders": {"small": entry}}


HUB = {"repo": "org/encoder", "revision": "0" * 40}


def test_an_encoder_embeds_the_training_and_the_test_part_once_for_all_prompts():
    config = with_encoder(HUB)
    config["prompts"]["more"] = {"template": "chat", "examples": {"count": 1, "choose": "similar", "encoder": "small"}}
    config["methods"]["one"] = {"prompt": "more"}
    config["runs"][0]["methods"].append("one")
    study = load_study(config)
    assert {layout.VECTORS.format(**entry) for entry in study.embeddings} == {
        f"data/{name}/embeddings/small/{part}.npy" for name in (DATA, "more") for part in ("train", "test")
    }
    assert len(study.embeddings) == 4
    assert study.used_encoders == ["small"]
    assert study.encoders == {"small": Source(repo="org/encoder", revision="0" * 40)}
    (repository,) = repositories_of(study, [], [], ["small"])
    assert repository == {"name": "org/encoder", "revision": "0" * 40, "kind": "model", "file": "config.json"}
    assert load_study(config_with({"count": 3, "choose": "similar"})).embeddings == []


def test_what_an_encoder_cannot_be_is_one_line():
    for entry, encoder, message in (
        (HUB, "smal", "prompts.shown.examples.encoder: 'smal' is unknown; did you mean 'small'?"),
        ({"repo": "org/encoder"}, "small", "encoders.small: the key 'revision' is missing (or give a local 'path')"),
        (HUB | {"revision": "main"}, "small", "config: encoders.small.revision"),
        ({"path": "nowhere"}, "small", "encoders.small.path: there is no nowhere"),
        (HUB | {"label": "x"}, "small", "encoders.small: 'label' is unknown"),
    ):
        with pytest.raises(StudyError) as caught:
            load_study(with_encoder(entry, encoder))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_prompt_with_examples_is_no_default_baseline_but_may_be_named():
    study = load_study(config_with({"count": 1, "choose": "random"}, "few-shot", "own", own={"peft": {"type": "LORA"}}))
    assert "few-shot" not in study.methods["own"].baselines
    named = {"peft": {"type": "LORA"}, "baselines": ["few-shot"]}
    study = load_study(config_with({"count": 1, "choose": "random"}, "few-shot", "own", own=named))
    assert study.methods["own"].baselines == ["few-shot"]


REFUSED = [
    ({"count": 0, "choose": "random"}, {}, "prompts.shown.examples.count: 0 is below 1"),
    ({"count": 1001, "choose": "random"}, {}, "prompts.shown.examples.count: 1001 is above 1000"),
    ({"count": 3}, {}, "prompts.shown.examples: the key 'choose' is missing; add it"),
    ({"count": 3, "choose": "first"}, {}, '"first" is not one of random, similar'),
    ({"count": 3, "choose": "similar", "order": "last"}, {}, '"last" is not one of most-similar-last, most-similar-f'),
    ({"count": 3, "choose": "random", "order": "most-similar-last"}, {}, "'order' says nothing with 'choose: random'"),
    ({"count": 3, "choose": "random", "seed": 1}, {}, "prompts.shown.examples: 'seed' is unknown"),
    ({"count": 3, "choose": "random", "encoder": "small"}, {}, "'encoder' says nothing with 'choose: random'"),
    (
        {"count": 3, "choose": "similar", "encoder": "small"},
        {},
        "config: prompts.shown.examples.encoder: the config has no encoders. Add 'small' to a section 'encoders'",
    ),
    (
        {"count": 3, "choose": "random"},
        {"own": {"prompt": "shown", "peft": {"type": "LORA"}}},
        "config: methods.own.prompt: 'shown' has examples, which are for untuned models; name a prompt without",
    ),
]


@pytest.mark.parametrize(("examples", "methods", "message"), REFUSED)
def test_what_examples_cannot_be_is_one_line(examples, methods, message):
    with pytest.raises(StudyError) as caught:
        load_study(config_with(examples, **methods))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", [("tokenization",), ("prompts", "shown"), ("models", "gemma-2-2b")])
def test_a_template_of_one_s_own_may_stand_wherever_one_is_named(place):
    config = config_with({"count": 1, "choose": "random"})
    part = config
    for key in place:
        part = part[key]
    part["template"] = "mine"
    with pytest.raises(StudyError, match=r"template: 'mine' is unknown; known: paper, chat, instruction"):
        load_study(config)
    config["templates"] = {"mine": {"user": "### Task\n{{ request }}\n"}}
    assert load_study(config).templates["mine"].assistant == "{{ output }}"
