"""Rule publish: what a run trained in one folder with its model card, as the hub takes it."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from codetune.base.errors import StudyError
from codetune.base.files import atomic, link_or_copy
from codetune.base.manifests import MANIFEST, read_manifest
from codetune.base.text import markdown, markdown_cell
from codetune.evaluation.registry import metrics, on_code
from codetune.prompts.described import Described, read_described
from codetune.report.flags import MEANING
from codetune.report.format import digits_of, format_number
from codetune.report.hub import license_lines, metadata
from codetune.report.stamp import stamped
from codetune.report.trained import introduction, title_of
from codetune.report.usage import prompt_rows, usage_section
from codetune.study import layout
from codetune.study.facts import Summary, TrainingFacts, TrainingResult
from codetune.study.publications import Publications
from codetune.study.record import Record
from codetune.study.training import NO_PATIENCE

CARD = "README.md"


def publish(record: Record, metric: str, publications: Publications, stats: str, tuned: Path, target: str) -> None:
    """Puts what was trained into a folder of its own, as hard links or copies, and the model card beside it.

    Args:
        record: The record of the run.
        metric: The study's metric, whose scores the card names.
        publications: Where its base and data are published.
        stats: Statistics of the token set that was trained on: how prompts and completions were serialised.
        tuned: Folder of what was trained.
        target: The model card to write; its folder is written as a whole.

    Raises:
        StudyError: The run is not a training, or the statistics are damaged.
    """
    if record.training is None:
        raise StudyError(f"{record.folder}: {', '.join(record.run.system)} is not trained; there is nothing to publish")
    with atomic(Path(target).parent) as folder:
        folder.mkdir()
        for name in read_manifest(tuned / MANIFEST).files:
            link_or_copy(tuned / name, folder / name)
        card = model_card(record, record.training, metric, publications, read_described(stats))
        (folder / CARD).write_text(card, encoding="utf-8")


def model_card(
    record: Record, training: TrainingFacts, metric: str, publications: Publications, described: Described
) -> str:
    """The README.md of the folder of what was trained, with the metadata that the hub reads."""
    plan, result = training.plan, training.result
    source, settings = plan.source, plan.settings
    generation = next(iter(record.tests.values())).generation
    assert generation is not None  # as of all runs with a model
    usage = usage_section(training, generation, described, f"{record.folder}/{Path(layout.PUBLISHED).parent.name}")
    rows = [
        f"| method | {markdown_cell(_method(training))} |",
        *([f"| on | {markdown_cell(_adapted(training))} |"] if training.adapted else []),
        f"| trainable parameters | {training.trainable_parameters:,} |",
        *prompt_rows(described),
        f"| effective batch | {settings.batch_size} sequences of {settings.max_length} tokens, {_at_once(training)} |",
        f"| optimizer | {settings.optimizer}, trained parameters in {settings.precision} |",
        f"| schedule | {_schedule(training)} |",
        f"| steps | {result.best_step} (best of {result.steps}) |",
        f"| validation loss | {result.best_validation_loss:.4f} nats per token{_untrained(result)} |",
        f"| seed | {plan.seed} |",
    ]
    table = "\n".join(rows)
    head = metadata(record, plan, publications, metric)
    return f"""---
{yaml.safe_dump(head, sort_keys=False).strip()}
---

# {markdown(Path(source.name).name)}: {title_of(plan)} for code generation

{stamped(_warning(result) + introduction(plan))}

| | |
|---|---|
{table}

{_test_scores(record, metric)}

{usage}

{license_lines(plan, publications)}
"""


def _method(training: TrainingFacts) -> str:
    """What is trained, in PEFT's words."""
    keys = {key: value for key, value in training.plan.tuning.peft.items() if key not in ("type", "target_modules")}
    return ", ".join([training.plan.tuning.type, *(f"{key} = {value}" for key, value in keys.items())])


def _adapted(training: TrainingFacts) -> str:
    """The modules in which something is trained, and in how many layers."""
    return ", ".join(f"{name} ({count} layers)" for name, count in training.adapted.items())


def _at_once(training: TrainingFacts) -> str:
    """How many sequences were computed at once, on which the masks of dropout depend."""
    planned, last = training.plan.memory.micro_batch, training.cost.micro_batch
    return f"{last} at once" if last == planned else f"{planned} at once, {last} in the end for lack of memory"


def _schedule(training: TrainingFacts) -> str:
    """Over what the learning rate was scheduled, when training would stop before, and the rate of the best step."""
    settings, result = training.plan.settings, training.result
    rate = result.best_learning_rate
    at_best = f"; {rate / settings.learning_rate:.3f} of that at the best step" if rate is not None else ""
    patience = f"patience {NO_PATIENCE if settings.patience is None else settings.patience}"
    planned = f"{settings.epochs} epochs planned, {result.planned_steps:,} steps"
    return f"{settings.schedule} over {planned}, {patience}; highest rate {settings.learning_rate:g}{at_best}"


def _warning(result: TrainingResult) -> str:
    """A paragraph above all else, if the training has a problem."""
    if not result.problem:
        return ""
    return f"**Do not rely on it: its {MEANING}** ({markdown(result.problem)}).\n\n"


def _untrained(result: TrainingResult) -> str:
    before = result.untrained_validation_loss
    return "" if before is None else f" ({before:.4f} without training)"


def _test_scores(record: Record, metric: str) -> str:
    """The scores on each test set, and what else a reader has to know to get the same numbers."""
    summaries = {test: tested.summary for test, tested in record.tests.items()}
    shown = [name for name in (metric, on_code(metric)) if any(name in one.scores for one in summaries.values())]
    head = ["Test set", "samples", *(metrics()[name].label for name in shown)]
    rows = [
        [markdown_cell(test), f"{summary.samples:,}", *(_score(summary, name) for name in shown)]
        for test, summary in summaries.items()
    ]
    table = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    ruler = "|---" + "|---:" * (len(head) - 1) + "|"
    return "\n".join([table[0], ruler, *table[1:], "", "\n".join(_note(name, summaries) for name in shown)])


def _score(summary: Summary, name: str) -> str:
    return format_number(summary.scores.get(name), digits_of(metrics()[name].highest)) or "-"


def _note(name: str, summaries: Mapping[str, Summary]) -> str:
    """The signature of a metric, and how many samples it could not measure."""
    signatures = dict.fromkeys(one.signatures[name] for one in summaries.values() if name in one.signatures)
    missing = [
        f" {summary.unmeasured[name]} of {test} could not be measured and are left out."
        for test, summary in summaries.items()
        if name in summary.unmeasured
    ]
    return f"{metrics()[name].label} [{'; '.join(signatures)}].{''.join(missing)}"
