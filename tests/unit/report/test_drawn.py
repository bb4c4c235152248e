"""A check of a large study: some predictions are measured anew, which are drawn, and all else is made from all rows."""

import shutil
from pathlib import Path

import pytest
from codetune.base.files import read_json, read_jsonl, write_json, write_jsonl
from codetune.report import checking, drawn
from codetune.report.checking import check_results
from codetune.report.drawn import draw_places
from codetune.study import layout
from finished_study import DATA, finish_study_in, finished_config

RUN = f"results/runs/{DATA}/mine/qlora/seed0"
TESTED = f"{RUN}/tests/{DATA}"
SCORES, SUMMARY, PREDICTIONS = (f"{TESTED}/{name}" for name in ("scores.jsonl", "summary.json", "predictions.jsonl"))
CURVE = f"{RUN}/curve.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return finish_study_in(tmp_path_factory.mktemp("finished"), finished_config())


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    """A finished study to change, in the current folder, of which two predictions per run are drawn."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drawn, "FEW", 0)
    monkeypatch.setattr(drawn, "DRAWN", 2)
    return tmp_path


@pytest.fixture
def problems_of(monkeypatch):
    """Returns what a check finds in a file: only tasks that make it or read it are performed."""
    perform = checking._perform

    def find(path, everything=False):
        def some(task, *about):
            return perform(task, *about) if path in {*task.needs, *task.files.values()} else []

        monkeypatch.setattr(checking, "_perform", some)
        found = check_results(finished_config(), everything=everything).problems
        return [line for line in found if line.startswith(f"{path}: ")]

    return find


def change_row(place, change):
    rows = read_jsonl(SCORES)
    change(rows[place])
    write_jsonl(SCORES, rows)


def lower(row):
    """Another value of ROUGE-L, as consistent as whoever measures wrongly would write it."""
    row["statistics"]["rouge_l"][0] /= 2
    row["rouge_l"] = row["rouge_l_on_code"] = row["rouge_l"] / 2


@pytest.fixture
def places(study):
    """A drawn row of the run's scores and one that is not drawn."""
    count = len(read_jsonl(SCORES))
    chosen = draw_places(PREDICTIONS, count)
    return chosen[0], next(place for place in range(count) if place not in chosen)


def test_an_untouched_study_passes_and_tells_what_was_measured(study):
    findings = check_results(finished_config())
    assert (findings.problems, findings.notes) == ([], [])
    runs = len([*Path("results").rglob(Path(layout.PREDICTIONS).name)]) - findings.measured.curves
    samples = len(read_jsonl(PREDICTIONS))
    assert samples > 2
    assert (findings.measured.predictions, findings.measured.measured) == (runs * samples, runs * 2)
    assert findings.measured.drawn
    whole = check_results(finished_config(), everything=True).measured
    assert (whole.measured, whole.drawn) == (whole.predictions, False)


def test_a_small_study_is_checked_whole(study, monkeypatch):
    monkeypatch.setattr(drawn, "FEW", 40_000)
    assert not check_results(finished_config()).measured.drawn


def test_the_same_predictions_are_drawn_each_time_and_others_of_another_file():
    assert draw_places("a", 2000) == draw_places("a", 2000) != draw_places("b", 2000)
    assert len({*draw_places("a", 2000)}) == drawn.DRAWN
    assert draw_places("a", 7) == [*range(7)]


def test_a_changed_score_of_a_drawn_row_is_found(places, problems_of):
    change_row(places[0], lower)
    found = problems_of(SCORES)
    assert any("statistics.rouge_l" in line for line in found)
    assert any("rouge_l: found" in line and "statistics" not in line for line in found)


def test_a_score_that_does_not_follow_from_its_statistics_is_found_in_any_row(places, problems_of):
    change_row(places[1], lambda row: row.update(rouge_l=0.123))
    assert any("rouge_l: found 0.123" in line for line in problems_of(SCORES))


def test_a_changed_score_of_another_row_is_found_by_its_hash_and_what_is_made_of_it(places, problems_of):
    change_row(places[1], lower)
    assert problems_of(SCORES) == []
    found = problems_of(SUMMARY)
    assert any("scores_sha256: found" in line for line in found)
    assert any("scores.rouge_l: found" in line for line in found)
    assert problems_of(SCORES, everything=True)


def test_a_changed_summary_is_found(study, problems_of):
    summary = read_json(SUMMARY)
    summary["by_length"][next(iter(summary["by_length"]))]["scores"]["bleu"] = 99.0
    write_json(SUMMARY, summary)
    assert any("bleu: found 99.0" in line for line in problems_of(SUMMARY))


def test_rows_of_other_samples_are_told(study, problems_of):
    rows = read_jsonl(SCORES)
    write_jsonl(SCORES, rows[1:])
    assert f"{SCORES}: not the samples of {PREDICTIONS}. Delete it and run again." in problems_of(SCORES)


def test_of_a_curve_the_first_point_and_a_drawn_one_are_measured(study, problems_of):
    curve = read_json(CURVE)
    for point in curve["points"]:
        point["scores"]["rouge_l"]["score"] = 0.111
    write_json(CURVE, curve)
    some, every = ([line for line in problems_of(CURVE, all_) if "0.111" in line] for all_ in (False, True))
    assert len(some) == 2
    assert len(every) == len(curve["points"])


def test_of_a_curve_that_is_not_drawn_gains_follow_from_scores(study, problems_of, monkeypatch):
    monkeypatch.setattr(drawn, "DRAWN_CURVES", 0)
    curve = read_json(CURVE)
    curve["points"][-1]["scores"]["rouge_l"]["gain"] = 0.777
    curve["points"][-1]["scores"]["rouge_l"]["interval"][0] = 0.111
    write_json(CURVE, curve)
    assert [("gain" in line, "0.777" in line) for line in problems_of(CURVE)] == [(True, True)]
    assert any("0.111" in line for line in problems_of(CURVE, everything=True))


def test_a_curve_of_other_checkpoints_is_told(study, problems_of):
    curve = read_json(CURVE)
    curve["points"][-1]["step"] += 1
    write_json(CURVE, curve)
    assert any("not the checkpoints of" in line for line in problems_of(CURVE))
