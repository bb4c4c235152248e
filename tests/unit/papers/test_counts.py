"""What ways of tuning train, counted from shapes: against PEFT itself, and against notes on two papers."""

import re

import pytest
from codetune.papers.counts import Shape, share_of_weights, trained_parameters
from codetune.study.declared import read_paper
from conftest import ROOT
from test_declared_numbers import rows_after


@pytest.fixture(scope="module")
def notes():
    from test_declared_numbers import read_notes

    return read_notes("other-studies.md")


def paper(name):
    return read_paper(ROOT / f"config/papers/{name}.yaml")


def numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]+\d", text)]


def test_the_counts_of_männistö_et_al_are_those_of_the_notes(notes):
    said = paper("peft-methods")
    shapes = [
        Shape(**said["shapes"][key]) for key in ("gpt2", "gpt2-m", "gpt2-l", "gpt2-xl", "codellama-7b", "mistral-7b")
    ]
    told = notes.split("Absolute counts [M]: ")[1].split("Prompt 20 x width")[0]
    lora, prefix = (numbers(part) for part in told.split("Prefix"))
    assert [trained_parameters(shape, said["methods"]["lora"]) for shape in shapes] == lora
    assert [trained_parameters(shape, said["methods"]["prefix"]) for shape in shapes] == prefix
    assert [trained_parameters(shape, said["methods"]["prompt"]) for shape in shapes] == [
        20 * one.width for one in shapes
    ]


def test_the_counts_of_weyssow_et_al_are_those_of_the_notes(notes):
    said = paper("peft-or-icl")
    changes = {"lora": {}, "ia3": {"targets": "attention and mlp"}, "prompt": {}, "prefix": {"tokens": 10}}
    for label, *cells in rows_after(notes, "Trainable parameters of Table 3 [P]"):
        shape = Shape(**said["shapes"][label.split(",")[0]])
        counted = [trained_parameters(shape, said["methods"][name] | more) for name, more in changes.items()]
        assert counted == [numbers(cell.split(" = ")[1])[0] for cell in cells]


def test_shares_are_of_the_weights_with_what_is_put_into_them(notes):
    said = paper("peft-methods")
    shape, parameters = Shape(**said["shapes"]["gpt2"]), said["models"]["gpt2"]["parameters"]
    lora = said["methods"]["lora"]
    shares = [lora, lora | {"targets": "attention"}, said["methods"]["prefix"], said["methods"]["prompt"]]
    assert [f"{share_of_weights(shape, way, parameters):.3f}" for way in shares] == ["1.861", "0.472", "0.296", "0.012"]


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        ({"kind": "lora", "rank": 4, "targets": "attention"}, ("LoraConfig", {"r": 4, "target_modules": ["c_attn"]})),
        (
            {"kind": "lora", "rank": 4, "targets": "linear"},
            ("LoraConfig", {"r": 4, "target_modules": ["c_attn", "c_proj", "c_fc"]}),
        ),
        ({"kind": "prefix", "tokens": 5}, ("PrefixTuningConfig", {"num_virtual_tokens": 5})),
        ({"kind": "prompt", "tokens": 5}, ("PromptTuningConfig", {"num_virtual_tokens": 5})),
    ],
)
def test_peft_counts_the_same(way, settings):
    import peft
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(n_layer=3, n_embd=32, n_head=4, vocab_size=50, n_positions=16))
        kind, values = settings
        tuned = peft.get_peft_model(model, getattr(peft, kind)(task_type="CAUSAL_LM", **values))
    counted = trained_parameters(Shape("fused", layers=3, width=32, mlp=128), way)
    assert sum(one.numel() for one in tuned.parameters() if one.requires_grad) == counted


@pytest.mark.parametrize("way", [{"kind": "lora", "rank": 1, "targets": "all"}, {"kind": "ia3"}, {"kind": "adapter"}])
def test_a_way_that_is_not_known_is_refused(way):
    with pytest.raises(ValueError, match=f"kind '{way['kind']}' and targets"):
        trained_parameters(Shape("gated", 1, 8, 16), way)
