"""Templates: from a sample to the text that a model sees."""

import pytest
from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.templates import Template

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")


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


def test_a_chat_template_that_changes_requests_is_an_error(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    for change in ("upper", "e", "replace('{', '')"):
        tokenizer.chat_template = f"{{{{ messages[0]['content'] | {change} }}}}<|im_end|>"
        with pytest.raises(StudyError, match="changes what a user writes"):
            Template("chat", tokenizer).prompt(SAMPLE)


PADDED = [Sample(0, "  Sort", "", "x"), Sample(1, "Sort \n\n", "", "x")]


def test_what_a_chat_template_trims_is_trimmed(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "gemma-2-2b")
    for content in ("messages[0]['content']", "messages[0]['content'] | trim"):
        tokenizer.chat_template = f"{{{{ {content} }}}}<end_of_turn>"
        rendered = [Template("chat", tokenizer).prompt(sample) for sample in PADDED]
        trims = "trim" in content
        assert rendered == [f"{s.request.strip() if trims else s.request}<end_of_turn>" for s in PADDED]


def test_no_prompt_holds_today_s_date(real):
    prompt = Template("chat", load_tokenizer(real / "tokenizers" / "llama-3.2")).prompt(SAMPLE)
    assert "Today Date: 26 Jul 2024" in prompt
