"""Token sets: what a model's training data and prompts become, and the statistics of them."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file, write_jsonl
from codetune.base.plain import to_plain
from codetune.data.samples import Sample, sha256_of_samples
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.completions import read_ending
from codetune.prompts.prompt import PromptInputs, tokenize_prompts
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode, tokenize_training_data
from codetune.prompts.tokensets import TokenSample, read_tokens, truncate, write_tokens
from codetune.study.template import BUILT_IN
from conftest import ROOT
from fake_records import write_split
from small_tokenizers import make_tokenizer, turns

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")
LONG = Sample(8, "Repeat", "", "word " * 100)


def make_tokens(folder, checkpoint, samples, max_length=64, template="paper", **parts):
    """Tokenises samples as training and as validation data. Returns the targets' paths."""
    folder.mkdir()
    for part in ("train", "validation"):
        write_jsonl(folder / f"{part}.jsonl", map(asdict, samples))
        parts[part] = str(folder / f"{part}.jsonl")
    targets = {part: str(folder / f"{part}.arrow") for part in ("train", "validation")}
    targets["stats"] = str(folder / "stats.json")
    parts["split"] = write_split(folder / "split.json", train=parts["train"], validation=parts["validation"])
    tokenize_training_data(parts, checkpoint, BUILT_IN[template], max_length, targets)
    return targets


def make_prompts(folder, checkpoint, samples, template="paper"):
    """Tokenises samples as prompts. Returns the token set and the statistics."""
    folder.mkdir()
    write_jsonl(folder / "test.jsonl", map(asdict, samples))
    targets = {"prompts": str(folder / "prompts.arrow"), "stats": str(folder / "stats.json")}
    split = write_split(folder / "split.json", test=folder / "test.jsonl")
    tokenize_prompts(PromptInputs(str(folder / "test.jsonl"), split, checkpoint), BUILT_IN[template], targets)
    return read_tokens(targets["prompts"]), read_json(targets["stats"])


def test_truncation_shortens_completions_and_drops_samples_whose_prompt_fills_the_limit():
    samples = [TokenSample(0, [1] * 5, [2] * 5), TokenSample(1, [1] * 5, [2] * 9), TokenSample(2, [1] * 12, [2])]
    kept, facts = truncate(samples, 10)
    assert kept == [samples[0], TokenSample(1, [1] * 5, [2] * 5)]
    assert facts == {"truncated": 1, "dropped": 1}


def test_token_sets_survive_the_file_and_their_bytes_are_stable(tmp_path):
    samples = [TokenSample(3, [1, 2], [3]), TokenSample(9, [4], [5, 6, 7])]
    for name in ("a.arrow", "b.arrow"):
        write_tokens(tmp_path / name, samples)
    assert read_tokens(tmp_path / "a.arrow") == samples
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()
    (tmp_path / "c.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(StudyError, match="not a token set"):
        read_tokens(tmp_path / "c.arrow")


def test_statistics_of_training_data_count_what_the_token_sets_hold(tmp_path, checkpoints):
    targets = make_tokens(tmp_path / "x", checkpoints / "llama-3.2-1b", [SAMPLE, LONG])
    stats = read_json(targets["stats"])
    assert stats["max_length"] == 64
    assert list(stats["parts"]) == ["train", "validation"]
    for part in ("train", "validation"):
        tokens, facts = read_tokens(targets[part]), stats["parts"][part]
        assert facts["samples"] == len(tokens) == 2
        assert facts["tokens"] == sum(map(len, tokens))
        assert facts["tokens_of_completions"] == sum(len(sample.completion) for sample in tokens)
        assert (facts["truncated"], facts["dropped"]) == (1, 0)
        assert facts["longest"] == 64
        assert facts["packed_sequences"] == 2
        assert facts["packing_fill"] == round(facts["tokens"] / 128, 4)
        texts = [load_tokenizer(checkpoints / "llama-3.2-1b").decode(sample.completion) for sample in tokens]
        assert texts[0] == f" {SAMPLE.output} <|end|><|eot|>"
        assert f" {LONG.output} <|end|>".startswith(texts[1])
        assert facts["bytes_of_completions"] == sum(map(len, texts))
    assert stats["example"]["text"].startswith("<|user|> Add two numbers\na, b <|end|> <|assistant|> def add")


@pytest.fixture
def short_context(tmp_path, checkpoints):
    """A checkpoint with a context of 48 tokens."""
    folder = shutil.copytree(checkpoints / "llama-3.2-1b", tmp_path / "short")
    config = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 48}))
    return folder


