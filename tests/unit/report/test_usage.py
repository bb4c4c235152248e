"""The lines of a model card: they load the adapter and complete a prompt as it was done for the scores."""

import itertools
import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
from bitsandbytes.nn import modules
from codetune.base.plain import from_plain
from codetune.data.samples import Sample
from codetune.generation import loading
from codetune.generation.batches import generate
from codetune.methods.adapters import load_adapter
from codetune.methods.tuning import make_tuning
from codetune.models.loading import Checkpoint
from codetune.models.quantization import linear_4bit
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.completions import Ending
from codetune.prompts.described import Described, PromptFrame
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import describe_template, encode
from codetune.prompts.tokensets import with_virtual_tokens
from codetune.report.publish import model_card
from codetune.report.usage import REQUEST, _answer
from codetune.study.decoding import Decoding
from codetune.study.facts import EIGHT_BITS, FOUR_BITS
from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import Source
from codetune.study.template import BUILT_IN
from fake_records import DESCRIBED, fake_publications, fake_record
from make_samples import make_records
from markdown_it import MarkdownIt
from miniatures import PLAN, tokens_for, trainer_for
from tiny_roberta import POSITIONS, build_roberta
from tiny_t5 import build_t5

SAMPLES = [Sample(number, **record) for number, record in enumerate(make_records(5, seed=11))]
DECODING = Decoding(max_new_tokens=16, batch_size=1, cache_gb=1)
VIRTUAL = {"num_virtual_tokens": 4}


WORDS = {
    ("nf4", "float32"): "dequantised from 4 bits to float32",
    ("nf4", "bfloat16"): "dequantised from 4 bits to bfloat16",
    ("nf4", FOUR_BITS): "in 4 bits",
    ("fp4", FOUR_BITS): "in 4 bits",
    ("none", "bfloat16"): "in bfloat16",
    ("none", "float32"): "in float32",
    ("int8", EIGHT_BITS): "in 8 bits",
}


def blocks_of(card):
    """The blocks of code in a card, by their languages."""
    return {token.info: token.content for token in MarkdownIt("commonmark").parse(card) if token.type == "fence"}


def card_of(plan, described, **generation):
    record = fake_record("a", "qlora", "d", test="d")
    training = replace(record.training, plan=plan)
    tested = record.tests["d"]
    facts = replace(tested.generation, quantization=plan.quantization, **generation)
    record = replace(record, training=training, tests={"d": replace(tested, generation=facts)})
    return model_card(record, training, "rouge_l", fake_publications(), described)


def run(code, adapter, request, capsys):
    """What the lines print, with this adapter and this request in place of those in the card."""
    code, adapters = re.subn(r"(?m)^adapter = .*$", lambda _: f"adapter = {str(adapter)!r}", code)
    code, requests = re.subn(r"(?m)^request = .*$", lambda _: f"request = {request!r}", code)
    assert (adapters, requests) == (1, 1)
    capsys.readouterr()
    exec(code, {})
    return capsys.readouterr().out.removesuffix("\n")


@pytest.fixture(scope="module")
def checkpoint(checkpoints, tmp_path_factory):
    """A model whose own settings would sample and punish repetitions."""
    folder = shutil.copytree(checkpoints / "llama-3.2-1b", tmp_path_factory.mktemp("card") / "model")
    own = {"do_sample": True, "temperature": 2.0, "top_k": 3, "repetition_penalty": 3.0, "max_new_tokens": 3}
    (folder / "generation_config.json").write_text(json.dumps(own))
    return folder


@pytest.fixture(scope="module")
def adapter(checkpoint, tmp_path_factory):
    """An adapter that changes much, as no training of a few steps would."""
    folder = tmp_path_factory.mktemp("adapter")
    trainer = trainer_for(checkpoint, folder, tokens_for(checkpoint))
    for parameter in trainer.trainable():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    trainer.model.save_pretrained(str(folder / "tuned"))
    return folder / "tuned"


