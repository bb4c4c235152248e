"""The search for similar samples: what it finds, in which order, and always the same."""

import importlib.metadata
import math
import os
import random
import re
import subprocess
import sys

import pytest
from codetune.data.samples import Sample
from codetune.prompts.nearest import Nearest, signature
from conftest import ROOT

WORDS = ["sort", "list", "reverse", "string", "python", "sql", "table", "the", "of", "a", "html", "page", "sum", "x1"]


def samples_of(*requests):
    return [Sample(number, request, "", f"output {number}") for number, request in enumerate(requests)]


def drawn(count, seed):
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(1, 12))) for _ in range(count)]


def found(samples, request, count=9):
    return [sample.id for sample in Nearest(samples).to(request, count)]


def bm25(requests, query, k1=1.5, b=0.75):
    """The scores by the definition (Robertson and Zaragoza 2009), with Lucene's weight of a word."""
    texts = [re.findall(r"\w+", request.lower()) for request in requests]
    mean = sum(map(len, texts)) / len(texts)
    weights = {}
    for word in WORDS:
        holding = sum(word in text for text in texts)
        weights[word] = math.log(1 + (len(texts) - holding + 0.5) / (holding + 0.5))
    return [
        sum(
            weights[word] * text.count(word) / (text.count(word) + k1 * (1 - b + b * len(text) / mean))
            for word in query.lower().split()
        )
        for text in texts
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_bm25_as_it_is_defined(seed):
    requests, queries = drawn(60, seed), drawn(20, seed + 100)
    nearest = Nearest(samples_of(*requests))
    for query in queries:
        scores = bm25(requests, query)
        ids = [sample.id for sample in nearest.to(query, len(requests))]
        assert sorted(ids) == list(range(len(requests)))
        assert [scores[number] for number in ids] == pytest.approx(sorted(scores, reverse=True), rel=1e-5)


def test_case_and_punctuation_do_not_count_and_the_input_does():
    samples = [Sample(0, "Sort it.", "[3, 1]", ""), Sample(1, "Sort it.", "reverse", ""), Sample(2, "Add", "", "")]
    assert found(samples, "SORT, it! (Reverse)", 2) == [1, 0]


def test_of_equally_similar_samples_the_first_comes_first():
    assert found(samples_of("sum", "sort a list", "list sort a", "a list: sort"), "sort a list", 4) == [1, 2, 3, 0]


@pytest.mark.parametrize("request_", ["", "???", "unheard of", " \n\t", "\u4f60\u597d"])
@pytest.mark.parametrize("first", ["", "!!", "sort"])
def test_a_request_that_shares_no_word_has_the_first_samples(request_, first):
    assert found(samples_of(first, "list", "sum"), request_) == [0, 1, 2]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("requests", [["?"], ["", "!"], ["sort"]])
def test_samples_without_words_or_a_single_one_can_be_searched(requests):
    assert found(samples_of(*requests), "sort") == list(range(len(requests)))


FIND = """
from test_nearest import drawn, found, samples_of
print([found(samples_of(*drawn(200, 1)), query) for query in drawn(50, 2)])
"""


def test_every_process_finds_the_same_and_says_nothing():
    paths = [str(ROOT / name) for name in ("workflow/scripts", "tests", "tests/support", "tests/unit/prompts")]
    said = set()
    for seed in ("0", "1"):  # of the order of sets of words
        variables = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(paths)}
        done = subprocess.run([sys.executable, "-c", FIND], env=variables, capture_output=True, text=True, check=True)
        said.add((done.stdout, done.stderr))
    assert len(said) == 1
    assert said.pop()[1] == ""


def test_the_signature_declares_tokens_case_variant_and_settings():
    declared = r"BM25|lucene|k1:1.5|b:0.75|tokens:\w+|case:lower|ties:first|bm25s:"
    assert signature() == declared + importlib.metadata.version("bm25s")