@pytest.mark.parametrize("max_length", [40, 48, 64, 256])
def test_samples_end_at_the_context_and_those_beyond_it_are_counted(tmp_path, short_context, max_length, capsys):
    """A training with max_length tokens per packed row sees no sample that is longer than the context."""
    wide = Sample(9, "word " * 60, "", "x")  # its prompt alone is longer
    short = Sample(6, "Add", "", "a + b")
    targets = make_tokens(tmp_path / "x", short_context, [short, SAMPLE, LONG, wide], max_length)
    stats, limit = read_json(targets["stats"]), min(max_length, 48)
    assert (stats["max_length"], stats["context"]) == (max_length, 48)
    for part in ("train", "validation"):
        facts, tokens = stats["parts"][part], read_tokens(targets[part])
        lengths = [len(sample) for sample in tokens]
        assert max(lengths) == facts["longest"] == limit
        assert (facts["truncated"], facts["dropped"], facts["beyond_context"]) == (2, 1, 3)
        assert lengths[0] < lengths[1] == lengths[2] == limit
        assert facts["packed_sequences"] == (1 if max_length == 256 else 3)
    assert "texts beyond the model's context of 48 tokens: 3" in capsys.readouterr().out


def test_a_context_without_room_for_any_sample_is_one_line(tmp_path, short_context):
    wide = Sample(9, "word " * 60, "", "x")
    with pytest.raises(
        StudyError, match=r"no sample is shorter than the model's context of 48 tokens\. Take the model"
    ):
        make_tokens(tmp_path / "x", short_context, [wide], max_length=256)
    with pytest.raises(StudyError, match=r"no sample is shorter than max_length = 48 tokens\. Raise tokenization"):
        make_tokens(tmp_path / "y", short_context, [wide], max_length=48)


def test_prompts_that_all_fill_the_context_are_one_line(tmp_path, short_context):
    with pytest.raises(StudyError, match=r"all prompts of .*test\.jsonl fill the context of 48 tokens\. Take"):
        make_prompts(tmp_path / "prompts", short_context, [Sample(9, "word " * 60, "", "x")])
    assert not (tmp_path / "prompts" / "prompts.arrow").exists()


def test_prompts_that_fill_the_context_are_counted(tmp_path, short_context, capsys):
    samples = [Sample(number, "word " * number, "", "x") for number in range(1, 60)]
    tokens, stats = make_prompts(tmp_path / "prompts", short_context, samples)
    lengths = [len(sample.prompt) for sample in tokens]
    assert {47, 48, 49} <= set(lengths)
    count = sum(length >= 48 for length in lengths)
    assert (stats["context"], stats["prompts_without_room"]) == (48, count)
    assert f"texts beyond the model's context of 48 tokens: {count}" in capsys.readouterr().out


@pytest.mark.parametrize("template", ["paper", "chat"])
def test_prompts_are_never_truncated_and_their_statistics_count_them(tmp_path, checkpoints, template):
    checkpoint = checkpoints / "llama-3.2-1b"
    tokenizer = load_tokenizer(checkpoint)
    wide = Sample(9, "word " * 100, "", "x")
    tokens, stats = make_prompts(tmp_path / "prompts", checkpoint, [SAMPLE, LONG, wide], template)
    assert tokens == encode([SAMPLE, LONG, wide], tokenizer, serialisation_of(BUILT_IN[template], tokenizer))
    assert all(sample.completion[-1] == tokenizer.eos_token_id for sample in tokens)
    lengths = sorted(map(len, tokens))
    assert lengths[1] > 64
    assert stats == {
        "template": template,
        "template_sha256": serialisation_of(BUILT_IN[template], tokenizer).sha256,
        "vocabulary": len(tokenizer),
        "samples": 3,
        "tokens": sum(lengths),
        "tokens_of_completions": sum(len(sample.completion) for sample in tokens),
        "mean": round(sum(lengths) / 3, 1),
        "p50": lengths[1],
        "p95": lengths[1],
        "p99": lengths[1],
        "longest": lengths[2],
        "ending": to_plain(serialisation_of(BUILT_IN[template], tokenizer).ending),
        "end_token": tokenizer.eos_token,
        "prompt": {
            "added": [tokenizer.bos_token_id] if template == "paper" else [],
            "before": "<|user|> " if template == "paper" else "<|user|>\n",
            "after": " <|end|> <|assistant|>" if template == "paper" else "<|eot|>\n<|assistant|>\n",
        },
        "with_control_tokens": 0,
        "context": 2048,
        "prompts_without_room": 0,
        "sha256": {"prompts": sha256_of_file(tmp_path / "prompts" / "prompts.arrow")},
        "samples_sha256": {"prompts": sha256_of_samples([SAMPLE, LONG, wide])},
        "lengths": {"prompts": {str(length): 1 for length in lengths}},
    }


