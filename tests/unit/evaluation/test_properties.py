"""What every metric has to keep on every text: bounds, its highest for the reference itself, order, invariance."""

import json
import random
from collections import Counter

import numpy as np
import pytest
from codebleu.codebleu import calc_codebleu
from codetune.data.samples import Sample
from codetune.evaluation.codebleu import codebleu_of
from codetune.evaluation.metric import ON_CODE
from codetune.evaluation.ngrams import count_matches
from codetune.evaluation.overlap import bleu_of_resamples, bleu_of_sums, chrf_of_sums
from codetune.evaluation.registry import metrics
from codetune.evaluation.score import score_each, score_predictions, scores_of
from fake_records import write_split
from sacrebleu.metrics import BLEU, CHRF

NAMES = [name for name in metrics() if not name.endswith(ON_CODE)]  # those on code are the same, given less text
COMPARING = [name for name in NAMES if name != "parses"]  # which looks at the prediction alone
BY_WORDS = {"rouge_l", "rouge_l_precision", "rouge_l_recall"}  # of letters and digits, as rouge-score has them
PROGRAM = "def add(x, y):\n    total = x + y\n    return total\nprint(add(1, 2))"
# References of all sizes and kinds; short ones have fewer than four tokens, or no data flow, or no code at all.
TEXTS = [
    "x", "pass", "x += 1", "x = 1 + 1", "a = b + c", "print(1)", "def f(): pass", "if", "# a comment", "'''a text'''",
    "...", "{}", "你好", "😀", "x = '你好 😀'", "e\u0301", "return x\n", "<skipped>", "\ud800", "x\r\ny", "a\tb",
    "<br>",
    PROGRAM, "x = 1\n" * 500, "\n".join(f"v{i} = v{i - 1} + {i}" for i in range(300)),
]  # fmt: skip
ODD = ["", " ", "\n\t", "?", "0", "I am sorry, I cannot do that.", "z" * 3000, "😀" * 50]


