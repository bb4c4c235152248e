"""Mistakes in the configuration: each gives one line that names the place and the remedy."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.schema import SCHEMA, check_schema
from conftest import ROOT
from paper_config import edit, paper_config


@pytest.fixture
def config():
    return paper_config()


CASES = [
    (["trainin"], {}, "config: 'trainin' is unknown; did you mean 'training'?"),
    (["training", "learning_rat"], 1e-4, "config: training: 'learning_rat' is unknown; did you mean 'learning_rate'?"),
    (["training", "learning_rate"], "2e-4", '"2e-4" is not of type number; write 0.0002 without quotes'),
    (["training", "learning_rate"], 0, "config: training.learning_rate: 0 is below 1e-12 (an optimizer moves"),
    (["training", "schedule"], "cosin", '"cosin" is not one of cosine, linear, constant; did you mean "cosine"?'),
    (["training", "patience"], ..., "config: training: the key 'patience' is missing"),
    (["models", "gemma-2-2b", "epoch"], 3, "config: models.gemma-2-2b: 'epoch' is unknown; did you mean 'epochs'?"),
    (["models", "gemma-2-2b", "epochs"], 0, "config: models.gemma-2-2b.epochs: 0 is below 1"),
    (["models", "gemma-2-2b", "parameters"], "2.6B", 'models.gemma-2-2b.parameters: "2.6B" is not of type number'),
    (["models", "gemma-2-2b", "parameters"], 2.6e9, "models.gemma-2-2b.parameters: 2600000000.0 is above 999"),
    (["models", "gemma-2-2b", "micro_batch"], 3, "batch_size 128 is not a multiple of micro_batch 3"),
    (["models", "gemma-2-2b", "micro_batch"], ..., "the key 'micro_batch' is missing, and a run fine-tunes this model"),
    (["models", "gemma-2-2b", "epochs"], ..., "models.gemma-2-2b: the key 'epochs' is missing, and a run fine-tunes"),
    (["models", "gemma-2-2b", "training"], {"patience": 0}, "models.gemma-2-2b.training.patience: 0 is below 1"),
    (["methods", "qlora", "training"], {"patience": 0}, "methods.qlora.training.patience: 0 is below 1"),
    (["training", "patience"], "None", '"None" is not a number of evaluations, or none: no early stopping'),
    (["training", "patience"], None, "patience: null is not a number of evaluations, or none: no early stopping"),
    (["training", "patience"], False, "patience: false is not a number of evaluations, or none: no early stopping"),
    (["training", "patience"], 1.5, "patience: 1.5 is not a number of evaluations, or none: no early stopping"),
    (["training", "patience"], "5", '"5" is not a number of evaluations, or none: no early stopping; write 5 without'),
    (["training", "patience"], "none\n", 'patience: "none\\n" is not a number of evaluations, or none'),
    (["training", "patience"], ["none"], 'patience: ["none"] is not a number of evaluations, or none'),
    (["training", "patience"], 10**7, "config: training.patience: 10000000 is above 1000000"),
    (["training", "epochs"], "none", 'training.epochs: "none" is not of type integer'),
    (["models", "gemma-2-2b", "revision"], "main", "pinned by its 40 hexadecimal digits; or to-be-filled-in, until"),
    (["models", "gemma-2-2b", "revision"], ..., "models.gemma-2-2b: the key 'revision' is missing (or give a local"),
    (["models", "gemma-2-2b", "path"], "no/such", "models.gemma-2-2b.path: there is no no/such"),
    (["runs", 0, "models"], ["gema-2-2b"], "runs[0].models: 'gema-2-2b' is unknown; did you mean 'gemma-2-2b'?"),
    (["runs", 0, "methods"], ["lora"], "runs[0].methods: 'lora' is unknown; did you mean 'qlora'?"),
    (["runs", 0, "datasets"], ["conala"], "runs[0].datasets: 'conala' is unknown; known: codealpaca-20k"),
    (["runs", 0, "seeds"], [], "config: runs[0].seeds: []"),
    (["runs", 0, "tests"], ["conala"], "runs[0].tests: 'conala' is unknown; known: codealpaca-20k"),
    (["runs", 0, "tests"], [], "config: runs[0].tests: [] is empty"),
    (["datasets", "codealpaca-20k", "split", "test"], 0.2, "train + validation + test is 1.1, but has to be 1"),
    (["datasets", "codealpaca-20k", "split", "test"], 1.5, "split.test: 1.5 is not below 1"),
    (["datasets", "codealpaca-20k", "sha256"], "abc", '"abc" is not a SHA-256 sum: 64 hexadecimal digits'),
    (["datasets", "codealpaca-20k", "file"], ..., "datasets.codealpaca-20k: the key 'file' is missing"),
    (["methods", "qlora", "peft", "r"], 0, "config: methods.qlora.peft.r: 0 is below 1 (Lora attention dimension)"),
    (
        ["methods", "qlora", "peft", "lora_dropout"],
        1.0,
        "peft.lora_dropout: 1.0 is not a share of at least 0 and below 1",
    ),
    (
        ["methods", "qlora", "peft", "target_modules"],
        "q_proj",
        "which whole paths have to match; write a list: [q_proj]",
    ),
    (
        ["methods", "qlora", "peft", "lora_alph"],
        16,
        "methods.qlora.peft: 'lora_alph' is unknown; did you mean 'lora_alpha'",
    ),
    (["methods", "qlora", "baselines"], ["bas"], "qlora.baselines: 'bas' is unknown; did you mean 'base'?"),
    (["methods", "qlora", "baselines"], [], "config: methods.qlora.baselines: [] is empty"),
    (["methods", "qlora", "training"], {"max_length": 9}, "methods.qlora.training: 'max_length' is unknown"),
    (["methods", "qlora", "training"], {"epochs": 0}, "config: methods.qlora.training.epochs: 0 is below 1"),
    (["methods", "qlora", "training"], {"batch_size": [160, 9]}, "micro_batch 5 (method qlora). Change one of the two"),
    (["methods", "base", "full"], False, "config: methods.base.full: false is not true; write that, or leave the key"),
    (["methods", "qlora", "training"], {"batch_size": 9}, "1b: batch_size 9 is not a multiple of micro_batch 5"),
    (
        ["methods", "qlora", "training"],
        {"warmup_steps": 1.5},
        "warmup_steps: 1.5 is neither a number of steps nor a share",
    ),
    (["quantization", "type"], "int4", '"int4" is not one of none, int8, nf4, fp4'),
    (["tokenization", "max_length"], 8, "config: tokenization.max_length: 8 is below 16"),
    (["results"], ..., "config: top level: the key 'results' is missing"),
    # Nothing, or the wrong kind of thing.
    (["models"], None, "config: models: null is not of type object"),
    (["models"], "gemma-2-2b", 'config: models: "gemma-2-2b" is not of type object'),
    (["models", "gemma-2-2b"], None, "config: models.gemma-2-2b: null is not of type object"),
    (["methods"], {}, "config: methods: {} is empty"),
    (["methods", "base"], None, "config: methods.base: null is not of type object"),
    (["methods", "qlora", "peft"], None, "config: methods.qlora.peft: null is not of type object"),
    (["runs"], None, "config: runs: null is not of type array"),
    (["runs"], [], "config: runs: [] is empty"),
    (["runs", 0], "all", 'config: runs[0]: "all" is not of type object'),
    (
        ["runs", 0, "models"],
        "gemma-2-2b",
        'runs[0].models: "gemma-2-2b" is not of type array; write a list: [gemma-2-2b]',
    ),
    (["runs", 0, "models"], ["a", "a"], 'config: runs[0].models: ["a", "a"] lists the same entry twice'),
    (["runs", 0, "models"], [3], "config: runs[0].models[0]: 3 is not of type string; put it in quotes"),
    ([3], {}, "config: '3' is unknown; known: results, resources"),
    # Numbers.
    (["runs", 0, "seeds"], 0, "config: runs[0].seeds: 0 is not of type array; write a list: [0]"),
    (["runs", 0, "seeds"], [0, 0], "config: runs[0].seeds: [0, 0] lists the same entry twice"),
    (["runs", 0, "seeds"], [-1], "config: runs[0].seeds[0]: -1 is below 0"),
    (["runs", 0, "seeds"], [2**32], "config: runs[0].seeds[0]: 4294967296 is above 4294967295"),
    (["runs", 0, "seeds"], [1.0], "config: runs[0].seeds[0]: 1.0 is not of type integer"),
    (["runs", 0, "seeds"], [True], "config: runs[0].seeds[0]: true is not of type integer"),
    (["models", "gemma-2-2b", "epochs"], 2.0, "config: models.gemma-2-2b.epochs: 2.0 is not of type integer"),
    (["models", "gemma-2-2b", "epochs"], "3", '"3" is not of type integer; write 3 without quotes'),
    (["training", "learning_rate"], "1e-05", "write 0.00001 without quotes"),
    (["training", "learning_rate"], "fast", '"fast" is not of type number'),
    (["training", "learning_rate"], float("nan"), "config: training.learning_rate: NaN is not of type number"),
    (["training", "weight_decay"], float("inf"), "config: training.weight_decay: Infinity is not of type number"),
    (["training", "learning_rate"], True, "config: training.learning_rate: true is not of type number"),
    (["datasets", "codealpaca-20k", "split", "test"], float("nan"), "split.test: NaN is not of type number"),
    (["threads", "training"], 0, "config: threads.training: 0 is below 1"),
    (["generation", "max_new_tokens"], 0, "config: generation.max_new_tokens: 0 is below 1"),
    (["generation", "cache_gb"], 0, "generation.cache_gb: 0"),
    (["generation", "decoding"], "beams", '"beams" is not one of greedy, beam, sample; did you mean "beam"?'),
    (["generation", "candidates"], 0, "config: generation.candidates: 0 is below 1"),
    (
        ["generation", "candidates"],
        10,
        "generation.candidates: greedy decoding has one candidate, not 10. Add 'decoding",
    ),
    (
        ["generation", "decoding"],
        "beam",
        "config: generation: a beam search needs the number of its beams. Add 'candidat",
    ),
    (
        ["generation", "top_p"],
        0,
        "config: generation.top_p: 0 is not above 0 (a share of the probability; 1 leaves out",
    ),
    (["generation", "top_p"], 1.5, "config: generation.top_p: 1.5 is above 1"),
    (["generation", "temperature"], 0, "config: generation.temperature: 0 is below 0.01 (logits are divided by it"),
    (["generation", "temperature"], 0.7, "generation.temperature: says nothing with 'decoding: greedy', which draws"),
    (["generation", "seed"], 1, "config: generation: 'seed' is unknown"),
    (["quantization", "double"], "yes", 'config: quantization.double: "yes" is not of type boolean'),
    (["training", "schedule"], True, "config: training.schedule: true is not one of cosine, linear, constant"),
    # Names and text.
    (["models", "a/b"], {}, 'config: models: "a/b" is not a name: letters, digits'),
    (["models", "a b"], {}, 'config: models: "a b" is not a name'),
    (["models", ""], {}, 'config: models: "" is not a name'),
    (["models", "a\n"], {}, 'config: models: "a\\n" is not a name'),
    (["models", 3], {}, "config: models: 3 is not of type string; put it in quotes"),
    (["datasets", ".."], {}, 'config: datasets: ".." is not a name'),
    (["models", "gemma-2-2b", "label"], "", 'config: models.gemma-2-2b.label: "" is empty'),
    (["models", "gemma-2-2b", "label"], "a\nb", 'label: "a\\nb" is not one line of text'),
    (["models", "gemma-2-2b", "label"], date(2026, 1, 2), '"2026-01-02" is not of type string; put it in quotes'),
    (["models", "gemma-2-2b", "label"], "Llama-3.2-1B", 'models.llama-3.2-1b is called "Llama-3.2-1B" too'),
    (["models", "gemma-2-2b", "repo"], "gemma", '"gemma" is not a repository of the hub: owner/name'),
    (["models", "gemma-2-2b", "repo"], "https://hub/a/b", '"https://hub/a/b" is not a repository of the hub'),
    (["models", "gemma-2-2b", "revision"], "a" * 40 + "\n", "is not a commit"),
    (["models", "gemma-2-2b", "revision"], 10**39, "is not of type string; put it in quotes"),
    (["models", "gemma-2-2b", "label"], " a", 'label: " a" is not one line of text, without spaces at its ends'),
    (["models", "gemma-2-2b", "label"], "a\u2028b", 'label: "a\\u2028b" is not one line of text'),
    (["models", "gemma-2-2b", "label"], "x" * 101, "xxx... is longer than 100 characters"),
    (["models", "gemma-2-2b", "label"], "x" * 10**6, "xxx... has 1,000,000 characters. Shorten it"),
    (["models", "gemma-2-2b", "label"], "\ud800", 'label: "\\ud800" holds half of a surrogate pair'),
    (["models", "gemma-2-2b", "repo"], "../..", '"../.." is not a repository of the hub'),
    (["models", "x" * 65], {}, "xxx... is longer than 64 characters"),
    (["methods", "m.partial"], {}, "methods: 'm.partial' ends in '.partial', as unfinished downloads do"),
    (["methods", "x" + "ab" * 20], {}, "abab' ends in twenty times the same. Rename it"),
    (["methods", "QLoRA"], {}, "methods: 'qlora' and 'QLoRA' differ in case only"),
    (["runs", 0, "models"], ["x" * 4000], "runs[0].models: 'xxxxxxxxxxxxxxxxxx"),
    (["runs", 0, "models"], ["a\nb"], "runs[0].models: 'a\\nb' is unknown; known: llama"),
    (
        ["runs", 0, "seeds"],
        list(range(2000)),
        "runs: 30,003 runs are more than 10,000. Split them into several studies",
    ),
    (
        ["datasets", "codealpaca-20k", "file"],
        "../x.json",
        "file: '../x.json' is not the name of a file in a repository",
    ),
    (["datasets", "codealpaca-20k", "file"], "/x.json", "file: '/x.json' is not the name of a file in a repository"),
    # Numbers without end.
    (["training", "learning_rate"], int("1" * 400), "config: training.learning_rate: a number of 400 digits"),
    (["training", "patience"], 10**6000, "config: training.patience: a number of 6,001 digits. Write a smaller one."),
    (
        ["training", "learning_rate"],
        1e308,
        "learning_rate: 1e+308 is above 10 (an optimizer moves each weight by about this",
    ),
    (["training", "learning_rate"], -0.0, "learning_rate: -0.0 is below 1e-12"),
    (["training", "learning_rate"], "1" * 400, "111... is not of type number"),
    (["methods", "qlora", "peft", "r"], 10**9, "methods.qlora.peft.r: 1000000000 is above 16384"),
    (["evaluation", "resamples"], 10**20, "resamples: 100000000000000000000 is above 100000 (100,000 give p-values to"),
    (["evaluation", "resamples"], 1e20, "resamples: 1e+20 is not of type integer"),
    (["evaluation", "seed"], 2**32, "evaluation.seed: 4294967296 is above 4294967295 (seeds have 32 bits)"),
    (["datasets", "codealpaca-20k", "split", "seed"], 2**32, "split.seed: 4294967296 is above 4294967295"),
    # Places.
    (["results"], "", 'config: results: "" is empty'),
    (["results"], None, "config: results: null is not of type string"),
    (["results"], "{model}", 'config: results: "{model}" is not a folder: without braces'),
    (["results"], "<results>", 'config: results: "<results>" is not a folder'),
    (["results"], "results/", 'config: results: "results/" is not a folder'),
    (["results"], "resources", "config: results and resources are the same folder, resources"),
    (["results"], "a/../resources", "config: results and resources are the same folder, a/../resources"),
    (["results"], __file__, f"config: results: {__file__} is not a folder, but has to be one"),
    (["resources"], __file__ + "/below", f"config: resources: {__file__} is not a folder, but has to be one"),
    (["models", "gemma-2-2b", "path"], "", 'config: models.gemma-2-2b.path: "" is empty'),
    (["models", "gemma-2-2b", "path"], __file__, "test_mistakes.py is a file, but has to be a folder"),
    (["datasets", "codealpaca-20k", "path"], "/", "path: / is a folder, but has to be a file"),
    (["datasets", "codealpaca-20k", "path"], "no.json", "codealpaca-20k.path: there is no no.json (seen from"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), CASES, ids=[".".join(map(str, c[0])) + f"={c[2]!a}"[:60] for c in CASES]
)
def test_a_mistake_gives_one_clear_line(config, path, value, message):
    with pytest.raises(StudyError) as error:
        load_study(edit(config, path, value))
    assert message in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def numbers_of(schema, path=()):
    """The place of each number in the schema, with what the schema says of it."""
    if schema.get("type") in ("integer", "number"):
        yield path, schema
    for name, part in schema.items():
        if isinstance(part, dict):
            yield from numbers_of(part, (*path, name))


NUMBERS = dict(numbers_of(json.loads(SCHEMA.read_text())))


@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
def test_every_number_has_a_least_and_a_greatest_value(path):
    schema = NUMBERS[path]
    assert {"minimum", "exclusiveMinimum"} & schema.keys()
    assert {"maximum", "exclusiveMaximum"} & schema.keys()


ENDLESS = []
ENDLESS.append(ENDLESS)
WITHIN = {"a": 1}
WITHIN["b"] = WITHIN
BOMB = ["x"] * 9
for _ in range(8):
    BOMB = [BOMB] * 9
DEEP = 1
for _ in range(2000):
    DEEP = {"a": DEEP}
STRANGE = [
    ENDLESS,
    WITHIN,
    BOMB,
    DEEP,
    {("a", "b"): 1},
    {None: 1},
    {1.5: 1},
    {"a\nb": 1},
    {"x" * 10**6: 1},
    {"a"},
    b"x",
]


@pytest.mark.parametrize("value", STRANGE, ids=range(len(STRANGE)))
@pytest.mark.parametrize(
    "place",
    [(), ("runs",), ("runs", 0), ("models",), ("models", "gemma-2-2b", "label"), ("results",), ("new",)],
    ids=str,
)
def test_no_value_is_too_strange_for_one_short_line(config, place, value):
    with pytest.raises(StudyError, match="^config: ") as error:
        check_schema(edit(config, place, value) if place else value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("value", [None, [], "results", 3])
def test_a_config_that_is_no_mapping_is_an_error(value):
    with pytest.raises(StudyError, match="config: top level: .* is not of type object"):
        load_study(value)


NONE = {"datasets": ["codealpaca-20k"], "models": ["none"], "methods": ["retrieval"], "seeds": [0]}
# Prompts, and runs without a model.
NO_MODEL = [
    (
        ["methods", "base-chat", "prompt"],
        "cat",
        "config: methods.base-chat.prompt: 'cat' is unknown; did you mean 'chat'?",
    ),
    (["methods", "qlora", "prompt"], "few-shot", "methods.qlora.prompt: 'few-shot' is unknown; known: paper, chat"),
    (["methods", "base-chat", "prompt"], ["chat"], 'methods.base-chat.prompt: ["chat"] is not of type string'),
    (["prompts", "chat"], {}, "config: prompts.chat: the key 'template' is missing; add it"),
    (
        ["prompts", "chat", "template"],
        "own",
        "prompts.chat.template: 'own' is unknown; known: paper, chat, instruction",
    ),
    (["prompts", "chat", "examples"], 2, "config: prompts.chat.examples: 2 is not of type object"),
    (["prompts"], {}, "config: prompts: {} is empty"),
    (["prompts"], ..., "methods.base-chat.prompt: the config has no prompts. Add 'prompts: {chat: {template: chat}}'"),
    (["methods", "retrieval", "kind"], "retrieve", '"retrieve" is not one of retrieval; did you mean "retrieval"?'),
    (["methods", "qlora", "kind"], "retrieval", "methods.qlora: 'peft' says nothing with 'kind: retrieval'"),
    (["methods", "retrieval", "prompt"], "chat", "methods.retrieval: 'prompt' says nothing with 'kind: retrieval'"),
    (["methods", "retrieval", "training"], {}, "methods.retrieval: 'training' says nothing with 'kind: retrieval'"),
    (["methods", "retrieval", "baselines"], ["base"], "methods.retrieval: 'baselines' says nothing with 'kind: ret"),
    (["methods", "qlora", "baselines"], ["retrieval"], "'retrieval' is a retrieval, but gains are over the same model"),
    (["runs", 0], NONE | {"methods": ["base"]}, "runs[0]: the method 'base' needs a model, but models has 'none'"),
    (["runs", 0], NONE | {"methods": ["retrieval", "qlora"]}, "runs[0]: the method 'qlora' needs a model, but models"),
    (
        ["runs", 0, "methods"],
        ["base", "retrieval"],
        "runs[0]: the method 'retrieval' is a retrieval, which has no model",
    ),
    (
        ["runs", 0],
        NONE | {"models": ["none", "gemma-2-2b"]},
        "but models has 'gemma-2-2b'. Give it an entry of runs of",
    ),
    (["runs", 0], NONE | {"models": ["None"]}, "runs[0].models: 'None' is unknown"),
    (["runs", 0], NONE | {"models": [None]}, "config: runs[0].models[0]: null is not of type string"),
    (["runs", 0], NONE, "retrieval, seed 0 on codealpaca-20k is named twice. Remove one of the two"),
    (["models", "gemma-2-2b", "label"], "Most similar training sample", "is what retrieval is called in tables"),
]


@pytest.mark.parametrize(("path", "value", "message"), NO_MODEL, ids=lambda found: str(found)[:50])
def test_a_mistake_about_prompts_or_runs_without_a_model_gives_one_line(config, path, value, message):
    with pytest.raises(StudyError) as error:
        load_study(edit(config, path, value))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["none", "NONE", "None"])
def test_no_model_may_be_called_none(config, name):
    config["models"][name] = config["models"]["phi-3-mini"] | {"label": "Another"}
    with pytest.raises(StudyError, match=f"^config: models: '{name}' means no model; give this one another name$"):
        load_study(config)


def test_no_data_set_may_be_called_none(config):
    entry = config["datasets"]["codealpaca-20k"]
    with pytest.raises(StudyError, match="^config: datasets: 'none' means no training data; give the data set another"):
        load_study(edit(config, ["datasets", "none"], entry))


def test_a_file_that_may_not_be_read_is_an_error(config, tmp_path, monkeypatch):
    path = tmp_path / "data.json"
    path.write_text("[]")
    assert load_study(edit(config, ["datasets", "codealpaca-20k", "path"], str(path)))
    monkeypatch.setattr(os, "access", lambda *_: False)  # the administrator, who may run this, may read all
    with pytest.raises(StudyError, match="data.json may not be read"):
        load_study(edit(config, ["datasets", "codealpaca-20k", "path"], str(path)))


@pytest.mark.parametrize("name", ["split", "all"])
def test_a_model_cannot_have_the_name_of_a_rule(config, tmp_path, name):
    overlay = {"models": {name: {**config["models"]["phi-3-mini"], "label": "Other"}}}
    overlay["runs"] = [{"datasets": ["codealpaca-20k"], "models": [name], "methods": ["base"], "seeds": [0]}]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(overlay))
    command = [Path(sys.executable).parent / "snakemake", "-n", "--cores", "1", "--directory", tmp_path]
    command += ["--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config/config.yaml", tmp_path / "mine.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert f"error: config: models: '{name}' is the name of a rule already; give the model another" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_in_a_list_of_values_is_not_sent_to_where_it_stands(config):
    config["methods"]["qlora"]["training"] = {"learning_rate": [[1e-3]]}
    with pytest.raises(StudyError, match=r"learning_rate\[0\]: \[0.001\] is not of type number$"):
        load_study(config)
