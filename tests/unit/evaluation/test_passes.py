"""pass@k: the unbiased estimate of draws, the first k of beams, and what is not judged."""

import json
from itertools import combinations

import numpy as np
import pytest
from codetune.base.errors import StudyError
from codetune.evaluation.measures import Measures, all_statistics, measures_of, metrics_of
from codetune.evaluation.passes import (
    AVERAGE,
    Executed,
    are_drawn,
    counts_of,
    estimate_pass_at,
    pass_metrics,
    pass_statistics,
    read_executed,
)


def write_rows(path, *verdicts):
    rows = [
        {"id": 10 * place, "verdicts": of and [{"passed": one, "error": "" if one else "wrong answer"} for one in of]}
        for place, of in enumerate(verdicts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize("passed", [[True], [False], [True, False, False, True, False], [False] * 6, [True] * 3])
def test_the_estimate_of_draws_is_the_share_of_all_choices_of_k_in_which_one_passes(passed):
    for k in range(1, len(passed) + 1):
        choices = [any(one) for one in combinations(passed, k)]
        assert estimate_pass_at(k, passed, drawn=True) == pytest.approx(np.mean(choices))


def test_of_beams_the_first_k_count():
    passed = [False, False, True, False]
    assert [estimate_pass_at(k, passed, drawn=False) for k in (1, 2, 3, 4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(("candidates", "counts"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 5]), (20, [1, 2, 5, 10, 20])])
def test_there_is_a_pass_at_these_k(candidates, counts):
    assert counts_of(candidates) == counts
    assert list(pass_metrics(candidates, drawn=True)) == [f"pass_at_{k}" for k in counts]


def test_the_score_is_the_mean_over_problems_that_are_judged():
    rows = [{"execution": vars(one)} for one in (Executed([True, False], True), Executed([], True))]
    rows.append({"execution": vars(Executed([False, False], True, "wrong answer", "f(1)"))})
    table = pass_statistics(rows, "pass_at_1")
    assert table.tolist() == [[0.5, 1], [0, 0], [0, 1]]
    assert pass_metrics(2, drawn=True)["pass_at_1"].score(table.sum(axis=0, keepdims=True)) == [0.25]


def test_the_one_answer_of_a_retrieval_counts_for_each_k():
    rows = [{"candidates": 5, "execution": vars(Executed([passes]))} for passes in (True, False)]
    assert measures_of(rows) == Measures(5, executed=True)
    for k in counts_of(5):
        assert pass_statistics(rows, f"pass_at_{k}").tolist() == [[1, 1], [0, 1]]


def test_signatures_say_how_candidates_were_found():
    found = [pass_metrics(*one)["pass_at_1"].signature.split("|")[0] for one in ((1, False), (20, True), (10, False))]
    assert found == ["greedy", "20 draws, unbiased", "first k of 10 beams"]


def test_rows_tell_by_which_metrics_they_were_scored():
    executed = {"execution": vars(Executed([True]))}
    assert measures_of([executed]) == Measures(1, executed=True)
    assert "pass_at_1" in metrics_of(Measures(1, executed=True))
    assert "pass_at_1" not in metrics_of(Measures())
    with pytest.raises(ValueError, match="not scored by the same metrics"):
        all_statistics([executed, {}])


def test_verdicts_are_read_in_the_order_of_the_samples(tmp_path):
    path = write_rows(tmp_path / "verdicts.jsonl", [True, False], None)
    first, second = read_executed(path, [0, 10], 2, drawn=True)
    assert first == Executed([True, False], drawn=True)
    assert second == Executed([], drawn=True)
    for ids, candidates in (([0, 11], 2), ([0, 10], 3)):
        with pytest.raises(StudyError, match="not the verdicts of these predictions. Delete the file and run again."):
            read_executed(path, ids, candidates, drawn=False)


@pytest.mark.parametrize(
    ("facts", "drawn"), [({"decoding": {"kind": "sample"}}, True), ({"decoding": {"kind": "beam"}}, False), ({}, False)]
)
def test_what_was_drawn_is_known_by_the_decoding(tmp_path, facts, drawn):
    (tmp_path / "generation.json").write_text(json.dumps(facts))
    assert are_drawn(str(tmp_path / "generation.json")) is drawn


def test_the_average_accuracy_is_the_mean_share_of_cases_and_strict_accuracy_is_pass_at_1(tmp_path):
    verdicts = [(7, 7), (3, 7), (0, 2), None]
    rows = [
        {"id": place, "verdicts": of and [{"passed": of[0] == of[1], "cases": of[1], "passed_cases": of[0]}]}
        for place, of in enumerate(verdicts)
    ]
    path = tmp_path / "verdicts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_executed(str(path), range(4), 1, drawn=False, by_cases=True)
    assert [one.cases for one in found] == [[7, 7], [3, 7], [0, 2], []]
    scored = [{"execution": vars(one)} for one in found]
    assert measures_of(scored) == Measures(1, executed=True, by_cases=True)
    known, scores = metrics_of(measures_of(scored)), {}
    for name in (AVERAGE, "pass_at_1"):
        scores[name] = known[name].score(pass_statistics(scored, name).sum(axis=0, keepdims=True)).item()
    assert scores == pytest.approx({AVERAGE: (1 + 3 / 7) / 3, "pass_at_1": 1 / 3})
    assert known["pass_at_1"].signature.startswith("greedy|all test cases|")


def test_other_unit_tests_have_no_average_accuracy():
    assert AVERAGE not in metrics_of(measures_of([{"execution": vars(Executed([True]))}]))
    assert "test cases" not in pass_metrics(1, drawn=False)["pass_at_1"].signature
