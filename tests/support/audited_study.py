"""Files of a study in small, with the paper's models, as the audit reads them."""

import json
from pathlib import Path

from codetune.papers.claims import audit
from codetune.papers.declared import read_paper
from codetune.papers.evidence import read_study
from paper_models import PUBLISHED
from small_study import ROOT

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


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return str(path)


def config_of(name):
    vocabulary = next(size for family, size in VOCABULARY.items() if name.startswith(family))
    return PUBLISHED[name][0] | {"vocab_size": vocabulary, "max_position_embeddings": 32768}


def make_files(folder, runs, scores, sequences=2400, samples=17014, records=20022):
    """The files of a study in small, with the real shapes and whatever scores."""
    files = {kind: [] for kind in ("configs", "stats", "cards", "summaries", "generations", "trainings")}
    for run in runs:
        model = run["model"]
        place = folder / "runs" / model / run["method"] / f"seed{run['seed']}"
        config = folder / "tokenizers" / model / "config.json"
        files["configs"].append(str(Path(write(config, config_of(NAMES.get(model, "Qwen2.5-3B")))).parent))
        train = {"samples": samples, "packed_sequences": sequences, "tokens": sequences * 1000}
        stats = {"parts": {"train": train}, "max_length": 1000, "template": "paper"}
        files["stats"].append(write(folder / "tokens" / model / "stats.json", stats))
        shares = {"train": 0.85, "validation": 0.05, "test": 0.1}
        card = {"records": records, "split": {"shares": shares}, "parts": {"test": {"samples": 2002}}}
        files["cards"].append(write(folder / "data" / "card.json", card))
        files["summaries"].append(write(place / "summary.json", {"scores": {"rouge_l": scores[model, run["method"]]}}))
        quantization = {"type": "nf4", "compute_dtype": "bfloat16"}
        generation = {"settings": {"max_new_tokens": 512}, "quantization": quantization, "checkpoint": {"repo": model}}
        files["generations"].append(write(place / "generation.json", generation))
        if run["tuned"]:
            files["trainings"].append(write(place / "training.json", {"result": {"steps": 950}}))
    return files


def paper_scores():
    return {(row["model"], row["method"]): row["rouge_l"] for row in PAPER["table2"] if "model" in row}


def entries(genuine=True):
    return {
        key: {"label": model["name"], "repo": model["repo"]} | ({} if genuine else {"path": "checkpoints/some"})
        for key, model in PAPER["models"].items()
    }


def a_study(folder, scores=None, genuine=True, datasets=DATASETS, paper=PAPER, **counts):
    scores = scores or paper_scores()
    runs = [
        {"dataset": "codealpaca-20k", "model": model, "method": method, "seed": 0, "tuned": method == "qlora"}
        for model, method in scores
    ]
    return read_study(runs, entries(genuine), datasets, make_files(folder, runs, scores, **counts), paper)


def verdicts(study, subject=None):
    """Verdict by (claim, where the paper says it)."""
    table = audit(study)
    rows = table if subject is None else table[table["subject"] == subject]
    return {(row["claim"], row["place"].partition(";")[0]): row["verdict"] for _, row in rows.iterrows()}
