"""What `make check-results` sees, what it does not let pass, and how it says so."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.files import read_json, read_jsonl, write_json, write_jsonl
from codetune.report import checking
from codetune.report.checking import check_results
from codetune.report.packed import packed, unpacked
from conftest import ROOT
from finished_study import DATA, finish_study, finish_study_in, finished_config

TABLES = ("table1", "table2", "pairs", "metrics", "breakdown", "cost", "audit")
FORMS = ("csv", "md", "tex")
BASE = "results/runs/none/{model}/base/seed0"
TUNED = f"results/runs/{DATA}/{{model}}/qlora/seed{{seed}}"
MINE, MINE_1, LLAMA = (
    TUNED.format(model=model, seed=seed) for model, seed in (("mine", 0), ("mine", 1), ("llama-3.2-1b", 0))
)
RETRIEVED, CHAT = f"results/runs/{DATA}/none/retrieval/seed0", "results/runs/none/mine/base-chat/seed0"
UNTUNED, UNTUNED_LLAMA = (BASE.format(model=model) for model in ("mine", "llama-3.2-1b"))
TESTED = f"tests/{DATA}"
COMPARISONS = f"results/comparisons/{DATA}.json"


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder of a finished study, which nobody changes."""
    return finish_study_in(tmp_path_factory.mktemp("finished"), finished_config())


@pytest.fixture
def config():
    return finished_config()


