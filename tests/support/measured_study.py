"""Studies of any size whose models never ran: made-up scores of single samples, and what the bootstrap says of them."""

from collections import Counter
from dataclasses import replace

import numpy as np
from codetune.evaluation.bootstrap import Resamples
from codetune.evaluation.by_class import measure_classes
from codetune.evaluation.classes import length_class
from codetune.evaluation.comparisons import Comparisons, MetricFacts
from codetune.evaluation.distribution import LEVEL
from codetune.evaluation.measured import measure, score_of
from codetune.evaluation.pairs import gains_of, pairs_of
from codetune.evaluation.registry import metrics
from codetune.evaluation.scored import Statistics
from codetune.evaluation.significance import compare_gains, compare_pairs
from codetune.study.facts import ScoredPart
from codetune.study.records import by_system
from fake_records import fake_method, fake_model, fake_record, with_test

MODELS = [
    ("llama-3.2-1b", "Llama-3.2-1B"),
    ("llama-3.2-3b", "Llama-3.2-3B"),
    ("gemma-2-2b", "Gemma-2-2b-it"),
    ("qwen2.5-1.5b", "Qwen2.5-1.5B"),
    ("qwen2.5-3b", "Qwen2.5-3B"),
    ("smollm2-1.7b", "SmolLM2-1.7B"),
]
METHODS = ["qlora", "lora", "dora", "ia3", "prompt-tuning", "prefix-tuning", "full", "vera", "adalora"]
SHARES = {
    "Python": 40,
    "other": 18,
    "JavaScript": 11,
    "SQL": 8,
    "Java": 6,
    "HTML": 6,
    "C++": 3,
    "CSS": 2,
    "C": 2,
    "PHP": 1,
}
NAMES = ("rouge_l", "rouge_l_on_code")


def a_study(
    models=1, methods=1, seeds=1, tests=("codealpaca-20k",), samples=400, baselines=("base", "base-chat"), label="{}"
):
    """Records and comparisons of so many models by so many methods, beside Phi-3 and a retrieval; without files."""
    records, comparisons = [], []
    for test in tests:
        here = _records(models, methods, seeds, test, baselines, label)
        measured, found = _measured(here, test, samples)
        known = {(one.run.system, one.run.seed): place for place, one in enumerate(records)}
        for one in measured:
            place = known.get((one.run.system, one.run.seed))
            if place is None:
                records.append(one)
            else:
                records[place] = replace(one, tests=records[place].tests | one.tests)
        comparisons.append(found)
    return records, comparisons


def _records(models, methods, seeds, test, baselines, label):
    found = []
    for name, text in MODELS[:models]:
        model = fake_model(name, label=label.format(text))
        found += [fake_record(model, baseline, test=test) for baseline in baselines]
        for method in METHODS[:methods]:
            tuned = fake_method(method, baselines=list(baselines))
            found += [fake_record(model, tuned, data=test, seed=seed, test=test) for seed in range(seeds)]
    if baselines:
        phi = fake_model("phi-3-mini", label="Phi-3 Mini")
        found += [fake_record(phi, "base", test=test), fake_record("none", "retrieval", data=test, test=test)]
    return found


def _measured(records, test, samples):
    rng = np.random.default_rng([len(test), samples])
    languages = list(rng.choice(list(SHARES), samples, p=np.array([*SHARES.values()]) / sum(SHARES.values())))
    lengths = [int(length) for length in rng.lognormal(5, 1, samples)]
    hardness = rng.normal(0, 0.15, samples)
    statistics, measured = {}, []
    for record in records:
        skill = _skill(record, rng)
        noise = rng.normal(0, 0.12, samples)
        values = {name: (skill[name] + hardness + noise).clip(0, 1) for name in NAMES}
        tables = {name: np.stack([one, np.ones(samples)], axis=1) for name, one in values.items()}
        found = Statistics(list(range(samples)), languages, lengths, tables)
        statistics.setdefault(record.run.system, []).append(found)
        means = {name: float(one.mean()) for name, one in values.items()}
        parts = {
            kind: {name: ScoredPart(count, means) for name, count in Counter(classes).items()}
            for kind, classes in (("by_language", languages), ("by_length", map(length_class, lengths)))
        }
        measured.append(with_test(record, test, means, samples=samples, **parts))
    return measured, compared(measured, statistics, test)


def _skill(record, rng):
    """Of a tuned model by its method, of an untuned one by its prompt."""
    if record.trains:
        written = 0.42 + 0.015 * METHODS.index(record.run.method) + rng.normal(0, 0.012)
        return dict(zip(NAMES, (written, written + 0.01), strict=True))
    written = {"base": 0.2, "base-chat": 0.33}.get(record.run.method, 0.25) + rng.normal(0, 0.02)
    return dict(zip(NAMES, (written, written + 0.1), strict=True))


def compared(records, statistics, test, resamples=3000):
    """What rule `significance` says of these, by ROUGE-L alone."""
    systems = {system: of[0].method.baselines for system, of in by_system(records).items()}
    trained = [system for system, of in by_system(records).items() if of[0].trains]
    drawn = Resamples(len(next(iter(statistics.values()))[0].ids), resamples, 0)
    scores, comparisons = [], []
    for name in NAMES:
        metric = metrics()[name]
        found = measure(metric, {key: [one.tables[name] for one in of] for key, of in statistics.items()}, drawn)
        scores += [score_of(system, name, one, metric, 0) for system, one in found.items()]
        comparisons += compare_gains(gains_of(systems), name, metric, found, 0)
        comparisons += compare_pairs(pairs_of(systems, trained), name, metric, found, 0)
    facts = {
        name: MetricFacts(one.label, one.signature, one.highest) for name, one in metrics().items() if name in NAMES
    }
    classes = measure_classes("rouge_l", statistics, comparisons, drawn, 200)
    return Comparisons(test, resamples, 0, LEVEL, facts, scores, comparisons, classes)
