"""The end that training ends with is the end that decoding stops at, whatever tokenizer and chat template there are."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.chat import WITHOUT_CHAT
from codetune.prompts.completions import Ending
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode
from codetune.prompts.tokensets import truncate
from codetune.study.template import BUILT_IN
from small_tokenizers import CONTROLS, make_tokenizer, turns
from tokenizers.normalizers import Prepend
from transformers import AddedToken

SAMPLE = Sample(7, "Add two numbers", "a, b", "def add(a, b):\n    return a + b")
CHATML = turns("<|im_start|>user\nX<|im_end|>\n", "<|im_start|>assistant\nX<|im_end|>\n", "<|im_start|>assistant\n")
ALPACA = turns("### Instruction:\nX\n\n", "### Response:\nX\n\n", "### Response:\n")

# Chat template, what else the tokenizer is made of, and the ending: closing, end token, stop tokens, markers.
KINDS = {
    "the end token is not the tokenizer's": (CHATML, {}, ("", "<|im_end|>", "<eos> <|im_start|> <|im_end|>", [])),
    "a line break before the end token": (
        turns("<|user|>\nX\n<eos>\n", "<|assistant|>\nX\n<eos>\n", "<|assistant|>\n"),
        {},
        ("\n", "<eos>", "<eos> <|user|>", []),
    ),
    "a line break before it, and text markers": (
        turns("<USER>\nX\n<eos>\n", "<BOT>\nX\n<eos>\n", "<BOT>\n"),
        {},
        ("\n", "<eos>", "<eos>", ["<USER>"]),
    ),
    "words before the end token": (
        turns("Ask: X\n", "A: <answer>X</answer><eos>\n", "A: <answer>"),
        {},
        ("</answer>", "<eos>", "<eos>", ["</answer>", "\nAsk:"]),
    ),
    "Gemma: the end of a turn, beside a declared EOS": (
        turns("<|user|>X<|im_end|>\n", "<|assistant|>X<|im_end|>\n", "<|assistant|>"),
        {"generation": {"eos_token_id": 258}},
        ("", "<|im_end|>", "<eos> <|im_end|> <|user|>", []),
    ),
    "declared ends that nothing else names": (
        CHATML,
        {"generation": {"eos_token_id": [258, 262]}},
        ("", "<|im_end|>", "<eos> <|im_start|> <|im_end|> <|assistant|>", []),
    ),
    "no ends declared": (
        CHATML,
        {"generation": {"eos_token_id": None}},
        ("", "<|im_end|>", "<eos> <|im_start|> <|im_end|>", []),
    ),
    "declared in the configuration": (
        turns("[INST] X [/INST]", " X<eos>"),
        {"config": {"eos_token_id": 262}},
        ("", "<eos>", "<eos> <|assistant|>", ["[INST]"]),
    ),
    "a declared end that is text": (
        CHATML,
        {"config": {"eos_token_id": 2}},
        ("", "<|im_end|>", "<eos> <|im_start|> <|im_end|>", []),
    ),
    "an ending in plain text": (ALPACA, {}, ("\n\n", "<eos>", "<eos>", ["### Instruction:"])),
    "an ending of nothing": (turns("User: X\n", "Bot: X", "Bot: "), {}, ("", "<eos>", "<eos>", ["\nUser:"])),
    "an end token that is no token here": (
        turns("<USR>X</s>", "<BOT>X</s>", "<BOT>"),
        {},
        ("</s>", "<eos>", "<eos>", ["</s>", "<USR>"]),
    ),
    "no end after the last answer": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
        "{% if not loop.last %}<|im_end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_end|>\n<|im_start|>assistant\n{% endif %}",
        {"generation": {"eos_token_id": [258, 260]}},
        ("", "<|im_end|>", "<eos> <|im_start|> <|im_end|>", []),
    ),
    "GLM: the next turn's mark is the end": (
        turns("<|user|>\nX", "<|assistant|>\nX", "<|assistant|>"),
        {"generation": {"eos_token_id": [258, 261]}},
        ("", "<|user|>", "<eos> <|user|>", []),
    ),
    "a begin token before each turn": (
        turns("<s>[INST] X [/INST]", " X <eos>"),
        {},
        (" ", "<eos>", "<s> <eos>", ["[INST]"]),
    ),
    "two end tokens": (
        turns("<|user|>X<|im_end|>", "<|assistant|>X<|im_end|>\n<eos>", "<|assistant|>"),
        {},
        ("", "<|im_end|>", "<eos> <|im_end|> <|user|>", []),
    ),
    "an end token without the flag": (
        turns("<U>X<E>", "<A>X<E>", "<A>"),
        {"others": ["<U>", "<E>", "  "]},
        ("", "<E>", "<eos> <U> <E>", []),
    ),
    "an end token that takes the white space before it": (
        turns("<|user|>X", "<|assistant|>X\n<E>", "<|assistant|>"),
        {"controls": [*CONTROLS, AddedToken("<E>", lstrip=True, special=True)]},
        ("\n", "<E>", "<eos> <|user|> <E>", []),
    ),
    "an empty block of thoughts": (
        turns("<|user|>X", "<|assistant|><think>\n\n</think>\n\nX<eos>", "<|assistant|>"),
        {},
        ("", "<eos>", "<eos> <|user|>", []),
    ),
    "no start of an answer": (
        turns("<|user|>X", "<|assistant|>X<eos>"),
        {},
        ("", "<eos>", "<eos> <|user|>", []),
    ),
    "answers are stripped": (
        CHATML.replace("m['content']", "(m['content'] | trim)"),
        {},
        ("", "<|im_end|>", "<eos> <|im_start|> <|im_end|>", []),
    ),
    "EOS is the pad token, and the end": (
        turns("<|user|>X<pad>", "<|assistant|>X<pad>", "<|assistant|>"),
        {"eos": "<pad>"},
        ("", "<pad>", "<pad> <|user|>", []),
    ),
    "no EOS token": (CHATML, {"eos": None}, ("", "<|im_end|>", "<|im_start|> <|im_end|>", [])),
    "one turn only": (
        "{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}" + CHATML,
        {},
        ("", "<|im_end|>", "<eos> <|im_end|>", []),
    ),
}
ADDS = ["$A", "<s> $A", "$A <eos>", "<s> $A <eos>"]
TEXTS = [SAMPLE, Sample(1, " Sort ", "", "\n  x = 1\n\n"), Sample(2, "Sort", "", "  # \u4f60\u597d  ")]


@pytest.mark.parametrize("kind", KINDS)
def test_training_ends_with_the_end_that_decoding_stops_at(tmp_path, kind):
    source, files, (closing, end, stops, markers) = KINDS[kind]
    tokenizer = make_tokenizer(tmp_path, source, adds="<s> $A <eos>", **files)
    template = serialisation_of(BUILT_IN["chat"], tokenizer)
    ids = tokenizer.convert_tokens_to_ids
    expected = Ending(closing, ids(end), sorted(ids(stops.split())), markers)
    assert template.ending == expected
    for sample, tokens in zip(TEXTS, encode(TEXTS, tokenizer, template), strict=True):
        assert tokens.completion[-1] == expected.end
        assert not set(tokens.completion[:-1]) & set(expected.stops)
        assert tokens.prompt[-1] not in expected.stops
        assert expected.answer(tokenizer.decode(tokens.completion[:-1])) == sample.output.strip()
        told = [{"role": "user", "content": sample.request}, {"role": "assistant", "content": sample.output}]
        whole = tokenizer.apply_chat_template(told, tokenize=False)
        rendered = tokenizer(whole, add_special_tokens=False)["input_ids"]
        before_end = tokens.prompt + tokens.completion[:-1]
        assert rendered[: len(before_end)] == before_end
        assert rendered[len(before_end) : len(before_end) + 1] in ([expected.end], [])
    cut, _ = truncate([tokens], len(tokens) - 1)
    assert cut[0].completion == tokens.completion[:-1]


@pytest.mark.parametrize("adds", ADDS)
def test_what_a_tokenizer_adds_stands_before_the_prompt_alone(tmp_path, adds):
    tokenizer = make_tokenizer(tmp_path, adds=adds)
    (tokens,) = encode([SAMPLE], tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer))
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert [token for token in tokens.prompt if token in (bos, eos)] == [bos] * adds.count("<s>")
    assert tokens.prompt[0] == bos or "<s>" not in adds
    assert [token for token in tokens.completion if token in (bos, eos)] == [eos]
    assert tokens.completion[-1] == eos


def test_a_tokenizer_whose_eos_is_its_bos_keeps_it_before_the_prompt(tmp_path):
    tokenizer = make_tokenizer(tmp_path, eos="<s>", adds="<s> $A <s>")
    (tokens,) = encode([SAMPLE], tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer))
    assert [tokens.prompt[0], tokens.prompt.count(257), tokens.completion.count(257)] == [257, 1, 1]


def test_a_chat_template_that_writes_the_begin_token_has_it_once(tmp_path):
    tokenizer = make_tokenizer(tmp_path, "{{ bos_token }}" + CHATML, adds="<s> $A")
    (tokens,) = encode([SAMPLE], tokenizer, serialisation_of(BUILT_IN["chat"], tokenizer))
    assert (tokens.prompt + tokens.completion).count(tokenizer.bos_token_id) == 1
    assert tokens.prompt[0] == tokenizer.bos_token_id


def test_the_paper_s_template_ends_with_eos_and_at_declared_ends(tmp_path):
    tokenizer = make_tokenizer(tmp_path, CHATML, generation={"eos_token_id": [258, 260]})
    assert serialisation_of(BUILT_IN["paper"], tokenizer).ending == Ending("", 258, [258, 260], ["<|end|>"])


def test_a_begun_block_of_thoughts_is_of_the_prompt_and_white_space_of_the_completion(tmp_path):
    for opening, where in (("<think>\n\n</think>\n\n", "prompt"), (" ", "completion"), ("\n", "completion")):
        tokenizer = make_tokenizer(tmp_path, turns("<|user|>X", f"<|assistant|>{opening}X<eos>", "<|assistant|>"))
        template = serialisation_of(BUILT_IN["chat"], tokenizer)
        assert template.prompt(SAMPLE).endswith("<|assistant|>" + (opening if where == "prompt" else ""))
        assert template.completion(SAMPLE) == (opening if where == "completion" else "") + SAMPLE.output


@pytest.mark.parametrize("eos", ["2", [2, "x"], {"a": 1}, True, -1, 1.5])
def test_damaged_declarations_are_one_line(tmp_path, eos):
    tokenizer = make_tokenizer(tmp_path, CHATML, generation={"eos_token_id": eos})
    for name in ("paper", "chat"):
        with pytest.raises(StudyError, match="generation_config.json: not what it should be"):
            _ = serialisation_of(BUILT_IN[name], tokenizer).ending


class Without:
    """A tokenizer whose EOS token its vocabulary lacks."""

    eos_token, eos_token_id, unk_token, unk_token_id, name_or_path = "<eos>", None, "<unk>", 0, "folder"


def test_an_eos_token_without_an_id_is_one_line():
    for number in (None, 0):
        tokenizer = Without()
        tokenizer.eos_token_id = number
        with pytest.raises(StudyError, match="folder: the EOS token '<eos>' is not in the vocabulary"):
            _ = serialisation_of(BUILT_IN["paper"], tokenizer).ending


ENDING = Ending("\n</code>", 2, [2], ["</code>", "### Instruction:", "\nUser:", "\n# User\n"])
GENERATED = {
    "x = 1": ("x = 1", False),
    " x = 1\n": ("x = 1", False),
    "x = 1\n</code>": ("x = 1", True),
    "x = 1\n### Instruction:\nmore": ("x = 1", True),
    "x = 1 ### Instruction: more": ("x = 1", True),
    "x = 1\nUser: more": ("x = 1", True),
    "User: more": ("", True),
    "": ("", False),
    "print('User:')": ("print('User:')", False),
    "  User: int": ("User: int", False),
    "x\n# User\nmore": ("x", True),
    "x\n# User": ("x", True),
    "x\n# User name\ny": ("x\n# User name\ny", False),
    "a\nUser: b ### Instruction: c": ("a", True),
}


@pytest.mark.parametrize("text", GENERATED)
def test_a_text_is_cut_where_the_next_turn_begins_and_not_in_code(text):
    assert (ENDING.answer(text), ENDING.ends(text)) == GENERATED[text]


@pytest.mark.parametrize("mark", ["# ", "User ", "- ", "1. ", "\n", ": ", "(a)", "Q:", "...\n"])
def test_what_cannot_be_told_from_code_cuts_nothing_and_is_said(tmp_path, capsys, mark):
    tokenizer = make_tokenizer(tmp_path, turns(f"{mark}X\n", "= X\n", "= "))
    assert serialisation_of(BUILT_IN["chat"], tokenizer).ending == Ending("\n", 258, [258], [])
    assert "no mark before the next request" in capsys.readouterr().out


@pytest.mark.parametrize(("opening", "start"), [("", "<BOT>\n"), (" ", "<BOT>"), ("", "<|assistant|>")])
def test_a_tokenizer_that_marks_the_start_of_a_text_does_not_mark_the_start_of_an_answer(tmp_path, opening, start):
    """As Llama-2's and TinyLlama's: there " x" and "x" have other tokens alone than in the middle of a text."""
    source = turns("<USER>X</s>\n", f"{start}{opening}X</s>\n", start)
    tokenizer = make_tokenizer(tmp_path, source, controls=[*CONTROLS, "</s>"], eos="</s>")
    tokenizer.backend_tokenizer.normalizer = Prepend("_")
    template = serialisation_of(BUILT_IN["chat"], tokenizer)
    for sample, tokens in zip(TEXTS, encode(TEXTS, tokenizer, template), strict=True):
        told = [{"role": "user", "content": sample.request}, {"role": "assistant", "content": sample.output}]
        whole = tokenizer(tokenizer.apply_chat_template(told, tokenize=False), add_special_tokens=False)["input_ids"]
        assert tokens.prompt + tokens.completion == whole[: len(tokens)]


REAL = {
    "llama-3.2": ("<|eot_id|>", "<|start_header_id|> <|eot_id|>"),
    "gemma-2": ("<end_of_turn>", "<eos> <start_of_turn> <end_of_turn>"),
    "qwen2.5": ("<|im_end|>", "<|im_start|> <|im_end|>"),
    "phi-3-mini-4k-instruct": ("<|end|>", "<|endoftext|> <|end|> <|user|>"),
}


@pytest.mark.parametrize("name", REAL)
def test_the_ends_of_real_chat_templates(real, name):
    tokenizer = load_tokenizer(real / "tokenizers" / name)
    end, stops = REAL[name]
    template = serialisation_of(BUILT_IN["chat"], tokenizer)
    ids = tokenizer.convert_tokens_to_ids
    assert template.ending == Ending("", ids(end), sorted(ids(stops.split())), [])
    template.check_repeatable()


@pytest.mark.parametrize("name", [*REAL, "gpt2", "codegen2", "roberta-base_codebert"])
def test_real_prompts_of_the_paper_s_template_hold_no_end(real, name):
    tokenizer = load_tokenizer(real / "tokenizers" / name)
    (tokens,) = encode([SAMPLE], tokenizer, serialisation_of(BUILT_IN["paper"], tokenizer))
    assert tokenizer.eos_token_id not in tokens.prompt
    assert tokens.completion.count(tokenizer.eos_token_id) == 1
    assert tokens.completion[-1] == tokenizer.eos_token_id
    started = tokenizer("x")["input_ids"][0]
    assert (tokens.prompt[0] == tokenizer.bos_token_id) == (started == tokenizer.bos_token_id)


def test_an_ordinary_token_that_a_configuration_names_is_no_end(real):
    """CodeGen2's config.json says 2, which is "#"; its EOS token is 50256."""
    tokenizer = load_tokenizer(real / "tokenizers" / "codegen2")
    assert tokenizer.convert_ids_to_tokens(2) == "#"
    assert serialisation_of(BUILT_IN["paper"], tokenizer).ending.stops == [50256]