@pytest.fixture
def study(finished, tmp_path, monkeypatch):
    """A finished study to change, in the current folder."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def problems(study, config, monkeypatch):
    """Returns what the check finds once some files were changed: only tasks that have to do with them are performed."""
    perform = checking._perform

    def find(*changed):
        names = set(map(str, changed))
        assert names
        monkeypatch.setattr(
            checking,
            "_perform",
            lambda task, *about: perform(task, *about) if names & {*task.needs, *task.files.values()} else [],
        )
        return check_results(config).problems

    return find


def test_an_untouched_study_passes(study, config):
    findings = check_results(config)
    assert (findings.problems, findings.notes) == ([], [])
    tables, runs, trainings, sizes = 21, 9, 4, 2
    retrieval, card = ["predictions", "facts"], ["card", "its text"]
    made = tables + 3 * runs + 2 * trainings + sizes
    shown = ["conclusions", "their page", "paper", "its numbers", "their macros"]
    shown = [*shown, "records", "comparisons"]
    assert findings.files == made + len([*retrieval, *card, "leaks", *shown]) + 2 + 9


def edit_json(path, change):
    found = read_json(path)
    change(found)
    write_json(path, found)
    return path


def edit_rows(path, change):
    rows = read_jsonl(path)
    change(rows)
    write_jsonl(path, rows)
    return path


def edit_text(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))
    return path


def edit_packed(path, name, old, new):
    """Changes a part of a page that is compressed there."""
    text = Path(path).read_text()
    content = dict(unpacked(text))[name]
    assert old in content
    return edit_text(path, packed(name, content), packed(name, content.replace(old, new, 1)))


def edit_weights(path):
    weights = Path(path).read_bytes()
    Path(path).write_bytes(weights[:-1] + b"\1")
    return path


# Tables, in every form.

ROW = {"csv": re.compile(".+"), "md": re.compile(r"\|.*"), "tex": re.compile(".* & .*")}


def rows_of(path):
    """The lines of a file, and the numbers of those that are rows of tables."""
    lines = path.read_text().split("\n")
    return lines, [number for number, line in enumerate(lines) if ROW[path.suffix[1:]].fullmatch(line)]


def edit_cell(lines, rows, form):
    """Replaces the last letter or digit of the last row."""
    lines[rows[-1]] = re.sub(r"\w(?=\W*$)", "?", lines[rows[-1]])


def drop(lines, rows, form):
    del lines[rows[-1]]


def double(lines, rows, form):
    lines.insert(rows[-1], lines[rows[-1]])


def swap(lines, rows, form):
    one, other = rows[-2:]
    lines[one], lines[other] = lines[other], lines[one]


def say_more(lines, rows, form):
    """Changes what stands first: a title, a heading or the head of a CSV."""
    lines[1 if form == "tex" else 0] += "!"


SEEN = {
    edit_cell: r"(row|line) \d+.*, column .*: found .*\?.*, expected ",
    drop: r"row \d+.* is missing: ",
    double: r"row \d+.* is there twice: ",
    # In LaTeX a row below its model's name is known by its method alone, so that its cells are found to differ.
    swap: r"row \d+.*( belongs to row \d+: the order is another|, column .*: found .*, expected )",
    say_more: r".*: found .*, expected ",
}


# What shows what a table says: it is compared with the table that lies there, and so is found to differ as well.
MADE_FROM_TABLES = ("results/report/", "results/paper.pdf", "results/numbers.")


@pytest.mark.parametrize("edit", SEEN)
@pytest.mark.parametrize("table", TABLES)
def test_a_changed_table_does_not_pass_in_any_form(study, problems, table, edit):
    paths = [Path(f"results/tables/{table}.{form}") for form in FORMS]
    for path, form in zip(paths, FORMS, strict=True):
        lines, rows = rows_of(path)
        edit(lines, rows, form)
        path.write_text("\n".join(lines))
    found = [line for line in problems(*paths) if not line.startswith(MADE_FROM_TABLES)]
    for path in paths:
        assert any(re.match(re.escape(f"{path}: ") + SEEN[edit], line) for line in found), found
    assert all(line.startswith(tuple(f"{path}: " for path in paths)) for line in found)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("model", "Other"),
        ("method", "dora"),
        ("test", "other"),
        ("steps", "101"),
        ("score", "0.99"),
        ("score_low", "0.0"),
        ("deviation", "1.0"),
        ("gain", "0.99"),
        ("gain_percent", "1.0"),
        ("p_holm", "0.0001"),
        ("verdict", "worse"),
        ("leaked", "0"),
        ("predictions", "results/elsewhere/predictions.jsonl"),
    ],
)
def test_a_changed_cell_of_table_2_is_named(study, problems, column, value):
    import csv

    path = Path("results/tables/table2.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    before = rows[-1][column]
    assert before != value
    rows[-1][column] = value
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (line,) = problems(path)
    assert re.match(rf"{path}: row {len(rows)} \(.*\), column {column}: found .*, expected ", line)
    assert str(rows[-1]["model"]) in line


# All other files.


def a_score(rows):
    rows[4]["rouge_l"] = 0.99


def a_sample(rows):
    rows[4]["candidates"][0]["text"] = "something else"


def a_step(rows):
    rows[7]["candidates"][0]["text"] = "something else"


def swap_files(one, other):
    kept = Path(one).read_bytes()
    Path(one).write_bytes(Path(other).read_bytes())
    Path(other).write_bytes(kept)
    return one


def score_of(document):
    return document["tests"][DATA]["summary"]["scores"]


# A kind of change: what is done, and a pattern of a line that says so.
CHANGES = {
    "a score of a sample": (
        lambda: edit_rows(f"{MINE}/{TESTED}/scores.jsonl", a_score),
        rf"{MINE}/{TESTED}/scores.jsonl: line 5 \(id 204, Python\), column rouge_l: found 0.99, expected ",
    ),
    "a score of an untuned run's summary": (
        lambda: edit_json(f"{UNTUNED}/{TESTED}/summary.json", lambda one: one["scores"].update(bleu=99.0)),
        rf"{UNTUNED}/{TESTED}/summary.json: scores.bleu: found 99.0, expected ",
    ),
    "a score by language": (
        lambda: edit_json(
            f"{MINE}/{TESTED}/summary.json", lambda one: one["by_language"]["Python"]["scores"].update(rouge_l=1.0)
        ),
        rf"{MINE}/{TESTED}/summary.json: by_language.Python.scores.rouge_l: found 1.0, expected ",
    ),
    "a score of a record": (
        lambda: edit_json(f"{MINE}/record.json", lambda one: score_of(one).update(rouge_l=0.99)),
        rf"{MINE}/record.json: tests.{DATA}.summary.scores.rouge_l: found 0.99, expected ",
    ),
    "a label of a record": (
        lambda: edit_json(f"{MINE}/record.json", lambda one: one["model"].update(label="Better")),
        rf"{MINE}/record.json: model.label: found Better, expected Mine \| <b>$",
    ),
    "a p-value": (
        lambda: edit_json(COMPARISONS, lambda one: one["comparisons"][0].update(p=0.5)),
        rf"{COMPARISONS}: comparisons\[gain, {DATA} llama-3.2-1b qlora, .*, rouge_l\].p: found 0.5, expected ",
    ),
    "an interval": (
        lambda: edit_json(COMPARISONS, lambda one: one["scores"][0]["interval"].__setitem__(1, 1.0)),
        rf"{COMPARISONS}: scores\[none, llama-3.2-1b, base, rouge_l\].interval\[1\]: found 1.0, expected ",
    ),
    "a signature": (
        lambda: edit_json(COMPARISONS, lambda one: one["metrics"]["rouge_l"].update(signature="stemmer:yes")),
        rf"{COMPARISONS}: metrics.rouge_l.signature: found stemmer:yes, expected ",
    ),
    "a removed comparison": (
        lambda: edit_json(COMPARISONS, lambda one: one["comparisons"].pop(1)),
        rf"{COMPARISONS}: comparisons\[(other )?gain, {DATA} .* qlora, .*, rouge_l\].family: found nothing, expected ",
    ),
    "the order of comparisons": (
        lambda: edit_json(COMPARISONS, lambda one: one["comparisons"].reverse()),
        rf"{COMPARISONS}: its entries: the order is another$",
    ),
    "a number of a model card": (
        lambda: edit_text(f"{MINE}/published/README.md", "| 0.9000 nats", "| 0.1000 nats"),
        rf"{MINE}/published/README.md: row \d+ \(validation loss.*\), .*: found 0.1000 nats.*, expected 0.9000 nats",
    ),
    "a word of a model card": (
        lambda: edit_text(f"{MINE}/published/README.md", "fine-tuned on", "trained on"),
        rf"{MINE}/published/README.md: line \d+: found .*, trained on, expected .*, fine-tuned on",
    ),
    "the end token of a model card": (
        lambda: edit_text(f"{MINE}/published/README.md", "`</s>` (id 2)", "`</s>` (id 3)"),
        rf"{MINE}/published/README.md: row \d+ \(end token.*\), .*: found .*id 3.*, expected .*id 2",
    ),
    "the stops in a model card's lines": (
        lambda: edit_text(f"{MINE}/published/README.md", "eos_token_id=[2, 7]", "eos_token_id=[7]"),
        rf"{MINE}/published/README.md: line \d+: found .*\[7\].*, expected .*\[2, 7\]",
    ),
    "the serialisation in the token statistics": (
        lambda: edit_json(f"results/tokens/{DATA}/mine/paper/stats.json", lambda one: one["prompt"].update(added=[])),
        rf"{MINE}/published/README.md: line \d+: found .*\[\[1\].*, expected .*\[\[\]",
    ),
    "a published adapter": (
        lambda: edit_weights(f"{MINE}/published/adapter_model.safetensors") and f"{MINE}/training.json",
        rf"{MINE}/published/adapter_model.safetensors: not the file of that name that .*manifest.json describes",
    ),
    "an adapter": (
        lambda: edit_weights(f"{MINE_1}/tuned/adapter_model.safetensors") and f"{MINE_1}/tuned/manifest.json",
        rf"{MINE_1}/tuned/adapter_model.safetensors has changed since the manifest beside it was made",
    ),
    "a point of a curve": (
        lambda: edit_json(f"{MINE}/curve.json", lambda one: one["points"][1]["scores"]["bleu"].update(score=9.0)),
        rf"{MINE}/curve.json: points\[step 50\].scores.bleu.score: found 9.0, expected ",
    ),
    "a prediction of a curve": (
        lambda: edit_rows(f"{MINE}/curve/predictions.jsonl", a_step),
        rf"{MINE}/curve.json: points\[step 50\].scores.rouge_l.score: found .*, expected ",
    ),
    "swapped predictions of curves": (
        lambda: swap_files(f"{MINE}/curve/predictions.jsonl", f"{MINE_1}/curve/predictions.jsonl"),
        rf"{MINE}/curve.json: points\[step 0\].scores.rouge_l.score: found .*, expected ",
    ),
    "a checkpoint that the curve lacks": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(checkpoints=[50])),
        rf"{MINE}/curve.json: points of steps \[0, 50, 100, 150\], expected \[0, 50\] by {MINE}/training.json",
    ),
    "a curve of fewer samples": (
        lambda: edit_json(f"{MINE}/curve.json", lambda one: one["samples"].pop()),
        rf"{MINE}/curve.json: of 5 samples, expected 6 by the config and results/tokens/{DATA}/mine/paper/stats.json",
    ),
    "a prediction": (
        lambda: edit_rows(f"{UNTUNED}/{TESTED}/predictions.jsonl", a_sample),
        rf"{UNTUNED}/{TESTED}/predictions.jsonl is not the file that {UNTUNED}/{TESTED}/generation.json describes",
    ),
    "the score of a changed prediction": (
        lambda: edit_rows(f"{UNTUNED}/{TESTED}/predictions.jsonl", a_sample),
        rf"{UNTUNED}/{TESTED}/scores.jsonl: line 5 \(id 204, Python\), column rouge_l: found ",
    ),
    "a retrieved output": (
        lambda: edit_rows(f"{RETRIEVED}/{TESTED}/predictions.jsonl", a_sample),
        rf"{RETRIEVED}/{TESTED}/predictions.jsonl: line 5 \(id 204, .*\), column candidates\[0\].text: found something",
    ),
    "how something was retrieved": (
        lambda: edit_json(f"{RETRIEVED}/{TESTED}/retrieval.json", lambda one: one.update(signature="by hand")),
        rf"{RETRIEVED}/{TESTED}/retrieval.json: signature: found by hand, expected BM25",
    ),
    "prompts in another template": (
        lambda: edit_json(
            f"{CHAT}/{TESTED}/generation.json",
            lambda one: one["inputs_sha256"].update(prompts="prompts of mine (paper)"),
        ),
        rf"{CHAT}/{TESTED}/generation.json: inputs_sha256.prompts: found .*\(paper\), expected .*\(chat\)$",
    ),
    "the template of a record": (
        lambda: edit_json(f"{CHAT}/record.json", lambda one: one.update(template="paper")),
        rf"{CHAT}/record.json: template: found paper, expected chat$",
    ),
    "predictions swapped between seeds": (
        lambda: swap_files(f"{MINE}/{TESTED}/predictions.jsonl", f"{MINE_1}/{TESTED}/predictions.jsonl"),
        rf"{MINE}/{TESTED}/predictions.jsonl is not the file that {MINE}/{TESTED}/generation.json describes",
    ),
    "predictions swapped between models": (
        lambda: swap_files(f"{UNTUNED}/{TESTED}/predictions.jsonl", f"{LLAMA}/{TESTED}/predictions.jsonl"),
        rf"{UNTUNED}/{TESTED}/predictions.jsonl is not the file that {UNTUNED}/{TESTED}/generation.json describes",
    ),
    "a training's settings": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["plan"]["settings"].update(epochs=9)),
        rf"{MINE}/training.json: plan.settings.epochs: found 9, expected 1$",
    ),
    "a training's best step": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(best_step=50)),
        rf"{MINE}/training.json: result.best_step: found 50, expected 100 by {MINE}/training_log.jsonl",
    ),
    "a training's best loss": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(best_validation_loss=0.5)),
        rf"{MINE}/training.json: result.best_validation_loss: found 0.5, expected 0.9 by ",
    ),
    "the learning rate of the best step": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(best_learning_rate=1e-4)),
        rf"{MINE}/training.json: result.best_learning_rate: found 0.0001, expected 0.000101\d* by {MINE}/training_log",
    ),
    "a learning rate that is not the schedule's": (
        lambda: (
            edit_rows(f"{MINE}/training_log.jsonl", lambda rows: rows[4].update(learning_rate=2e-4))
            and edit_json(f"{MINE}/training.json", lambda one: one["result"].update(best_learning_rate=2e-4))
        ),
        rf"{MINE}/training.json: result.best_learning_rate: found 0.0002, expected 0.000101\d* by the schedule",
    ),
    "the loss without a training": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(untrained_validation_loss=9.0)),
        rf"{MINE}/training.json: result.untrained_validation_loss: found 9.0, expected 2.5 by ",
    ),
    "a training that hides its end": (
        lambda: edit_rows(f"{MINE}/training_log.jsonl", lambda rows: rows[-1].update(eval_loss=None)),
        rf"{MINE}/training.json: result.problem: found null, expected validation loss not finite 1 of 4 times",
    ),
    "a training that is no better than none": (
        lambda: edit_rows(f"{MINE}/training_log.jsonl", lambda rows: rows[1].update(eval_loss=0.8)),
        rf"{MINE}/training.json: result.problem: found null, expected best validation loss 0.9, not below ",
    ),
    "the number of a training's steps": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(steps=100)),
        rf"{MINE}/training.json: result.steps: found 100, expected 150 by {MINE}/training_log.jsonl",
    ),
    "a training's planned steps": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["result"].update(planned_steps=150)),
        rf"{MINE}/training.json: result.planned_steps: found 150, expected 200 by results/tokens/{DATA}/mine/",
    ),
    "a training's tokens": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["data"].update(tokens=1)),
        rf"{MINE}/training.json: data.tokens: found 1, expected 90000 by results/tokens/{DATA}/mine/paper/stats.json",
    ),
    "the trainable parameters": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one.update(trainable_parameters=1000)),
        rf"{MINE}/training.json: trainable_parameters: found 1000, expected 5636096 by .*/sizes/mine.json",
    ),
    "the adapted layers": (
        lambda: edit_json(f"{MINE}/training.json", lambda one: one["adapted"].update(q_proj=16)),
        rf"{MINE}/training.json: adapted.q_proj: found 16, expected 1 by the weights",
    ),
    "the size of a method": (
        lambda: edit_json("results/sizes/mine.json", lambda one: one["methods"]["qlora"].update(trainable=1000)),
        r"results/sizes/mine.json: methods.qlora.trainable: found 1000, expected 5636096",
    ),
    "other records": (
        lambda: edit_json(f"results/data/{DATA}/split.json", lambda one: one.update(records_sha256="8" * 64)),
        rf"results/data/{DATA}/split.json: records_sha256: found 8+\.*, expected 9+\.* by the config",
    ),
    "a loss of a log": (
        lambda: edit_rows(f"{MINE}/training_log.jsonl", lambda rows: rows[2].update(eval_loss=0.1)),
        rf"{MINE}/training.json: result.best_step: found 100, expected 50 by {MINE}/training_log.jsonl",
    ),
    "a row of a log": (
        lambda: edit_rows(f"{MINE}/training_log.jsonl", lambda rows: rows.pop(0)),
        rf"{MINE}/record.json: files.training_log.sha256: found ",
    ),
    "a token count of a generation": (
        lambda: edit_json(f"{MINE}/{TESTED}/generation.json", lambda one: one.update(tokens=61)),
        rf"{MINE}/{TESTED}/generation.json: tokens: found 61, expected 60$",
    ),
    "a setting of a generation": (
        lambda: edit_json(f"{MINE}/{TESTED}/generation.json", lambda one: one["decoding"].update(max_new_tokens=7)),
        rf"{MINE}/{TESTED}/generation.json: decoding.max_new_tokens: found 7, expected 512$",
    ),
    "another checkpoint": (
        lambda: edit_json(f"{MINE}/{TESTED}/generation.json", lambda one: one["checkpoint"].update(sha256="x")),
        rf"{MINE}/{TESTED}/generation.json: checkpoint.sha256: found x, expected checkpoint of mine$",
    ),
    "another revision": (
        lambda: edit_json(f"{MINE}/{TESTED}/generation.json", lambda one: one["checkpoint"].update(revision="0")),
        rf"{MINE}/{TESTED}/generation.json: checkpoint.revision: found 0, expected f{{40}}$",
    ),
    "an untuned run with trained weights": (
        lambda: edit_json(
            f"{UNTUNED}/{TESTED}/generation.json", lambda one: one["inputs_sha256"].update(tuned="0" * 64)
        ),
        rf"{UNTUNED}/{TESTED}/generation.json: made with trained weights",
    ),
    "counted tokens": (
        lambda: edit_json(
            f"results/tokens/{DATA}/mine/paper/stats.json",
            lambda one: one["parts"]["train"].update(packed_sequences=800),
        ),
        r"results/tables/table1.csv: row 2 \(.*\), column steps_packed: found 200, expected 100",
    ),
    "a checkpoint's config": (
        lambda: (
            edit_json("resources/tokenizers/mine/config.json", lambda one: one.update(hidden_size=1))
            and "resources/tokenizers/mine/manifest.json"
        ),
        r"resources/tokenizers/mine/config.json has \d+ bytes, but \d+ by the manifest beside it",
    ),
    "a sample": (
        lambda: edit_rows(f"results/data/{DATA}/test.jsonl", lambda rows: rows[0].update(output="x")),
        rf"results/data/{DATA}/test.jsonl is not the file that results/data/{DATA}/split.json describes",
    ),
    "a seed of a split": (
        lambda: edit_json(f"results/data/{DATA}/split.json", lambda one: one.update(seed=1)),
        rf"results/data/{DATA}/split.json: seed: found 1, expected 0 by the config$",
    ),
    "a leaked sample": (
        lambda: edit_json(f"results/leaks/{DATA}/{DATA}.json", lambda one: one["leaked"][0].update(like=4)),
        rf"results/leaks/{DATA}/{DATA}.json: leaked\[id 203\].like: found 4, expected 3$",
    ),
    "a data card": (
        lambda: edit_json(f"results/data/{DATA}/card.json", lambda one: one.update(records=37)),
        rf"results/data/{DATA}/card.json: records: found 37, expected 36$",
    ),
    "a data card's text": (
        lambda: edit_text(f"results/data/{DATA}/card.md", "36", "37"),
        rf"results/data/{DATA}/card.md: .*: found .*37.*, expected .*36",
    ),
    "the sample browser": (
        lambda: edit_text(f"results/report/samples/{DATA}.html", '"made":"Tuned"', '"made":"Turned"'),
        rf"results/report/samples/{DATA}.html: line \d+: found .*Turned.*, expected .*Tuned",
    ),
    "an output in the sample browser": (
        lambda: edit_packed(f"results/report/samples/{DATA}.html", "texts-0", b"return x", b"return y"),
        rf"results/report/samples/{DATA}.html: line \d+: found .*return y.*, expected .*return x",
    ),
    "a page": (
        lambda: edit_text("results/report/pages/table2.html", "<td>Mine", "<td>Yours"),
        r"results/report/pages/table2.html: line \d+: found .*Yours.*, expected .*Mine",
    ),
    "provenance": (
        lambda: edit_text("results/report/provenance.md", "a GPU", "an abacus"),
        r"results/report/provenance.md: row \d+ \(.*\), column GPU or processor: found an abacus, expected a GPU",
    ),
    "the config in the provenance": (
        lambda: edit_text("results/report/provenance.md", "resamples: 200", "resamples: 10000"),
        r"results/report/provenance.md: configuration: evaluation.resamples: found 10000, expected 200$",
    ),
    "a file that is no JSON": (
        lambda: edit_text(COMPARISONS, "{", "["),
        rf"{COMPARISONS}: not a JSON file",
    ),
    "a record of another shape": (
        lambda: edit_json(f"{MINE}/record.json", lambda one: one.update(tests=[])),
        rf"{MINE}/record.json: ",
    ),
    "text that is not UTF-8": (
        lambda: Path("results/tables/table2.md").write_bytes(b"\xff") and "results/tables/table2.md",
        r"results/tables/table2.md: ",
    ),
    "line ends": (
        lambda: edit_text("results/tables/table2.csv", "\n", "\n") and windows("results/tables/table2.csv"),
        r"results/tables/table2.csv: its cells are right, but not how they are written: ",
    ),
    "a key twice": (
        lambda: edit_text(COMPARISONS, '"seed": 0', '"seed": 9, "seed": 0'),
        rf"{COMPARISONS}: its cells are right, but not how they are written",
    ),
    "a space before a number": (
        lambda: edit_text("results/tables/metrics.csv", ",0.", ", 0."),
        r"results/tables/metrics.csv: row \d+ .*, column score: found  0\.\d+, expected 0\.\d+",
    ),
    "quotes": (
        lambda: edit_text("results/tables/table2.csv", ",base,", ',"base",'),
        r"results/tables/table2.csv: its cells are right, but not how they are written",
    ),
}


def windows(path):
    Path(path).write_bytes(Path(path).read_bytes().replace(b"\n", b"\r\n"))
    return path


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_file_does_not_pass(study, problems, kind):
    change, said = CHANGES[kind]
    found = problems(change())
    assert any(re.match(said, line) for line in found), found
    assert all("\n" not in line and "cannot be checked" not in line for line in found)
    assert all(line.startswith(("results/", "resources/")) for line in found)
    assert len(found) < 80


def swap_folders(one, other):
    kept = Path("kept")
    shutil.move(one, kept)
    shutil.move(other, one)
    shutil.move(kept, other)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            MINE,
            MINE_1,
            [
                rf"{MINE}/record.json: run.seed: found 1, expected 0",
                rf"{MINE}/training.json: plan.seed: found 1, expected 0",
            ],
        ),
        (
            UNTUNED,
            UNTUNED_LLAMA,
            [
                rf"{UNTUNED}/record.json: run.model: found llama-3.2-1b, expected mine",
                rf"{UNTUNED}/{TESTED}/generation.json: inputs_sha256.prompts: found prompts of llama",
            ],
        ),
        (f"{MINE}/tests", f"{MINE_1}/tests", [rf"{MINE}/{TESTED}/generation.json: made from other inputs .*tuned"]),
        (f"{MINE}/tuned", f"{MINE_1}/tuned", [rf"{MINE}/training.json: tuned_sha256: found .*, expected "]),
        (f"{UNTUNED}/tests", f"{MINE}/tests", [rf"{UNTUNED}/{TESTED}/generation.json: made with trained weights"]),
    ],
)
def test_swapped_folders_do_not_pass(study, problems, one, other, said):
    swap_folders(one, other)
    names = ("record.json", "training.json", "generation.json", "manifest.json")
    found = problems(*(path for folder in (one, other) for path in Path(folder).rglob("*") if path.name in names))
    for wanted in said:
        assert any(re.match(wanted, line) for line in found), found


def test_a_study_of_another_config_is_told_from_this_one(study, config):
    config = copy.deepcopy(config)
    config["evaluation"] |= {"metric": "bleu", "seed": 1}
    found = check_results(config, cores=2).problems
    for said in (
        f"{COMPARISONS}: seed: found 0, expected 1",
        r"results/tables/table2.csv: row 3 \(none, .*, rouge_l\) should not be there: ",
        f"results/report/samples/{DATA}.html: line .*found .*ROUGE-L.*, expected .*BLEU",
        ".*provenance.md: configuration: evaluation.metric: found rouge_l",
    ):
        assert any(re.match(said, line) for line in found), said
    assert found == check_results(config, cores=1).problems


def test_a_file_with_many_differences_is_told_in_a_few_lines(study, problems):
    path = edit_json(COMPARISONS, lambda one: [score.update(score=9.0) for score in one["scores"]])
    found = [line for line in problems(path) if line.startswith(f"{path}: ")]
    assert len(found) == 9
    assert re.fullmatch(rf"{path}: \d+ more differences", found[-1])


def test_files_of_no_run_of_the_config_are_told_and_are_no_problem(study, config):
    shutil.copytree(MINE, MINE.replace("seed0", "seed7"))
    shutil.copy(COMPARISONS, "results/comparisons/old.json")
    shutil.copy("results/tables/table2.csv", "results/tables/table9.csv")
    config["runs"][1]["seeds"] = [0, 1]
    findings = check_results(config)
    assert findings.problems == []
    assert f"{MINE.replace('seed0', 'seed7')}/record.json: of no run of this config" in findings.notes
    assert "results/comparisons/old.json: of no run of this config" in findings.notes
    assert "results/tables/table9.csv: of no run of this config" in findings.notes


def test_a_run_that_nobody_computed_is_one_line(study, config):
    config["runs"][1]["seeds"] = [0, 1, 2]
    with pytest.raises(
        StudyError, match=r"qlora/seed2/.*: not there .*and \d+ other files are missing. Finish the"
    ) as one:
        check_results(config)
    assert "\n" not in str(one.value)


@pytest.mark.parametrize(
    "path",
    [f"{MINE}/record.json", f"{UNTUNED}/{TESTED}/predictions.jsonl", "results/tables/audit.tex", COMPARISONS],
)
def test_a_missing_file_is_one_line(study, config, path):
    Path(path).unlink()
    with pytest.raises(StudyError, match=re.escape(path) + r": not there \(seen from .*\)\. Finish the study first\."):
        check_results(config)


def test_a_rouge_l_that_is_not_the_package_s_does_not_pass(study, problems, monkeypatch):
    """Scores and check would agree if both had the same wrong ROUGE-L: the package decides."""
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import Score

    monkeypatch.setattr(RougeScorer, "score", lambda *_: {"rougeL": Score(0.5, 0.5, 0.5)})
    found = problems(f"{MINE}/{TESTED}/generation.json")
    said = rf"{MINE}/{TESTED}/scores.jsonl: id 20\d, rouge_l: found .*, but rouge-score gives 0.5"
    assert any(re.match(said, line) for line in found)


# The command.


def run_command(*arguments, cwd=None, **environment):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    command = [sys.executable, str(ROOT / "workflow/scripts/check_results.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=kept | environment, cwd=cwd)


@pytest.fixture
def odd(tmp_path, monkeypatch, config):
    """A finished study at a place with a name that no shell would like."""
    folder = tmp_path / "p a/it's (é) [1] 100% 模型 & $HOME #"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    config |= {"results": "results é 1", "resources": "resources é #1"}
    finish_study(config)
    (folder / "my study é.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_the_command_at_an_odd_place_in_any_locale(odd, tmp_path):
    done = run_command("my study é.yaml", "--cores", "2", LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"81 files made anew from the config and the predictions: all cells are equal\n", done.stdout)
    assert re.fullmatch(r"(check of the results: .*\n)*", done.stderr)  # on a slow machine it says how far it is
    path = f"results é 1/runs/{DATA}/mine/qlora/seed0/record.json"
    edit_json(path, lambda one: score_of(one).update(rouge_l=0.99))
    done = run_command("my study é.yaml", "--cores", "2", LC_ALL="C")
    assert done.returncode == 1
    head, *lines = [line for line in done.stderr.splitlines() if not line.startswith("check of the results: ")]
    assert head == "error: the results do not follow from the config and the predictions:"
    assert any(line.startswith(f"{path}: tests.{DATA}.summary.scores.rouge_l: found 0.99") for line in lines)
    assert "Traceback" not in done.stderr


def test_the_command_merges_overlays_as_snakemake_does(study, config):
    ours = {"evaluation": config["evaluation"], "results": "nowhere"}
    Path("study.yaml").write_text(
        yaml.safe_dump(config | {"evaluation": {"metric": "bleu", "resamples": 1, "seed": 9}})
    )
    Path("one.yaml").write_text(yaml.safe_dump(ours))
    Path("other.json").write_text(json.dumps({"results": "results"}))
    assert run_command("study.yaml", "one.yaml", "other.json").returncode == 0
    done = run_command("study.yaml", "other.json", "one.yaml")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: nowhere: not there (seen from ")


def test_wrong_arguments_are_one_line(study, config, tmp_path):
    for arguments in (["none.yaml"], [tmp_path], ["results"]):
        done = run_command(*arguments)
        assert done.returncode == 1
        assert re.fullmatch("error: .*\n", done.stderr)
    assert done.stderr.startswith("error: results: a folder. Name the study's config files: ")
    Path("study.yaml").write_text(yaml.safe_dump(config))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = run_command(study / "study.yaml", cwd=elsewhere)
    assert re.fullmatch("error: results: not there .*\n", done.stderr)