def alone(name, reference, text):
    """The score of one sample, as the file of scores has it; None where it has none."""
    metric = metrics()[name]
    found = metric.score_each(np.array([metric.measure(Sample(0, "", "", reference), text, "Python")]))[0]
    return None if np.isnan(found) else float(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_score_is_within_its_bounds_or_none(name):
    highest = metrics()[name].highest
    for reference in TEXTS:
        for text in [*TEXTS, *ODD]:
            found = alone(name, reference, text)
            assert found is None or 0 <= found <= highest * (1 + 1e-12), (reference, text)


@pytest.mark.parametrize("name", COMPARING)
def test_a_text_is_the_best_prediction_of_itself(name):
    """No metric gives an exact match 0: it has the highest score, or none."""
    for text in TEXTS:
        if name in BY_WORDS and not any(letter.isascii() and letter.isalnum() for letter in text):
            continue
        assert alone(name, text, text) in (None, pytest.approx(metrics()[name].highest, rel=1e-12)), text


@pytest.mark.parametrize("name", ["exact_match", "code_rouge_l", "codebleu", "chrf"])
def test_short_texts_have_a_score_for_an_exact_match(name):
    for text in ("x", "x += 1", "print(1)", "# a comment", "😀"):
        assert alone(name, text, text) == pytest.approx(metrics()[name].highest, rel=1e-12)


@pytest.mark.parametrize("name", COMPARING)
def test_what_has_nothing_in_common_scores_nothing(name):
    for text in ("", " ", "?", "😀"):
        assert alone(name, PROGRAM, text) in (None, 0.0), text


@pytest.mark.parametrize("name", [name for name in COMPARING if name not in {"exact_match", "rouge_l_precision"}])
def test_more_of_the_reference_never_scores_less(name):
    lines = PROGRAM.splitlines()
    scores = [alone(name, PROGRAM, "\n".join(lines[:count])) for count in range(len(lines) + 1)]
    assert scores == sorted(scores)
    assert scores[0] == 0 < scores[1] < scores[-1]


@pytest.mark.parametrize("name", [name for name in COMPARING if name not in {"exact_match", "rouge_l_recall"}])
def test_text_beside_the_reference_never_scores_more(name):
    texts = [PROGRAM, PROGRAM + "\nz = q", PROGRAM + "\nz = q" * 5, PROGRAM + "\nz = q" * 50]
    scores = [alone(name, PROGRAM, text) for text in texts]
    assert scores == sorted(scores, reverse=True)


def pairs_of(count, seed):
    """Random references with predictions that hold some of their words."""
    rng = random.Random(seed)
    words = "def return x y z + = ( ) : value total for in range 1 2 # pass 你好".split()
    for _ in range(count):
        reference = rng.choices(words, k=rng.choice([1, 2, 3, 4, 12, 40]))
        text = [word if rng.random() < 0.7 else rng.choice(words) for word in reference][: rng.randint(0, 40)]
        yield " ".join(reference), " ".join(text)


@pytest.mark.parametrize("name", NAMES)
def test_the_score_of_a_set_depends_neither_on_order_nor_on_copies(name):
    metric = metrics()[name]
    rows = np.array([metric.measure(Sample(0, "", "", one), other, "Python") for one, other in pairs_of(60, 1)])
    whole = metric.score(rows.sum(axis=0, keepdims=True))[0]
    shuffled = np.random.default_rng(0).permutation(rows)
    assert metric.score(shuffled.sum(axis=0, keepdims=True))[0] == pytest.approx(whole, rel=1e-12)
    assert metric.score(3 * rows.sum(axis=0, keepdims=True))[0] == pytest.approx(whole, rel=1e-12)
    if metric.score_alone is None and name != "chrf":  # a mean
        assert np.nanmean(metric.score_each(rows)) == pytest.approx(whole, rel=1e-12)


def test_bleu_and_chrf_of_sums_are_sacrebleu_s_to_the_last_bit():
    rng = np.random.default_rng(0)
    rows = np.array([rng.integers(0, rng.choice([2, 4, 10, 1000, 10**6]), 10) for _ in range(4000)], dtype=float)
    rows[::2, 6:] = -np.sort(-rows[::2, 6:])  # as real texts have them: fewer of each order than of the one below
    rows[::2, 2:6] = np.minimum(rows[::2, 2:6], rows[::2, 6:])
    rows[:50] = 0
    for effective in (False, True):
        theirs = BLEU(effective_order=effective)
        expected = [theirs._compute_score_from_stats(row.tolist()).score if any(row) else np.nan for row in rows]
        np.testing.assert_array_equal(bleu_of_sums(rows, effective), expected)
    np.testing.assert_allclose(bleu_of_resamples(rows), bleu_of_sums(rows), rtol=1e-13)
    rows = np.array([rng.integers(0, rng.choice([2, 10, 10**5]), 18) for _ in range(4000)], dtype=float)
    rows[:50] = 0
    expected = [CHRF()._compute_f_score(row.tolist()) if any(row) else np.nan for row in rows]
    np.testing.assert_array_equal(chrf_of_sums(rows), expected)


def test_bleu_of_a_sample_is_sacrebleu_s_of_a_sentence_and_of_a_set_that_of_a_corpus():
    pairs = list(pairs_of(200, 2))
    sentence = BLEU(effective_order=True)
    for reference, text in pairs:
        assert alone("bleu", reference, text) == sentence.sentence_score(text, [reference]).score
        assert alone("chrf", reference, text) == CHRF().sentence_score(text, [reference]).score
    samples = [Sample(number, "", "", reference) for number, (reference, _) in enumerate(pairs)]
    found = scores_of(score_each(samples, [text for _, text in pairs]))
    corpus = [text for _, text in pairs], [[reference for reference, _ in pairs]]
    assert found["bleu"] == BLEU().corpus_score(*corpus).score
    assert found["chrf"] == CHRF().corpus_score(*corpus).score


@pytest.mark.parametrize("different", [1, 3, 60, 900, 2**21])
def test_shared_ngrams_are_those_of_tables(different):
    """Numbers of n-grams that 64 bits would not hold are made small again."""
    rng = np.random.default_rng(different)
    for lengths in rng.integers(0, 90, (60, 2)):
        one = rng.integers(0, different, lengths[0])
        other = np.concatenate([one[3:], rng.integers(0, different, lengths[1])])
        for written, wanted in ((one, other), (other, one)):
            tables = (
                [Counter(zip(*(items[start:] for start in range(order)), strict=False)) for items in (written, wanted)]
                for order in range(1, 7)
            )
            assert count_matches(written, wanted, 6) == [(ours & theirs).total() for ours, theirs in tables]


def test_data_flow_that_matches_nowhere_counts_as_none():
    """The package counts it as full, so that an apology scores more than a part of the program."""
    scores = {text: codebleu_of(PROGRAM, text).score for text in ("", "?", "x = 1 + 1", "z = q", PROGRAM)}
    assert scores[""] == scores["?"] == 0.0
    assert 0 < scores["x = 1 + 1"] < 0.25
    assert scores[PROGRAM] == 1.0


@pytest.mark.parametrize("reference", ["print(1)", "pass", "# a comment", "def f(): pass"])
def test_a_reference_without_data_flow_has_the_mean_of_its_other_parts(reference):
    itself, *others = (codebleu_of(reference, text) for text in (reference, "?", ""))
    assert (itself.score, itself.data_flow) == (1.0, None)
    assert [(other.score, other.data_flow) for other in others] == [(0.0, None)] * 2
    assert codebleu_of(reference, "x = y").score < 0.5


def test_the_summary_counts_references_without_data_flow(tmp_path):
    outputs = ["print(1)", "x = y", "SELECT 1"]
    samples = [
        {"id": number, "instruction": "SQL" if "SELECT" in output else "in Python", "input": "", "output": output}
        for number, output in enumerate(outputs)
    ]
    rows = [
        {"id": number, "candidates": [{"text": text, "tokens": 1, "truncated": False}]}
        for number, text in enumerate(["print(1)", "", "SELECT 1"])
    ]
    for name, found in (("test", samples), ("predictions", rows)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in found))
    split = write_split(tmp_path / "split.json", test=tmp_path / "test")
    score_predictions(
        str(tmp_path / "test"), split, *(str(tmp_path / name) for name in ("predictions", "s", "summary"))
    )
    summary = json.loads((tmp_path / "summary").read_text())
    assert summary["without_data_flow"] == 1
    assert summary["scores"]["codebleu"] == 0.5
    both = calc_codebleu(["print(1)", "x = y"], ["print(1)", ""], "python")["codebleu"]
    assert summary["codebleu_of_package"] == pytest.approx(both)
    assert "matches" not in (tmp_path / "s").read_text()
    assert "no data flow" not in summary["signatures"]["codebleu"]
    assert "without data flow in the reference" in summary["signatures"]["codebleu"]


def test_a_text_that_checkpoints_repeat_is_measured_once_and_has_the_same_row(monkeypatch):
    from codetune.evaluation import score

    seen = []

    class Confined:
        def __init__(self, function):
            self.function = function

        def __call__(self, batch):
            seen.extend(batch)
            return self.function(batch)

    monkeypatch.setattr(score, "Confined", Confined)
    samples = [Sample(0, "in Python", "", "x = 1"), Sample(1, "in Python", "", "y = 2")] * 3
    texts = ["x = 1", "x = 1", "x = 1", "y = 3", "Here it is:\n```\nx = 1\n```", "y = 3"]
    rows = score_each(samples, texts)
    assert len(seen) == 5  # the first sample: code, and code in words, as written and the code alone; the other: two
    assert rows[0] == rows[2]
    assert rows[3] == rows[5]
    assert [row["exact_match"] for row in rows] == [1, 0, 1, 0, 0, 0]
    assert [row["exact_match_on_code"] for row in rows] == [1, 0, 1, 0, 1, 0]
