"""A paper's table in its own layout, with the numbers of a study beside it."""

import csv
from pathlib import Path

import pytest
from codetune.base.plain import to_plain
from codetune.report.declared_table import FACTS, declared_table, write_declared
from codetune.report.table import write_table
from codetune.study.declared import file_of, read_paper, tables_of
from conftest import ROOT
from fake_comparisons import write_fake_comparisons
from fake_records import write_fake
from latex_reader import read_latex
from other_papers import CONALA, EM, METRICS, codegen_study, gpt2_study, paper
from paper_study import write_value


def targets(folder):
    return {form: str(folder / f"t.{form}") for form in ("csv", "md", "tex")}


def test_numbers_of_the_study_stand_in_the_paper_s_layout_and_units():
    table = declared_table(tables_of(paper("peft-methods"))["2"], gpt2_study())
    assert len(table) == 8 * 4
    assert list(table["model"][:8]) == ["gpt2"] * 4 + ["codegpt-small"] * 4
    assert list(table["method"][:4]) == ["full", "lora", "prefix", "prompt"]
    lora = table[(table["model"] == "gpt2") & (table["method"] == "lora")].iloc[0]
    assert (lora["conala_bleu_paper"], lora["conala_codebleu_paper"]) == ("0.05043", "0.09006")
    assert (lora["conala_bleu_here"], lora["conala_codebleu_here"]) == (0.5, 0.5)
    assert [lora["conala_bleu_low"], lora["conala_bleu_high"]] == pytest.approx([0.4, 0.6])
    assert table["conala_bleu_here"].notna().sum() == 2
    assert table["conala_bleu_paper"].isna().sum() == 1  # prefix tuning of Mistral


def test_what_is_no_score_is_taken_from_trainings():
    table = declared_table(tables_of(paper("peft-methods"))["3"], gpt2_study())
    lora = table[(table["model"] == "gpt2") & (table["method"] == "lora")].iloc[0]
    assert (lora["conala_trained_percent_here"], lora["conala_memory_gb_here"]) == (0.25, 10.0)
    assert (lora["conala_trained_percent_paper"], lora["conala_memory_gb_paper"]) == ("0.47", "6.91")
    (count,) = declared_table(tables_of(paper("peft-or-icl"))["3-trained"], codegen_study())[
        "none_trained_here"
    ].dropna()
    assert count == 1000


def test_joint_training_has_a_table_of_its_own():
    here, tables = codegen_study(), tables_of(paper("peft-or-icl"))
    for name, expected in (("3", (10, 20, 30, 20, 40, 60)), ("4", (30, 60, 90, 30, 60, 90))):
        table = declared_table(tables[name], here)
        row = table[(table["model"] == "codegen-350m") & (table["method"] == "lora")].iloc[0]
        found = [row[column] for column in table if column.endswith("_here")]
        assert found == pytest.approx(expected)
        assert table["conala-resplit_codebleu_here"].notna().sum() == 1


def test_the_table_is_written_in_three_forms(tmp_path):
    said = paper("peft-methods")
    write_declared(tables_of(said)["2"], said, gpt2_study(), targets(tmp_path))
    text = (tmp_path / "t.md").read_text()
    assert text.startswith("# The paper's table 2: BLEU and CodeBLEU\n")
    assert "| GPT-2" in text
    assert "0.50000 (0.40000 to 0.60000)" in text
    assert "A dash of the paper's: not run, since prefix tuning did not support Mistral" in text
    assert "Not known to be the paper's" not in text
    assert "BLEU [sacrebleu]" in text
    with (tmp_path / "t.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 32
    written = read_latex(str(tmp_path / "t.tex"))
    assert {row["Method"] for row in written.table} == {"full", "lora", "prefix", "prompt"}
    assert written.table[1]["BLEU, paper"] == "0.05043"


def test_several_test_sets_are_panels_and_other_data_and_checkpoints_are_named(tmp_path):
    said, here = paper("peft-or-icl"), codegen_study()
    write_declared(tables_of(said)["3"], said, here, targets(tmp_path))
    text = (tmp_path / "t.md").read_text()
    assert "\n## codealpaca-py\n" in text
    assert "EM@1 on conala-resplit, paper" in text.split("## codealpaca-py")[0]
    assert "EM@1 on codealpaca-py, here" in text.split("## codealpaca-py")[1]
    assert "12.52" in text
    assert "10.00 (0.00 to 20.00)" in text
    assert "Not known to be the paper's checkpoints: Codegen-350m." in text
    assert "Not known to be the paper's data: conala-resplit, codealpaca-py." in text


def test_the_rule_s_files_give_the_same_table(tmp_path):
    here, said = gpt2_study(), paper("peft-methods")
    write_declared(tables_of(said)["3"], said, here, targets(tmp_path))
    written = {form: Path(path).read_bytes() for form, path in targets(tmp_path).items()}
    inputs = {
        "records": [write_fake(record, tmp_path) for record in here.records],
        "comparisons": [write_fake_comparisons(here.comparisons[0], tmp_path)],
        "sizes": [write_value(tmp_path / "sizes.json", to_plain(here.sizes[0]))],
        "paper": ROOT / file_of("peft-methods"),
    }
    write_table("declared-3", inputs, {"datasets": {"conala": to_plain(CONALA["conala"])}}, targets(tmp_path))
    assert {form: Path(path).read_bytes() for form, path in targets(tmp_path).items()} == written


def test_every_column_of_the_papers_is_a_metric_or_a_fact():
    for path in (ROOT / "config/papers").glob("*.yaml"):
        for table in tables_of(read_paper(path)).values():
            for name, column in table.columns.items():
                assert (name in FACTS) == (column.scale is None)
                assert name in FACTS or name in METRICS | EM
