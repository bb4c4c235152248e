"""Files of a study as the sample browser reads them."""

from codetune.base.files import write_jsonl
from small_study import ROOT

TEMPLATE = str(ROOT / "workflow/report/samples.html")
MODELS = {"a": {"label": "Model A"}, "b": {"label": "Model <b>"}}


def make_study(folder, texts, runs, scores=None):
    """Files of a study whose runs all wrote `texts`; gives write_browser's arguments."""
    count = len(texts)
    samples = [
        {"id": 10 * i, "instruction": f"Task {i} in Python", "input": "", "output": f"x = {i}"} for i in range(count)
    ]
    write_jsonl(folder / "test.jsonl", samples)
    predictions, scored = [], []
    for number, run in enumerate(runs):
        path = folder / f"{number}.jsonl"
        rows = [{"id": 10 * i, "text": text, "tokens": 3, "truncated": i == 1} for i, text in enumerate(texts)]
        write_jsonl(path, rows)
        predictions.append(str(path))
        path = folder / f"{number}.scores.jsonl"
        values = scores[number] if scores else [0.1 * run["seed"]] * count
        write_jsonl(path, [{"id": 10 * i, "rouge_l": f1, "code_rouge_l": f1} for i, f1 in enumerate(values)])
        scored.append(str(path))
    return {
        "samples": str(folder / "test.jsonl"),
        "runs": runs,
        "predictions": predictions,
        "scores": scored,
        "models": MODELS,
        "template": TEMPLATE,
        "target": str(folder / "page.html"),
    }


def run(model, method, seed=0):
    return {"dataset": "d", "model": model, "method": method, "seed": seed, "tuned": method != "base"}
