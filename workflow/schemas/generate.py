"""Writes the schemas of files that the library knows as dataclasses: their fields, and what the docstrings say of them.

Usage: python workflow/schemas/generate.py        (see `make lock`)
"""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
NOT_WRITTEN = {"Record": ["folder"]}


def kinds() -> dict[str, type]:
    """The dataclass of each kind of file; in a file of JSON lines each line is one."""
    sys.path.insert(0, str(FOLDER.parent / "scripts"))
    from codetune.data.predictions import Prediction
    from codetune.evaluation.answered import Answers
    from codetune.evaluation.comparisons import Comparisons
    from codetune.study.curve import Curve
    from codetune.study.data_facts import SplitFacts
    from codetune.study.examples import CountFacts, EmbeddingFacts, ExampleFacts
    from codetune.study.execution import ExecutionFacts, ProblemsFacts, SandboxFacts
    from codetune.study.facts import GenerationFacts, Summary, TrainingFacts
    from codetune.study.leaks import LeakFacts
    from codetune.study.record import Record
    from codetune.study.retrieval import RetrievalFacts
    from codetune.study.search import SearchFacts
    from codetune.study.sizes import SizeFacts

    return {
        "record": Record,
        "training": TrainingFacts,
        "search": SearchFacts,
        "generation": GenerationFacts,
        "retrieval": RetrievalFacts,
        "examples": ExampleFacts,
        "embedding": EmbeddingFacts,
        "count": CountFacts,
        "prediction": Prediction,
        "sandbox": SandboxFacts,
        "problems": ProblemsFacts,
        "execution": ExecutionFacts,
        "summary": Summary,
        "split": SplitFacts,
        "curve": Curve,
        "leaks": LeakFacts,
        "comparisons": Comparisons,
        "answers": Answers,
        "sizes": SizeFacts,
    }


def schemas() -> dict[str, str]:
    """The text of each schema, by the name of its file."""
    return {f"{name}.schema.json": json.dumps(schema_of(kind), indent=2) + "\n" for name, kind in kinds().items()}


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON schema of a dataclass: no field beside its own, each with its description."""
    import msgspec

    schema = msgspec.json.schema(kind)
    for name, part in schema["$defs"].items():
        text, fields = _docstring(part["description"])
        part["description"] = text
        if part["type"] != "object":  # a tuple, whose parts have no names in JSON
            continue
        part["additionalProperties"] = False
        for field in NOT_WRITTEN.get(name, []):
            del part["properties"][field]
        for field, found in part["properties"].items():
            if field in fields:
                part["properties"][field] = {"description": fields[field], **found}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the class, and of each attribute."""
    about, _, attributes = inspect.cleandoc(text).partition("\n\nAttributes:\n")
    fields = re.findall(r"^    (\w+): (.*(?:\n      .*)*)", attributes, re.MULTILINE)
    return _one_line(about), {name: _one_line(said) for name, said in fields}


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    for name, text in schemas().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
