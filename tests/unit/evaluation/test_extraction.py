"""The code in what models write: what is taken off, what never is, and how long that takes."""

import json
import random
import time

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.data.predictions import Candidate, Prediction
from codetune.data.samples import Sample
from codetune.evaluation import score, score_curve
from codetune.evaluation.extraction import EXTRACTION, extract_code
from codetune.evaluation.metric import MOST_CHARACTERS, ON_CODE
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.score import score_each, score_predictions, scores_of
from codetune.evaluation.scored import read_statistics
from fake_records import write_split

CODE = "def f(x):\n    return x"
FENCED = {
    "plain": f"```\n{CODE}\n```",
    "language": f"```python\n{CODE}\n```",
    "attributes": f'```python title="a.py" linenums="1"\n{CODE}\n```',
    "options": f"```{{r, echo=FALSE}}\n{CODE}\n```",
    "space": f"``` python\n{CODE}\n```",
    "tildes": f"~~~py\n{CODE}\n~~~",
    "longer": f"`````\n{CODE}\n`````",
    "sentences": f"Sure! It is easy.\n\n```python\n{CODE}\n```\n\nThis function returns x.\n\n```\nf(1)\n```",
    "in a list": "1. Like this:\n   ```python\n   def f(x):\n       return x\n   ```\n2. Run it.",
    "indented": "    ```python\n    def f(x):\n        return x\n    ```",
    "beside a sentence": f"Sure: ```python\n{CODE}\n``` Done.",
    "closed beside code": f"```python\n{CODE}```",
    "cut off": f"Here it is:\n\n```python\n{CODE}",
    "empty first": f"```\n```\n\n```python\n{CODE}\n```",
    "opened twice": f"```\n```python\n{CODE}\n```",
    "never closed, next one": f"```python\n{CODE}\n```python\nf(1)\n```",
    "never opened": f"{CODE}\n```",
    "never opened, then words": f"{CODE}\n```\n\nThis function returns the value.",
    "then a turn": f"```python\n{CODE}\n```\n<|end|>\n<|user|>\nMore\n<|assistant|>\n```\ng()\n```",
    "cut off after words with a sign": f"This is f(x)\n```\n{CODE}",
    "cut off by a turn": f"```python\n{CODE}\n<|end|>\n<|user|>\nMore",
    "beside code": f"```{CODE}\n```",
    "language beside code": f"```python {CODE}\n```",
    "file": f"```python src/a.py\n{CODE}\n```",
    "in a fence": f"````markdown\n```python\n{CODE}\n```\n````",
}  # fmt: skip
TURNS = [
    "<|end|>", " <|end|> <|user|> q <|end|> <|assistant|> a", "<|system|>\nx", "<|endoftext|>", "<|im_end|>",
    "<|im_end|>\n<|im_start|>user\nq", "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nq", "<end_of_turn>\n",
    "<end_of_turn>\n<start_of_turn>user\nq", "</s>", " </s>\n<s>[INST] q [/INST]", "\n[INST] q [/INST] a",
    "<|user|>: q",
    "\n\n### Instruction:\nq\n\n### Response:\na", "\n### Input:\nq", "\n### Response\na", "\n\nUser: q\nAssistant: a",
    "\nHuman: q", "\n\nHuman:\nq\n", "\nAssistant: a", "\nuser\nq", "\n\nQuestion: q", "\nInstruct: q",
    "\n\nBelow is an instruction that describes a task.", "<\uff5cend\u2581of\u2581sentence\uff5c><\uff5cUser\uff5c>q",
]  # fmt: skip
HEADS = [
    "<|assistant|>\n", "<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n", "[/INST] ",
    "<start_of_turn>model\n", "### Response:\n", "Assistant: ", "<|end|> <|assistant|> ",
]  # fmt: skip
LEAD_INS = [
    "Here is the code:\n", "Here is the code: ", "Here's the code:\n\n", "Here\u2019s the code:\n",
    "**Here is the code:**\n",
    "Sure! Here's a Python function that adds two numbers:\n\n", "Sure, here you go:\n", "Sure!\n", "Certainly!\n\n",
    "Of course! The following Python program does this:\n", "The following function returns x:\n\n",
    "Here is a function that returns its argument.\n\n", "Below is a simple implementation:\n\n", "Solution:\n",
    "You can use the following Python code:\n\n", "The code is as follows:\n", "### Solution:\n", "Python code:\n",
    "Here is how it is done. It takes one argument and returns it:\n\n", "Here is the code for x = 1:\n", "Code:\n",
    "Sure, I can help you with that! Here is the code:\n",
    "I'd be happy to help! Here's the code:\n\n", "Answer:\n", "**Solution:**\n", "Here is the code\n",
]  # fmt: skip
# Programs and answers in words from which nothing may be taken off.
WHOLE = [
    "", "x", CODE, "for x in y:\n    f(x)", "if a:\n  b()\nelse:\n  c()", "case 1:\n  break;", "body:\n  x: 1",
    "a:hover { color: red }", "body {\n  color: red;\n}", "user: x\nhost: y", "User:\n  name: x", "output:\n  x: 1",
    "id: 1\nUser:\n  name: x",
    "SELECT a\nFROM b;", "<p>Here is: x</p>", "<p><s>old</s>\nnew</p>", "<s>old</s>",
    '<p><s class="a">old</s>\nnew</p>', "# Here is the code:\nx = 1",
    "print('Here is the code:')\nx", "// Solution:\nx", "# Using Python:\n\nx = 1", "class User:\n  pass",
    "here: 1\nthere: 2",
    "below:\n  x", "following = 1", "try:\n  x\nexcept:\n  y", "f <| x |> g", "a <|> b", "Answer = 5",
    "private:\n int x;",
    'prompt = "<|user|>" + x', "x = '<|end|>'", "print('```')", "template: |\n  Here is the code:",
    "main:\n    mov eax, 1",
    'def f():\n    """Doubles.\n\n    ```\n    f(1)\n    ```\n    """\n    return 2', "Sure", "Here is the code:",
    "Here is a list of steps:\n1. Do it\n2. Stop", "Here are the answers: yes and no.", "`x` is 1 and ``y`` is 2",
    "The result is as follows: 1, 2", "Output: 5", "Step 1: x\nStep 2: y", "Name: x\nAge: y",
    "git commit -m 'Here is it'",
]  # fmt: skip


