"""Tables: every number stands where it belongs."""

import csv
import json
import math
import statistics

import pytest
from codetune.papers.declared import read_paper
from codetune.report.table1 import table1, write_table1
from codetune.report.table2 import table2, write_table2
from conftest import ROOT
from paper_models import PROJECTIONS, PUBLISHED

PAPER = read_paper(ROOT / "config/paper.yaml")
MODELS = {
    "llama-3.2-1b": {"label": "Llama-3.2-1B", "family": "Llama", "batch_size": 160, "epochs": 50},
    "qwen2.5-3b": {"label": "Qwen2.5-3B", "family": "Qwen", "batch_size": 64, "epochs": 50},
    "mine": {"label": "My_model 100%", "family": "Mine", "batch_size": 8, "epochs": 2},
}
METHODS = {"base": {}, "qlora": {"lora": {"r": 8, "target_modules": PROJECTIONS}}}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def run(model, method, seed=0):
    return {"dataset": "d", "model": model, "method": method, "seed": seed, "tuned": method == "qlora"}


def outputs(folder, name):
    return {kind: str(folder / f"{name}.{kind}") for kind in ("csv", "md", "tex")}


def read(path):
    with open(path) as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def first(tmp_path):
    runs = [run("mine", "qlora"), run("qwen2.5-3b", "qlora"), run("llama-3.2-1b", "qlora")]
    shapes = {"mine": "Llama-3.2-1B", "qwen2.5-3b": "Qwen2.5-3B", "llama-3.2-1b": "Llama-3.2-1B"}
    stats, configs = [], []
    for one in runs:
        folder = tmp_path / one["model"]
        configs.append(str(folder))
        write(folder / "config.json", PUBLISHED[shapes[one["model"]]][0])
        train = {"packed_sequences": 2400, "samples": 17014}
        stats.append(write(folder / "stats.json", {"parts": {"train": train}}))
    return table1(runs, MODELS, METHODS, stats, configs, PAPER)


def test_table1_declares_and_computes(first, tmp_path):
    assert list(first["model"]) == ["Llama-3.2-1B", "Qwen2.5-3B", "My_model 100%"]  # the paper's order, then ours
    row = first.iloc[0]
    assert (row["paper_trainable"], row["paper_steps"]) == ("11.3M", 750)
    assert (row["trainable_r8"], row["trainable_r16"]) == (5636096, 11272192)
    assert row["steps_packed"] == 750  # 50 epochs of 15 steps: what packing gives is what Table 1 says
    assert row["steps_unpacked"] == 50 * 107
    write_table1(first, outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert "5.64 M" in text
    assert "29.93 M" in text
    assert "My\\_model 100\\%" in (tmp_path / "t.tex").read_text()
    assert int(read(tmp_path / "t.csv")[0]["trainable_r8"]) == 5636096


@pytest.fixture
def second(tmp_path):
    scores = {("mine", "base"): [0.0], ("mine", "qlora"): [0.4]}
    scores |= {("llama-3.2-1b", "base"): [0.5], ("llama-3.2-1b", "qlora"): [0.5, 0.6]}
    runs, summaries, records = [], [], {}
    for (model, method), values in scores.items():
        for seed in range(len(values)):
            one = run(model, method, seed)
            path = tmp_path / model / method / str(seed)
            summary = {"samples": 10, "truncated": 0.1, "empty": 0.0, "length_ratio": 1.0, "leaked": 2}
            summary["scores_without_leaked"] = {"rouge_l": 0.123}
            summaries.append(write(path / "summary.json", summary))
            if one["tuned"]:
                record = {"parameters": {"trainable": 1000}, "result": {"best_step": 100 + 10 * seed}}
                records[summaries[-1]] = write(path / "training.json", record)
            runs.append(one)
    return table2(runs, MODELS, summaries, significance_of(tmp_path, scores), "rouge_l", records, PAPER)


def significance_of(folder, scores):
    """What significance.json would say of these scores, intervals made up."""
    found = {"resamples": 100, "metrics": {"rouge_l": {"label": "ROUGE-L", "signature": "s", "highest": 1.0}}}
    found |= {"scores": [], "gains": []}
    for (model, method), values in scores.items():
        entry = {"dataset": "d", "model": model, "method": method, "metric": "rouge_l"}
        mean = sum(values) / len(values)
        deviation = statistics.stdev(values) if len(values) > 1 else None
        found["scores"].append({**entry, "score": mean, "interval": [mean - 0.1, mean + 0.1], "deviation": deviation})
        if method != "base":
            base = scores[model, "base"][0]
            gain = {"gain": mean - base, "interval": [mean - base - 0.1, mean - base + 0.1], "p": 0.02, "p_holm": 0.04}
            found["gains"].append({**entry, **gain})
    return write(folder / "significance.json", found)


def test_table2_has_the_quoted_rows_then_the_study_s_in_the_paper_s_order(second):
    assert list(second["model"][:2]) == ["CodeBERT", "Code2seq"]
    assert set(second["source"][:2]) == {"quoted by the paper"}
    assert second["score"][:2].isna().all()
    assert list(second["paper_score"][:2]) == [0.36, 0.33]
    assert list(zip(second["model"][2:], second["method"][2:], strict=True)) == [
        ("Llama-3.2-1B", "base"),
        ("Llama-3.2-1B", "qlora"),
        ("My_model 100%", "base"),
        ("My_model 100%", "qlora"),
    ]


def test_table2_gives_the_mean_over_seeds_and_the_gain_over_the_untuned_model(second, tmp_path):
    base, tuned = second.iloc[2], second.iloc[3]
    assert tuned["score"] == pytest.approx(0.55)
    assert tuned["gain"] == pytest.approx(0.05)
    assert tuned["gain_percent"] == pytest.approx(10)
    assert tuned["paper_gain"] == pytest.approx(0.01)
    assert (tuned["steps"], tuned["seeds"], tuned["trainable"]) == (105, 2, 1000)
    assert math.isnan(base["gain"])
    write_table2(second, str(tmp_path / "significance.json"), "rouge_l", outputs(tmp_path, "t"))
    text = (tmp_path / "t.md").read_text()
    assert "CodeBERT (quoted)" in text
    assert "+0.0500 (+10.0 %)" in text
    assert "0.5500 ± 0.0707" in text
    assert "ROUGE-L without 2 leaked" in text
    assert "0.1230" in text
    assert "-0.0500 to +0.1500" in text
    assert tuned["verdict"] == "no difference"
    assert second.iloc[5]["verdict"] == "better"
    assert "nan" not in text.lower().replace("finance", "")
    row = read(tmp_path / "t.csv")[3]
    assert (float(row["score"]), row["steps"], row["trainable"]) == (0.55, "105", "1000")


def test_a_gain_over_nothing_has_no_percentage(second):
    assert second.iloc[5]["gain"] == pytest.approx(0.4)
    assert math.isnan(second.iloc[5]["gain_percent"])


def test_the_quoted_numbers_are_the_paper_s():
    rows = {(row.get("model"), row.get("method")): row["rouge_l"] for row in PAPER["table2"]}
    assert rows[("llama-3.2-3b", "qlora")] == 0.54
    assert rows[("qwen2.5-1.5b", "base")] == 0.48
    assert [row["steps"] for row in PAPER["table1"]] == [750, 1950, 950, 950, 1950]
    assert len(PAPER["table2"]) == 13
