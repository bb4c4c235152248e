"""A finished study in small whose models never ran: facts and predictions are made up, all else follows from them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from codetune.base.files import sha256_of_file, write_json, write_jsonl, write_text
from codetune.base.identity import CheckpointIdentity
from codetune.base.manifests import write_manifest
from codetune.base.plain import read_as, to_plain
from codetune.data.predictions import Candidate, Prediction, write_curve_predictions, write_predictions
from codetune.data.samples import read_samples, sha256_of_samples
from codetune.methods.schedule import share_of_highest
from codetune.prompts.packing import steps_per_epoch
from codetune.report.provenance import write_provenance
from codetune.report.remake import Results
from codetune.report.remaking import remakes_of
from codetune.study import layout
from codetune.study.config import load_study
from codetune.study.data_facts import DuplicateRequests, NearDuplicates, SplitFacts
from codetune.study.dataset import PARTS
from codetune.study.facts import TrainingFacts
from codetune.study.paper import paper_inputs
from codetune.study.records import read_records
from codetune.study.search import DivergedFacts
from codetune.study.summary import summary_inputs
from codetune.training.choose import TrialFiles, choose
from fake_records import DESCRIBED, fake_generation, fake_training
from paper_study import config_of
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[2]
DATA = "codealpaca-20k"  # the paper's, so that the audit has something to say
LEAKED = 3  # place of the test sample whose request is that of a training sample
OUTPUTS = [f"def f{i}(x):\n    return x + {i}" for i in range(12)]
FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" width="252pt" height="180pt" viewBox="0 0 252 180"/>\n'
LOSSES = {0: 2.5, 50: 1.0, 100: 0.9, 150: 0.95}
PACKED = {"packed_sequences": 1600, "tokens": 90_000}
TRAINABLE = 5636096  # of Llama-3.2-1B at r = 8
REVISION, RECORDS_SHA256 = "f" * 40, "9" * 64


def finished_config():
    """The study's config, with other runs: two models, untuned in two ways and tuned, the tuned ones with two seeds."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    split = {"train": 0.8, "validation": 0.1, "test": 0.1, "seed": 0, "near_duplicates": "together"}
    config["datasets"] = {
        DATA: {"repo": "x/d", "revision": REVISION, "file": "d.json", "sha256": "9" * 64, "split": split}
    }
    mine = {"label": "Mine | <b>", "family": "Mine", "repo": "x/mine", "revision": REVISION, "parameters": 1.0}
    tuned = {"batch_size": 8, "epochs": 1, "micro_batch": 4}
    config["models"] = {"llama-3.2-1b": config["models"]["llama-3.2-1b"], "mine": mine | tuned}
    runs = {"datasets": [DATA], "models": list(config["models"])}
    config["runs"] = [
        runs | {"methods": ["base", "base-chat"], "seeds": [0]},
        runs | {"methods": ["qlora"], "seeds": [0, 1]},
        runs | {"models": ["none"], "methods": ["retrieval"], "seeds": [0]},
    ]
    config["curve"] = {"samples": 6}
    config["evaluation"] = {"metric": "rouge_l", "resamples": 200, "seed": 0}
    return config


