"""The code that defines a function, in answers of many shapes."""

import pytest
from codetune.execution.extraction import NO_FUNCTION, NO_SYNTAX, find_code

CODE = "def double(number):\n    return 2 * number"
STUB = 'import math\n\ndef half(number):\n    return number / 2\n\n\ndef double(number):\n    """Doubles a number."""\n'
SHAPES = {
    "bare": CODE,
    "fenced": f"```python\n{CODE}\n```",
    "fenced, with words": f"Sure! Here it is:\n\n```python\n{CODE}\n```\n\nIt doubles a number.",
    "fence cut off": f"Here it is:\n```python\n{CODE}",
    "fence never opened": f"{CODE}\n```\nThis is it.",
    "tildes": f"~~~\n{CODE}\n~~~",
    "indented": "1. Like this:\n\n   ```python\n   def double(number):\n       return 2 * number\n   ```\n",
    "second block": f"Run this:\n```bash\npip install doubling\n```\nand this:\n```python\n{CODE}\n```",
    "usage first": f"```python\nprint(double(2))\n```\n\n```python\n{CODE}\n```",
    "words around": f"The function is as follows.\n\n{CODE}\n\nI hope that this helps!",
    "with tests": f"{CODE}\n\nassert double(2) == 4\nprint(double(3))\n",
    "with a main": f"{CODE}\n\nif __name__ == '__main__':\n    double(int(input()))\n",
    "cut off later": f"{CODE}\n\ndef other(text):\n    return text.strip(",
    "a turn after": f"{CODE}\n<|im_end|>\n<|im_start|>user\nThanks",
    "carriage returns": CODE.replace("\n", "\r\n"),
    "twice": f"def double(number):\n    return 0\n\n{CODE}",
}
BODIES = {
    "body": "    return 2 * number",
    "body, its first white space lost": "return 2 * number",
    "body of two lines": "    result = 2 * number\n    return result",
    "body of two lines, its first white space lost": "result = 2 * number\n    return result",
    "body without white space": "result = 2 * number\nreturn result",
    "body, then more": "    return 2 * number\n\nprint(double(2))",
    "fenced body": "```python\n    return 2 * number\n```",
}


def run(code, number=21):
    names = {"__name__": "answer"}
    exec(code, names)
    return names["double"](number)


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_the_function_is_found(text):
    code, problem = find_code(text, "double", "")
    assert problem == ""
    assert run(code) == 42
    assert "print" not in code
    assert "assert" not in code


@pytest.mark.parametrize("text", [*SHAPES.values(), *BODIES.values()], ids=[*SHAPES, *BODIES])
def test_and_so_it_is_after_a_stub(text):
    code, problem = find_code(text, "double", STUB)
    assert problem == ""
    assert run(code) == 42


def test_what_the_function_reaches_is_kept_and_nothing_else():
    text = (
        "import os\nimport math as m\nfrom typing import List\nFACTOR = 2\nOTHER = 3\n"
        "FACTORS = []\nFACTORS += [FACTOR]\n\n"
        "class Unused:\n    pass\n\ndef helper(x):\n    return m.floor(x) * FACTORS[0]\n\n"
        "try:\n    import numpy as np\nexcept ImportError:\n    np = None\n\n"
        "@staticmethod\ndef double(number: int) -> 'List':\n    return helper(number)\n\nprint(double(1))\n"
    )
    code, _ = find_code(text, "double", "")
    assert "import math as m" in code
    assert "@staticmethod" in code
    assert "FACTORS += [FACTOR]" in code
    assert not any(word in code for word in ("os", "OTHER", "Unused", "print", "numpy"))
    assert run(code) == 42


def test_an_answer_may_use_what_the_stub_has_before_the_function():
    code, _ = find_code("def double(number):\n    return math.floor(4 * half(number))", "double", STUB)
    assert run(code) == 42


@pytest.mark.parametrize("text", ["", "I cannot do that.", "def other():\n    pass", "```\n```", "double(2)", "\0" * 9])
def test_no_function(text):
    assert find_code(text, "double", "") == (None, NO_FUNCTION)


@pytest.mark.parametrize(
    "text", ["def double(number):", "def double(number)\n    return 2", "def double(:\n  return ("]
)
def test_no_syntax(text):
    assert find_code(text, "double", "") == (None, NO_SYNTAX)


@pytest.mark.parametrize(
    "text", ["(" * 5000, "def double(n): return " + "(" * 300 + ")" * 300, "x = 1\n" * 3000, "-" * 9**5]
)
def test_texts_that_are_hard_to_parse(text):
    code, problem = find_code(text, "double", STUB)
    assert code is None or problem == ""
