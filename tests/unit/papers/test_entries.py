"""Claims as entries of a paper's file: each verdict in both directions, and mistakes told in one line."""

import copy
from pathlib import Path

import pytest
from codetune.base.errors import StudyError
from codetune.papers.entries import DECISIONS, KINDS, check_entries
from codetune.papers.evidence import Evidence
from codetune.papers.kinds_of_runs import SETTINGS
from codetune.papers.measured import Declared
from codetune.papers.verdicts import AGREES, DISAGREES, NOT_CHECKABLE, NOT_STATED
from codetune.study.declared import file_of, read_paper, tables_of
from codetune.study.records import read_records
from conftest import ROOT
from fake_records import fake_record, write_fake


def paper(name):
    return read_paper(ROOT / file_of(name))


def checked(said, records=()):
    evidence = Evidence(said, "p.yaml", list(records), "d", {}, "", {}, {})
    return check_entries(Declared(said, tables_of(said), evidence), "p.yaml")


def verdicts(name, changed=None):
    """Verdicts and what was computed, by claim."""
    found = checked(changed or paper(name))
    return {one.claim: (one.verdict, one.computed) for rows in found.values() for one in rows}


def verdict_of(found, beginning):
    (verdict,) = [verdict for claim, (verdict, _) in found.items() if claim.startswith(beginning)]
    return verdict


def test_what_männistö_et_al_contradict_themselves_in():
    found = verdicts("peft-methods")
    assert found["LoRA of rank 16 trains these shares, on all linear layers"][1].startswith("4 of 8; not GPT-2 1.861 %")
    assert found["LoRA of rank 16 trains these shares, on query, key and value alone"][1].startswith("3 of 8")
    for claim in ("What the column of prefix", "What the column of prompt", "CodeBLEU of GPT-2 by prefix is"):
        assert verdict_of(found, claim) == AGREES
    for claim in (
        *("Prefix tuning with 20", "Prompt tuning with 20", "The models of the first row", "Section and table"),
        *("Full tuning of CodeLlama-7B leaves", "Full tuning of a larger model", "CodeBLEU of GPT-2 by prompt, beside"),
        *("Mistral with prefix", "The same among methods", "The same without", "The same over full", "Large models of"),
        "Soft prompts stand before",
    ):
        assert verdict_of(found, claim) == DISAGREES, claim
    assert found["The same over full tuning, without the scores of empty predictions"][1].startswith("1 of 4")
    left = {claim: computed for claim, (_, computed) in found.items() if "leaves room" in claim}
    assert [computed for claim, computed in left.items() if "CodeLlama" in claim] == ["0.02 GiB left"]
    assert verdict_of(found, "Optimizer") == NOT_STATED


def test_what_weyssow_et_al_contradict_themselves_in():
    found = verdicts("peft-or-icl")
    for claim in (
        *("LoRA of rank 16 on the attention layers: attention and output", "prefix tuning with 20", "Best large model"),
        *("EM@k of Table 3 on conala", "EM@k of Table 3 on codealpaca", "EM@k of Table 4 on codealpaca"),
        "The instruct and the Python model with LoRA differ in EM@10",
        "Gain in CodeBLEU of the best large model over the best small one on conala",
        "Gain in CodeBLEU of CodeLlama-7B-Python",
        "Each large model, by prompt, has a higher EM@10 than each fully tuned small one on codealpaca",
        *("LoRA surpasses", "Where EM@10", "Two places agree on the learning", "MBPP has no"),
    ):
        assert verdict_of(found, claim) == DISAGREES, claim
    for claim in ("prefix tuning with 10", "prompt tuning with 20", "EM@k of Table 4 on conala", "HumanEval has"):
        assert verdict_of(found, claim) == AGREES, claim
    assert found["LoRA of rank 16 on the attention layers: attention"] == (AGREES, "9 of 9")
    whole = found["EM@k of Table 3 on conala-resplit are whole numbers of test samples"]
    assert whole[1] == "77 of 78; not CodeLlama-7B lora EM@10 39.31"
    assert found["Best large model with LoRA on average"][1] == "CodeLlama-7B 23.39; CodeLlama-7B-Python 22.46"
    assert found["That gain in CodeBLEU on CoNaLa is prompt tuning's over LoRA's"] == (AGREES, "47.1 %")
    assert verdict_of(found, "Mean of these gains over the large models, in EM@10") == NOT_CHECKABLE
    assert {found[claim][1] for claim in found if claim.startswith("Score in")} == {"5.73", "27.55"}