@pytest.mark.parametrize("template", ["paper", "chat"])
def test_training_and_prompts_have_the_same_template_and_the_same_tokens(tmp_path, checkpoints, template):
    """So generation continues exactly the tokens that training saw."""
    checkpoint = checkpoints / "gemma-2-2b"
    targets = make_tokens(tmp_path / "tokens", checkpoint, [SAMPLE], max_length=256, template=template)
    prompts, of_prompts = make_prompts(tmp_path / "prompts", checkpoint, [SAMPLE], template)
    assert prompts == read_tokens(targets["train"])
    of_training = read_json(targets["stats"])
    for key in ("template", "template_sha256", "vocabulary"):
        assert of_training[key] == of_prompts[key]


def test_token_sets_of_training_do_not_depend_on_the_test_samples(tmp_path, checkpoints):
    checkpoint, written = checkpoints / "llama-3.2-1b", []
    for number, test in enumerate(([SAMPLE], [LONG, SAMPLE], None)):
        path = tmp_path / f"test{number}.jsonl"
        if test is not None:
            write_jsonl(path, map(asdict, test))
        make_tokens(tmp_path / str(number), checkpoint, [SAMPLE, LONG], test=str(path))
        written.append(
            [(tmp_path / str(number) / name).read_bytes() for name in ("train.arrow", "validation.arrow", "stats.json")]
        )
    assert written[0] == written[1] == written[2]


def test_data_longer_than_the_limit_throughout_are_an_error(tmp_path, checkpoints):
    with pytest.raises(StudyError, match="no sample is shorter than max_length = 16 tokens. Raise tokenization.max_l"):
        make_tokens(tmp_path / "x", checkpoints / "llama-3.2-1b", [Sample(0, "word " * 50, "", "x")], 16)


def test_the_example_is_of_one_sample_even_if_the_first_is_dropped(tmp_path, checkpoints):
    long = Sample(0, "word " * 200, "", "x")
    targets = make_tokens(tmp_path / "x", checkpoints / "llama-3.2-1b", [long, SAMPLE], 64)
    example = read_json(targets["stats"])["example"]
    assert SAMPLE.instruction in example["text"]
    assert "word" not in example["text"]


