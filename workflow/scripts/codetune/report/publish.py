"""Rule publish: a run's adapter in one folder with its model card, as the hub takes it."""

from pathlib import Path

import yaml

from codetune.base.errors import StudyError
from codetune.base.files import atomic, link_or_copy
from codetune.base.manifests import MANIFEST, read_manifest
from codetune.base.text import markdown, markdown_cell, markdown_code
from codetune.evaluation.registry import metrics
from codetune.report.cells import digits_of, format_number
from codetune.report.flags import MEANING
from codetune.study.facts import TrainingFacts, TrainingResult
from codetune.study.record import Record

CARD = "README.md"


def publish(record: Record, metric: str, tuned: Path, target: str) -> None:
    """Puts the adapter into a folder of its own, as hard links or copies, and the model card beside it.

    Args:
        record: The record of the run.
        metric: The study's metric, whose scores the card names.
        tuned: Folder of the adapter.
        target: The model card to write; its folder is written as a whole.

    Raises:
        StudyError: The run is not a training.
    """
    if record.training is None:
        raise StudyError(f"{record.folder}: {', '.join(record.run.system)} is not trained; there is nothing to publish")
    with atomic(Path(target).parent) as folder:
        folder.mkdir()
        for name in read_manifest(tuned / MANIFEST).files:
            link_or_copy(tuned / name, folder / name)
        (folder / CARD).write_text(model_card(record, record.training, metric), encoding="utf-8")


def model_card(record: Record, training: TrainingFacts, metric: str) -> str:
    """The README.md of an adapter's folder, with the metadata that the hub reads."""
    plan, result = training.plan, training.result
    source, lora, settings = plan.source, plan.lora, plan.settings
    metadata = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["qlora", "code-generation"],
        **({"base_model": source.name} if source.repo and not source.path else {}),
    }
    revision = f" at revision {markdown_code(source.revision)}" if source.revision else ""
    return f"""---
{yaml.safe_dump(metadata, sort_keys=False).strip()}
---

# {markdown(Path(source.name).name)}: QLoRA adapter for code generation

{_warning(result)}Adapter for {markdown_code(source.name)}{revision}, fine-tuned on
instruction-code pairs with the base quantised to 4 bits ({plan.quantization.type}). Keep the adapter beside
the 4-bit weights it was trained on; merging it into other weights changes its outputs.

| | |
|---|---|
| LoRA | r = {lora.r}, alpha = {lora.alpha:g}, dropout = {lora.dropout} |
| on | {markdown_cell(_adapted(training))} |
| trainable parameters | {training.trainable_parameters:,} |
| effective batch | {settings.batch_size} sequences of {settings.max_length} tokens |
| steps | {result.best_step} (best of {result.steps}) |
| validation loss | {result.best_validation_loss:.4f} nats per token{_untrained(result)} |
| seed | {plan.seed} |

{_test_scores(record, metric)}

The licences of the base model and of the training data apply.
"""


def _adapted(training: TrainingFacts) -> str:
    """The modules that have an adapter, and in how many layers."""
    counts = training.adapted or dict.fromkeys(training.plan.lora.target_modules)
    return ", ".join(name if count is None else f"{name} ({count} layers)" for name, count in counts.items())


def _warning(result: TrainingResult) -> str:
    """A paragraph above all else, if the training has a problem."""
    if not result.problem:
        return ""
    return f"**Do not rely on this adapter: its {MEANING}** ({markdown(result.problem)}).\n\n"


def _untrained(result: TrainingResult) -> str:
    before = result.untrained_validation_loss
    return "" if before is None else f" ({before:.4f} without training)"


def _test_scores(record: Record, metric: str) -> str:
    """The score on each test set, and what else a reader has to know to get the same numbers."""
    label, digits = metrics()[metric].label, digits_of(metrics()[metric].highest)
    summaries = {test: tested.summary for test, tested in record.tests.items()}
    rows = [
        f"| {markdown_cell(test)} | {summary.samples:,} | {format_number(summary.scores[metric], digits) or '-'} |"
        for test, summary in summaries.items()
    ]
    signatures = dict.fromkeys(summary.signatures[metric] for summary in summaries.values())
    missing = [
        f"{summary.unmeasured[metric]} of {test} could not be measured and are left out."
        for test, summary in summaries.items()
        if metric in summary.unmeasured
    ]
    note = " ".join([f"{label} [{'; '.join(signatures)}].", *missing])
    return "\n".join([f"| Test set | samples | {label} |", "|---|---:|---:|", *rows, "", note])
