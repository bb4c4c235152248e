"""Questions of a study: read, checked against what there is, and paired with the runs that answer them."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.answering import answer_inputs, answering_tests, pairs_on
from codetune.study.config import load_study
from codetune.study.runs import NONE, System
from codetune.study.stages import jobs_of
from paper_config import edit, paper_config

DATA = "codealpaca-20k"
OVER_BASE = {"asks": "Does tuning help?", "of": {"method": "qlora"}, "over": {"methods": ["base", "base-chat"]}}


def asking(**questions):
    return paper_config() | {"questions": questions}


def test_each_system_is_compared_with_the_methods_named_on_its_own_model():
    study = load_study(asking(help=OVER_BASE))
    (question,) = study.questions
    sides = pairs_on(question, study)[DATA]
    assert len(sides) == 5
    gemma = System(DATA, "gemma-2-2b", "qlora")
    assert sides[gemma] == [System(NONE, "gemma-2-2b", "base"), System(NONE, "gemma-2-2b", "base-chat")]


def test_some_models_may_be_compared_with_one_other():
    of = {"method": "qlora", "models": ["llama-3.2-1b", "qwen2.5-1.5b"]}
    large = {"asks": "Do they reach a large one?", "of": of, "over": {"methods": ["qlora"], "model": "llama-3.2-3b"}}
    study = load_study(asking(large=large))
    other = System(DATA, "llama-3.2-3b", "qlora")
    found = pairs_on(study.questions[0], study)[DATA]
    assert found == {System(DATA, name, "qlora"): [other] for name in of["models"]}


def test_joint_data_may_be_compared_with_those_of_one_set():
    config = paper_config()
    config["datasets"] |= {"own": config["datasets"][DATA] | {"sha256": "1" * 64}, "both": {"joint": [DATA, "own"]}}
    config["runs"] = [
        {"datasets": [data], "models": ["gemma-2-2b"], "methods": ["base", "qlora"], "tests": [DATA]}
        for data in (DATA, "both")
    ]
    joint = {"asks": "Both?", "of": {"method": "qlora", "data": "both"}, "over": {"methods": ["qlora"], "data": DATA}}
    study = load_study(config | {"questions": {"joint": joint}})
    pairs = {System("both", "gemma-2-2b", "qlora"): [System(DATA, "gemma-2-2b", "qlora")]}
    assert pairs_on(study.questions[0], study) == {DATA: pairs}


def test_answers_are_planned_where_something_is_asked():
    silent, asked = load_study(paper_config()), load_study(asking(help=OVER_BASE))
    assert (answering_tests(silent), answer_inputs(silent, str.format)) == ([], {})
    assert (answering_tests(asked), answer_inputs(asked, str.format)) == ([DATA], {"answers": "answers.json"})
    more = {job.rule for job in jobs_of(asked, "r", "s")} - {job.rule for job in jobs_of(silent, "r", "s")}
    assert more == {"answers"}


WRONG = [
    (["of", "method"], "qlra", "questions.help.of.method: 'qlra' is unknown; did you mean 'qlora'?"),
    (["of", "models"], ["gemma"], "questions.help.of.models: 'gemma' is unknown; did you mean 'gemma-2-2b'?"),
    (["over", "methods"], ["bse"], "questions.help.over.methods: 'bse' is unknown; did you mean 'base'?"),
    (["over", "model"], "phi-3", "questions.help.over.model: 'phi-3' is unknown; did you mean 'phi-3-mini'?"),
    (["tests"], ["humanevil"], "questions.help.tests: 'humanevil' is unknown"),
    (["metric"], "rouge", 'questions.help.metric: "rouge" is not the name of a metric'),
    (["metric"], "em_at_10", "'em_at_10' is of 10 candidates per prompt, and there are 1; raise generation.candidates"),
    (["over", "methods"], ["retrieval"], "no runs answer it, since no 'qlora' that it is about"),
    (["over", "methods"], ["retrieval"], "Add such runs, or write 'help: null' under questions"),
    (["asks"], ..., "questions.help: the key 'asks' is missing; add it"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_what_cannot_be_answered_is_one_line(path, value, message):
    with pytest.raises(StudyError) as caught:
        load_study(edit(asking(help=OVER_BASE), ["questions", "help", *path], value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_overlay_leaves_out_what_it_does_not_ask():
    config = asking(help=OVER_BASE, other=OVER_BASE)
    assert [one.name for one in load_study(edit(config, ["questions", "help"], None)).questions] == ["other"]