@pytest.mark.parametrize(
    ("template", "kind", "dtype", "held"),
    [
        ("paper", "nf4", "float32", "float32"),
        ("chat", "nf4", "bfloat16", "bfloat16"),
        ("paper", "nf4", "bfloat16", FOUR_BITS),
        ("chat", "fp4", "float32", FOUR_BITS),
        ("chat", "none", "bfloat16", "bfloat16"),
        ("paper", "none", "float32", "float32"),
        ("paper", "int8", "float32", EIGHT_BITS),  # without outliers in these texts, which the card speaks of
    ],
)
def test_the_lines_of_a_card_give_the_text_that_was_scored(
    checkpoint, adapter, tmp_path, capsys, monkeypatch, template, kind, dtype, held
):
    """An end token and a marker within the texts stand for what trained models write.

    On some CPUs bitsandbytes repacks 4-bit weights, which rounds otherwise; the library keeps it from that.
    """
    monkeypatch.setattr(modules, "has_avx512bf16", lambda: False)
    if held == FOUR_BITS:
        monkeypatch.setattr(loading, "dequantize", lambda *_, **__: None)
    else:
        monkeypatch.setattr(loading, "RESERVE", 0)
    quantization = Quantization(kind, double=kind == "nf4", compute_dtype=dtype)
    tokenizer = load_tokenizer(checkpoint)
    serialisation = serialisation_of(BUILT_IN[template], tokenizer)
    model = load_adapter(loading.load_for_decoding(Checkpoint(checkpoint, quantization), DECODING), adapter)
    assert bool(linear_4bit(model)) is (held == FOUR_BITS)
    prompts = encode(SAMPLES, tokenizer, serialisation)

    def complete(ending, name):
        limit = loading.prompt_limit(DECODING)
        found = generate(model, tokenizer, prompts, DECODING, ending, limit, tmp_path / name)
        return [prediction.first for prediction in found]

    plain = [one.text for one in complete(serialisation.ending, "plain")]
    ids = tokenizer.encode(plain[0], add_special_tokens=False)
    described = from_plain(describe_template(serialisation, tokenizer), Described, "the statistics")
    ending = replace(described.ending, stops=sorted({*described.ending.stops, ids[len(ids) // 2]}))
    ending = replace(ending, markers=[*ending.markers, plain[1][3:6]])
    expected = complete(ending, "ended")
    assert [one.text for one in expected] != plain
    plan = replace(PLAN, source=Source(path=str(checkpoint)), quantization=quantization)
    card = card_of(plan, replace(described, ending=ending), decoding=DECODING, weights=held, context=2048)
    assert f"weights were held {WORDS[kind, held]}, and up to" in card
    assert ("depends, in these lines, on all tokens" in card) is (kind == "int8")
    code = blocks_of(card)["python"]
    for sample, one in zip(SAMPLES, expected, strict=True):
        assert run(code, adapter, sample.request, capsys) == one.text


def expected_texts(model, checkpoint, tmp_path, virtual_tokens=0):
    """What decoding gives for the samples, and how they were serialised."""
    tokenizer = load_tokenizer(checkpoint)
    serialisation = serialisation_of(BUILT_IN["paper"], tokenizer, model.config.is_encoder_decoder)
    prompts = with_virtual_tokens(encode(SAMPLES, tokenizer, serialisation), virtual_tokens)
    limit = loading.prompt_limit(DECODING)
    found = generate(model, tokenizer, prompts, DECODING, serialisation.ending, limit, tmp_path / "batches")
    described = from_plain(describe_template(serialisation, tokenizer), Described, "the statistics")
    return [prediction.first.text for prediction in found], described


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "PREFIX_TUNING"])
def test_the_lines_of_a_card_put_a_soft_prompt_before_the_base(checkpoint, tmp_path, capsys, kind):
    quantization, tuning = Quantization("none", True, "float32"), TuningSettings("peft", {"type": kind} | VIRTUAL)
    soft = make_tuning(tuning)
    tuned = soft.attach(soft.load_base(checkpoint, quantization, "float32"), Source(path=str(checkpoint)), 1)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(1))
    (tmp_path / "tuned").mkdir()
    soft.save(tuned, tmp_path / "tuned")
    model = soft.load(loading.load_for_decoding(Checkpoint(checkpoint, quantization), DECODING), tmp_path / "tuned")
    expected, described = expected_texts(model, checkpoint, tmp_path, 4)
    plan = replace(PLAN, source=Source(path=str(checkpoint)), quantization=quantization, tuning=tuning)
    card = card_of(plan, described, decoding=DECODING, weights="float32", context=2048)
    assert "the soft prompt" in card
    code = blocks_of(card)["python"]
    assert "min(16, 2044 - ids.shape[1])" in code
    assert "BitsAndBytes" not in code
    for sample, text in zip(SAMPLES, expected, strict=True):
        assert run(code, tmp_path / "tuned", sample.request, capsys) == text


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "PREFIX_TUNING", "IA3", "full", "full encoder"])
def test_the_lines_of_a_card_complete_the_prompt_of_an_encoder_decoder(tmp_path, capsys, monkeypatch, kind):
    is_encoder, kind = kind == "full encoder", kind.partition(" ")[0]
    checkpoint = build_roberta(tmp_path / "roberta") if is_encoder else build_t5(tmp_path / "t5", steps=60)
    quantization, context = Quantization("none", True, "float32"), POSITIONS if is_encoder else None
    peft = {"type": kind} | ({"target_modules": ["k", "v"], "feedforward_modules": []} if kind == "IA3" else VIRTUAL)
    tuning = TuningSettings("full") if kind == "full" else TuningSettings("peft", peft)
    one = make_tuning(tuning)
    tuned = one.attach(one.load_base(checkpoint, quantization, "float32"), Source(path=str(checkpoint)), 1)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    (tmp_path / "tuned").mkdir()
    one.save(tuned, tmp_path / "tuned")
    model = one.load(loading.load_for_decoding(Checkpoint(checkpoint, quantization), DECODING), tmp_path / "tuned")
    expected, described = expected_texts(model, checkpoint, tmp_path)
    assert all(expected)
    plan = replace(PLAN, source=Source(path=str(checkpoint)), quantization=quantization, tuning=tuning)
    code = blocks_of(card_of(plan, described, decoding=DECODING, weights="float32", context=context))["python"]
    assert ("max_new_tokens=min(16, 256)," in code) is is_encoder
    monkeypatch.chdir(tmp_path / "tuned")
    if kind == "full":
        code = f"adapter = None\n{code}"
    for sample, text in zip(SAMPLES, expected, strict=True):
        assert run(code, tmp_path / "tuned", sample.request, capsys) == text


