"""Prompts with examples: their runs, seeds and paths, and what is refused of them."""

import pytest
from codetune.base.errors import StudyError
from codetune.study import layout
from codetune.study.config import load_study
from codetune.study.downloads import repositories_of
from codetune.study.embeddings import embeddings_of, encoders_of
from codetune.study.model import Source
from codetune.study.runs import Evaluation, Run
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
    assert {layout.VECTORS.format(**entry) for entry in embeddings_of(study)} == {
        f"data/{name}/embeddings/small/{part}.npy" for name in (DATA, "more") for part in ("train", "test")
    }
    assert len(embeddings_of(study)) == 4
    assert encoders_of(study) == ["small"]
    assert study.encoders == {"small": Source(repo="org/encoder", revision="0" * 40)}
    (repository,) = repositories_of(study, [], [], ["small"])
    assert repository == {"name": "org/encoder", "revision": "0" * 40, "kind": "model", "file": "config.json"}
    assert embeddings_of(load_study(config_with({"count": 3, "choose": "similar"}))) == []


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


def test_each_number_of_examples_is_tried_on_the_validation_part_of_the_run_s_own_data():
    config = config_with({"count": [3, 1], "choose": "random"}, seeds=(0, 1), data=(DATA, "more"))
    config["runs"][0]["tests"] = [DATA]
    study = load_study(config)
    assert study.methods["few-shot"].counts == [1, 3]
    assert study.methods["few-shot"].examples.count == 3
    assert study.tried == [
        Evaluation(Run(data, "gemma-2-2b", f"few-shot@{count}", seed), f"{data}@validation")
        for data in (DATA, "more")
        for seed in (0, 1)
        for count in (1, 3)
    ]
    assert all(study.count_trials_of(run) == [] for run in study.runs if run.method != "few-shot")
    assert study.counts_of("few-shot") == {"few-shot@1": 1, "few-shot@3": 3}
    assert {study.method_of(one.run).examples.count for one in study.tried} == {1, 3}
    assert not [one for one in study.evaluations if "@" in one.test or "@" in one.run.method]
    assert not [pair for pair in study.leak_checks if "@" in pair["test"]]
    assert {layout.samples_of(one.test) for one in study.scored} == {
        *(f"data/{name}/validation.jsonl" for name in (DATA, "more")),
        f"data/{DATA}/test.jsonl",
    }


def test_prompts_of_a_chosen_number_wait_for_the_choice_of_their_run_and_those_of_its_trials_do_not():
    study = load_study(config_with({"count": [1, 3], "choose": "random"}, seeds=(0, 1)))
    waiting = {layout.PROMPTS.format(**entry): study.count_runs_of(entry) for entry in study.prompt_sets}
    final = "prompts/{0}/gemma-2-2b/shown/{0}/seed{1}/prompts.arrow"
    assert {path: runs for path, runs in waiting.items() if runs} == {
        final.format(DATA, seed): [Run(DATA, "gemma-2-2b", "few-shot", seed)] for seed in (0, 1)
    }
    tried = {path for path in waiting if "@" in path}
    assert tried == {
        f"prompts/{DATA}@validation/gemma-2-2b/shown@{count}/{DATA}/seed{seed}/prompts.arrow"
        for count in (1, 3)
        for seed in (0, 1)
    }
    largest = [study.prompt_called(entry["prompt"], entry["data"]).examples for entry in study.example_sets]
    assert sorted(examples.count for examples in largest) == [1, 1, 3, 3, 3, 3]


def test_another_number_changes_no_trial():
    few, more = (load_study(config_with({"count": counts, "choose": "random"})) for counts in ([1, 3], [2, 1, 3]))
    assert set(few.tried) < set(more.tried)
    for name, method in few.tried_methods.items():
        assert more.tried_methods[name] == method


def test_a_list_of_one_number_leaves_nothing_to_choose():
    study = load_study(config_with({"count": [3], "choose": "random"}))
    assert study.tried == []
    assert study.methods == load_study(config_with({"count": 3, "choose": "random"})).methods


def test_joint_data_have_a_validation_part_of_their_own():
    config = config_with({"count": [1, 3], "choose": "similar"}, data=(DATA, "more"))
    config["datasets"]["both"] = {"joint": [DATA, "more"]}
    config["runs"] = [{"datasets": ["both"], "models": ["gemma-2-2b"], "methods": ["few-shot"]}]
    study = load_study(config)
    assert {layout.samples_of(one.test) for one in study.tried} == {"data/both/validation.jsonl"}
    assert {one.test for one in study.evaluations} == {DATA, "more"}


@pytest.mark.parametrize(
    ("template", "few", "expected"),
    [
        ("paper", {}, ["base", "base-chat"]),
        ("chat", {}, ["base-chat"]),
        ("instruction", {}, ["base-chat"]),
        ("paper", {"quantization": "int8"}, []),  # nor is one run whose weights are held so
        ("paper", {"baselines": ["base"]}, ["base"]),
        ("paper", {"baselines": ["few-too"]}, ["few-too"]),
    ],
)
def test_examples_gain_over_the_untuned_methods_without_or_over_what_is_named(template, few, expected):
    methods = ("base", "base-chat", "few", "few-too")
    entries = {"few": {"prompt": "shown"} | few, "few-too": {"prompt": "shown"}}
    config = config_with({"count": 1, "choose": "similar"}, *methods, **entries)
    config["prompts"]["shown"]["template"] = template
    assert load_study(config).methods["few"].baselines == expected


def test_baselines_are_for_what_is_tuned_or_has_examples():
    with pytest.raises(StudyError, match="methods.plain: 'baselines' says nothing without 'peft' or 'full', or a prom"):
        load_study(config_with({"count": 1, "choose": "similar"}, plain={"baselines": ["base"]}))
    with pytest.raises(StudyError, match="methods.own: 'training' says nothing without 'peft' or 'full'; add one or"):
        load_study(config_with({"count": 1, "choose": "similar"}, own={"prompt": "shown", "training": {"epochs": 1}}))


REFUSED = [
    ({"count": [], "choose": "random"}, {}, "prompts.shown.examples.count: [] is empty"),
    ({"count": [1, 1], "choose": "random"}, {}, "prompts.shown.examples.count: [1, 1] lists the same entry twice"),
    ({"count": [0, 1], "choose": "random"}, {}, "prompts.shown.examples.count[0]: 0 is below 1"),
    ({"count": [1, "3"], "choose": "random"}, {}, 'count[1]: "3" is not of type integer; write 3 without quotes'),
    (
        {"count": [1, 3], "choose": "random"},
        {"other": {"prompt": "shown", "quantization": "int8"}},
        "config: methods.other.prompt: 'shown' takes its number of examples by the scores of one method, and "
        "methods.few-shot has it, too; give one of them a prompt of its own",
    ),
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
