"""A study of the paper's models in small: real shapes, and whatever scores and token counts."""

import json
from dataclasses import replace
from pathlib import Path

from codetune.base.plain import from_plain
from codetune.papers.claims import audit
from codetune.papers.declared import read_paper
from codetune.papers.evidence import Files, gather_evidence
from codetune.study.model import Source
from codetune.study.record import read_records
from fake_records import fake_record, write_fake
from paper_models import PUBLISHED

ROOT = Path(__file__).parents[2]
PAPER = read_paper(ROOT / "config/paper.yaml")
NAMES = {
    "llama-3.2-1b": "Llama-3.2-1B",
    "llama-3.2-3b": "Llama-3.2-3B",
    "gemma-2-2b": "Gemma-2-2B",
    "qwen2.5-1.5b": "Qwen2.5-1.5B",
    "qwen2.5-3b": "Qwen2.5-3B",
}
VOCABULARY = {"Llama": 128256, "Gemma": 256000, "Qwen2.": 151936}
DATASETS = {"codealpaca-20k": {"repo": "sahil2801/CodeAlpaca-20k"}}


def write_value(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def config_of(name):
    vocabulary = next(size for family, size in VOCABULARY.items() if name.startswith(family))
    return PUBLISHED[name][0] | {"vocab_size": vocabulary, "max_position_embeddings": 32768}


def make_evidence(folder, records, datasets=DATASETS, paper=PAPER, sequences=2400, samples=17014, published=20022):
    """The evidence of a study in small: real shapes, token counts and a card beside its records."""
    models = list(dict.fromkeys(record.run.model for record in records))
    trained = list(dict.fromkeys(record.run.model for record in records if record.run.trains))
    train = {"samples": samples, "packed_sequences": sequences, "tokens": sequences * 900}
    stats = {"parts": {"train": train, "validation": {"tokens": 0}}, "max_length": 1000, "template": "paper"}
    split = {"shares": {"train": 0.85, "validation": 0.05, "test": 0.1}}
    card = {"dataset": "codealpaca-20k", "records": published, "split": split, "parts": {"test": {"samples": 2002}}}
    files = Files(
        configs={
            model: write_value(folder / "tokenizers" / model / "config.json", config_of(NAMES.get(model, "Qwen2.5-3B")))
            for model in models
        },
        tokens={
            ("codealpaca-20k", m, "paper"): write_value(folder / "tokens" / m / "paper/stats.json", stats)
            for m in trained
        },
        prompts={
            ("codealpaca-20k", m, "paper"): write_value(
                folder / "prompts" / m / "paper/none/stats.json", {"tokens": sequences * 100}
            )
            for m in models
        },
        cards={"codealpaca-20k": write_value(folder / "data" / "card.json", card)},
    )
    sources = {name: from_plain(entry, Source, name) for name, entry in datasets.items()}
    return gather_evidence(read_records(write_fake(record, folder) for record in records), files, sources, paper)


def paper_scores():
    return {(row["model"], row["method"]): row["rouge_l"] for row in PAPER["table2"] if "model" in row}


def a_record(model, method, score, genuine=True, seed=0):
    """A record of one of the paper's models on the paper's data, trained for 950 steps."""
    declared = PAPER["models"].get(model, {"name": "Mine", "repo": "my/model"})
    source = Source(repo=declared["repo"]) if genuine else Source(path="checkpoints/some")
    name = "codealpaca-20k"
    record = fake_record(model, method, name, seed, test=name, scores={"rouge_l": score})
    training = record.training and replace(record.training, result=replace(record.training.result, steps=950))
    return replace(record, model=replace(record.model, label=declared["name"], source=source), training=training)


def a_study(folder, scores=None, genuine=True, **changes):
    scores = scores or paper_scores()
    records = [a_record(model, method, score, genuine) for (model, method), score in scores.items()]
    return make_evidence(folder, records, **changes)


def verdicts(evidence, subject=None):
    """Verdict by (claim, where the paper says it)."""
    table = audit(evidence)
    rows = table if subject is None else table[table["subject"] == subject]
    return {(row["claim"], row["place"].partition(";")[0]): row["verdict"] for _, row in rows.iterrows()}
