"""What the paper declares."""

from collections.abc import Collection, Mapping
from typing import Any

from codetune.base.files import Row
from codetune.study.declared import tables_of
from codetune.study.declared_tables import Column, DeclaredTable, Value
from codetune.study.runs import NONE, System

NOT_RUN = "not_run"  # key of a row that says why what the paper quotes cannot be run
NAMES = ("model", "method", "label", NOT_RUN)  # keys of a row that say what it is about
LABELS = {"rouge_l": "ROUGE-L"}
BASE, TUNED = "base", "qlora"  # the paper's two methods, by the names that config/papers/slm-qlora.yaml gives them
QUOTED = "quoted"  # in the place of the method of a model that the paper quotes
PAPER_METRIC = "rouge_l"  # the one metric that the paper gives


def all_tables(paper: Row) -> dict[str, DeclaredTable]:
    """Returns the tables of a paper's file by name, those that are lists of rows (`table1`, `table2`) in the same form.

    Args:
        paper: What the file holds. A row without a model is of its `label`; one without a method, of the tuned model
            where it has one, and else quoted.
    """
    found = tables_of(paper)
    for name in ("1", "2"):
        rows: list[Row] = paper.get(f"table{name}", [])
        columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in NAMES]
        values: dict[tuple[str, str], list[Value] | None] = {}
        for row in rows:
            method = row.get("method", TUNED if "model" in row else QUOTED)
            values[str(row.get("model", row.get("label"))), method] = [row.get(column) for column in columns]
        if rows:
            tests = list(paper["datasets"])
            found[name] = DeclaredTable(name, "", tests, {key: Column(LABELS.get(key, key)) for key in columns}, values)
    return found


def is_comparable(paper: Mapping[str, Any], system: System, test: str, tests: Collection[str]) -> bool:
    """Whether the paper's numbers may stand beside a system's: it is trained on the data set that it is tested on.

    Args:
        paper: What the paper declares.
        system: The system; an untuned one is trained on none.
        test: The test set.
        tests: All test sets of the study. Of several it is one that is called as the paper's.
    """
    return system.data in (NONE, test) and (len(set(tests)) < 2 or test in paper["datasets"])
