"""Serialisation, tokenisation, truncation and packing."""

import json
import subprocess
import sys

import pytest
from codetune.base.errors import StudyError
from codetune.data.cleaning import clean
from codetune.data.reading import read_records
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.packing import pack, steps_per_epoch
from codetune.prompts.templates import FIXED_DATE, Template, clean_completion
from codetune.prompts.tokenizing import _ids, encode, tokenize_dataset, truncate
from codetune.prompts.tokensets import TokenSample, read_tokens, write_tokens
from conftest import ROOT

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")
MODELS = ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"]
REAL_TOKENIZERS = ["llama-3.2", "gemma-2", "qwen2.5", "phi-3-mini-4k-instruct"]


class NoTokenizer:
    eos_token = None
    chat_template = None


def test_the_paper_s_template(checkpoints):
    template = Template("paper", load_tokenizer(checkpoints / "llama-3.2-1b"))
    assert template.prompt(SAMPLE) == "<|user|> Add two numbers\na, b <|end|> <|assistant|>"
    assert template.completion(SAMPLE) == " def add(a, b):\n    return a + b <|end|>"
    assert template.prompt(Sample(0, "Hi", "", "x")) == "<|user|> Hi <|end|> <|assistant|>"


@pytest.mark.parametrize("name", ["paper", "chat"])
def test_a_tokenizer_that_cannot_serve_a_template_is_an_error(name):
    with pytest.raises(StudyError, match="EOS token|chat template"):
        _ = Template(name, NoTokenizer()).ending


@pytest.mark.parametrize("template", ["paper", "chat"])
@pytest.mark.parametrize("model", MODELS)
def test_every_completion_ends_with_the_model_s_end_token(checkpoints, model, template):
    tokenizer = load_tokenizer(checkpoints / model)
    (tokens,) = encode([SAMPLE], tokenizer, Template(template, tokenizer))
    assert tokens.completion[-1] == tokenizer.eos_token_id
    assert tokens.completion.count(tokenizer.eos_token_id) == 1
    text = tokenizer.decode(tokens.completion[:-1])
    assert clean_completion(text) == SAMPLE.output


@pytest.mark.parametrize("model", MODELS)
def test_the_begin_token_stands_where_the_model_wants_it(checkpoints, model):
    tokenizer = load_tokenizer(checkpoints / model)
    (tokens,) = encode([SAMPLE], tokenizer, Template("paper", tokenizer))
    assert tokens.prompt.count(tokenizer.bos_token_id) == (0 if "qwen" in model else 1)
    assert tokenizer.bos_token_id not in tokens.completion


def check_chat_ids(samples, tokenizer):
    """The ids are those of two calls of `apply_chat_template` a sample, as peers make them."""
    date = {"date_string": FIXED_DATE}
    for sample, tokens in zip(samples, encode(samples, tokenizer, Template("chat", tokenizer)), strict=True):
        asked = [{"role": "user", "content": sample.request}]
        told = [*asked, {"role": "assistant", "content": sample.output}]
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, **date)["input_ids"]
        whole = tokenizer.apply_chat_template(told, **date)["input_ids"]
        assert tokens.prompt == prompt
        assert tokens.prompt + tokens.completion == whole[: len(tokens)]


def check_paper_ids(samples, tokenizer):
    for sample, tokens in zip(samples, encode(samples, tokenizer, Template("paper", tokenizer)), strict=True):
        assert tokens.prompt == tokenizer(f"<|user|> {sample.request} <|end|> <|assistant|>")["input_ids"]
        assert tokens.completion[:-1] == tokenizer(f" {sample.output} <|end|>", add_special_tokens=False)["input_ids"]


ODD = [
    Sample(0, "  Sort", "", "x"),
    Sample(1, "Sort \n\n", "", "x"),
    Sample(2, "<|end|><|eot_id|><end_of_turn>{{ 1 }}", "\u4f60\u597d <bos>", "x"),
    Sample(3, "", "", "x"),
]


@pytest.mark.parametrize("model", MODELS)
def test_the_fast_way_gives_the_ids_of_the_slow_one(checkpoints, records, model):
    samples, _ = clean(records)
    tokenizer = load_tokenizer(checkpoints / model)
    check_chat_ids([*ODD, *samples], tokenizer)
    check_chat_ids(samples[:1], tokenizer)
    check_chat_ids([], tokenizer)
    check_paper_ids([*ODD, *samples], tokenizer)