def test_the_lines_of_a_card_load_a_whole_checkpoint_without_its_base(checkpoint, tmp_path, capsys, monkeypatch):
    quantization, tuning = Quantization("none", True, "float32"), TuningSettings("full")
    tuned = shutil.copytree(checkpoint, tmp_path / "tuned")
    model = loading.load_for_decoding(Checkpoint(checkpoint, quantization), DECODING)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    model.save_pretrained(tuned)
    expected, described = expected_texts(model, checkpoint, tmp_path)
    plan = replace(PLAN, source=Source(path="gone"), quantization=quantization, tuning=tuning)
    card = card_of(plan, described, decoding=DECODING, weights="float32", context=2048)
    assert not re.search(r"adapter|peft|soft prompt|4 bits|quantised|the base,", card, re.IGNORECASE)
    monkeypatch.chdir(tuned)
    code = blocks_of(card)["python"]
    for sample, text in zip(SAMPLES, expected, strict=True):
        requested, count = re.subn(r"(?m)^request = .*$", lambda _, one=sample: f"request = {one.request!r}", code)
        assert count == 1
        capsys.readouterr()
        exec(requested, {})
        assert capsys.readouterr().out.removesuffix("\n") == text


@pytest.mark.parametrize("template", ["paper", "chat"])
def test_the_prompt_of_a_card_has_the_tokens_of_training(checkpoint, template):
    tokenizer = load_tokenizer(checkpoint)
    serialisation = serialisation_of(BUILT_IN[template], tokenizer)
    described = from_plain(describe_template(serialisation, tokenizer), Described, "the statistics")
    sample = Sample(0, REQUEST, "", "def add(a, b):\n    return a + b")
    shown = blocks_of(card_of(PLAN, described))["text"].removesuffix("\n")
    assert shown == serialisation.prompt(sample)
    (tokens,) = encode([sample], tokenizer, serialisation)
    assert described.prompt.added + tokenizer.encode(shown, add_special_tokens=False) == tokens.prompt
    assert bool(described.prompt.added) is (template == "paper")  # a chat template writes BOS itself
    assert tokens.completion[-1] == described.ending.end
    assert tokenizer.convert_tokens_to_ids(described.end_token) == described.ending.end