TABLE = {"title": "T", "tests": ["d"], "columns": {"bleu": {"label": "BLEU", "scale": 100}, "em": {"label": "EM"}}}
ROWS = {"m": {"a": [10, 5.0], "b": [20, None]}, "n": {"a": [40, 0.0], "b": [30, 1]}}
SMALL = {
    "datasets": {"d": {"repo": "x/d"}},
    "models": {"m": {"name": "M", "parameters": "1.0B"}, "n": {"name": "N", "parameters": "2.0B"}},
    "shapes": {"m": {"kind": "gated", "layers": 2, "width": 8, "mlp": 16}},
    "methods": {"lora": {"kind": "lora", "rank": 2, "targets": "linear"}},
    "tables": {
        "1": TABLE
        | {"missing": "-", "rows": {"m": {"a": [10, 5.0], "b": [20, None]}, "n": {"a": [40, 0.0], "b": [30, 1]}}}
    },
}
CELL = {"table": "1", "model": "m", "method": "a"}
MEASURES = [
    ({"cells": {"places": [CELL], "times": 2}}, "rounds_to", "20", "21"),
    ({"cells": {"places": [CELL | {"method": "b", "column": "em"}]}}, "rounds_to", None, "0"),
    ({"gain_percent": {"of": CELL | {"method": "b"}, "over": CELL}}, "rounds_to", "100", "99"),
    ({"gain_percent": {"of": CELL | {"method": "b"}, "over": CELL}}, "below", "101", "100"),
    ({"best": {"table": "1", "column": "bleu", "model": "m"}}, "is", "b", "a"),
    ({"best": {"table": "1", "column": "bleu", "model": "m", "without": ["b"]}}, "is", "a", "b"),
    ({"codebleu_of_empty": {}}, "near", "0.252", "0.26"),
    ({"stated": {"here": 3, "there": 3}}, "equal", "3", None),
    ({"stated": {"here": 3, "there": 4}}, "different", "3", None),
    ({"weights_gb": {"model": "m", "bits": 16}}, "below", "2", "1"),
]


def entry(measure, decide, says, more=()):
    said = copy.deepcopy(SMALL)
    one = {"id": "x", "what": "It is so", "where": "section 1", "says": says, "measure": measure, "decide": decide}
    said["claims"] = {"S": [{**one, **dict(more)}]}
    return said


@pytest.mark.parametrize(("measure", "decide", "true", "false"), MEASURES)
def test_a_claim_agrees_or_disagrees_by_what_is_measured(measure, decide, true, false):
    for says, expected in ((true, AGREES), (false, DISAGREES)):
        if says is not None:
            ((verdict,),) = checked(entry(measure, decide, says)).values()
            assert (verdict.verdict, verdict.paper, verdict.files) == (expected, says, "p.yaml")


WINS = {"columns": ["bleu"], "models": ["m"], "methods": ["b"], "over": ["a"]}
RISES = {"column": "bleu", "method": "a"}
WHOLE = {"test": "d", "samples": 10}
ALL = [
    ("wins", WINS, True, "1 of 1"),
    ("wins", WINS | {"models": ["m", "n"]}, False, "1 of 2; not N BLEU 30 against 40"),
    ("wins", WINS | {"models": ["n"], "over_models": ["m"]}, True, "1 of 1"),
    ("wins", WINS | {"over_models": ["n"]}, False, "0 of 1; not M BLEU 20 against N 40"),
    (
        "wins",
        WINS | {"methods": ["a", "b"], "without": [{"model": "m", "method": "b"}]},
        False,
        "0 of 1; not M BLEU 10",
    ),
    ("ascending", RISES | {"models": ["m", "n"]}, True, "1 of 1"),
    ("ascending", RISES | {"models": ["n", "m"]}, False, "0 of 1; not N 40 before M 10"),
    ("multiples", WHOLE | {"columns": ["bleu"]}, True, "4 of 4"),
    ("multiples", WHOLE | {"columns": ["em"]}, False, "1 of 3; not M a EM 5.0, N b EM 1"),
    (
        "low_where_zero",
        {"test": "d", "zero": "em", "column": "bleu"},
        False,
        "40 to 40 in 1 places; 10 to 30 elsewhere",
    ),
]


