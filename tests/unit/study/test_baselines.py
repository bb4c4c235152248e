"""What gains are measured over: what a method names, or the untuned methods that are like it."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from paper_config import edit, paper_config

ON = {"datasets": ["codealpaca-20k"], "seeds": [0]}
UNTUNED = {
    "base": {},
    "base-chat": {"prompt": "chat"},
    "base-bf16": {"quantization": "none"},
    "base-bf16-chat": {"quantization": "none", "prompt": "chat"},
    "base-8bit": {"quantization": "int8"},
}


def config_with(entry, *untuned, models=("gemma-2-2b",), **changes):
    """The paper's config in which a method `mine` is run beside some untuned ones."""
    config = paper_config()
    mine = {"peft": config["methods"]["qlora"]["peft"]} | entry
    if mine.get("full"):
        del mine["peft"]
    config["methods"] = config["methods"] | UNTUNED | {"mine": mine}
    config["runs"] = [ON | {"models": list(models), "methods": [*untuned, "mine"]}]
    return config | changes


def baselines(config):
    return load_study(config).methods["mine"].baselines


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, ["base", "base-chat"]),
        ({"quantization": "nf4"}, ["base", "base-chat"]),
        ({"prompt": "paper"}, ["base", "base-chat"]),
        ({"prompt": "chat"}, ["base-chat"]),
        ({"quantization": "none"}, ["base-bf16", "base-bf16-chat"]),
        ({"quantization": "none", "full": True}, ["base-bf16", "base-bf16-chat"]),
        ({"quantization": "none", "prompt": "chat"}, ["base-bf16-chat"]),
        ({"quantization": "int8"}, ["base-8bit"]),
        ({"quantization": "int8", "baselines": ["base", "base-8bit"]}, ["base", "base-8bit"]),
        ({"baselines": ["base-bf16"]}, ["base-bf16"]),
    ],
)
def test_by_default_they_are_the_untuned_runs_held_alike_in_the_same_template_or_the_model_s_own(entry, expected):
    assert baselines(config_with(entry, *UNTUNED)) == expected
    assert baselines(config_with(entry, *reversed(UNTUNED))) == expected or "baselines" in entry


def test_the_study_s_quantisation_is_that_of_methods_that_name_none():
    config = config_with({}, *UNTUNED)
    assert baselines(edit(config, ["quantization", "type"], "int8")) == ["base", "base-8bit", "base-chat"]
    assert baselines(edit(config, ["quantization", "type"], "none")) == [
        *("base", "base-bf16", "base-chat", "base-bf16-chat")
    ]


def test_a_model_s_own_template_counts_as_what_it_is():
    config = config_with({"prompt": "chat"}, "base", "base-chat")
    assert baselines(edit(config, ["models", "gemma-2-2b", "template"], "chat")) == ["base", "base-chat"]
    assert baselines(edit(config, ["tokenization", "template"], "chat")) == ["base", "base-chat"]
    one_of_two = config_with({"prompt": "chat"}, "base", "base-chat", models=("gemma-2-2b", "llama-3.2-1b"))
    assert baselines(edit(one_of_two, ["models", "gemma-2-2b", "template"], "chat")) == ["base-chat"]


def test_they_have_to_be_run_on_a_model_of_the_method():
    config = config_with({}, "base")
    assert baselines(config) == ["base"]
    config["runs"] += [ON | {"models": ["llama-3.2-1b"], "methods": ["base-chat"]}]
    assert baselines(config) == ["base"]


def test_where_none_is_run_they_are_those_that_could_be():
    """So that Table 2 says that they were not run."""
    assert baselines(config_with({"quantization": "none"}, "base")) == ["base-bf16", "base-bf16-chat"]
    assert baselines(config_with({"prompt": "chat"})) == ["base-chat"]


@pytest.mark.parametrize(
    ("entry", "untuned", "changes", "add"),
    [
        ({"quantization": "fp4"}, [*UNTUNED], {}, "Add 'base-fp4: {quantization: fp4}' to methods and 'base-fp4' to"),
        ({"quantization": "int8", "prompt": "chat"}, ["base-8bit"], {}, "'base-int8-chat: {quantization: int8, prompt"),
    ],
)
def test_a_method_without_one_is_one_line_that_says_what_to_add(entry, untuned, changes, add):
    with pytest.raises(StudyError) as found:
        load_study(config_with(entry, *untuned, **changes))
    text = str(found.value)
    assert text.startswith("config: methods.mine: there is no untuned method with weights held alike (quantization: ")
    assert add in text
    assert "or name 'baselines' of the method." in text
    assert "\n" not in text


def test_what_the_line_says_is_enough():
    config = config_with({"quantization": "none", "prompt": "chat"}, "base")
    for name in ("base-bf16", "base-bf16-chat"):
        del config["methods"][name]
    with pytest.raises(StudyError, match="'base-bf16-chat: {quantization: none, prompt: chat}' to methods"):
        load_study(config)
    config["methods"]["base-bf16-chat"] = {"quantization": "none", "prompt": "chat"}
    config["runs"][0]["methods"] += ["base-bf16-chat"]
    assert baselines(config) == ["base-bf16-chat"]


def test_a_method_that_is_not_run_needs_none():
    config = config_with({"quantization": "fp4"}, "base")
    config["runs"][0]["methods"] = ["base"]
    assert baselines(config) == []
