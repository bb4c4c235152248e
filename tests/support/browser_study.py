"""Files of a study as the sample browser reads them."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

from codetune.base.files import read_jsonl, write_jsonl
from codetune.data.predictions import Candidate, Prediction, read_predictions, write_predictions
from codetune.evaluation.metric import ON_CODE
from codetune.report.browser import MISSING, BrowserInputs
from codetune.report.packed import unpacked
from codetune.study.record import read_record
from fake_records import fake_model, fake_record, seal, write_fake

TEMPLATE = str(Path(__file__).parents[2] / "workflow/report/samples.html")
FACTS = {"language": "Python", "length": 5, "extracted": None}  # of each scored sample
NASTY = "</script><script>alert(1)</script><!-- \u2028"
LABELS = {"a": "Model A", "b": "Model <b>"}


def run(model, method, seed=0, data="d"):
    """The record of a run, tested on `d`."""
    return fake_record(fake_model(model, label=LABELS[model]), method, data, seed, test="d")


def make_study(folder, texts, runs, scores=None):
    """Files of a study whose runs all wrote `texts`; gives write_browser's arguments."""
    count = len(texts)
    samples = [
        {"id": 10 * i, "instruction": f"Task {i} in Python", "input": "", "output": f"x = {i}"} for i in range(count)
    ]
    write_jsonl(folder / "test.jsonl", samples)
    predictions = [Prediction(10 * i, [Candidate(text, 3, i == 1)]) for i, text in enumerate(texts)]
    paths = []
    for number, record in enumerate(runs):
        path = write_fake(record, folder)
        paths.append(path)
        record = replace(record, folder=str(Path(path).parent))
        write_predictions(record.path_of("predictions", "d"), predictions)
        values = scores[number] if scores else [0.1 * record.run.seed] * count
        names = [f"{name}{ending}" for ending in ("", ON_CODE) for name in ("rouge_l", "code_rouge_l", "bleu")]
        rows = [{"id": 10 * i, **FACTS, **dict.fromkeys(names, f1)} for i, f1 in enumerate(values)]
        write_jsonl(record.path_of("scores", "d"), rows)
        seal(path)
    return {
        "inputs": BrowserInputs(str(folder / "test.jsonl"), paths, TEMPLATE),
        "test": "d",
        "metric": "rouge_l",
        "target": str(folder / "page.html"),
    }


def with_candidates(study, single):
    """The same study with two more candidates, of which the first is the reference, for all runs but some.

    Args:
        study: Arguments of write_browser.
        single: Runs with one candidate, by model and method.
    """
    names = ("em", "em_one_line", "em_on_code", "em_one_line_on_code")
    for path in study["inputs"].records:
        record = read_record(path)
        alone = f"{record.run.model}/{record.run.method}" in single
        predictions = read_predictions(record.path_of("predictions", "d"))
        for number, one in enumerate(predictions):
            others = [] if alone else [Candidate(f"x = {number}", 3, False), Candidate(NASTY, 3, False)]
            predictions[number] = Prediction(one.id, [*one.candidates, *others])
        write_predictions(record.path_of("predictions", "d"), predictions)
        found = {"candidates": 3, "first_match": dict.fromkeys(names, None if alone else 2)}
        scores = record.path_of("scores", "d")
        write_jsonl(scores, [row | found for row in read_jsonl(scores)])
        seal(path)
    return study


def data_of(page):
    """What a page holds: its data, with the texts, flags and scores of each run as lists, unpacked."""
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    parts = dict(unpacked(page))
    count, runs = len(data["samples"]), [one for model in data["models"] for one in model["runs"]]
    blocks = [json.loads(parts[name]) for name in parts if name.startswith("texts-")]
    rows = [[block["texts"][text] for text in row] for block in blocks for row in block["samples"]]
    data["texts"] = [row[:3] for row in rows]
    for place, one in enumerate(runs):
        one["texts"] = [row[3 + place] for row in rows]
        one["flags"] = list(parts["flags"][count * place : count * (place + 1)])
        one["scores"] = {}
        for name, metric in data["metrics"].items():
            units = struct.unpack(f"<{2 * count * len(runs)}I", parts[f"scores-{name}"])
            values = [None if number == MISSING else number / metric["unit"] for number in units]
            for ending, start in (("", place), (ON_CODE, len(runs) + place)):
                one["scores"][name + ending] = values[count * start : count * (start + 1)]
    return data