def finish_study_in(folder, config):
    """Writes a finished study whose config names folders relative to this one; returns the folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        finish_study(config)
    finally:
        os.chdir(before)
    return folder


def finish_study(config):
    """Writes a finished study to the folders that its config names."""
    at = Results(load_study(config), config, config["results"], config["resources"])
    hashes = _write_data(at)
    for model in at.study.used_models:
        _write_downloads(at, model)
    for entry in at.study.token_sets:
        _write_tokens(at, entry, hashes)
    for entry in at.study.prompt_sets:
        stats = {"template": entry["prompt"], "tokens": 200, **_hashes(entry, hashes, "prompts")}
        write_json(at.path(layout.PROMPT_STATS, **entry), stats)
    for run in at.study.runs:
        if not run.retrieves:  # what is retrieved is made like all else that follows
            _write_run(at, run, hashes)
    # No figure is made anew: what shows them needs some.
    for path in {*summary_inputs(at.study, at.path)["figures"], *paper_inputs(at.study, at.path)["figures"]}:
        write_text(path, FIGURE)
    for task in remakes_of(at):
        path = next(iter(task.files.values()))
        if path == at.path(layout.PROVENANCE):
            write_provenance(read_records(at.of(layout.RECORD, run) for run in at.study.runs), config, path)
        else:
            task.make(task.files)
    return at


def _write_data(at):
    """Samples of each part; gives their hashes."""
    hashes = {}
    for number, (part, pattern) in enumerate(
        zip(PARTS, (layout.TRAIN, layout.VALIDATION, layout.TEST_PART), strict=True)
    ):
        rows = [
            {"id": 100 * number + i, "instruction": _request(part, i), "input": "", "output": output}
            for i, output in enumerate(OUTPUTS)
        ]
        write_jsonl(at.path(pattern, dataset=DATA), rows)
        hashes[part] = sha256_of_samples(read_samples(at.path(pattern, dataset=DATA)))
    near = NearDuplicates(0.8, 2, [[3, 203]], "together", [200 + LEAKED])
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    facts = SplitFacts(DATA, 36, RECORDS_SHA256, {}, DuplicateRequests(0, 0, "kept"), near, shares, 0, hashes)
    write_json(at.path(layout.SPLIT, dataset=DATA), to_plain(facts))
    return hashes


def _request(part, number):
    """The request of a sample: far from those of other parts, but for the one that leaks."""
    if part == "train" or (part == "test" and number == LEAKED):
        return f"Task {number} in Python"
    return " ".join([*(f"{part}{number}{letter}" for letter in "abcdefgh"), "in Python"])


def _hashes(entry, hashes, *parts):
    """Hashes of a model's token sets in a template, and of the samples in them."""
    return {
        "sha256": {part: f"{part} of {entry['model']} ({entry.get('template') or entry['prompt']})" for part in parts},
        "samples_sha256": {part: hashes["test" if part == "prompts" else part] for part in parts},
    }


def _write_downloads(at, model):
    source = at.study.models[model].source
    folder = Path(at.download(layout.TOKENIZER, model=model)).parent
    write_json(folder / "config.json", config_of("Llama-3.2-1B"))
    write_manifest(folder, repo=source.repo, revision=source.revision)


def _write_tokens(at, entry, hashes):
    parts = {
        "train": {"samples": 12, **PACKED},
        "validation": {"samples": 12, "packed_sequences": 2, "tokens": 90},
    }
    stats = to_plain(DESCRIBED) | {"template": entry["template"], "max_length": 1000, "parts": parts}
    write_json(at.path(layout.TOKEN_STATS, **entry), stats | _hashes(entry, hashes, "train", "validation"))


def _used(entry, hashes, *parts):
    found = _hashes(entry, hashes, *parts)
    return found["sha256"] | {f"{part}_samples": digest for part, digest in found["samples_sha256"].items()}


def _texts(run, skill):
    """What a run wrote: the more skilled it is, the more of it is right."""
    return [text if i % (skill + run.seed) else f"{run.model} {text[:9]}" for i, text in enumerate(OUTPUTS)]


def _write_run(at, run, hashes):
    """What the GPU jobs of one run leave."""
    study, source = at.study, at.study.models[run.model].source
    checkpoint = CheckpointIdentity(f"checkpoint of {run.model}", repo=source.repo, revision=source.revision)
    (evaluation,) = study.of_run(run)
    used = _used(study.prompt_set_of(evaluation), hashes, "prompts")
    trains = study.method_of(run).trains
    if trains:
        trials = study.trials_of(run)
        weights = {one.method: _write_training(at, one, checkpoint, hashes) for one in trials or [run]}
        used["tuned"] = weights[_choose(at, run, trials) if trials else run.method]
        _publish(at, run)
        _write_curve(at, run)
    predictions = at.of(layout.PREDICTIONS, evaluation)
    texts = _texts(run, 3) if trains else [text[:9] for text in OUTPUTS]
    write_predictions(predictions, [Prediction(200 + i, [Candidate(text, 5, i == 1)]) for i, text in enumerate(texts)])
    facts = fake_generation(
        decoding=study.decoding,
        quantization=study.methods[run.method].quantization,
        checkpoint=checkpoint,
        inputs_sha256=used,
        predictions_sha256=sha256_of_file(predictions),
        prompts=len(texts),
        tokens=5 * len(texts),
        truncated=1,
    )
    write_json(at.of(layout.GENERATION, evaluation), to_plain(facts))


