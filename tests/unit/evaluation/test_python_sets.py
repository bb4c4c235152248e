"""Scores on the real CoNaLa, in both divisions, and on the Python part of CodeAlpaca, against the metrics' packages."""

import json
import logging
import random

import pytest
from codebleu import bleu, weighted_ngram_match
from codebleu.codebleu import PACKAGE_DIR, calc_codebleu
from codebleu.dataflow_match import corpus_dataflow_match
from codebleu.parser import remove_comments_and_docstrings
from codebleu.syntax_match import corpus_syntax_match
from codebleu.utils import get_tree_sitter_language
from codetune.data.samples import Sample
from codetune.evaluation.codebleu import codebleu_of, count_matches_of_code
from codetune.evaluation.package_total import total_of_package
from codetune.evaluation.score import score_each, scores_of
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

KEYWORDS = (PACKAGE_DIR / "keywords" / "python.txt").read_text().split()
SETS = {
    "CoNaLa": ("conala/conala-test.json", "snippet"),
    "CoNaLa divided anew": ("conala-docprompting/cmd_test.oracle_man.full.json", "cmd"),
    "CodeAlpaca in Python": ("codealpaca/code_alpaca_20k.json", "output"),
}
PREDICTIONS = {
    "as they are": lambda outputs: outputs,
    "cut": lambda outputs: [text[: len(text) // 2] for text in outputs],
    "emptied": lambda outputs: ["" for _ in outputs],
    "exchanged": lambda outputs: [*outputs[1:], outputs[0]],
}


@pytest.fixture(params=SETS)
def outputs(request, real):
    """References of 150 samples of a set."""
    file, field = SETS[request.param]
    records = json.loads((real / file).read_text())
    if "codealpaca" in file:
        candidates = json.loads((real / "codealpacapy" / "candidates.json").read_text())
        records = [records[place] for place in candidates["indices_0_based"] if records[place]["output"].strip()]
    return [record[field] for record in random.Random(0).sample(records, 150)]


@pytest.fixture(params=PREDICTIONS)
def pairs(request, outputs):
    """References with predictions made from them."""
    return list(zip(outputs, PREDICTIONS[request.param](outputs), strict=True))


def test_overlaps_are_those_of_sacrebleu_and_rouge_score(pairs):
    samples = [Sample(number, "", "", reference) for number, (reference, _) in enumerate(pairs)]
    rows = score_each(samples, [text for _, text in pairs])
    scorer = RougeScorer(["rougeL"])
    assert [row["rouge_l"] for row in rows] == [scorer.score(*pair)["rougeL"].fmeasure for pair in pairs]
    found, corpus = scores_of(rows), ([text for _, text in pairs], [[reference for reference, _ in pairs]])
    assert found["bleu"] == BLEU().corpus_score(*corpus).score
    assert found["chrf"] == CHRF().corpus_score(*corpus).score
    assert found["exact_match"] == sum(one.strip() == other.strip() for one, other in pairs) / len(pairs)


def parts_of_the_package(reference, text):
    """CodeBLEU's parts as the package's functions compute them, of which its `calc_codebleu` takes the mean."""
    words, tokens = reference.split(), text.split()
    weights = {word: 1 if word in KEYWORDS else 0.2 for word in words}
    grammar = get_tree_sitter_language("python")
    return (
        bleu.corpus_bleu([[words]], [tokens]),
        weighted_ngram_match.corpus_bleu([[[words, weights]]], [tokens]),
        corpus_syntax_match([[reference]], [text], "python", tree_sitter_language=grammar),
        corpus_dataflow_match([[reference]], [text], "python", tree_sitter_language=grammar),
    )


def test_the_package_s_own_total_is_kept(pairs):
    logging.disable(logging.WARNING)
    try:
        expected = calc_codebleu([one for one, _ in pairs], [text for _, text in pairs], "python")["codebleu"]
    finally:
        logging.disable(logging.NOTSET)
    found = total_of_package([count_matches_of_code(*pair) for pair in pairs])
    assert found == pytest.approx(expected, rel=1e-12)
    if all(text == "" for _, text in pairs):
        assert 0.25 <= found < 0.2501  # of empty predictions: a reference in CodeAlpaca is but a comment, as empty


def has_code(text):
    """Whether something is left without comments and docstrings, which CodeBLEU takes out."""
    return bool(remove_comments_and_docstrings(text, "python").strip())


def test_the_parts_of_codebleu_are_the_package_s_and_its_score_their_mean(pairs):
    logging.disable(logging.WARNING)  # the package warns of each reference without data flow
    try:
        compared = 0
        for reference, text in ((reference.strip(), text.strip()) for reference, text in pairs):
            found, own = codebleu_of(reference, text), parts_of_the_package(reference, reference)
            ngrams, keywords, syntax, flow = parts_of_the_package(reference, text) if text else (0.0, 0.0, 0.0, 0.0)
            if text == "" or min(len(one.split()) for one in (reference, text)) > 4:  # shorter ones match themselves
                assert (found.ngrams, found.keywords) == (ngrams, keywords)
                compared += 1
            assert found.syntax == (syntax if has_code(reference) else None)
            assert found.data_flow == (flow if own[3] else None)
            defined = [part for part in found if part is not None]
            assert found.score == sum(defined) / len(defined)
        assert compared > 5
    finally:
        logging.disable(logging.NOTSET)
