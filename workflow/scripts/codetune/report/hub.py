"""The metadata of a model card: what the hub reads of a run, its base, data, licence and scores."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codetune.base.rehearsal import is_rehearsal
from codetune.base.text import markdown, markdown_code
from codetune.evaluation.registry import metrics, on_code
from codetune.report.format import digits_of
from codetune.report.stamp import TAG
from codetune.report.trained import name_of
from codetune.study.facts import Summary
from codetune.study.publications import Publication, Publications
from codetune.study.record import Record
from codetune.study.training import TrainingPlan

# Licences that the hub has a name for, by the words in which people write them, in lower case.
LICENSES = {
    **{name: name for name in ("apache-2.0", "mit", "cc0-1.0", "bsd-3-clause", "gemma", "llama3.1", "llama3.2")},
    **{f"cc-{rights}-4.0": f"cc-{rights}-4.0" for rights in ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd")},
    "llama-3.1-community-license": "llama3.1",
    "llama-3.2-community-license": "llama3.2",
    "gemma-terms-of-use": "gemma",
}
WITHOUT_CONDITIONS = "cc0-1.0"
# The hub's names of metrics; the others keep the name that they have in files.
METRICS = {
    **dict.fromkeys(("rouge_l", "rouge_l_precision", "rouge_l_recall"), "rouge"),
    "bleu": "sacrebleu",
}


def metadata(record: Record, plan: TrainingPlan, publications: Publications, metric: str) -> dict[str, Any]:
    """What the hub reads at the head of a model card.

    A base or data that lie in a folder are not named: whatever is on the hub under such a name is something else.

    Args:
        record: The record of the run.
        plan: Its training.
        publications: Where its base and data are published.
        metric: The study's metric, whose scores come first.
    """
    is_whole, source = plan.tuning.kind == "full", plan.source
    base = {"base_model": source.name, "base_model_relation": "finetune" if is_whole else "adapter"}
    trained_on = [one.repo for one in publications.training if one.repo]
    name = f"{Path(source.name).name}-{record.run.method}-seed{record.run.seed}"
    results = [] if is_rehearsal() else list(_results(record, publications, metric))  # no hub shows what is made up
    return {
        "library_name": "transformers" if is_whole else "peft",
        "pipeline_tag": "text-generation",
        "tags": [name_of(plan).lower().replace("_", "-"), "code-generation", *([TAG] if is_rehearsal() else [])],
        **(base if source.repo and not source.path else {}),
        **({"datasets": trained_on} if trained_on else {}),
        **_license(publications.model, *publications.training),
        **({"model-index": [{"name": name, "results": results}]} if results else {}),
    }


def license_lines(plan: TrainingPlan, publications: Publications) -> str:
    """The licences of base and training data, as the config has them: lines of Markdown."""
    data = {name: publications.datasets[name] for name in publications.trained_on}
    rows = [
        ("Base model", plan.source.name, publications.model.license),
        *(("Training data", one.repo or name, one.license) for name, one in data.items()),
    ]
    lines = [f"- {what} {markdown_code(name)}: {markdown(license or 'not stated')}" for what, name, license in rows]
    return "\n".join([f"{'Both' if len(rows) == 2 else 'All'} licences apply to what was trained:", "", *lines])


def _license(*publications: Publication) -> dict[str, str]:
    """The licence of what was trained: nothing if that of its base or of its data is not known."""
    words = [one.license for one in publications]
    if not all(words):
        return {}
    names = dict.fromkeys(re.sub(r"[^a-z0-9.]+", "-", str(one).lower()).strip("-") for one in words)
    known = list(dict.fromkeys(LICENSES.get(name, name) for name in names))
    kept = [name for name in known if name != WITHOUT_CONDITIONS] or known
    if len(kept) == 1 and kept[0] in LICENSES.values():
        return {"license": kept[0]}
    return {"license": "other", "license_name": "-and-".join(kept)}


def _results(record: Record, publications: Publications, metric: str) -> Iterator[dict[str, Any]]:
    """An entry of the hub's `model-index` for each test set."""
    written = [metric, *(name for name in metrics() if name != metric and on_code(name) in metrics())]
    names = [name for one in written for name in (one, on_code(one))]
    for test, tested in record.tests.items():
        published, summary = publications.datasets[test], tested.summary
        found = [_metric(name, summary) for name in names if _is_number(summary.scores.get(name))]
        if found:
            yield {
                "task": {"type": "text-generation", "name": "Code generation"},
                "dataset": {
                    "type": published.repo or f"{test} (not on the hub)",
                    "name": f"{test}, test part of the study",
                    "split": "test",
                    **({"revision": published.revision} if published.revision else {}),
                    "args": {"samples": summary.samples, "sha256": tested.samples_sha256},
                },
                "metrics": found,
            }


def _metric(name: str, summary: Summary) -> dict[str, Any]:
    """A score, rounded as the card shows it, with all that is needed to compute it again."""
    one = metrics()[name]
    written = next((each for each in metrics() if on_code(each) == name), name)
    return {
        "type": METRICS.get(written, written),
        "value": round(float(summary.scores[name] or 0.0), digits_of(one.highest)),
        "name": one.label,
        "args": {"signature": summary.signatures.get(name, one.signature)},
        "verified": False,
    }


def _is_number(score: float | None) -> bool:
    return score is not None and math.isfinite(score)