def _adapter(at, run):
    modules = at.study.for_training(run).tuning.peft["target_modules"]
    return {f"model.layers.0.{module}.lora_{one}.weight": np.zeros((2, 3), "f4") for module in modules for one in "AB"}


def _planned(settings):
    return settings.epochs * steps_per_epoch(PACKED["packed_sequences"], settings.batch_size)


def _rate(settings, step):
    """The learning rate of a step."""
    steps = _planned(settings)
    return settings.learning_rate * share_of_highest(settings.schedule, settings.warmup_steps, step - 1, steps)


def _write_training(at, run, checkpoint, hashes):
    """What a training leaves; gives the hash of the adapter's weights."""
    folder = Path(at.of(layout.TUNED, run)).parent
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    save_file(_adapter(at, run), folder / "adapter_model.safetensors", {"of": str(run)})
    weights = write_manifest(folder).files["adapter_model.safetensors"].sha256
    facts = fake_training(at.study.for_training(run))
    facts = replace(
        facts,
        checkpoint=checkpoint,
        inputs_sha256=_used(at.study.token_set_of(run), hashes, "train", "validation"),
        tuned_sha256=weights,
        trainable_parameters=TRAINABLE,
        adapted=dict.fromkeys(facts.plan.tuning.peft["target_modules"], 1),
        data=replace(facts.data, **PACKED),
        result=replace(
            facts.result,
            planned_steps=_planned(facts.plan.settings),
            checkpoints=[50, 100, 150],
            best_learning_rate=_rate(facts.plan.settings, facts.result.best_step),
        ),
    )
    write_json(at.of(layout.TRAINING, run), to_plain(facts))
    rows = [{"step": step, "epoch": step / 100, "eval_loss": loss} for step, loss in LOSSES.items()]
    best = facts.result.best_step
    trained = [
        {"step": 1, "epoch": 0.01, "loss": 2.4, "learning_rate": _rate(facts.plan.settings, 1)},
        {"step": best, "epoch": best / 100, "loss": 1.1, "learning_rate": _rate(facts.plan.settings, best)},
    ]
    write_jsonl(at.of(layout.TRAINING_LOG, run), [trained[0], *rows[:-1], trained[1], rows[-1]])
    return weights


def _choose(at, run, trials):
    """What a search leaves of its trials, all of which have the same loss and the last of which diverged."""
    facts = read_as(at.of(layout.TRAINING, trials[-1]), TrainingFacts)
    write_manifest(_emptied(Path(at.of(layout.TUNED, trials[-1])).parent))
    diverged = DivergedFacts(facts.plan, facts.inputs_sha256, "the training diverged", 150, 3600.0)
    write_json(at.of(layout.TRAINING, trials[-1]), to_plain(diverged))
    for trial in trials:
        write_manifest(_emptied(Path(at.of(layout.CHECKPOINTS, trial)).parent))
    names = (layout.TUNED, layout.CHECKPOINTS, layout.TRAINING_LOG, layout.TRAINING)
    files = [TrialFiles(*(at.of(name, one) for name in names)) for one in (*trials, run)]
    choose(at.study.values_of(run.method), files[:-1], files[-1], at.of(layout.SEARCH, run))
    return trials[0].method


def _emptied(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _publish(at, run):
    tuned = Path(at.of(layout.TUNED, run))
    shutil.copytree(tuned.parent, Path(at.of(layout.PUBLISHED, run)).parent)
    (Path(at.of(layout.PUBLISHED, run)).parent / tuned.name).unlink()


def _write_curve(at, run):
    steps = read_as(at.of(layout.TRAINING, run), TrainingFacts).result.checkpoints
    texts = {step: _texts(run, 2 + step // 50)[:6] for step in (0, *steps)}
    curve = {
        step: [Prediction(100 + i, [Candidate(text, 5, False)]) for i, text in enumerate(of_step)]
        for step, of_step in texts.items()
    }
    write_curve_predictions(at.of(layout.CURVE_PREDICTIONS, run), curve)
