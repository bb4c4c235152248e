"""What papers declare: numbers as they are printed, tables in their own layout, and mistakes told in one line."""

import copy

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.declared import Printed, declared_params, file_of, has_claims, path_of_params, read_paper, tables_of
from codetune.study.paper import macro_inputs
from codetune.study.summary import summary_inputs
from codetune.study.tables import table_inputs, table_params
from conftest import ROOT
from paper_config import paper_config

PAPERS = sorted((ROOT / "config/papers").glob("*.yaml"))
DECLARED = {
    "datasets": {"a": {"repo": "x/a"}, "b": {"repo": "x/b"}},
    "models": {"m": {"name": "M"}, "n": {"name": "N"}},
    "tables": {
        "2": {
            "title": "Scores",
            "tests": ["a", "b"],
            "columns": {"bleu": {"label": "BLEU", "scale": 100}, "memory_gb": {"label": "GB"}},
            "missing": "not run",
            "rows": {"m": {"full": [1, 2, 3, 4], "lora": None}, "n": {"lora": [5, None, "6M", 7]}},
        }
    },
}


def test_numbers_are_kept_as_they_are_printed(tmp_path):
    (tmp_path / "p.yaml").write_text("a: [16.70, 0.0, -1.50, 3, 4K, 1e-3, .5]\n")
    values = read_paper(tmp_path / "p.yaml")["a"]
    assert list(map(str, values)) == ["16.70", "0.0", "-1.50", "3", "4K", "1e-3", "0.5"]
    assert values[0] == 16.7
    copied = copy.deepcopy(values[0])
    assert (type(copied), str(copied), f"{copied}") == (Printed, "16.70", "16.70")


def test_a_table_gives_the_value_of_a_place():
    table = tables_of(DECLARED)["2"]
    assert table.models == ["m", "n"]
    places = [("m", "full", "b", "bleu"), ("n", "lora", "a", "bleu"), ("n", "lora", "b", "memory_gb")]
    assert [table.value_of(*place) for place in places] == [3, 5, 7]
    absent = [("m", "lora", "a", "bleu"), ("n", "lora", "a", "memory_gb"), ("n", "full", "a", "bleu")]
    assert [table.value_of(*place) for place in [*absent, ("m", "full", "c", "bleu")]] == [None] * 4


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_the_papers_of_the_project_are_read(path):
    tables = tables_of(read_paper(path))
    assert bool(tables) == (path.stem in ("peft-methods", "peft-or-icl"))
    assert all(table.rows and table.columns for table in tables.values())
    assert has_claims(path.stem) == (path.stem != "rag-and-execution")  # of which no number was available


def anywhere(_pattern, **_wildcards):
    return "somewhere"


def test_a_paper_without_claims_has_no_audit():
    config = paper_config() | {"paper": "rag-and-execution"}
    for paper, there in ((config, False), (paper_config(), True)):
        study = load_study(paper)
        found = [
            table_inputs(study, anywhere, anywhere),
            summary_inputs(study, anywhere),
            macro_inputs(study, anywhere),
        ]
        assert ["audit" in one for one in found] == [there] * 3


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((), ["2"], 'tables: ["2"] is not a mapping'),
        (("2", "titel"), "x", "tables.2: 'titel' is unknown; did you mean \"title\"? known: title, tests"),
        (("2", "title"), ..., "tables.2: the key 'title' is missing or empty. Add it."),
        (("2", "rows"), {}, "tables.2: the key 'rows' is missing or empty"),
        (("2", "tests"), ["a", "c"], "tables.2.tests: 'c' is unknown; known: a, b, none"),
        (("2", "columns", "bleu"), {"label": "B", "unit": "x"}, "tables.2.columns.bleu: 'unit' is unknown"),
        (("2", "columns", "bleu"), None, "tables.2.columns.bleu: null is not a mapping. Write label."),
        (("2", "rows", "k"), {"full": [1, 2, 3, 4]}, "tables.2.rows: 'k' is unknown; known: m, n"),
        (("2", "rows", "m", "full"), [1, 2, 3], "tables.2.rows.m.full: 3 values, not a list of 4. Give one per test"),
        (("2", "rows", "m", "full"), 1, "tables.2.rows.m.full: 1, not a list of 4"),
        (("2", "rows", "m", "full"), [1, 2, 3, "-"], 'tables.2.rows.m.full: "-" is no number as papers print them'),
        (("2", "missing"), ..., "tables.2: values are null. Say why under 'missing'."),
        (("Two",), {}, "tables.Two: 'Two' cannot be part of a file's name"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_its_place(tmp_path, place, value, message):
    paper = copy.deepcopy(DECLARED)
    entry, keys = paper, ("tables", *place)
    for key in keys[:-1]:
        entry = entry[key]
    if value is ...:
        del entry[keys[-1]]
    else:
        entry[keys[-1]] = value
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(paper))
    with pytest.raises(StudyError) as error:
        read_paper(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def test_a_reason_without_a_missing_value_is_refused():
    paper = copy.deepcopy(DECLARED)
    paper["tables"]["2"]["rows"] = {"m": {"full": [1, 2, 3, 4]}}
    with pytest.raises(StudyError, match=r"tables\.2\.missing: no value is null. Leave 'missing' out\."):
        tables_of(paper)


def test_a_config_names_its_paper_and_another_s_params_stay_as_they_are():
    main, other = (load_study(paper_config() | more) for more in ({}, {"paper": "peft-methods"}))
    assert (main.paper, main.declared) == ("slm-qlora", {})
    assert list(other.declared) == ["2", "3"]
    params = table_params(main, "rouge_l")
    assert not {key for key in params if key.startswith("paper")}
    assert path_of_params(params) == ROOT / "config/papers/slm-qlora.yaml"
    assert table_params(other, "rouge_l") == params | {"paper_name": "peft-methods"}
    assert path_of_params(declared_params(other.paper)) == ROOT / file_of("peft-methods")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("peft-method", "config: paper: 'peft-method' is unknown; did you mean 'peft-methods'?"),
        ("../config", "config: paper: "),
        (1, "config: paper: 1 is not of type string"),
    ],
)
def test_a_paper_that_there_is_not_is_refused(value, message):
    with pytest.raises(StudyError) as error:
        load_study(paper_config() | {"paper": value})
    assert str(error.value).startswith(message)