@pytest.mark.parametrize("name", REAL_TOKENIZERS)
def test_the_fast_way_gives_the_ids_of_the_slow_one_on_real_tokenizers(real, name):
    samples, _ = clean(read_records(real / "codealpaca" / "code_alpaca_20k.json"))
    tokenizer = load_tokenizer(real / "tokenizers" / name)
    check_chat_ids([*ODD, *samples[::10]], tokenizer)
    check_paper_ids([*ODD, *samples[::10]], tokenizer)


def test_a_chat_template_that_changes_requests_is_an_error(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    for change in ("upper", "e", "replace('{', '')"):
        tokenizer.chat_template = f"{{{{ messages[0]['content'] | {change} }}}}<|im_end|>"
        with pytest.raises(StudyError, match="changes what a user writes"):
            Template("chat", tokenizer).prompt(SAMPLE)


def test_what_a_chat_template_trims_is_trimmed(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "gemma-2-2b")
    for content in ("messages[0]['content']", "messages[0]['content'] | trim"):
        tokenizer.chat_template = f"{{{{ {content} }}}}<end_of_turn>"
        rendered = [Template("chat", tokenizer).prompt(sample) for sample in ODD[:2]]
        trims = "trim" in content
        assert rendered == [f"{s.request.strip() if trims else s.request}<end_of_turn>" for s in ODD[:2]]


@pytest.mark.parametrize("marks", [False, True])
def test_what_prompts_share_is_cut_off_unless_the_tokenizer_marks_the_start_of_a_text(checkpoints, monkeypatch, marks):
    """Where only the first word of a text gets a mark, there would be one more after a cut."""
    from tokenizers.pre_tokenizers import Metaspace

    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    tokenizer.chat_template = "User<|eot|>{{ messages[0]['content'] }}<|eot|>"
    tokenizer.chat_template += "{% if messages|length > 1 %}{{ messages[1]['content'] }}<|eot|>{% endif %}"
    if marks:
        tokenizer.backend_tokenizer.pre_tokenizer = Metaspace("\u0120", prepend_scheme="first")
    template, tokenised = Template("chat", tokenizer), []
    monkeypatch.setattr(
        "codetune.prompts.tokenizing._ids", lambda texts, *args: tokenised.extend(texts) or _ids(texts, *args)
    )
    found = [sample.prompt for sample in encode(ODD, tokenizer, template)]
    prompts = [template.prompt(sample) for sample in ODD]
    assert set(prompts) <= set(tokenised) if marks else "Sort \n\n" in tokenised
    assert found == [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]


def test_a_tokenizer_written_in_python_serves_too(checkpoints):
    class Slow:
        is_fast = False

        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __getattr__(self, name):
            assert name != "backend_tokenizer"
            return getattr(self.tokenizer, name)

        def __call__(self, *args, **options):
            return self.tokenizer(*args, **options)

    tokenizer = load_tokenizer(checkpoints / "gemma-2-2b")
    check_chat_ids([SAMPLE, *ODD], Slow(tokenizer))


@pytest.mark.parametrize("name", REAL_TOKENIZERS)
@pytest.mark.parametrize("template", ["paper", "chat"])
def test_real_tokenizers_round_trip_and_end(real, name, template):
    tokenizer = load_tokenizer(real / "tokenizers" / name)
    serialisation = Template(template, tokenizer)
    (tokens,) = encode([SAMPLE], tokenizer, serialisation)
    assert clean_completion(tokenizer.decode(tokens.completion[:-1])) == SAMPLE.output
    end = tokenizer.convert_ids_to_tokens(tokens.completion[-1])
    chat_ends = {"llama-3.2": "<|eot_id|>", "gemma-2": "<end_of_turn>", "qwen2.5": "<|im_end|>"}
    expected = tokenizer.eos_token if template == "paper" else chat_ends.get(name, "<|end|>")
    assert end == expected


def test_no_prompt_holds_today_s_date(real):
    prompt = Template("chat", load_tokenizer(real / "tokenizers" / "llama-3.2")).prompt(SAMPLE)
    assert "Today Date: 26 Jul 2024" in prompt


def test_packing_gives_steps_of_the_order_of_table_1(real):
    """15 steps an epoch at batch 160 for Llama-1B there; unpacked there would be about 125."""
    tokenizer = load_tokenizer(real / "tokenizers" / "llama-3.2")
    samples, _ = clean(read_records(real / "codealpaca" / "code_alpaca_20k.json"))
    tokens = encode(samples, tokenizer, Template("chat", tokenizer))
    bins = pack([len(sample) for sample in truncate(tokens, 1024)[0]], 1024)
    assert 14 <= -(-len(bins) // 160) <= 15


def test_truncation_cuts_completions_and_drops_what_has_no_room():
    samples = [TokenSample(0, [1] * 5, [2] * 5), TokenSample(1, [1] * 5, [2] * 9), TokenSample(2, [1] * 12, [2])]
    kept, facts = truncate(samples, 10)
    assert kept == [samples[0], TokenSample(1, [1] * 5, [2] * 5)]
    assert facts == {"truncated": 1, "dropped": 1}


def test_packing_places_every_sample_once_and_fits():
    import random

    rng = random.Random(0)
    for capacity in (16, 100, 1024):
        lengths = [rng.randint(1, capacity) for _ in range(500)]
        bins = pack(lengths, capacity)
        assert sorted(index for members in bins for index in members) == list(range(500))
        assert all(sum(lengths[i] for i in members) <= capacity for members in bins)
        assert len(bins) >= -(-sum(lengths) // capacity)


def test_packing_is_as_tight_as_the_peer_s():
    from datasets import Dataset
    from trl import pack_dataset

    lengths = [17 + (i * i * 31) % 240 for i in range(900)]
    rows = Dataset.from_dict({"input_ids": [[1] * n for n in lengths]})
    peer = pack_dataset(rows, 1024, "bfd", map_kwargs={"batch_size": len(lengths)})
    assert len(pack(lengths, 1024)) <= len(peer)


def test_token_sets_survive_the_file_and_their_bytes_are_stable(tmp_path):
    samples = [TokenSample(3, [1, 2], [3]), TokenSample(9, [4], [5, 6, 7])]
    for name in ("a.arrow", "b.arrow"):
        write_tokens(tmp_path / name, samples)
    assert read_tokens(tmp_path / "a.arrow") == samples
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()
    (tmp_path / "c.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(StudyError, match="not a token set"):
        read_tokens(tmp_path / "c.arrow")


def make_tokens(folder, checkpoint, samples, max_length=64):
    folder.mkdir()
    line = "".join(json.dumps(vars(sample)) + "\n" for sample in samples)
    for part in ("train", "validation", "test"):
        (folder / f"{part}.jsonl").write_text(line)
    targets = {part: str(folder / f"{part}.arrow") for part in ("train", "validation", "test")}
    targets["stats"] = str(folder / "stats.json")
    parts = {part: str(folder / f"{part}.jsonl") for part in ("train", "validation", "test")}
    tokenize_dataset(parts, str(checkpoint), "paper", max_length, targets)
    return targets


def test_statistics_count_what_the_token_sets_hold(tmp_path, checkpoints):
    long = Sample(8, "Repeat", "", "word " * 100)
    targets = make_tokens(tmp_path / "x", checkpoints / "llama-3.2-1b", [SAMPLE, long])
    facts = json.loads((tmp_path / "x" / "stats.json").read_text())["parts"]
    train = read_tokens(targets["train"])
    assert facts["train"]["tokens"] == sum(map(len, train))
    assert facts["train"]["truncated"] == 1
    assert facts["train"]["longest"] == 64
    assert facts["test"]["truncated"] == 0  # a test prompt is never cut
    assert facts["test"]["longest"] > 64


def test_a_split_longer_than_the_limit_throughout_is_an_error(tmp_path, checkpoints):
    with pytest.raises(StudyError, match="no sample is shorter than max_length = 16"):
        make_tokens(tmp_path / "x", checkpoints / "llama-3.2-1b", [Sample(0, "word " * 50, "", "x")], 16)


def test_tokenising_loads_no_torch(checkpoints):
    code = (
        "import sys; from codetune.models.tokenizers import load_tokenizer; "
        f"load_tokenizer({str(checkpoints / 'llama-3.2-1b')!r})('x'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "workflow/scripts")


def test_steps_round_up():
    assert steps_per_epoch(2400, 160) == 15
    assert steps_per_epoch(2401, 160) == 16
