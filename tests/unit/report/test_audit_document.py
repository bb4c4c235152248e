"""The audit as a document: made from a study's files, in three forms."""

import csv
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

from codetune.base.plain import to_plain
from codetune.papers.claims import audit
from codetune.papers.evidence import OTHER_DATA, OTHER_MODELS, OWN_CHOICE, paths_of
from codetune.papers.verdicts import AGREES, COMPATIBLE, DISAGREES, NOT_CHECKABLE, NOT_COMPATIBLE, UNDECIDED, Verdict
from codetune.report.audit import write, write_audit
from codetune.report.table import write_table
from codetune.study.model import Source
from fake_records import fake_record
from latex_reader import read_latex
from paper_study import DATASETS, ROOT, a_study, make_evidence, verdicts


def test_the_audit_of_a_study_s_files_is_the_audit_of_its_evidence(tmp_path):
    evidence = a_study(tmp_path)
    models, name = evidence.models, "codealpaca-20k"
    trained = [key for key, model in models.items() if model.tokens]
    inputs = {
        "records": paths_of(r for model in models.values() for method in model.records for r in model.records[method]),
        "configs": [str(Path(model.config).parent) for model in models.values()],
        "stats": [models[key].tokens["paper"] for key in trained],
        "prompt_stats": [model.prompts["paper"] for model in models.values()],
        "comparisons": [evidence.compared],
        "cards": [evidence.card],
        "paper": str(ROOT / "config/papers/slm-qlora.yaml"),
    }
    params = {
        "models": list(models),
        "tokens": [{"dataset": name, "model": key, "template": "paper"} for key in trained],
        "prompts": [{"test": name, "model": key, "template": "paper"} for key in models],
        "datasets": {"unused": to_plain(Source(path="x")), name: to_plain(Source(**DATASETS[name]))},
    }
    targets = {kind: str(tmp_path / f"audit.{kind}") for kind in ("csv", "md", "tex")}
    write(inputs, params, targets)
    written = {kind: Path(path).read_bytes() for kind, path in targets.items()}
    write_table("audit", inputs, params | {"metric": "bleu"}, targets)  # the paper's claims are of ROUGE-L
    assert {kind: Path(path).read_bytes() for kind, path in targets.items()} == written
    with open(targets["csv"]) as stream:
        found = [(row["claim"], row["verdict"], row["files"]) for row in csv.DictReader(stream)]
    table = audit(evidence)
    assert found == list(zip(table["claim"], table["verdict"], table["files"], strict=True))


def written_audit(study, folder):
    """The audit of a study, where it was written, and the rows of its CSV."""
    targets = {kind: str(folder / f"audit.{kind}") for kind in ("csv", "md", "tex")}
    table = audit(study)
    write_audit(table, study, targets)
    with open(targets["csv"]) as stream:
        rows = list(csv.DictReader(stream))
    assert [row["claim"] for row in rows] == list(table["claim"])
    return table, targets, rows


def test_the_audit_is_written_in_three_forms(tmp_path):
    study = a_study(tmp_path)
    study.models["qwen2.5-3b"] = replace(study.models["qwen2.5-3b"], label="My_model 100%")
    table, targets, rows = written_audit(study, tmp_path)
    assert list(rows[0]) == ["subject", *(field.name for field in fields(Verdict))]
    text = Path(targets["md"]).read_text()
    assert text.count("\n## ") == table["subject"].nunique()
    assert f"{OWN_CHOICE} (" in text  # steps that are shown, and why they decide nothing
    assert "audit.csv" not in text
    written = read_latex(targets["tex"])
    assert "longtable" in written.packages
    assert [[row["Claim"], row["Paper"], row["Verdict"]] for row in written.table] == [
        [row[name].replace("'", "\u2019") for name in ("claim", "paper", "verdict")] for row in rows
    ]
    assert "54 %" in [row["Paper"] for row in written.table]
    assert "Gemma-2-2B; Qwen2.5-1.5B; My_model 100%; Phi-3 Mini 4K" in written.note
    for word in (AGREES, DISAGREES, COMPATIBLE, NOT_COMPATIBLE, UNDECIDED):
        assert word in written.note


def test_claims_on_other_models_and_data_stand_in_the_csv_and_in_one_line(tmp_path):
    """All that rests on models or data that are not known to be the paper's, as in the demo."""
    for number, changes in enumerate(({"genuine": False}, {"datasets": {}}, {"genuine": False, "datasets": {}})):
        study = a_study(tmp_path / str(number), **changes)
        table, targets, rows = written_audit(study, tmp_path)
        left_out = table[table["verdict"] == NOT_CHECKABLE]
        counts = Counter(left_out["because"])
        assert set(counts) <= {OTHER_MODELS, OTHER_DATA}
        written = read_latex(targets["tex"])
        assert len(left_out) + len(written.rows) - 1 == len(rows)
        reasons = "; ".join(f"{count} are about {because}" for because, count in counts.items())
        line = f"{len(left_out)} claims are not checkable here and stand in audit.csv only: {reasons}."
        assert line.replace("'", "\u2019") in written.note
        text = Path(targets["md"]).read_text()
        assert text.count("not checkable here") == 1
        assert "Scores, within the paper" in text
        assert "Scores, here" not in text


def test_a_study_without_the_paper_s_models_still_checks_the_paper_against_itself(tmp_path):
    study = make_evidence(tmp_path, [fake_record("mine", "base", test="mine")], datasets={"mine": {}})
    table = audit(study)
    assert set(table["files"]) == {"config/papers/slm-qlora.yaml"}
    assert verdicts(study)["Gain of Qwen2.5-3B over its untuned self", "abstract"] == DISAGREES
    targets = {kind: str(tmp_path / f"audit.{kind}") for kind in ("csv", "md", "tex")}
    write_audit(table, study, targets)
    assert "Models run: none of the paper" in (tmp_path / "audit.md").read_text()