ENDINGS = [
    Ending("", 2, [2], []),
    Ending("", 2, [2], ["<|end|>"]),
    Ending("</answer>\n", 2, [2], ["<|end|>", "\nUser:"]),
    Ending("\n", 2, [2], ["\n# Next\n"]),
    Ending("'\"", 2, [2], ['"""', "\\", "'"]),
]
TEXTS = [
    "",
    " \n",
    "x = 1",
    "  x = 1 </answer>\n",
    "x <|end|> y\nUser: z",
    "User: x",
    "<|end|>x",
    "x\n# Next",
    "# Next\nx",
    "x # Next\ny",
    "x\nUser: <|end|>",
    'x = """a"""',
    "x = '\\n'",
]


@pytest.mark.parametrize(("ending", "text"), itertools.product(ENDINGS, TEXTS))
def test_the_line_that_cuts_a_text_does_what_scoring_did(ending, text):
    found = {"text": text}
    exec(_answer(ending), found)
    assert found["text"] == ending.answer(text)


def test_a_card_names_the_commit_of_a_repository_and_no_commit_of_a_folder():
    code = blocks_of(card_of(replace(PLAN, source=Source(repo="x/base", revision="f" * 40)), DESCRIBED))["python"]
    assert f"source = {{'pretrained_model_name_or_path': 'x/base', 'revision': '{'f' * 40}'}}" in code
    assert 'adapter = "."  # the folder of this card, or the repository that it was uploaded to' in code.splitlines()
    code = blocks_of(card_of(replace(PLAN, source=Source(path="a/'b\"`")), DESCRIBED))["python"]
    (line,) = (line for line in code.splitlines() if line.startswith("source = "))
    folder = "results/runs/d/a/qlora/seed0/published"
    assert f"adapter = '{folder}'  # from the study's folder, as the base" in code.splitlines()
    assert eval(line.removeprefix("source = ")) == {"pretrained_model_name_or_path": "a/'b\"`"}


@pytest.mark.parametrize("text", ["```\n</s>", "'''\"\"\"\\", "\u202e{request}\x1b[2J", "}}{{\n\n# A heading\n"])
def test_what_a_chat_template_writes_acts_nowhere_in_a_card(text):
    """It comes from whoever made the checkpoint."""
    described = replace(DESCRIBED, prompt=PromptFrame([], text, text), end_token=text)
    card = card_of(PLAN, replace(described, ending=Ending(text, 2, [2], [text])))
    assert [token.info for token in MarkdownIt("commonmark").parse(card) if token.type == "fence"] == ["text", "python"]
    code = blocks_of(card)["python"]
    compile(code, "card", "exec")
    (line,) = (line for line in code.splitlines() if line.startswith("prompt = "))
    assert eval(line.removeprefix("prompt = "), {"request": "x"}) == f"{text}x{text}"
    headings = [token for token in MarkdownIt("commonmark").parse(card) if token.type == "heading_open"]
    assert len(headings) == 2
    assert "\u202e" not in card
    assert "\x1b" not in card
