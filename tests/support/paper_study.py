"""A study of the paper's models in small: real shapes, and whatever scores, intervals and token counts."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

from codetune.base.plain import from_plain
from codetune.evaluation.comparisons import Comparison, Comparisons, MetricFacts, Score
from codetune.papers.claims import audit
from codetune.papers.evidence import Files, gather_evidence
from codetune.study.declared import file_of, read_paper
from codetune.study.model import Source
from codetune.study.records import by_system, read_records
from fake_comparisons import write_fake_comparisons
from fake_records import fake_method, fake_record, write_fake
from paper_models import PUBLISHED

ROOT = Path(__file__).parents[2]
PAPER = read_paper(ROOT / "config/papers/slm-qlora.yaml")
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


def make_evidence(
    folder,
    records,
    datasets=DATASETS,
    paper=PAPER,
    sequences=2400,
    samples=17014,
    published=20022,
    half=0.01,
    lengths=None,
    **changes,
):
    """The evidence of a study in small: real shapes, token counts, comparisons and a card beside its records.

    `lengths` gives by model the number of samples by their length; `half` is half of the length of every interval, and
    `changes` are fields of the comparisons.
    """
    models = list(dict.fromkeys(record.run.model for record in records))
    trained = list(dict.fromkeys(record.run.model for record in records if record.trains))
    split = {"shares": {"train": 0.85, "validation": 0.05, "test": 0.1}}
    card = {"dataset": "codealpaca-20k", "records": published, "split": split, "parts": {"test": {"samples": 2002}}}
    name, counts = "codealpaca-20k", lengths or {}

    def stats(model, parts):
        found = {"100": 1000} | {str(key): count for key, count in counts.get(model, {}).items()}
        return {"lengths": dict.fromkeys(parts, found)}

    train = {"samples": samples, "packed_sequences": sequences, "tokens": sequences * 900}
    training = {"parts": {"train": train, "validation": {"tokens": 0}}, "max_length": 1000, "template": "paper"}
    files = Files(
        configs={
            model: write_value(folder / "tokenizers" / model / "config.json", config_of(NAMES.get(model, "Qwen2.5-3B")))
            for model in models
        },
        tokens={
            (name, m): {
                "paper": write_value(
                    folder / "tokens" / m / "paper/stats.json", training | stats(m, ("train", "validation"))
                )
            }
            for m in trained
        },
        prompts={
            (name, m): {"paper": write_value(folder / "prompts" / m / "paper/none/stats.json", stats(m, ("prompts",)))}
            for m in models
        },
        cards={name: write_value(folder / "data" / "card.json", card)},
    )
    sources = {name: from_plain(entry, Source, name) for name, entry in datasets.items()}
    written = read_records(write_fake(record, folder) for record in records)
    compared = replace(paper_comparisons(written, half), **changes)
    comparisons = {write_fake_comparisons(compared, folder): compared}
    return gather_evidence(written, comparisons, files, sources, paper, file_of("slm-qlora"))


def paper_comparisons(records, half=0.01):
    """Comparisons of all pairs, with intervals of one length; as far from zero as that, a difference is significant."""
    name, metric = "codealpaca-20k", "rouge_l"
    systems = by_system(record for record in records if name in record.tests)
    seeds = {
        system: [record.tests[name].summary.scores[metric] for record in found] for system, found in systems.items()
    }

    def around(value):
        return None if value is None else [value - half, value + half]

    def mean(system):
        return None if None in seeds[system] else statistics.fmean(seeds[system])

    def compare(family, system, over):
        gain = None if None in (mean(system), mean(over)) else mean(system) - mean(over)
        p = None if gain is None or family == "other gain" else 0.001 if abs(gain) > half + 1e-9 else 0.5
        return Comparison(family, system, over, metric, gain, around(gain), p, p)

    scores = [
        Score(
            *system,
            metric=metric,
            score=mean(system),
            interval=around(mean(system)),
            seeds=found,
            deviation=statistics.stdev(found) if len(found) > 1 and None not in found else None,
        )
        for system, found in seeds.items()
    ]
    compared = []
    for system in systems:
        baselines = [one for one in systems if one.model == system.model and one.method in ("base", "base-chat")]
        best = max(baselines, key=lambda one: mean(one) or 0, default=None)
        if system.method == "qlora":
            compared += [compare("gain" if one == best else "other gain", system, one) for one in baselines]
            others = [one for one in systems if one.model != system.model]
            compared += [compare("pair", system, one) for one in others if one.method == "qlora" and one > system]
            compared += [compare("pair", system, one) for one in others if one.model == "phi-3-mini"]
    facts = {metric: MetricFacts("ROUGE-L", "f1", 1.0)}
    return Comparisons(name, 1000, 0, 0.95, facts, scores, compared)


def paper_scores():
    return {(row["model"], row["method"]): row["rouge_l"] for row in PAPER["table2"] if "model" in row}


def a_record(model, method, score, genuine=True, seed=0, samples=2003):
    """A record of one of the paper's models on the paper's data, trained for 950 steps; base-chat has its template."""
    declared = PAPER["models"].get(model, {"name": "Mine", "repo": "my/model"})
    source = Source(repo=declared["repo"]) if genuine else Source(path="checkpoints/some")
    name = "codealpaca-20k"
    method = replace(fake_method("base"), name=method) if method == "base-chat" else method
    record = fake_record(model, method, name, seed, test=name, scores={"rouge_l": score})
    tested = record.tests[name]
    tests = {name: replace(tested, summary=replace(tested.summary, samples=samples))}
    training = record.training and replace(record.training, result=replace(record.training.result, steps=950))
    template = "chat" if record.run.method == "base-chat" else "paper"
    model = replace(record.model, label=declared["name"], source=source)
    return replace(record, model=model, training=training, tests=tests, template=template)


def a_study(folder, scores=None, genuine=True, **changes):
    scores = scores or paper_scores()
    records = [a_record(model, method, score, genuine) for (model, method), score in scores.items()]
    return make_evidence(folder, records, **changes)


def verdicts(evidence, subject=None):
    """Verdict by (claim, where the paper says it)."""
    table = audit(evidence)
    rows = table if subject is None else table[table["subject"] == subject]
    return {(row["claim"], row["place"].partition(";")[0]): row["verdict"] for _, row in rows.iterrows()}
