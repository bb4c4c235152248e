"""Templates: from a sample to the text that a model sees."""

import shutil

import pytest
from codetune.base import confined
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.chat import WITHOUT_CHAT
from codetune.prompts.rendering import FIXED_DATE
from codetune.prompts.serialising import serialisation_of
from codetune.study.template import BUILT_IN

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")


class NoTokenizer:
    name_or_path = "models/mine"
    eos_token = None
    chat_template = None


def test_the_paper_s_template(checkpoints):
    template = serialisation_of(BUILT_IN["paper"], load_tokenizer(checkpoints / "llama-3.2-1b"))
    assert template.prompt(SAMPLE) == "<|user|> Add two numbers\na, b <|end|> <|assistant|>"
    assert template.completion(SAMPLE) == " def add(a, b):\n    return a + b <|end|>"
    assert template.prompt(Sample(0, "Hi", "", "x")) == "<|user|> Hi <|end|> <|assistant|>"


@pytest.mark.parametrize("name", ["paper", "chat"])
def test_a_tokenizer_that_cannot_serve_a_template_is_an_error(name):
    with pytest.raises(StudyError, match="EOS token|chat template"):
        _ = serialisation_of(BUILT_IN[name], NoTokenizer()).ending


def test_a_chat_template_that_changes_requests_is_an_error(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    for change in ("upper", "e", "replace('{', '')"):
        tokenizer.chat_template = f"{{{{ messages[0]['content'] | {change} }}}}<|im_end|>"
        with pytest.raises(StudyError, match="changes what a user writes"):
            serialisation_of(BUILT_IN["chat"], tokenizer).prompt(SAMPLE)


PADDED = [Sample(0, "  Sort", "", "x"), Sample(1, "Sort \n\n", "", "x")]


def test_what_a_chat_template_trims_is_trimmed(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "gemma-2-2b")
    for content in ("messages[0]['content']", "messages[0]['content'] | trim"):
        answer = "{% if messages | length > 1 %}{{ messages[1]['content'] }}{% endif %}"
        tokenizer.chat_template = f"{{{{ {content} }}}}<end_of_turn>{answer}"
        rendered = [serialisation_of(BUILT_IN["chat"], tokenizer).prompt(sample) for sample in PADDED]
        trims = "trim" in content
        assert rendered == [f"{s.request.strip() if trims else s.request}<end_of_turn>" for s in PADDED]


def test_no_prompt_holds_today_s_date(real):
    prompt = serialisation_of(BUILT_IN["chat"], load_tokenizer(real / "tokenizers" / "llama-3.2")).prompt(SAMPLE)
    assert "Today Date: 26 Jul 2024" in prompt


CONTENT = "{{ messages[0]['content'] }}"
HOSTILE = {
    "nested loops": (
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "takes more than",
    ),
    "a huge loop": ("{% for i in range(10**9) %}x{% endfor %}", r"\(line 1\): OverflowError: Range too big"),
    "a huge text": ("{{ 'a' * 10**10 }}", "memory"),
    "a huge width": ("{{ 'a'.center(10**10) }}", "memory"),
    "a huge format": ("{{ '%10000000000d' % 1 }}", "memory"),
    "doubling": (
        "{% set n = namespace(s='a') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "memory",
    ),
    "a long text": ("{{ 'a' * 200000 }}" + CONTENT, "makes 200,020 characters"),
    "recursion": ("\n{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", r"\(line 2\): RecursionError"),
    "a deep expression": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "RecursionError"),
    "syntax": ("a\nb\n{% if %}", r"\(line 3\): TemplateSyntaxError: Expected an expression"),
    "an unknown tag": ("{% foo %}", "TemplateSyntaxError: Encountered unknown tag"),
    "an exception": (
        "\n{{ raise_exception('no\\n system\\x1b[31m') }}",
        r"\(line 2\): TemplateError: no system\?\[31m",
    ),
    "no such name": ("\n\n{{ foo.bar }}", r"\(line 3\): UndefinedError: 'foo' is undefined"),
    "division": ("{{ 1 / 0 }}", "ZeroDivisionError"),
    "adding": (CONTENT.replace(" }}", " + 1 }}"), "TypeError: can only concatenate str"),
    "forbidden": ("{{ ''.__class__.__mro__ }}", "SecurityError"),
    "a file": ("{% include '/etc/passwd' %}", "cannot be rendered"),
    "half a surrogate pair": ("\ud800" + CONTENT, "UnicodeEncodeError"),
    "no messages": ("hello", "changes what a user writes"),
    "twice": (CONTENT * 2, "changes what a user writes"),
    "not text": ("{{ 42 }}", "changes what a user writes"),
    "no answers": (
        "{% for m in messages if m['role'] == 'user' %}<{{ m['content'] }}>{% endfor %}",
        "not show an answer",
    ),
    "answers in capitals": (
        "{% for m in messages %}<{{ m['content'] if m['role'] == 'user' else m['content'] | upper }}>{% endfor %}",
        "does not show an answer",
    ),
    "answers without tags": (
        "{% for m in messages %}<{{ m['content'] if m['role'] == 'user' else m['content'] | striptags }}>{% endfor %}",
        "changes what an assistant writes",
    ),
    "another start": (
        CONTENT + "{% if add_generation_prompt %}<think>{% else %}{{ messages[1]['content'] }}{% endif %}",
        "does not put an answer after its own generation prompt",
    ),
    "a number": (42, "cannot be rendered: TypeError"),
    "a list": ([CONTENT], "cannot be rendered: TypeError"),
    "named, but none is the default": ({"tool_use": CONTENT}, "no default"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_chat_template_that_cannot_be_used_is_one_line(checkpoints, monkeypatch, case):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    tokenizer.chat_template, expected = HOSTILE[case]
    monkeypatch.setattr(confined, "SECONDS", 60 if expected == "memory" else 0.5)  # which ends first on a slow machine
    monkeypatch.setattr(confined, "MEMORY", 200 << 20)
    with pytest.raises(StudyError, match=expected) as caught:
        _ = serialisation_of(BUILT_IN["chat"], tokenizer).sha256
    message = str(caught.value)
    assert message.startswith(f"{checkpoints / 'qwen2.5-1.5b'}: the chat template ")
    assert message.endswith(f". {WITHOUT_CHAT}")
    assert message.isprintable()
    assert len(message) < 700


def test_a_chat_template_is_rendered_as_transformers_does(checkpoints):
    for folder in sorted(checkpoints.iterdir()):
        tokenizer = load_tokenizer(folder)
        if tokenizer.chat_template:
            expected = tokenizer.apply_chat_template(
                [{"role": "user", "content": SAMPLE.request}],
                tokenize=False,
                add_generation_prompt=True,
                date_string=FIXED_DATE,
            )
            assert serialisation_of(BUILT_IN["chat"], tokenizer).prompt(SAMPLE) == expected


def test_of_named_chat_templates_the_default_is_taken(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    expected = serialisation_of(BUILT_IN["chat"], tokenizer).prompt(SAMPLE)
    tokenizer.chat_template = {"default": tokenizer.chat_template, "tool_use": "{{ 1 / 0 }}"}
    assert serialisation_of(BUILT_IN["chat"], tokenizer).prompt(SAMPLE) == expected


@pytest.mark.parametrize("source", [[1, 2], ["a"], [{"name": "default"}]])
def test_a_list_that_names_no_chat_templates_is_one_line(checkpoints, tmp_path, source):
    shutil.copytree(checkpoints / "qwen2.5-1.5b", tmp_path, dirs_exist_ok=True)
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    settings = read_json(tmp_path / "tokenizer_config.json")
    write_json(tmp_path / "tokenizer_config.json", {**settings, "chat_template": source})
    with pytest.raises(StudyError, match="the tokenizer cannot be loaded"):
        load_tokenizer(tmp_path)
