"""Near-duplicates: found exactly, whatever many texts share, in time that no data set makes long."""

import random
import re
import time
import tracemalloc
from collections import Counter
from fractions import Fraction
from itertools import combinations

import pytest
from codetune.data import triples
from codetune.data.cleaning import clean
from codetune.data.duplicates import Components, near_duplicates
from codetune.data.reading import read_records

WORDS = [f"w{number}" for number in range(5000)]


def triples_of(text):
    tokens = re.findall(r"\w+|[^\w\s]", text.lower())
    return frozenset(" ".join(tokens[start : start + 3]) for start in range(max(1, len(tokens) - 2)))


def pairs_by_definition(texts):
    """All pairs of near-duplicates, from the definition: each text is compared with each."""
    sets = [triples_of(text) for text in texts]
    different = set(sets)
    holders = Counter(triple for one in different for triple in one)
    common = {triple for triple, held in holders.items() if held > 10 and 10 * held > len(different)}
    return similar_pairs(sets, common)


def similar_pairs(sets, common):
    found = []
    for one, other in combinations(range(len(sets)), 2):
        a, b = sets[one] - common, sets[other] - common
        if sets[one] == sets[other] or ((a | b) and Fraction(len(a & b), len(a | b)) >= Fraction(7, 10)):
            found.append((one, other))
    return found


def groups_of(count, pairs):
    found = Components(count)
    for pair in pairs:
        found.connect(pair)
    return [group for group in found.groups() if len(group) > 1]


