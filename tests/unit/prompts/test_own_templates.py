"""Templates as data: those of a config, and what is refused of one before any job runs."""

import pytest
from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.frames import check_templates, frames_of
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import describe_template, encode
from codetune.study.template import BUILT_IN, Template, read_templates

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")
PLAIN = Sample(8, "Say hi", "", "print('hi')")
ALPACA = Template(
    "alpaca",
    user="Below is an instruction{% if input %}, paired with an input{% endif %}.\n\n"
    "### Instruction:\n{{ instruction }}\n\n"
    "{% if input %}\n### Input:\n{{ input }}\n\n{% endif %}\n",
    assistant="### Response:\n{{ output }}",
)
FENCED = Template(
    "fenced",
    system="You write Python.\n\n",
    user="### Task\n{{ request }}\n\n",
    assistant="### Code\n```python\n{{ output }}",
    end="\n```",
)


@pytest.fixture
def tokenizer(checkpoints):
    return load_tokenizer(checkpoints / "llama-3.2-1b")


def of(template, tokenizer):
    return serialisation_of(template, tokenizer)


def test_the_template_with_two_headings(tokenizer):
    found = of(BUILT_IN["instruction"], tokenizer)
    assert found.prompt(SAMPLE) == "### Instruction:\nAdd two numbers\na, b\n### Response:\n"
    assert found.completion(SAMPLE) == SAMPLE.output
    assert found.ending.markers == ["### Instruction:"]
    assert found.ending.answer("x = 1\n\n### Instruction:\nNext") == "x = 1"
    assert found.adds_special_tokens


def test_an_input_may_have_a_place_of_its_own(tokenizer):
    found = of(ALPACA, tokenizer)
    request = "### Instruction:\nAdd two numbers\n\n### Input:\na, b"
    assert found.prompt(SAMPLE) == f"Below is an instruction, paired with an input.\n\n{request}\n\n### Response:\n"
    without = "Below is an instruction.\n\n### Instruction:\nSay hi\n\n### Response:\n"
    assert found.prompt(PLAIN) == without
    described = describe_template(found, tokenizer)["prompt"]
    assert described["before"] + PLAIN.instruction + described["after"] == without
    before, _, between, _, after = described["with_input"]
    assert before + SAMPLE.instruction + between + SAMPLE.input + after == found.prompt(SAMPLE)


def test_a_request_in_one_place_is_described_as_before(tokenizer):
    assert set(describe_template(of(BUILT_IN["paper"], tokenizer), tokenizer)["prompt"]) == {"added", "before", "after"}


def test_the_input_may_come_first(tokenizer):
    template = Template("schema", user="{% if input %}Schema: {{ input }}\n{% endif %}Question: {{ instruction }}\n")
    assert of(template, tokenizer).prompt(SAMPLE) == "Schema: a, b\nQuestion: Add two numbers\n"
    assert of(template, tokenizer).prompt(PLAIN) == "Question: Say hi\n"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("x = 1\n```", "x = 1"),
        ("x = 1\n```\nThis sets x.\n```python\ny = 2\n```", "x = 1"),
        ("x = '```'\ny = 2\n```", "x = '```'\ny = 2"),
        ("x = 1  # cut off", "x = 1  # cut off"),
    ],
)
def test_a_fence_that_the_template_opens_ends_where_the_model_closes_it(tokenizer, written, code):
    found = of(FENCED, tokenizer)
    assert found.prompt(PLAIN) == "You write Python.\n\n### Task\nSay hi\n\n### Code\n```python\n"
    assert found.completion(PLAIN) == "print('hi')\n```"
    assert found.ending.answer(written) == code


def test_spaces_before_the_output_are_the_completion_s(tokenizer):
    found = of(Template("qa", user="Question: {{ request }}\n", assistant="Answer:  {{ output }}"), tokenizer)
    assert found.prompt(PLAIN).endswith("Say hi\nAnswer:")
    assert found.completion(PLAIN) == "  print('hi')"


def test_a_completion_is_tokenised_as_after_its_prompt(tokenizer):
    (tokens,) = encode([PLAIN], tokenizer, of(FENCED, tokenizer))
    text = of(FENCED, tokenizer).prompt(PLAIN) + of(FENCED, tokenizer).completion(PLAIN)
    assert tokenizer.decode(tokens.prompt + tokens.completion[:-1], skip_special_tokens=True) == text


