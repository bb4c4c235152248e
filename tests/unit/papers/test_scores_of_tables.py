"""Scores of a study against the tables of other papers, place by place."""

from dataclasses import replace

import pytest
from codetune.papers.claims import audit
from codetune.papers.evidence import OTHER_DATA, OTHER_MODELS, Files, gather_evidence
from codetune.papers.verdicts import COMPATIBLE, NOT_CHECKABLE, NOT_COMPATIBLE, UNDECIDED
from codetune.study.declared import file_of
from other_papers import CONALA, codegen_study, gpt2_study, paper

HALF = 0.02  # of the scale: half of the length of every interval


def rows_here(name, here, datasets):
    """The audit's rows of subject "Scores, here", by claim; intervals are short."""
    narrow = []
    for one in here.comparisons:
        scores = [
            replace(score, interval=[score.score - half, score.score + half])
            for score in one.scores
            for half in [HALF * one.metrics[score.metric].highest]
        ]
        narrow.append(replace(one, scores=scores))
    models, tests = {record.run.model for record in here.records}, [one.test for one in narrow]
    files = Files(dict.fromkeys(models, "config.json"), {}, {}, dict.fromkeys(tests, "card.json"))
    comparisons = {f"comparisons/{one.test}.json": one for one in narrow}
    said = paper(name)
    table = audit(gather_evidence(here.records, comparisons, files, datasets, said, file_of(name)))
    return {row["claim"]: row for _, row in table[table["subject"] == "Scores, here"].iterrows()}


def test_a_score_is_compatible_with_the_paper_s_or_not_in_its_units():
    found = rows_here("peft-methods", gpt2_study(samples=500), CONALA)
    names = [f"{metric} of GPT-2 by {method}" for method in ("full", "lora") for metric in ("BLEU", "CodeBLEU")]
    assert list(found) == names  # neither what the paper does not have, nor what was not run here
    bleu = found["BLEU of GPT-2 by full"]
    assert (bleu["paper"], bleu["verdict"]) == ("0.06025", COMPATIBLE)
    assert bleu["computed"] == "0.07 (0.04172 to 0.09828)"
    assert found["BLEU of GPT-2 by lora"]["verdict"] == NOT_COMPATIBLE
    assert "comparisons/conala.json" in bleu["files"]


@pytest.mark.parametrize(
    ("changes", "datasets", "verdict", "because"),
    [
        ({"samples": 99}, CONALA, UNDECIDED, ""),
        ({"repo": "someone/else"}, CONALA, NOT_CHECKABLE, OTHER_MODELS),
        ({}, {}, NOT_CHECKABLE, OTHER_DATA),
    ],
)
def test_few_samples_other_checkpoints_and_other_data_decide_nothing(changes, datasets, verdict, because):
    found = rows_here("peft-methods", gpt2_study(**({"samples": 500} | changes)), datasets)
    assert len(found) == 4
    assert {(row["verdict"], row["because"]) for row in found.values()} == {(verdict, because)}


def test_each_test_set_and_joint_training_have_rows_of_their_own():
    found = rows_here("peft-or-icl", codegen_study(), {})
    ems = {claim: row["computed"].split(" ")[0] for claim, row in found.items() if claim.startswith("EM@1 ")}
    assert ems == {
        "EM@1 of CodeGen-350M-mono by lora on conala-resplit": "10",
        "EM@1 of CodeGen-350M-mono by lora on codealpaca-py": "20",
        "EM@1 of CodeGen-350M-mono by LoRA on both training sets, on conala-resplit": "30",
        "EM@1 of CodeGen-350M-mono by LoRA on both training sets, on codealpaca-py": "30",
    }
    assert len(found) == 12