@pytest.mark.parametrize(("kind", "arguments", "holds", "shown"), ALL)
def test_a_claim_about_all_names_where_it_does_not_hold(kind, arguments, holds, shown):
    ((verdict,),) = checked(entry({kind: {"table": "1", **arguments}}, "all", "all")).values()
    assert verdict.verdict == (AGREES if holds else DISAGREES)
    assert verdict.computed.startswith(shown)


def test_an_entry_stands_for_a_row_per_binding():
    said = entry({"cells": {"places": [CELL | {"model": "{model}"}]}}, "rounds_to", {**CELL, "model": "{model}"})
    said["claims"]["S"][0] |= {"what": "BLEU of {model}", "each": [{"model": "m"}, {"model": "n"}]}
    ((first, second),) = checked(said).values()
    assert (first.claim, first.paper, first.verdict) == ("BLEU of M", "10", AGREES)
    assert (second.claim, second.paper, second.verdict) == ("BLEU of N", "40", AGREES)


def test_what_is_unstated_is_shown_as_the_runs_have_it(tmp_path):
    records = read_records([write_fake(fake_record("m", "qlora"), tmp_path)])
    for name in ("optimizer", "learning rate", "epochs", "batch size"):
        ((verdict,),) = checked(entry({"setting": {"name": name}}, "unstated", None), records).values()
        assert (verdict.verdict, verdict.paper) == (NOT_STATED, "-")
        assert verdict.computed != "-"
        assert Path(verdict.files).name == "record.json"
    for name in SETTINGS.keys() - {"optimizer", "learning rate", "epochs", "batch size"}:
        assert checked(entry({"setting": {"name": name}}, "unstated", None), records) == {"S": []}  # not the paper's


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"decides": "all"}, "'decides' is unknown; known: id, what"),
        ({"where": ""}, "the key 'where' is missing or empty"),
        ({"decide": "rounds"}, "decide: 'rounds' is unknown; known: rounds_to"),
        ({"measure": {"cell": {}}}, "measure: 'cell' is unknown; known: trained"),
        ({"measure": {"cells": {}, "best": {}}}, "measure: one kind is needed, not 2"),
        ({"measure": {"cells": {}}}, "missing a required argument: 'places'"),
        ({"measure": {"cells": {"places": [CELL | {"table": "9"}]}}}, "no table '9'; known: 1"),
        ({"measure": {"cells": {"places": [CELL | {"method": "c"}]}}}, "table 1 has no place m, c, d, bleu"),
        ({"measure": {"weights_gb": {"model": "k", "bits": 4}}}, "KeyError: 'k'"),
        ({"what": "BLEU of {model}"}, "KeyError: 'model'"),
    ],
)
def test_a_mistake_in_an_entry_is_told_in_one_line(more, message):
    with pytest.raises(StudyError) as error:
        checked(entry({"cells": {"places": [CELL]}}, "rounds_to", "10", more))
    assert str(error.value).startswith(f"p.yaml: claims.S.x: {message}")
    assert "\n" not in str(error.value)


def test_the_papers_use_every_kind_and_every_decision():
    papers = [paper(path.stem).get("claims", {}).values() for path in (ROOT / "config/papers").glob("*.yaml")]
    entries = [[one for rows in subjects for one in rows] for subjects in papers]
    assert {kind for each in entries for one in each for kind in one["measure"]} == set(KINDS)
    assert {one["decide"] for each in entries for one in each} == set(DECISIONS)
    for each in entries:
        assert len({one["id"] for one in each}) == len(each)
