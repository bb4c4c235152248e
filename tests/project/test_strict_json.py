"""JSON is written strictly everywhere: only Python reads NaN and Infinity in it."""

import ast

from conftest import ROOT

# Whose values are texts and whole numbers, or which write no file.
WITHOUT_FRACTIONS = {
    "benchmarks/tokenising.py",
    "demo/make_encoder.py",
    "demo/make_parts.py",
    "demo/make_problems.py",
    "demo/make_samples.py",
    "workflow/schemas/generate.py",
    "workflow/schemas/generate_peft.py",
    "workflow/scripts/codetune/base/locks.py",
    "workflow/scripts/codetune/base/unfinished.py",
    "workflow/scripts/codetune/data/reading.py",
    "workflow/scripts/codetune/prompts/rendering.py",
    "workflow/scripts/codetune/report/parts.py",
    "workflow/scripts/codetune/study/mistakes.py",
}


def lax_calls(path):
    """Lines that write JSON without `allow_nan=False`."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("dump", "dumps", "JSONEncoder")
        and getattr(call.func.value, "id", "") == "json"
        and not any(word.arg == "allow_nan" and word.value.value is False for word in call.keywords)
    ]


def test_no_writer_of_json_lets_nan_pass():
    files = [path for folder in ("workflow", "demo", "benchmarks", "envs") for path in (ROOT / folder).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): lines for path in files if (lines := lax_calls(path))}
    hashed = found.pop("workflow/scripts/codetune/base/files.py")  # what sha256_of_json and sha256_of_list hash
    assert len(hashed) == 1
    assert found.keys() == WITHOUT_FRACTIONS
