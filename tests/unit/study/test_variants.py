"""Methods and models that are variants of others: read, checked, and paired with what they are compared with."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.runs import System
from codetune.study.tables import compared_variants, table_inputs, table_params
from paper_config import edit, paper_config

DATA = "codealpaca-20k"


def config_with(runs, methods=None, models=None):
    """The paper's config with these variants of QLoRA and of Gemma, and these pairs of models and methods run."""
    config = paper_config()
    peft = {"peft": config["methods"]["qlora"]["peft"], "baselines": ["base"]}
    config["methods"] |= {name: peft | entry for name, entry in (methods or {}).items()}
    gemma = config["models"]["gemma-2-2b"]
    config["models"] |= {name: gemma | {"label": name} | entry for name, entry in (models or {}).items()}
    config["runs"] = [
        {"datasets": [DATA], "models": [model], "methods": names, "seeds": [0, 1]} for model, names in runs
    ]
    return config


MINE = {"mine": {"variant_of": "qlora"}}
PRETRAINED = {"pretrained": {"variant_of": "gemma-2-2b"}}


def names_of(pairs):
    return [tuple(f"{system.model} {system.method}" for system in pair) for pair in pairs]


def test_each_variant_that_is_trained_is_compared_with_its_default_if_that_is_too():
    runs = [
        ("gemma-2-2b", ["base", "qlora", "mine"]),
        ("llama-3.2-1b", ["base", "mine"]),  # the default of which is not run
        ("pretrained", ["base", "qlora", "mine"]),
    ]
    study = load_study(config_with(runs, MINE, PRETRAINED))
    assert names_of(compared_variants(study)) == [
        ("gemma-2-2b mine", "gemma-2-2b qlora"),
        ("pretrained qlora", "gemma-2-2b qlora"),
        ("pretrained mine", "pretrained qlora"),  # one thing differs
    ]
    tables = table_inputs(study, str.format, str.format)
    assert list(tables) == ["table1", "table2", "variants", "pairs", "metrics", "breakdown", "cost", "audit"]
    assert tables["variants"] == tables["table2"]
    first = [{"data": DATA, "model": "gemma-2-2b", "method": name} for name in ("mine", "qlora")]
    assert table_params(study, "rouge_l")["variants"][0] == first


@pytest.mark.parametrize("methods", [["base"], ["base", "qlora"], ["base", "mine"]])
def test_without_such_a_pair_there_is_no_table(methods):
    study = load_study(config_with([("gemma-2-2b", methods)], MINE))
    assert compared_variants(study) == []
    assert "variants" not in table_inputs(study, str.format, str.format)


def test_a_study_without_variants_has_none():
    assert load_study(paper_config()).variants.default_of(System(DATA, "gemma-2-2b", "qlora")) is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ["methods", "mine", "variant_of"],
            "qlor",
            "methods.mine.variant_of: 'qlor' is unknown; did you mean 'qlora'?",
        ),
        (["methods", "mine", "variant_of"], "mine", "methods.mine.variant_of: 'mine' is a variant itself"),
        (["methods", "qlora", "variant_of"], "mine", "methods.qlora.variant_of: 'mine' is a variant itself"),
        (["methods", "mine", "variant_of"], "base", "variants are of methods that train, and 'base' does not"),
        (
            ["methods", "base-chat", "variant_of"],
            "base",
            "variants are of methods that train, and 'base-chat' does not",
        ),
        (
            ["methods", "retrieval", "variant_of"],
            "qlora",
            "variants are of methods that train, and 'retrieval' does not",
        ),
        (["models", "pretrained", "variant_of"], "gemma", "models.pretrained.variant_of: 'gemma' is unknown"),
        (
            ["models", "pretrained", "variant_of"],
            "pretrained",
            "models.pretrained.variant_of: 'pretrained' is a variant",
        ),
        (["methods", "mine", "variant_of"], ["qlora"], "methods.mine.variant_of: "),
    ],
)
def test_a_variant_of_nothing_is_one_line(path, value, message):
    config = config_with([("gemma-2-2b", ["base", "qlora"])], MINE, PRETRAINED)
    with pytest.raises(StudyError) as found:
        load_study(edit(config, path, value))
    assert message in str(found.value)
    assert "\n" not in str(found.value)