@pytest.mark.parametrize("name", FENCED)
def test_the_first_fenced_block_is_the_code(name):
    assert extract_code(FENCED[name]) == (CODE, "fence")


def test_a_fence_within_a_line_is_one_too():
    assert extract_code("Use ```print(1)``` for that.") == ("print(1)", "fence")
    assert extract_code("```python print(1)```") == ("print(1)", "fence")
    assert extract_code("```SELECT 1;\n```") == ("SELECT 1;", "fence")


def test_line_ends_of_another_system_make_no_difference():
    assert extract_code(f"Sure:\n\n```python\n{CODE}\n```\n\nx".replace("\n", "\r\n")).text.split() == CODE.split()


HOLDING_FENCES = [
    "/// Doubles.\n///\n/// ```\n/// f(1);\n/// ```\nfn f(x: i32) -> i32 { 2 * x }",
    "/**\n * Doubles.\n * ```js\n * f(1)\n * ```\n */\nconst f = (x) => 2 * x;",
    "#' Doubles.\n#' ```\n#' f(1)\n#' ```\nf <- function(x) 2 * x",
    "def f(x):\n    '''Doubles.\n\n    ```\n    f(1)\n    ```\n    '''\n    return 2 * x",
    'def f(x):\n    """Doubles.\n\n    ```\n    f(1)\n    ```\n    """\n    return 2 * x',
]  # fmt: skip


@pytest.mark.parametrize("code", HOLDING_FENCES)
def test_an_example_in_a_comment_is_a_part_of_the_program(code):
    assert extract_code(code) == (code, None)
    assert extract_code(f"Here it is:\n\n```python\n{code}\n```\n\nIt doubles.") == (code, "fence")


BESIDE_A_FENCE = [
    "x = [1]", "c = 5", "import os\nimport re", "<html>\n<p>a</p>\n</html>", "# It adds\nx = 1 + 1",
    "SELECT a\nFROM b", "try:\n    f()\nexcept A:\n    pass", '{"a": 1,\n "b": 2}', "f(1)\ng(2)",
]  # fmt: skip


@pytest.mark.parametrize("code", BESIDE_A_FENCE)
def test_code_beside_what_comes_before_it_loses_no_line(code):
    for before in ("```", "Here is the code: ```", "```python "):
        assert extract_code(f"{before}{code}\n```").text == code
        assert extract_code(f"{before}{code}```").text == code
    for before in ("Here is the code: ", "Sure! Here's a short example: "):
        assert extract_code(before + code) == (code, "lead-in")


@pytest.mark.parametrize("code", ['x = "a b"', "print('x') # 'This '", "a LIKE '%b%'", "s = 'abc'"])
@pytest.mark.parametrize("turn", ["<|end|>", "<|end|>\n<|user|>\nq", "</s>", "<end_of_turn>\n"])
def test_a_turn_also_begins_after_a_string(code, turn):
    assert extract_code(code + turn) == (code, "turn")