def test_qwen_base_is_trained_on_its_template_s_end_and_stops_at_its_own(real, tmp_path):
    """Qwen2.5's base checkpoints have EOS and pad token `<|endoftext|>`, and a template that ends with `<|im_end|>`."""
    tokenizer = load_tokenizer(real / "tokenizers" / "qwen2.5")
    tokenizer.eos_token = tokenizer.pad_token = "<|endoftext|>"
    ids = tokenizer.convert_tokens_to_ids
    ending = serialisation_of(BUILT_IN["chat"], tokenizer).ending
    assert (ending.end, ending.stops) == (ids("<|im_end|>"), ids(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))


def chat_templates_of_trl():
    """The chat templates that TRL ships, of some twenty families."""
    folder = Path(find_spec("trl").origin).parent / "chat_templates"
    return sorted(path for path in folder.glob("*.jinja") if not path.stem.endswith("_training"))


def test_chat_templates_in_use_are_trained_as_they_render_or_refused_in_one_line(tmp_path):
    """Among them Qwen3 with its empty thoughts, GPT-OSS with its channels, and Cohere with a token around an answer."""
    used = 0
    for path in chat_templates_of_trl():
        source = path.read_text(encoding="utf-8")
        names = sorted(set(re.findall(r"<\|[^|<>\s]{1,40}\|?>|<[a-z_]{1,20}\|>|<\uff5c[^\uff5c]{1,30}\uff5c>", source)))
        tokenizer = make_tokenizer(tmp_path / path.stem, source, controls=("<pad>", "<s>", "<eos>", *names))
        template = serialisation_of(BUILT_IN["chat"], tokenizer)
        try:
            encoded = encode(TEXTS, tokenizer, template)
        except StudyError as reason:
            assert WITHOUT_CHAT in str(reason), path.stem
            continue
        used += 1
        for sample, tokens in zip(TEXTS, encoded, strict=True):
            told = [{"role": "user", "content": sample.request}, {"role": "assistant", "content": sample.output}]
            rendered = tokenizer(template._render(told, False), add_special_tokens=False)["input_ids"]
            whole = tokens.prompt + tokens.completion
            assert rendered[: len(whole) - 1] == whole[:-1], path.stem
            assert rendered[len(whole) - 1 : len(whole)] in ([whole[-1]], []), path.stem
            assert not set(tokens.completion[:-1]) & set(template.ending.stops), path.stem
            assert template.ending.answer(tokenizer.decode(tokens.completion[:-1])) == sample.output.strip(), path.stem
        assert len(template.ending.stops) + len(template.ending.markers) > 1, path.stem  # the end, and the next turn
    assert used > 20