def test_tokenising_loads_no_torch(checkpoints, tmp_path):
    write_jsonl(tmp_path / "test.jsonl", [asdict(SAMPLE)])
    split = write_split(tmp_path / "split.json", test=tmp_path / "test.jsonl")
    code = f"""
import sys
from codetune.prompts.completions import read_ending
from codetune.prompts.prompt import PromptInputs, tokenize_prompts
from codetune.prompts.tokenizing import tokenize_training_data
from codetune.study.template import BUILT_IN
samples, split, tokenizer = {str(tmp_path / "test.jsonl")!r}, {split!r}, {str(checkpoints / "llama-3.2-1b")!r}
targets = {{name: {str(tmp_path)!r} + "/" + name for name in ("train", "validation", "prompts", "stats")}}
parts, paper = {{"train": samples, "validation": samples, "split": split}}, BUILT_IN["paper"]
tokenize_training_data(parts, tokenizer, paper, 64, targets)
tokenize_prompts(PromptInputs(samples, split, tokenizer), paper, targets)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "workflow/scripts")
    assert len(read_tokens(tmp_path / "prompts")) == 1


def test_statistics_show_one_sample_token_by_token_and_what_is_learned(tmp_path):
    tokenizer = make_tokenizer(
        tmp_path / "model",
        turns("<|user|>X<eos>", "<|assistant|>X\n<|im_end|>", "<|assistant|>"),
        config={"model_type": "llama"},
    )
    targets = make_tokens(tmp_path / "x", tmp_path / "model", [SAMPLE], 256, "chat")
    (sample,), stats = read_tokens(targets["train"]), read_json(targets["stats"])
    example = stats["example"]
    assert example["ids"] == sample.prompt + sample.completion
    assert example["tokens"] == tokenizer.convert_ids_to_tokens(example["ids"])
    learned = [token for token, counts in zip(example["ids"], example["learned"], strict=True) if counts]
    assert tokenizer.decode(learned) == f"{SAMPLE.output}\n<|im_end|>"
    assert stats["ending"] == to_plain(serialisation_of(BUILT_IN["chat"], tokenizer).ending)
    assert stats["ending"]["end"] == example["ids"][-1]
    assert read_ending(targets["stats"]) == serialisation_of(BUILT_IN["chat"], tokenizer).ending


HOLDING = {
    "print('<eos>')": True,
    "x = '<|im_start|>'": True,
    "a <s> b": True,
    "print('<|end|>')": True,  # the marker of the paper's template cuts it short
    "<h1>": False,
    "<eos": False,
    "< s >": False,
}


@pytest.mark.parametrize("field", ["instruction", "input", "output"])
def test_samples_that_hold_control_tokens_as_text_are_counted(tmp_path, capsys, field):
    make_tokenizer(tmp_path / "model", config={"model_type": "llama"})
    samples = [replace(SAMPLE, id=number, **{field: text}) for number, text in enumerate(HOLDING)]
    expected = sum(HOLDING.values()) - (field != "output")
    stats = read_json(make_tokens(tmp_path / "x", tmp_path / "model", [SAMPLE, *samples], 256)["stats"])
    assert [part["with_control_tokens"] for part in stats["parts"].values()] == [expected, expected]
    _, of_prompts = make_prompts(tmp_path / "prompts", tmp_path / "model", [SAMPLE, *samples])
    assert of_prompts["with_control_tokens"] == expected
    told = capsys.readouterr().out
    for part in ("train", "validation", "prompts"):
        assert f"{part}: {expected} of 8 samples hold the text of a control token or of an end" in told


def test_an_end_that_is_not_declared_special_is_counted_too(tmp_path):
    """The tokenizer reads it as the end wherever it stands, so that the model learns to end in the middle."""
    marks = ("<|EOT|>", "<|User|>", "<|Bot|>")
    template = turns("<|User|>X", "<|Bot|>X<|EOT|>", "<|Bot|>")
    tokenizer = make_tokenizer(tmp_path / "model", template, others=marks, config={"model_type": "llama"})
    outputs = ["print('<|EOT|>')", "print('<|User|>')", "print('EOT')"]
    samples = [replace(SAMPLE, id=number, output=output) for number, output in enumerate(outputs)]
    stats = read_json(make_tokens(tmp_path / "x", tmp_path / "model", [SAMPLE, *samples], 256, "chat")["stats"])
    ends = [tokenizer.convert_tokens_to_ids(mark) for mark in marks[:2]]
    assert set(ends) <= set(stats["ending"]["stops"])
    assert [part["with_control_tokens"] for part in stats["parts"].values()] == [2, 2]


def test_the_sample_that_is_shown_is_a_whole_one(tmp_path):
    """A truncated completion has no end token, and would not show how completions end."""
    make_tokenizer(tmp_path / "model", config={"model_type": "llama"})
    samples = [replace(SAMPLE, id=1, output="x = 1\n" * 99), SAMPLE, replace(SAMPLE, id=2)]
    targets = make_tokens(tmp_path / "x", tmp_path / "model", samples, 256)
    stats = read_json(targets["stats"])
    assert stats["parts"]["train"]["truncated"] == 1
    assert stats["example"]["tokens"][-1] == "<eos>"
    assert SAMPLE.output in stats["example"]["text"]


def test_tokenising_says_what_is_tokenised(checkpoints, tmp_path, stretches):
    make_tokens(tmp_path / "tokens", checkpoints / "llama-3.2-1b", [SAMPLE, LONG])
    make_prompts(tmp_path / "prompts", checkpoints / "llama-3.2-1b", [SAMPLE])
    told = [(one.what, one.done, one.total) for one in stretches]
    assert ("tokenisation", 2, 2) in told
    assert told.count(("tokenising 2 samples for train", 0, 0)) == 1
    assert told.count(("tokenising 1 samples", 0, 0)) == 1