@pytest.mark.parametrize("turn", TURNS)
def test_the_code_ends_where_the_next_turn_begins(turn):
    assert extract_code(CODE + turn) == (CODE, "turn")


@pytest.mark.parametrize("head", HEADS)
def test_the_head_of_an_answer_s_own_turn_is_no_code(head):
    assert extract_code(head + CODE) == (CODE, "turn")
    assert extract_code(f"{head}{CODE}\n<|end|>\n<|user|>q") == (CODE, "turn")


def test_code_after_a_sentence_keeps_its_shape():
    assert extract_code("Here is the code:\n\n    x = 1\n    y = 2") == ("x = 1\ny = 2", "lead-in")
    assert extract_code("Code: f(1)\ng(2)") == ("f(1)\ng(2)", "lead-in")


@pytest.mark.parametrize("sentence", LEAD_INS)
def test_a_sentence_that_leads_in_is_no_code(sentence):
    assert extract_code(sentence + CODE) == (CODE, "lead-in")
    assert extract_code(f"{sentence}```\n{CODE}\n```") == (CODE, "fence")


@pytest.mark.parametrize(
    "code", ["SELECT name FROM users", "SELECT name\nFROM users", CODE, "print(1)", "x = 1\ny = 2"]
)
def test_code_may_stand_beside_what_announces_it(code):
    assert extract_code(f"Here is the code: {code}") == (code, "lead-in")
    assert extract_code(f"Here is the code, which is short:\n{code}") == (code, "lead-in")
    assert extract_code(f"Here is the idea: it is a short one.\n{code}") == (code, "lead-in")


@pytest.mark.parametrize("text", WHOLE)
def test_code_and_answers_in_words_stay_as_they_are(text):
    assert extract_code(text) == (text, None)


def test_nothing_but_marks_is_no_code():
    for text in ("```", "```python", "```python\n```", "<|end|>", "<|assistant|>"):
        assert extract_code(text).text == ""


PIECES = [
    "(```x\n",    "`", "```", "````", "```\n", "``` x\n", "~~~\n", "Here is: ", "Here is the code:\n", "Sure!\n",
    "Sure: ", "Code:\n",
    "<|a|>", "<|", "|>", "<s>", "</s>", "[INST]", "User: a\n", "User:", "### ", "### Input", "\n", " ", "\t", "> ", '"',
    '"""', "'", "the following code ", "1. ", "- ", "A b c d ", "Assistant:", "**", "\n# ```",
    " * ```\n", "word ", "x. ", "= ",
    "(", "{\n", "é",
    "\r\n", "def f():\n    x\n",
]  # fmt: skip


def test_code_in_code_is_that_code_and_never_longer_than_the_text():
    rng = random.Random(0)
    for _ in range(3000):
        text = "".join(rng.choices(PIECES, k=rng.choice([1, 3, 8, 30, 200])))
        code = extract_code(text)
        assert extract_code(code.text) == (code.text, None), text
        assert len(code.text) <= len(text)
        assert (code.how is None) == (code.text == text), text


