"""Tuned runs of five models that never ran, with their curves and logs, and the untuned ones beside them."""

import json
from dataclasses import replace
from pathlib import Path

from codetune.base.machine import PeakMemory
from codetune.study.records import read_records
from fake_records import fake_model, fake_record, fake_training, seal, write_fake

MODELS = [
    fake_model("llama-3.2-1b", label="Llama-3.2-1B, miniature", family="Llama"),
    fake_model("llama-3.2-3b", label="Llama-3.2-3B, miniature", family="Llama"),
    fake_model("gemma-2-2b", label="Gemma-2-2b-it, miniature", family="Gemma"),
    fake_model("qwen2.5-1.5b", label="Qwen2.5-1.5B, miniature", family="Qwen"),
    fake_model("qwen2.5-3b", label="Qwen2.5-3B, miniature", family="Qwen"),
]
GEMMA = MODELS[2]
GIB = 2**30


def a_log(place):
    """Two epochs of three steps; the lowest validation loss but for step 0 is that of step 3."""
    losses = [2.0, 1.5, 1.0, 0.9, 0.8, 0.7]
    rows = [{"step": 0, "eval_loss": 0.1}]
    for step, loss in enumerate(losses, start=1):
        rows.append({"step": step, "loss": loss + place})
        if step % 3 == 0:
            rows.append({"step": step, "eval_loss": 1.2 + place + step / 100})
    return rows


def a_curve(place, steps=(0, 50, 100)):
    """By ROUGE-L and by BLEU, on its scale; each with a band of a twentieth to both sides."""
    points = []
    for step in steps:
        score = 0.3 + place / 10 + step / 1000
        found = {name: {"score": highest * score, "interval": [highest * (score - 0.05), highest * (score + 0.05)]}
                 for name, highest in (("rouge_l", 1), ("bleu", 100))}  # fmt: skip
        points.append({"step": step, "truncated": 0.0, "scores": found})
    return {"samples": [1, 2], "points": points}


def a_run(place, seed=0, method="qlora", **cost):
    """A tuned run with numbers of its own."""
    score = 0.4 + place / 100
    record = fake_record(MODELS[place], method, seed=seed, scores={"rouge_l": score, "bleu": 100 * score})
    cost = {"seconds": 1800.0 * (place + 1), "tokens_per_second": 3000.0 + place} | cost
    cost = {"peak_memory": PeakMemory("GPU", (place + 10) * GIB)} | cost
    return replace(record, training=fake_training(record.training.plan, **cost))


def untuned(place):
    """The untuned model, so that gains go from -0.05 up in steps of 0.05."""
    score = 0.45 - place / 25
    return fake_record(MODELS[place], "base", scores={"rouge_l": score, "bleu": 100 * score})


def written(folder, record, place):
    path = write_fake(record, folder)
    (read,) = read_records([path])
    read.curve.write_text(json.dumps(a_curve(place)))
    write_log(read, a_log(place))
    return path


def write_log(record, rows):
    """Gives a run this training log."""
    record.path_of("training_log").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seal(Path(record.folder) / "record.json")
