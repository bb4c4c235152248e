"""Plain data as literals: what comes back the same, what becomes inert, and what is no literal."""

import math
import random
import re
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import pytest
from codetune.execution.values import DEEPEST, Inert, NotPlainError, decode, encode

PLAIN = [
    None, True, 0, -1, 10**5000, -(10**5000), 1.5, -0.0, 1e999, -1e999, 5e-324, 1j, complex(-0.0, 1e999), "",
    "a'\"\n\0", "\ud800", "\N{SNOWMAN}", b"\xff\0", bytearray(b"a"), [], (), (1,), {}, set(), frozenset(), {1, "a"},
    frozenset({(1,)}),
    {1: [2], (3,): {4: None}}, range(0, 10, -3), [[[1], (2,)], {"a": {3}}], Counter("abca"), Counter(),
    OrderedDict([("b", 1), ("a", [2])]), defaultdict(None, {1: [2]}), deque([1, (2,)]), [deque(), Counter({(1,): 2})],
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(type(value).__name__))
def test_plain_data_come_back_the_same(value):
    text = encode(value)
    assert text.isascii()
    assert "\n" not in text
    back = decode(text)
    assert type(back) is type(value)
    assert repr(back) == repr(value) if not isinstance(value, int) else back == value
    assert encode(back) == text


def test_not_a_number_comes_back():
    assert math.isnan(decode(encode([float("nan")]))[0])


@pytest.mark.parametrize(
    "value", [iter([1, 2]), (x for x in [1, 2]), map(int, "12"), reversed([2, 1]), filter(None, [0, 1, 2])]
)
def test_iterators_come_back_as_iterators(value):
    back = decode(encode(value))
    assert next(back) == 1
    assert list(back) == [2]


def test_views_come_back_as_views():
    table = {1: "a", 2: "b"}
    assert decode(encode(table.keys())) == table.keys()
    assert decode(encode(table.items())) == table.items()
    assert list(decode(encode(table.values()))) == ["a", "b"]


class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


OBJECTS = [
    Liar(1), [Liar(1)], {Liar(1): 2}, object(), print, len.__class__, ValueError(),
    type("Counter", (Counter,), {})("a"), re.match("a", "a"),
    namedtuple("Pair", "a b")(1, 2), type("str", (str,), {})("a"),
]  # fmt: skip


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_objects_are_no_data(value):
    with pytest.raises(NotPlainError, match="an object of type"):
        encode(value)


def test_an_object_becomes_inert_and_answers_nothing():
    back = decode(encode({"a": Liar(1)}, inert=True))["a"]
    assert type(back) is Inert
    questions = [
        lambda: back == 1, lambda: back == 1, lambda: bool(back), lambda: len(back), lambda: list(back), lambda: back(),
        lambda: back[0], lambda: back + 1, lambda: 1 + back, lambda: back < 1, lambda: hash(back), lambda: str(back),
        lambda: 1 in back, lambda: int(back), lambda: back != 1,
    ]  # fmt: skip
    for question in questions:
        with pytest.raises(TypeError, match="no plain data"):
            question()


def test_what_lies_too_deep_becomes_inert():
    value = []
    for _ in range(10**4):
        value = [value]
    text = encode(value, inert=True)
    assert text == "[" * DEEPEST + "inert('list')" + "]" * DEEPEST
    decode(text)


@pytest.mark.parametrize(
    "text",
    ["", "1 +", "1 + 1", "print(1)", "__import__('os')", "set.__class__", "set", "inert", "x", "[1 for _ in iter([1])]",
     "set(*[1])", "range(1, 2, step=3)", "f'{1}'", "(lambda: 1)()", "-[1]", "not 1", "{**{}}", "{1, *[2]}",
     "1 if 1 else 2",
     "set(1)", "{[]: 1}", "(" * 300 + ")" * 300, "x := 1", "1; 2", "1\n2", "\0", "iter(1)", "items([1])", "nan()"],
)  # fmt: skip
def test_all_else_is_no_literal(text):
    with pytest.raises(ValueError, match="not plain data"):
        decode(text)


def test_random_texts_do_nothing():
    generator = random.Random(0)
    signs = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "1",
        "'a'",
        "set",
        "inert",
        "-",
        ".",
        "*",
        "x",
        "nan",
        "lambda",
        " ",
    ]
    for _ in range(2000):
        text = "".join(generator.choices(signs, k=generator.randrange(12)))
        try:
            encode(decode(text), inert=True)
        except ValueError as error:
            assert str(error).startswith("not plain data")


def test_a_match_is_true_and_nothing_else():
    back = decode(encode(re.match("a", "a"), inert=True))
    assert back
    assert back is not None
    for ask in (lambda: back == 1, lambda: len(back), lambda: back[0], lambda: str(back)):
        with pytest.raises(TypeError, match="is no plain data"):
            ask()