@pytest.mark.parametrize(
    "around", [("", ""), ("```\n", ""), ("Here is the code:\n", "x"), ("x\n", "\n```\nIt is one.")]
)
def test_no_text_takes_long(around):
    """The longest text that is measured, of each piece: a regular expression that steps back would take hours."""
    for piece in PIECES:
        inner = piece * (MOST_CHARACTERS // len(piece) - 10)
        started = time.process_time()
        extract_code(around[0] + inner + around[1])
        assert time.process_time() - started < 2, piece


def test_no_text_of_repeated_pieces_takes_long():
    """What one look leaves for the next must not be one piece less, thousands of times."""
    rng = random.Random(1)
    for _ in range(400):
        piece = "".join(rng.choices(PIECES, k=rng.choice([2, 3])))
        started = time.process_time()
        extract_code(piece * (20_000 // len(piece)))
        assert time.process_time() - started < 0.5, piece


def test_fences_within_fences_end_too():
    text = "\n".join("`" * length + "\nSure!" for length in range(300, 2, -1))
    started = time.process_time()
    extract_code(text)
    assert time.process_time() - started < 5


def test_a_text_too_long_to_be_measured_stays_as_it_is():
    text = "```\n" + "x" * MOST_CHARACTERS
    assert extract_code(text) == (text, None)


def test_each_metric_has_a_second_one_on_the_code_that_says_so():
    written = [name for name in metrics() if not name.endswith(ON_CODE)]
    assert list(metrics()) == written + [on_code(name) for name in written]
    for name in written:
        first, second = metrics()[name], metrics()[on_code(name)]
        assert second.label == f"{first.label} on code"
        assert second.signature == f"{first.signature}|{EXTRACTION}"
        assert (second.languages, second.highest) == (first.languages, first.highest)


SAMPLES = [Sample(place, "in Python", "", CODE) for place in range(3)]
TEXTS = [CODE, f"Here is the code:\n```python\n{CODE}\n```", f"{CODE}<|end|><|user|>"]


def test_the_code_scores_as_if_it_were_the_text():
    rows = score_each(SAMPLES, TEXTS)
    assert [row["extracted"] for row in rows] == [None, "fence", "turn"]
    assert [row["code_length"] for row in rows] == [len(CODE)] * 3
    for name in metrics():
        if name.endswith(ON_CODE):
            assert {row[name] for row in rows} == {rows[0][name.removesuffix(ON_CODE)]}, name
    assert rows[1]["rouge_l"] < rows[2]["rouge_l"] < 1 == rows[1]["rouge_l_on_code"]
    found = scores_of(rows)
    assert found["rouge_l"] < found["rouge_l_on_code"] == found["exact_match_on_code"] == found["codebleu_on_code"] == 1


def test_what_is_all_code_is_measured_once(monkeypatch):
    asked = []

    def confined(function):
        def call(batch):
            asked.extend((one.sample.id, one.text, len(one.names)) for one in batch)
            return function(batch)

        return call

    monkeypatch.setattr(score, "Confined", confined)
    rows = score_each(SAMPLES, TEXTS)
    half = len(metrics()) // 2
    assert asked == [(0, CODE, half), (1, TEXTS[1], half), (1, CODE, half), (2, TEXTS[2], half), (2, CODE, half)]
    assert [len(row["statistics"]) for row in rows] == [half, 2 * half, 2 * half]


def point_of(predictions):
    """One checkpoint of a curve, beside itself."""
    rows = score_each(SAMPLES, [prediction.first.text for prediction in predictions])
    (measured,) = score_curve._measure([rows], len(SAMPLES))
    return score_curve._point(1, predictions, measured, measured)


@pytest.mark.parametrize("texts", [TEXTS, [CODE, CODE[:8], ""]])
def test_the_curve_has_the_scores_on_code_with_intervals_of_the_same_resamples(texts):
    predictions = [Prediction(place, [Candidate(text, 3, False)]) for place, text in enumerate(texts)]
    point = point_of(predictions)
    codes = [Prediction(place, [Candidate(extract_code(text).text, 3, False)]) for place, text in enumerate(texts)]
    same = point_of(codes)
    assert point.scores.keys() == metrics().keys()
    for name, found in point.scores.items():
        if name.endswith(ON_CODE):
            assert found == same.scores[name] == same.scores[name.removesuffix(ON_CODE)]


def test_the_summary_says_how_much_was_taken_off(tmp_path):
    paths = {name: tmp_path / name for name in ("test", "predictions", "scores", "summary")}
    rows = [{"id": one.id, "instruction": one.instruction, "input": "", "output": one.output} for one in SAMPLES]
    written = [
        {"id": place, "candidates": [{"text": text, "tokens": 3, "truncated": False}]}
        for place, text in enumerate(TEXTS)
    ]
    for name, found in (("test", rows), ("predictions", written)):
        paths[name].write_text("".join(json.dumps(row) + "\n" for row in found))
    split = write_split(tmp_path / "split.json", test=paths["test"])
    arguments = [str(paths[name]) for name in ("predictions", "scores", "summary")]
    score_predictions(str(paths["test"]), split, *arguments)
    summary = json.loads(paths["summary"].read_text())
    assert summary["extracted"] == pytest.approx(2 / 3)
    assert summary["extracted_by"] == {"fence": 1, "turn": 1}
    assert summary["length_ratio_on_code"] == 1 < summary["length_ratio"]
    tables = read_statistics(paths["scores"]).tables
    assert np.array_equal(tables["rouge_l_on_code"], [[1, 1]] * 3)
    lines = paths["scores"].read_text().splitlines()
    damaged = json.loads(lines[1])
    del damaged["statistics"]["rouge_l_on_code"]
    paths["scores"].write_text("\n".join([lines[0], json.dumps(damaged)]) + "\n")
    with pytest.raises(StudyError, match="no statistics of the code"):
        read_statistics(paths["scores"])
