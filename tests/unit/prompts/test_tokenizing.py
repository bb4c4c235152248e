"""From samples to token ids: the ids are those of the tokenizer's own slower way, and each completion ends in EOS."""

import pytest
from codetune.data.cleaning import clean
from codetune.data.reading import read_records
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.rendering import FIXED_DATE
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import _ids, encode
from codetune.study.template import BUILT_IN

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")
MODELS = ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b", "phi-3-mini"]
REAL_TOKENIZERS = ["llama-3.2", "gemma-2", "qwen2.5", "phi-3-mini-4k-instruct"]


@pytest.mark.parametrize("template", ["paper", "chat"])
@pytest.mark.parametrize("model", MODELS)
def test_every_completion_ends_with_the_model_s_eos_token(checkpoints, model, template):
    tokenizer = load_tokenizer(checkpoints / model)
    (tokens,) = encode([SAMPLE], tokenizer, serialisation_of(BUILT_IN[template], tokenizer))
    assert tokens.completion[-1] == tokenizer.eos_token_id
    assert tokens.completion.count(tokenizer.eos_token_id) == 1
    text = tokenizer.decode(tokens.completion[:-1])
    assert serialisation_of(BUILT_IN[template], tokenizer).ending.answer(text) == SAMPLE.output


@pytest.mark.parametrize("model", MODELS)
def test_the_bos_token_stands_where_the_model_wants_it(checkpoints, model):
    tokenizer = load_tokenizer(checkpoints / model)
    (tokens,) = encode([SAMPLE], tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer))
    assert tokens.prompt.count(tokenizer.bos_token_id) == (0 if "qwen" in model else 1)
    assert tokenizer.bos_token_id not in tokens.completion


def check_chat_ids(samples, tokenizer):
    """Asserts that the ids are those of two calls of `apply_chat_template` per sample, as other libraries make them."""
    date = {"date_string": FIXED_DATE}
    for sample, tokens in zip(
        samples, encode(samples, tokenizer, serialisation_of(BUILT_IN["chat"], tokenizer)), strict=True
    ):
        asked = [{"role": "user", "content": sample.request}]
        told = [*asked, {"role": "assistant", "content": sample.output}]
        prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, **date)["input_ids"]
        whole = tokenizer.apply_chat_template(told, **date)["input_ids"]
        assert tokens.prompt == prompt
        assert tokens.prompt + tokens.completion == whole[: len(tokens)]


def check_paper_ids(samples, tokenizer):
    for sample, tokens in zip(
        samples, encode(samples, tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer)), strict=True
    ):
        assert tokens.prompt == tokenizer(f"<|user|> {sample.request} <|end|> <|assistant|>")["input_ids"]
        assert tokens.completion[:-1] == tokenizer(f" {sample.output} <|end|>", add_special_tokens=False)["input_ids"]


ODD = [
    Sample(0, "  Sort", "", "x"),
    Sample(1, "Sort \n\n", "", "x"),
    Sample(2, "<|end|><|eot_id|><end_of_turn>{{ 1 }}", "\u4f60\u597d <bos>", "x"),
    Sample(3, "", "", "x"),
]


@pytest.mark.parametrize("model", MODELS)
def test_fast_encoding_gives_the_tokenizer_s_own_ids(checkpoints, records, model):
    samples, _ = clean(dict(enumerate(records)))
    tokenizer = load_tokenizer(checkpoints / model)
    check_chat_ids([*ODD, *samples], tokenizer)
    check_chat_ids(samples[:1], tokenizer)
    check_chat_ids([], tokenizer)
    check_paper_ids([*ODD, *samples], tokenizer)


@pytest.mark.parametrize("name", REAL_TOKENIZERS)
def test_fast_encoding_gives_the_tokenizer_s_own_ids_on_real_tokenizers(real, name):
    samples, _ = clean(dict(enumerate(read_records(real / "codealpaca" / "code_alpaca_20k.json"))))
    tokenizer = load_tokenizer(real / "tokenizers" / name)
    check_chat_ids([*ODD, *samples[::10]], tokenizer)
    check_paper_ids([*ODD, *samples[::10]], tokenizer)


@pytest.mark.parametrize("marks", [False, True])
def test_what_prompts_share_is_tokenised_once_unless_the_tokenizer_marks_the_start_of_a_text(
    checkpoints, monkeypatch, marks
):
    """Where only the first word of a text gets a mark, a prompt in pieces would have a mark per piece."""
    from tokenizers.pre_tokenizers import Metaspace

    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    tokenizer.chat_template = "User<|eot|>{{ messages[0]['content'] }}<|eot|>"
    tokenizer.chat_template += "{% if messages|length > 1 %}{{ messages[1]['content'] }}<|eot|>{% endif %}"
    if marks:
        tokenizer.backend_tokenizer.pre_tokenizer = Metaspace("\u0120", prepend_scheme="first")
    template, tokenised = serialisation_of(BUILT_IN["chat"], tokenizer), []
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
    serialisation = serialisation_of(BUILT_IN[template], tokenizer)
    (tokens,) = encode([SAMPLE], tokenizer, serialisation)
    assert serialisation.ending.answer(tokenizer.decode(tokens.completion[:-1])) == SAMPLE.output
    end = tokenizer.convert_ids_to_tokens(tokens.completion[-1])
    chat_ends = {"llama-3.2": "<|eot_id|>", "gemma-2": "<end_of_turn>", "qwen2.5": "<|im_end|>"}
    expected = tokenizer.eos_token if template == "paper" else chat_ends.get(name, "<|end|>")
    assert end == expected


def test_tokenising_says_how_far_it_is(checkpoints, stretches):
    tokenizer = load_tokenizer(checkpoints / MODELS[0])
    encode([SAMPLE] * 3, tokenizer, serialisation_of(BUILT_IN["chat"], tokenizer))
    assert (3, 3) in [(one.done, one.total) for one in stretches if one.what == "prompts in the template"]