@pytest.mark.parametrize("name", ["llama-3.2-1b", "qwen2.5-1.5b", "phi-3-mini"])
def test_a_chat_with_a_system_turn_and_a_fence(checkpoints, name):
    tokenizer = load_tokenizer(checkpoints / name)
    template = Template("coder", chat=True, assistant="```python\n{{ output }}", end="\n```")
    plain, found = of(BUILT_IN["chat"], tokenizer), of(template, tokenizer)
    assert found.prompt(SAMPLE) == plain.prompt(SAMPLE) + "```python\n"
    closing = plain.ending.closing
    assert found.completion(SAMPLE) == f"{SAMPLE.output}\n```{closing}"
    assert found.ending.answer(f"{SAMPLE.output}\n```\nThis adds.") == SAMPLE.output
    assert found.ending.end == plain.ending.end


def test_a_chat_shows_the_system_turn_or_is_refused(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    template = Template("terse", chat=True, system="Answer in code.", user="Task: {{ request }}")
    tokenizer.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    expected = "<system>Answer in code.<|im_end|><user>Task: Say hi<|im_end|><assistant>"
    assert of(template, tokenizer).prompt(PLAIN) == expected
    assert "".join(of(template, tokenizer).frame) == expected.replace("Say hi", "")
    tokenizer.chat_template = tokenizer.chat_template.replace("in messages", "in messages if m['role'] != 'system'")
    with pytest.raises(StudyError, match="leaves out the system turn"):
        of(template, tokenizer).prompt(PLAIN)


REFUSED = {
    "no request": ({"user": "### Task\n"}, "user: it does not show the field 'instruction'"),
    "no input": ({"user": "### Task\n{{ instruction }}\n"}, "user: it does not show the field 'input'"),
    "twice": ({"user": "### Task\n{{ request }}\n{{ instruction }}"}, "the instruction stands there 2 times"),
    "a filter": ({"user": "### Task\n{{ request | upper }}"}, "user: 'filter' is not taken"),
    "a loop": ({"user": "{% for i in range(9) %}{{ request }}{% endfor %}"}, "user: 'for' is not taken"),
    "an attribute": ({"user": "### Task\n{{ request.__class__ }}"}, "user: 'getattr' is not taken"),
    "an unknown field": (
        {"user": "### Task\n{{ question }}"},
        "'question' is no field; known: instruction, input",
    ),
    "the answer in the request": ({"user": "### Task\n{{ request }}{{ output }}"}, "user: 'output' is no field"),
    "syntax": ({"user": "### Task\n{{ request }"}, "user: not a Jinja template"),
    "an include": ({"user": "{% include '/etc/passwd' %}"}, "user: 'include' is not taken"),
    "no output": ({"user": "### Task\n{{ request }}", "assistant": "Answer:"}, "assistant: it does not show the field"),
    "text after the output": (
        {"user": "### Task\n{{ request }}", "assistant": "{{ output }}\n"},
        r"assistant: it has to end in '{{ output }}'; write what comes after it as 'end'",
    ),
    "an open fence": (
        {"user": "### Task\n{{ request }}\n", "assistant": "```python\n{{ output }}"},
        r"opens a code fence that 'end' does not close; add 'end: \"\\n```\"'",
    ),
    "no end": ({"user": "{{ request }}\n"}, "nothing tells where an answer ends"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_template_is_one_line_before_any_job(case):
    entry, message = REFUSED[case]
    with pytest.raises(StudyError, match=message) as caught:
        check_templates([Template("mine", **entry)])
    assert str(caught.value).startswith("config: templates.mine")
    assert str(caught.value).isprintable()


def test_those_that_need_no_entry_pass_and_the_paper_s_is_what_it_was():
    check_templates(BUILT_IN.values())
    frames = frames_of(BUILT_IN["paper"])
    assert (frames.prefix, frames.lead, frames.end) == ("<|assistant|>", " ", " <|end|>")
    assert (frames.markers, frames.closing) == (("<|end|>",), "")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"paper": {"user": "{{ request }}"}}, "templates.paper: 'paper' needs no entry and takes none"),
        ({"mine": {"system": "x"}}, "templates.mine: the key 'user' is missing; add it, or 'chat: true'"),
        ({"mine": {"chat": True, "between": "x"}}, "templates.mine: 'between' says nothing with 'chat: true'"),
    ],
)
def test_an_entry_that_says_nothing_is_refused(entries, message):
    with pytest.raises(StudyError, match=message):
        read_templates({"templates": entries})
