"""The problems of EvalPlus (arXiv 2305.01210): arguments for which answer and reference have to give the same.

Its own package decides two things that its files do not say, and that are the same here. Tuples, sets and complex
numbers stand as lists and texts in the files of MBPP+, whose tasks say what their arguments are. And the values of some
tasks are compared in a way of their own, since more than one is right.
"""

from collections.abc import Callable, Mapping
from typing import Any

from codetune.data.stubs import defines, whole
from codetune.study.problem import Problem

# Values are equal, or floats within a tolerance.
_COMPARE = """
def _near(found, expected, within):
    if type(found) in (list, tuple) and type(expected) in (list, tuple):
        return len(found) == len(expected) and all(map(_near, found, expected, [within] * len(found)))
    return abs(found - expected) <= within + 1e-7 * abs(expected)


def _floats(value):
    return type(value) is float or type(value) in (list, tuple) and bool(value) and all(map(_floats, value))


def _same(found, expected):
    within = ATOL or (1e-6 if _floats(expected) else 0)
    return found == expected or bool(within) and type(found) is type(expected) and _near(found, expected, within)


def _right(found, expected, given):
    return RIGHT


for _found, _expected, _given in zip(_inputs(), _inputs(), _inputs()):
    assert _right(ENTRY(*_found), _reference(*_expected), _given)
"""
_SAME = "_same(found, expected)"
_AS_SETS = f"set(found) == set(expected) or {_SAME}"
_NOT_NONE = "(found if type(found) is bool else found is not None) == (expected is not None)"
_POLYNOMIAL = "sum(part * found**place for place, part in enumerate(given[0]))"
_HEIGHT = "(given[0] ** 2 / 4 + given[1] ** 2) ** 0.5"  # of a pyramid's side, where its own height is given
_DIGITS = "zip(*(str(one).zfill(max(len(str(one)) for one in given)) for one in given))"
# What is right of the functions whose values are not simply the same, by the package's data set and their names.
_RIGHT = {
    "HumanEval": {"find_zero": f"abs({_POLYNOMIAL}) <= ATOL or {_SAME}"},  # its reference misses a root, in the sandbox
    "Mbpp": {
        **dict.fromkeys(["similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"], _AS_SETS),
        **dict.fromkeys(["larg_nnum", "intersection_array", "find_dissimilar", "Diff"], _AS_SETS),
        **dict.fromkeys(["check_str", "text_match_three", "text_starta_endb"], _NOT_NONE),
        "are_equivalent": "True",
        "sum_div": f"found == 0 or {_SAME}",
        "surface_Area": f"abs(found - round(given[0] ** 2 + 2 * given[0] * {_HEIGHT})) <= ATOL or {_SAME}",
        "digit_distance_nums": f"found == sum(abs(int(a) - int(b)) for a, b in {_DIGITS}) or {_SAME}",
    },
}

Given = list[Any]


class _Complex(complex):
    """A complex number that is written so that its signs of zero are read again."""

    def __repr__(self) -> str:
        return f"complex({self.real!r}, {self.imag!r})"


def _tuples(values: Any) -> Any:
    """Lists within one another as tuples."""
    return tuple(map(_tuples, values)) if isinstance(values, list) else values


def _as_tuples(values: Given) -> Given:
    return [tuple(value) for value in values]


def _each(convert: Callable[[Given], Any]) -> Callable[[Given], Given]:
    return lambda given: [convert(value) for value in given]


def _first(convert: Callable[[Any], Any]) -> Callable[[Given], Given]:
    return lambda given: [convert(given[0]), *given[1:]]


def _second(convert: Callable[[Any], Any]) -> Callable[[Given], Given]:
    return lambda given: [given[0], convert(given[1]), *given[2:]]


# What makes the arguments of a call what they are, for the tasks of MBPP+ with these numbers.
_CONVERSIONS: list[tuple[list[int], Callable[[Given], Given]]] = [
    ([2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579], _as_tuples),
    ([596, 616, 630, 726, 740, 744, 809], _as_tuples),
    ([63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780], _each(_as_tuples)),
    ([259, 401, 445], _each(lambda value: tuple(_as_tuples(value)))),
    ([75, 413, 444, 753], _first(_as_tuples)),
    ([250, 307, 405, 446, 617, 720, 763, 808], _first(tuple)),
    ([106, 750], _second(tuple)),
    ([278], _first(lambda value: tuple(tuple(one) if isinstance(one, list) else one for one in value))),
    ([722], _first(lambda value: {key: tuple(one) for key, one in value.items()})),
    ([580, 615, 791], _each(_tuples)),
    ([115], _first(lambda value: [set(one) if one else {} for one in value])),
    ([124], lambda given: [float(given[0]), _Complex(given[1])]),
    ([252], _first(_Complex)),
]
_CONVERT = {number: convert for numbers, convert in _CONVERSIONS for number in numbers}


def read_evalplus(record: Mapping[str, Any], output: str) -> Problem:
    """Reads the problem that a record of HumanEval+ or MBPP+ states.

    Args:
        record: As published, with `task_id` such as `Mbpp/2`.
        output: Its reference, a whole program or the rest of one.
    """
    entry, prompt, (data, number) = str(record["entry_point"]), str(record["prompt"]), record["task_id"].split("/")
    stub = prompt if defines(prompt, entry) else ""
    inputs = [*record["base_input"], *(record["plus_input"] or [])]
    if data == "Mbpp" and (convert := _CONVERT.get(int(number))):
        inputs = [convert(given) for given in inputs]
    named = f"inf = float('inf')\nnan = float('nan')\n\n\ndef _inputs():\n    return {inputs!r}\n"
    compare = _COMPARE.replace("RIGHT", _RIGHT.get(data, {}).get(entry, _SAME))
    compare = compare.replace("ATOL", repr(float(record["atol"]))).replace("ENTRY", entry)
    return Problem(stub, f"{whole(stub, output, entry)}\n_reference = {entry}\n", named + compare, [entry])
