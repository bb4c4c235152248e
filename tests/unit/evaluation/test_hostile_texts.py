"""Texts that nobody writes but some models do: every metric ends on them, and what it cannot measure is counted."""

import json
import logging
import random
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from codebleu import calc_codebleu
from codetune.base import confined
from codetune.data.samples import Sample
from codetune.evaluation import measures, score
from codetune.evaluation.codebleu import DEEPEST, codebleu_of
from codetune.evaluation.extraction import extract_code
from codetune.evaluation.metric import MOST_CHARACTERS, ON_CODE, Metric, average_metric
from codetune.evaluation.parsing import GRAMMARS, MOST_BYTES, parses
from codetune.evaluation.registry import metrics
from codetune.evaluation.score import score_each, score_predictions, scores_of
from fake_records import write_split


def loops(depth, head="for i{0} in x{0}:", body="a = a + b"):
    lines = [" " * level + head.format(level) for level in range(depth)]
    return "\n".join([*lines, " " * depth + body])


def by_the_package(reference, text):
    """The mean of the package's parts, without data flow where the reference has none."""
    logging.disable(logging.WARNING)
    try:
        found = calc_codebleu([reference], [text], "python")
        own = calc_codebleu([reference], [reference], "python")
    finally:
        logging.disable(logging.NOTSET)
    names = ["ngram_match", "weighted_ngram_match", "syntax_match", "dataflow_match"]
    parts = [found[f"{name}_score"] for name in names if name != "dataflow_match" or own[f"{name}_score"]]
    return sum(parts) / len(parts)


def program(rng, depth=0):
    """A random program with loops, branches and assignments; its lines."""
    name, indent = lambda: rng.choice("abcdef"), " " * depth
    lines = []
    for _ in range(rng.randint(1, 3)):
        kind = rng.random() if depth < 5 else 1
        if kind < 0.3:
            lines += [f"{indent}for {name()} in {name()}:", *program(rng, depth + 1)]
        elif kind < 0.45:
            lines += [f"{indent}while {name()} < {name()}:", *program(rng, depth + 1)]
        elif kind < 0.65:
            lines += [f"{indent}if {name()}:", *program(rng, depth + 1), f"{indent}else:", *program(rng, depth + 1)]
        elif kind < 0.75:
            lines += [f"{indent}{name()} = [{name()} for {name()} in {name()}({name()})]"]
        else:
            lines += [f"{indent}{name()}, {name()} = {name()}, {name()}", f"{indent}{name()} += {name()}.{name()}"]
    return lines


def test_codebleu_of_programs_with_loops_is_the_package_s():
    rng = random.Random(0)
    programs = [text for text in ("\n".join(program(rng)) for _ in range(60)) if len(text) < 1000]
    assert len(programs) > 20
    for reference, text in pairwise(programs):
        assert codebleu_of(reference, text).score == by_the_package(reference, text)
    for depth in range(1, 8):
        pair = loops(depth), loops(depth, "while y{0}:")
        assert codebleu_of(*pair).score == by_the_package(*pair)


def test_codebleu_of_real_pairs_is_the_package_s(real):
    records = json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())
    outputs = [record["output"] for record in records if "def " in record["output"]]
    rng = random.Random(5)
    pairs = [(reference, rng.choice(outputs)) for reference in rng.sample(outputs, 150)]
    pairs = [
        pair for pair in pairs if min(len(text.split()) for text in pair) > 4
    ]  # shorter ones match themselves here
    assert [codebleu_of(*pair).score for pair in pairs] == [by_the_package(*pair) for pair in pairs]


@pytest.mark.parametrize("head", ["for i{0} in x{0}:", "while x{0}:", "for i{0} in x{0}:\n", "while i{0} < x:"])
def test_nested_loops_take_no_longer_than_other_code(head):
    start = time.process_time()
    assert codebleu_of(loops(60, head), loops(60, head, "c = c + d")) is not None
    assert time.process_time() - start < 3  # 2^60 times by the package


