"""A training that diverged or did not lower the validation loss is marked wherever its scores are shown."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from browser_study import data_of, make_study
from codetune.base.manifests import write_manifest
from codetune.papers.claims import audit
from codetune.report.audit import write_audit
from codetune.report.breakdown import breakdown_table, write_breakdown
from codetune.report.browser import write_browser
from codetune.report.flags import FLAG, MEANING, MOST
from codetune.report.looks import Looks
from codetune.report.metrics import metrics_table, write_metrics
from codetune.report.provenance import write_provenance
from codetune.report.publish import publish
from codetune.report.rows import evaluated_systems
from codetune.report.signs import escape_latex
from codetune.report.table2 import table2, write_table2
from codetune.study.declared import read_paper
from conftest import ROOT
from fake_comparisons import fake_comparisons
from fake_records import fake_publications, fake_record, fake_training, with_test, write_stats
from paper_study import a_study

PROBLEM = "best validation loss 4, not below the untrained model's 3"
SAID = f"{FLAG} {MEANING}: "


def a_run(model, seed=0, problem=None, data="alpaca"):
    record = fake_record(model, "qlora", data, seed=seed)
    return replace(record, training=fake_training(record.training.plan, problem=problem))


def write_all(records, folder):
    """Writes the tables that name systems; gives the text of each form, and the CSVs as they are read back."""
    evaluated = evaluated_systems(records, [fake_comparisons(records)])
    paper = read_paper(ROOT / "config/papers/slm-qlora.yaml")
    tables = {
        "table2": (
            write_table2,
            table2(evaluated, "rouge_l", paper),
            ["rouge_l"],
        ),
        "metrics": (write_metrics, metrics_table(evaluated), []),
        "breakdown": (write_breakdown, breakdown_table(evaluated, "rouge_l"), ["rouge_l"]),
    }
    found = {}
    for name, (write, table, metric) in tables.items():
        outputs = {kind: str(folder / f"{name}.{kind}") for kind in ("csv", "md", "tex")}
        write(table, evaluated, *metric, outputs)
        found |= {(name, kind): (folder / f"{name}.{kind}").read_text() for kind in ("md", "tex")}
        found[name, "csv"] = pd.read_csv(outputs["csv"])
    return found


SHOWN = {"md": str, "tex": escape_latex}
TABLES = ("table2", "metrics", "breakdown")
MARKS = {(name, kind): count for name, count in zip(TABLES, (2, 1, 3), strict=True) for kind in SHOWN}


def test_every_table_marks_the_model_and_says_why(tmp_path):
    records = [fake_record("a-1", "base"), a_run("a-1"), fake_record("b-1", "base"), a_run("b-1", problem=PROBLEM)]
    found = write_all(records, tmp_path)
    for name in TABLES:
        for kind in ("md", "tex"):
            text, shown = found[name, kind], SHOWN[kind]
            assert text.count(shown(f"qlora {FLAG}")) == MARKS[name, kind]
            assert shown(f"{SAID}B-1 (qlora, seed 0): {PROBLEM}.") in text
        table = found[name, "csv"]
        ours = table[table["method"].notna()]
        assert set(ours[ours["flagged"] == 1]["model"] + ours[ours["flagged"] == 1]["method"]) == {"B-1qlora"}
        assert set(ours["flagged"]) == {0, 1}


def test_a_study_without_such_a_training_has_no_mark_anywhere(tmp_path):
    found = write_all([fake_record("a-1", "base"), a_run("a-1")], tmp_path)
    for name in TABLES:
        assert not any(shown(FLAG) in found[name, kind] for kind, shown in SHOWN.items())
        assert set(found[name, "csv"]["flagged"].dropna()) == {0}


def test_of_several_seeds_the_mark_says_how_many(tmp_path):
    runs = [a_run("a-1", seed, problem) for seed, problem in enumerate([PROBLEM, None, f"{PROBLEM}9"])]
    found = write_all([fake_record("a-1", "base"), *runs], tmp_path)
    assert f"qlora {FLAG} 2 of 3" in found["table2", "md"]
    for name in TABLES:
        assert f"{SAID}A-1 (qlora, seed 0): {PROBLEM}; A-1 (qlora, seed 2): {PROBLEM}9." in found[name, "md"]
        assert set(found[name, "csv"]["flagged"].dropna()) == {0, 2}


def test_a_note_names_the_first_of_many_and_their_training_data_where_these_vary(tmp_path):
    runs = [a_run(f"a-{number}", problem=PROBLEM) for number in range(MOST + 2)]
    note = write_all(runs, tmp_path)["metrics", "md"]
    assert note.count(PROBLEM) == MOST
    assert "; and 2 more (`problem` in their record.json)." in note.replace("\\", "")
    other = [a_run("a-1", problem=PROBLEM), a_run("a-1", data="evol")]
    assert f"A-1 (qlora, alpaca, seed 0): {PROBLEM}." in write_all(other, tmp_path)["metrics", "md"]


@pytest.mark.parametrize("problem", [PROBLEM, None])
def test_the_model_card_warns_first_and_has_the_untrained_model_s_loss(tmp_path, problem):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/adapter_model.safetensors").write_text("weights")
    write_manifest(tmp_path / "tuned")
    publish(
        a_run("a-1", problem=problem),
        "rouge_l",
        fake_publications(),
        write_stats(tmp_path),
        tmp_path / "tuned",
        str(tmp_path / "published/README.md"),
    )
    card = (tmp_path / "published/README.md").read_text()
    assert "| validation loss | 0.9000 nats per token (2.5000 without training) |" in card
    first = card.split("\n\n")[2]
    if problem:
        assert first == f"**Do not rely on it: its {MEANING}** ({PROBLEM})."
    else:
        assert first.startswith("Adapter for")


def test_provenance_lists_them(tmp_path):
    target = tmp_path / "provenance.md"
    write_provenance([fake_record("a-1", "base"), a_run("a-1")], {}, str(target))
    assert MEANING not in target.read_text().lower()
    write_provenance([a_run("a-1"), a_run("b-1", problem=PROBLEM)], {}, str(target))
    assert f"## {MEANING.capitalize()}\n\n- B-1 (qlora, seed 0): {PROBLEM}\n\n" in target.read_text()


def test_figures_mark_the_name_and_say_what_the_mark_means():
    runs = [a_run("a-1"), a_run("b-1", 0), a_run("b-1", 1, PROBLEM)]
    looks = Looks.of_study(runs)
    assert [looks.name(system) for system in looks.systems] == ["A-1", f"B-1 {FLAG}"]  # seeds share a name
    assert list(looks.model_entries(looks.systems)) == ["A-1", f"B-1 {FLAG}"]
    assert looks.flag_entries(looks.systems) == {f"{FLAG} {MEANING}": {"linestyle": ""}}
    assert looks.flag_entries(looks.systems[:1]) == {}


def test_the_audit_names_them_above_its_verdicts(tmp_path):
    evidence = a_study(tmp_path)
    (record,) = evidence.models["gemma-2-2b"].records["qlora"]
    targets = {kind: str(tmp_path / f"audit.{kind}") for kind in ("csv", "md", "tex")}
    write_audit(audit(evidence), evidence, targets)
    before = (tmp_path / "audit.md").read_text()
    assert "went wrong" not in before
    spoilt = replace(record.training, result=replace(record.training.result, problem=PROBLEM))
    evidence.models["gemma-2-2b"].records["qlora"] = [replace(record, training=spoilt)]
    write_audit(audit(evidence), evidence, targets)
    said = f" went wrong, so that their scores decide little: {record.model.label} (qlora, seed 0): {PROBLEM}."
    for kind in ("md", "tex"):
        assert said in (tmp_path / f"audit.{kind}").read_text()


def test_the_browser_says_it_with_the_method(tmp_path):
    runs = [fake_record("a", "base", test="d"), a_run("a", data="d"), a_run("b", problem=PROBLEM, data="d")]
    runs = [with_test(record, "d", {"rouge_l": 0.5}) for record in runs]
    study = make_study(tmp_path, ["x"], [replace(record, tests={"d": record.tests["d"]}) for record in runs])
    write_browser(**study)
    page = Path(study["target"]).read_text()
    methods = [run["method"] for model in data_of(page)["models"] for run in model["runs"]]
    assert methods == ["base", "qlora", f"qlora, whose {MEANING}"]
