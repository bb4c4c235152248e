"""Studies of any size for figures: records, curves, logs and comparisons as they come out, of runs that never ran."""

import json
import math
import random
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

from codetune.base.machine import PeakMemory
from codetune.study.records import read_records
from fake_comparisons import fake_comparisons
from fake_records import fake_generation, fake_method, fake_model, fake_record, fake_training, seal, write_fake

MODELS = [
    fake_model("llama-3.2-1b", label="Llama-3.2-1B", family="Llama", parameters=1.24),
    fake_model("llama-3.2-3b", label="Llama-3.2-3B", family="Llama", parameters=3.21),
    fake_model("gemma-2-2b", label="Gemma-2-2b-it", family="Gemma", parameters=2.61),
    fake_model("qwen2.5-1.5b", label="Qwen2.5-1.5B", family="Qwen", parameters=1.54),
    fake_model("qwen2.5-3b", label="Qwen2.5-3B", family="Qwen", parameters=3.09),
    fake_model("smollm2-1.7b", label="SmolLM2-1.7B", family="SmolLM", parameters=1.71),
]
PHI = fake_model("phi-3-mini", label="Phi-3 Mini 4K", family="Phi", parameters=3.82)
METHODS = ["qlora", "lora", "dora", "rslora", "ia3", "prompt-tuning", "prefix-tuning", "vera", "full"]
SIZES = {1: (1, 1, 1), 5: (5, 1, 1), 15: (5, 3, 3), 54: (6, 9, 3)}  # systems: models, methods and seeds of each
GIB = 2**30


def study_of(folder, models, methods, seeds, problem=None):
    """Writes a study of so many models, methods and seeds, with untuned systems; gives its records and comparisons."""
    trained = list(product(range(models), range(methods), range(seeds)))
    runs = [untuned(model, chat) for model in (*MODELS[:models], PHI) for chat in (False, True)]
    runs += [tuned(*place, problem if place == (0, 0, 0) else None) for place in trained]
    paths = [write_fake(run, folder) for run in runs]
    for path, run in zip(paths, runs, strict=True):
        if run.training is not None:
            write_course(path, run)
    records = read_records(paths)
    found = fake_comparisons(records)
    scores = [
        replace(one, interval=[one.score - 0.012 - one.score / 50, one.score + 0.01 + one.score / 50])
        for one in found.scores
    ]
    return records, [replace(found, scores=scores)]


def skill(model, method):
    """How much a method gains on a model."""
    return 0.06 + 0.015 * ((3 * model + 5 * method) % 7) + 0.01 * (method % 3)


def untuned(model, chat):
    """An untuned model, in one of two templates."""
    score = 0.18 + 0.03 * model.parameters + (0.06 if chat else 0.0)
    record = fake_record(model, "base-chat" if chat else "base", scores={"rouge_l": score, "bleu": 80 * score})
    return with_generation(record, model.parameters, 1.6)


def with_generation(record, parameters, longer):
    """Gives a record a decoding that took time and memory."""
    facts = fake_generation(
        prompts=2000,
        tokens=round(300_000 * longer),
        seconds=400 * parameters * longer,
        peak_memory=PeakMemory("GPU", round((4 + 2 * parameters) * GIB)),
    )
    return replace(record, tests={name: replace(one, generation=facts) for name, one in record.tests.items()})


def tuned(place, number, seed, problem=None):
    """A training of one of the models with one of the methods."""
    model, method = MODELS[place], METHODS[number]
    baselines = ["base", "base-chat"]
    score = 0.18 + 0.03 * model.parameters + skill(place, number) + 0.008 * math.sin(5 * seed + place + number)
    record = fake_record(
        model, fake_method(method, baselines=baselines), seed=seed, scores={"rouge_l": score, "bleu": 80 * score}
    )
    hours = 0.6 * model.parameters * (1 + 0.25 * number) * (1 + 0.05 * seed)
    cost = {
        "seconds": 3600 * hours,
        "evaluation_seconds": 300.0,
        "tokens_per_second": 9000 / model.parameters / (1 + 0.25 * number) * (1 + 0.03 * seed),
        "energy_joules": 3600 * hours * 280,
        "peak_memory": PeakMemory("GPU", round((6 + (3 + number / 2) * model.parameters + seed / 5) * GIB)),
    }
    training = fake_training(record.training.plan, best_step=best_step(place, number), problem=problem, **cost)
    planned = 300 * (1 + place % 2)  # larger models have smaller batches
    training = replace(training, result=replace(training.result, planned_steps=planned))
    return with_generation(replace(record, training=training), model.parameters * (1 + number / 20), 1.0)


def best_step(place, number):
    """The step of the lowest validation loss."""
    return 30 * (3 + (place + number) % 4) * (1 + place % 2)


def steps_of(place):
    """The steps of the evaluations; larger models have smaller batches, and so more steps."""
    return [step * (1 + place % 2) for step in range(0, 301, 30)]


def write_course(path, run):
    """Writes the curve and the log of a training."""
    place, number = [model.name for model in MODELS].index(run.run.model), METHODS.index(run.run.method)
    draw = random.Random(f"{run.run}")
    steps, start = steps_of(place), 0.18 + 0.03 * MODELS[place].parameters
    points = []
    for step in steps:
        gain = (skill(place, number) + 0.01 * draw.uniform(-1, 1)) * (1 - math.exp(-step / 80)) if step else 0.0
        scores = {
            name: {
                "score": scale * (start + gain),
                "interval": [scale * (start + gain - 0.04), scale * (start + gain + 0.04)],
                "gain": scale * gain,
                "gain_interval": [scale * (gain - 0.2 * gain), scale * (gain + 0.2 * gain)],
            }
            for name, scale in (("rouge_l", 1), ("bleu", 80))
        }
        points.append({"step": step, "truncated": 0.0, "scores": scores})
    (Path(path).parent / "curve.json").write_text(json.dumps({"samples": list(range(200)), "points": points}))
    (read,) = read_records([path])
    rows, best = [{"step": 0, "eval_loss": 2.4 - place / 10}], best_step(place, number)
    for before, step in pairwise(steps):
        base = 0.75 + place / 20 + number / 60
        rows += [
            {"step": one, "loss": base + 0.5 * math.exp(-one / 70) - one / 3500 + draw.uniform(-0.02, 0.02)}
            for one in range(before + 5, step + 1, 5)
        ]
        rows.append({"step": step, "eval_loss": base + 0.05 + (step - best) ** 2 * (6e-6 if step < best else 1e-6)})
    read.path_of("training_log").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seal(path)