# What codebleu's functions and the grammars take a time for that grows with the square of the text, or worse.
SEEDS = {
    "tags": "<div>", "table": "<table><tr><td>", "attribute": "<a ", "comment": "<!--a", "round": "(", "square": "[",
    "curly": "{", "calls": "f(", "sum": "a+", "chain": "a.", "not": "not ", "lambda": "lambda:", "string": "'a' ",
    "names": "ab ", "assignments": "a=", "commas": "a,", "statements": "a;", "select": "SELECT (", "case": "CASE WHEN ",
    "generic": "List<", "emoji": "\U0001f600", "surrogate": "\ud800", "zero": "\0", "return": "\r", "feed": "\f",
    "accent": "e\u0301", "backslash": "\\", "f-string": "f'{", "if": "if a:\n b=c\n", "spaces": " ", "lines": "\n",
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_long_texts_of_one_pattern_have_scores_or_none_at_once(seed):
    for size in (2_000, MOST_BYTES * 3, MOST_CHARACTERS * 2):
        text = (SEEDS[seed] * size)[:size]
        start = time.process_time()
        for language in GRAMMARS if size > MOST_BYTES else ["Python"]:
            for reference, prediction in ((text + "x", "x = 1"), ("x = 1", text)):
                sample = Sample(0, "", "", reference)
                found = {name: one.measure(sample, prediction, language) for name, one in metrics().items()}
                assert all(len(found[name]) == len(one.none) for name, one in metrics().items())
                if size > MOST_CHARACTERS:
                    assert found == {name: one.none for name, one in metrics().items()}
        assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "text",
    [
        "(" * DEEPEST + ")" * DEEPEST,
        "x = " + "not " * DEEPEST + "y",
        " + ".join(["a"] * DEEPEST),
        "a," * 2400 + "a = " + "b," * 2400 + "b, b",
        "for " + "a," * 2400 + "b in " + "c," * 2400 + "c: pass",
        "x = 1\n" * MOST_BYTES,
        "# a comment\n" * MOST_BYTES,
    ],
    ids=["parentheses", "not", "sum", "assignment", "for", "long", "comments"],
)
def test_what_is_too_long_too_deep_or_too_much_has_no_codebleu(text):
    assert codebleu_of(text, "x = 1") is None
    assert codebleu_of("x = 1", text) is None


def test_halves_of_surrogate_pairs_are_errors_of_syntax_like_any_other_sign():
    assert parses("Python", "x = \ud800") is False
    assert parses("Python", "x = '\ud800'") is True
    assert codebleu_of("x = 1", "x = '\ud800'") == codebleu_of("x = 1", "x = '?'")


def endless(_sample, text, _language):
    while text == "endless":
        pass
    return 1.0


@pytest.fixture
def with_endless(monkeypatch) -> dict[str, Metric]:
    """All metrics, and two that do not end on some texts: a mean and a corpus metric."""
    corpus = metrics()["chrf"]

    def compute(*measured):
        endless(*measured)
        return corpus.compute(*measured)

    found = {
        **metrics(),
        "mean": average_metric("Mean", "mean", endless, frozenset({"other"})),
        "corpus": replace(corpus, compute=compute),
    }
    for module in (score, measures):
        monkeypatch.setattr(module, "metrics", lambda: found)
    monkeypatch.setattr(confined, "SECONDS", 0.2)
    return found


def test_a_metric_that_does_not_end_has_no_score_there_and_is_counted(with_endless, tmp_path):
    samples = [{"id": i, "instruction": "", "input": "", "output": "abc def"} for i in range(3)]
    samples.append({"id": 3, "instruction": "in Python", "input": "", "output": "abc def"})
    texts = ["abc", "endless", "abc def", "endless"]
    files = {name: tmp_path / name for name in ("references", "split", "predictions", "scores", "summary")}
    files["references"].write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    files["predictions"].write_text(
        "".join(
            json.dumps({"id": i, "candidates": [{"text": text, "tokens": 3, "truncated": False}]}) + "\n"
            for i, text in enumerate(texts)
        )
    )
    write_split(files["split"], references=files["references"])
    score_predictions(**{name: str(path) for name, path in files.items()})
    rows = [json.loads(line) for line in files["scores"].read_text().splitlines()]
    assert [row["mean"] for row in rows] == [1.0, None, 1.0, None]  # the last one is not for this metric
    assert [row["corpus"] is None for row in rows] == [False, True, False, True]
    assert [row["chrf"] is None for row in rows] == [False, False, False, False]
    summary = json.loads(files["summary"].read_text())
    assert summary["unmeasured"] == {"mean": 1, "corpus": 2}
    assert summary["scores"]["corpus"] == scores_of([rows[0], rows[2]])["corpus"]
    assert summary["by_language"]["Python"]["scores"]["corpus"] is None


def test_scores_in_a_process_of_their_own_are_those_of_the_metrics(records):
    samples = [
        Sample(i, r["instruction"], r["input"], r["output"]) for i, r in enumerate(records) if r["output"].strip()
    ]
    texts = [sample.output[: len(sample.output) // 2] for sample in samples[:60]]
    rows = score_each(samples[:60], texts)
    for sample, text, row in zip(samples, texts, rows, strict=False):
        texts_of = {name: extract_code(text).text if name.endswith(ON_CODE) else text for name in row["statistics"]}
        assert row["statistics"] == {
            name: metrics()[name].measure(sample, found, row["language"]) for name, found in texts_of.items()
        }
        assert texts_of.keys() in ({name for name in metrics() if not name.endswith(ON_CODE)}, metrics().keys())
