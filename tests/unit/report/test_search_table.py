"""The table of searches: all trials, the chosen one, and those that diverged."""

import csv
from dataclasses import replace

from codetune.report.flags import FLAG
from codetune.report.search import search_table, write_search
from codetune.study.search import SearchFacts, Trial
from fake_records import SHA256, fake_record
from latex_reader import read_latex


def a_search(model="a", seed=0, chosen="qlora@2", **more):
    """The record of a run with three trials, of which the last diverged."""
    trials = [
        Trial("qlora@1", {"learning_rate": 1e-4} | more, 0.95, 40, 60, 90.0, None, SHA256),
        Trial("qlora@2", {"learning_rate": 2e-4} | more, 0.91234, 50, 1060, 120.0, None, SHA256),
        Trial("qlora@3", {"learning_rate": 9.0} | more, None, None, 3, 6.0, "a loss is no number", SHA256),
    ]
    values = {name: [trial.values[name] for trial in trials] for name in trials[0].values}
    return replace(fake_record(model, "qlora", seed=seed), search=SearchFacts(values, trials, chosen, 216.0))


def written(tmp_path, records):
    outputs = {form: str(tmp_path / f"search.{form}") for form in ("csv", "md", "tex")}
    write_search(search_table(records), outputs)
    with open(outputs["csv"]) as stream:
        return list(csv.DictReader(stream)), read_latex(outputs["tex"]).rows, (tmp_path / "search.md").read_text()


def test_all_trials_are_shown_and_the_chosen_one_is_told(tmp_path):
    rows, (head, *shown), text = written(tmp_path, [fake_record("a", "base"), a_search()])
    assert head == ["", "Method", "Searched", "Validation loss", "Best step", "Steps", "Minutes", "Chosen"]
    assert [row[2:] for row in shown] == [
        ["learning_rate 0.0001", "0.9500", "40", "60", "1.5", "no"],
        ["learning_rate 0.0002", "0.9123", "50", "1,060", "2.0", "yes"],
        [f"learning_rate 9 {FLAG}", "-", "-", "3", "0.1", "no"],
    ]
    assert [row["value_learning_rate"] for row in rows] == ["0.0001", "0.0002", "9.0"]
    assert [row["best_step"] for row in rows] == ["40", "50", ""]
    assert f"{FLAG}: " in text


def test_searches_of_other_settings_stand_below_one_another(tmp_path):
    records = [a_search(), a_search("b", 0, "qlora@1", optimizer="adamw"), a_search("b", 1)]
    rows, (head, *shown), _ = written(tmp_path, records)
    assert [row[head.index("Seed")] for row in shown] == ["0"] * 6 + ["1"] * 3
    assert shown[3][head.index("Searched")] == "learning_rate 0.0001, optimizer adamw"
    assert [row["value_optimizer"] for row in rows] == [""] * 3 + ["adamw"] * 3 + [""] * 3
    assert [row["trial"] for row in rows if row["chosen"] == "yes"] == ["qlora@2", "qlora@1", "qlora@2"]