def some_texts(seed):
    """Random texts, many of them variants of one another, some behind a preamble."""
    rng = random.Random(seed)
    count, vocabulary, longest = rng.choice([2, 5, 12, 40, 100]), rng.choice([2, 4, 8, 30]), rng.choice([2, 6, 15, 40])
    originals = [
        [str(rng.randrange(vocabulary)) for _ in range(rng.randint(0, longest))]
        for _ in range(max(1, count // rng.choice([1, 2, 5])))
    ]
    preamble = [f"p{number}" for number in range(rng.choice([0, 0, 10, 50]))]
    for _ in range(count):
        text = list(rng.choice(originals))
        for _ in range(rng.randint(0, 2)):
            if text:
                text[rng.randrange(len(text))] = str(rng.randrange(vocabulary))
        yield " ".join(preamble * (rng.random() < 0.6) + text)


def some_words(rng, count, vocabulary=5000):
    return " ".join(rng.choice(WORDS[:vocabulary]) for _ in range(count))


def test_the_groups_are_those_of_the_definition():
    found = 0
    for seed in range(200):
        texts = list(some_texts(seed))
        groups = near_duplicates(texts)
        assert groups == groups_of(len(texts), pairs_by_definition(texts)), seed
        found += len(groups)
    assert found > 500


@pytest.mark.parametrize("size", [10, 17, 20, 40, 110, 340])
def test_the_least_similarity_is_found_and_the_next_lower_is_not(size):
    """Texts of `size` triples each: similarity 0.7 needs an overlap of 14/17 of them."""
    least = -(-14 * size // 17)
    for overlap in (least, least - 1):
        texts = []
        for number in range(30):  # thirty pairs that have nothing to do with one another
            tokens = [f"{number}t{place}" for place in range(2 * size)]
            start = size - overlap
            texts += [" ".join(tokens[: size + 2]), " ".join(tokens[start : start + size + 2])]
        expected = [[2 * number, 2 * number + 1] for number in range(30)] if overlap == least else []
        assert near_duplicates(texts) == expected


@pytest.mark.parametrize("share", [1.0, 0.463, 0.3, 0.12])
def test_what_many_texts_share_makes_no_two_alike_and_hides_none(records, share):
    samples, _ = clean(dict(enumerate(records)))
    plain = [f"{sample.request}\n{sample.output}" for sample in samples]
    preamble = some_words(random.Random(0), 130)
    texts = [f"{preamble} {text}" if index < share * len(plain) else text for index, text in enumerate(plain)]
    texts += [f"{text} !" for text in texts[:10]]  # near-duplicates of theirs, with preamble and without
    texts += [f"{text} !" for text in plain[-10:]]
    plain += [f"{text} !" for text in plain[:10]] + [f"{text} !" for text in plain[-10:]]
    found, expected = near_duplicates(texts), near_duplicates(plain)
    assert len(expected) > 10
    assert max(map(len, found)) <= max(map(len, expected))
    together = [set(group) for group in found]
    for index in range(10):
        assert any({index, len(plain) - 20 + index} <= group for group in together)


def test_a_few_texts_that_share_most_are_near_duplicates():
    schema = some_words(random.Random(0), 200)
    texts = [f"{schema} question {number}" for number in range(11)]
    for count in (2, 3, 10):
        assert near_duplicates(texts[:count]) == [list(range(count))]
    assert near_duplicates(texts) == []  # eleven are not a few: this is what they share
    assert near_duplicates([*texts, texts[4], texts[7].upper()]) == [[4, 11], [7, 12]]


def one_schema(count):
    rng = random.Random(1)
    schema = some_words(rng, 300)
    return [f"{schema} {some_words(rng, 20)}" for _ in range(count)]


def many_schemas(count, schemas, rest):
    """Each schema is shared by somewhat less than a tenth of the texts, so it counts."""
    rng = random.Random(2)
    shared = [some_words(rng, 300) for _ in range(schemas)]
    return [f"{shared[number % schemas]} {some_words(rng, rest)}" for number in range(count)]


ATTACKS = {
    "300 with one schema": (lambda: one_schema(300), 0),
    "4,000 with one schema": (lambda: one_schema(4000), 0),
    "2,000 with eleven schemas, alike by them": (lambda: many_schemas(2000, 11, 20), 2000),
    "2,000 with eleven schemas, hardly not alike": (lambda: many_schemas(2000, 11, 75), 0),
    "one text 20,000 times": (lambda: ["add a and b: a + b"] * 20_000, 20_000),
    "one request with 5,000 answers": (lambda: [f"do this and that please {number}" for number in range(5000)], 0),
    "20,000 of two words": (lambda: [some_words(random.Random(seed), 2, 300) for seed in range(20_000)], None),
    "all triples shared": (lambda: [" ".join(WORDS[(7 * n + k) % 40] for k in range(42)) for n in range(9000)], 9000),
    "a random choice of few triples": (lambda: [some_words(random.Random(n), 60, 10) for n in range(3000)], None),
    "a chain": (lambda: [" ".join(WORDS[n : n + 40]) for n in range(4900)], 4900),
    "a text of a megabyte": (lambda: [some_words(random.Random(0), 170_000), *one_schema(50)], 0),
    "a token of a megabyte": (lambda: ["x" * 10**6, "x" * 10**6 + "y", "." * 10**6], 0),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_data_set_takes_long(name):
    make, grouped = ATTACKS[name]
    texts = make()
    before = time.process_time()
    groups = near_duplicates(texts)
    assert time.process_time() - before < 20  # seconds; each takes one or two, a comparison of all pairs minutes
    if grouped is not None:
        assert sum(map(len, groups)) == grouped


def test_the_real_data_set_has_80_near_duplicates_in_27_groups(real):
    samples, _ = clean(dict(enumerate(read_records(real / "codealpaca" / "code_alpaca_20k.json"))))
    texts = [f"{sample.request}\n{sample.output}" for sample in samples]
    groups = near_duplicates(texts)
    assert (sum(map(len, groups)), len(groups), max(map(len, groups))) == (80, 27, 14)
    pairs = [similar_pairs([triples_of(texts[index]) for index in group], set()) for group in groups]
    assert sum(map(len, pairs)) == 74  # none of its triples is common


@pytest.mark.parametrize("share", [1.0, 0.463])
def test_a_preamble_before_real_samples_glues_none_together(real, share):
    samples, _ = clean(dict(enumerate(read_records(real / "codealpaca" / "code_alpaca_20k.json")[:1000])))
    plain = [f"{sample.request}\n{sample.output}" for sample in samples]
    preamble = some_words(random.Random(0), 130)
    texts = [f"{preamble} {text}" if index < 1000 * share else text for index, text in enumerate(plain)]
    assert near_duplicates(texts) == near_duplicates(plain) == [[248, 950], [553, 554]]


def test_texts_with_more_different_tokens_than_fit_have_the_same_groups(monkeypatch):
    texts = [text for seed in range(30) for text in some_texts(seed)]
    expected = near_duplicates(texts)
    monkeypatch.setattr(triples, "MOST_TOKENS", 1)
    assert near_duplicates(texts) == expected
    assert len(expected) > 30


def test_memory_is_some_bytes_per_character():
    rng = random.Random(2)
    texts = [some_words(rng, rng.randint(20, 200)) for _ in range(3000)]
    near_duplicates(texts[:10])  # what the first call loads does not count
    tracemalloc.start()
    near_duplicates(texts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15 * sum(map(len, texts))  # sets and dictionaries of triples took 70
