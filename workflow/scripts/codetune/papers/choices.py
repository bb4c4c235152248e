"""Data, and what the paper leaves open."""

from collections.abc import Sequence
from dataclasses import dataclass

from codetune.base.files import read_json, reading
from codetune.base.plain import read_number
from codetune.papers.evidence import OWN_CHOICE, TUNED, Evidence, ModelEvidence, paths_of
from codetune.papers.printed import format_seeds, rounds_to
from codetune.papers.verdicts import PAPER, Claim, Verdict, exact


@dataclass(frozen=True)
class Choice:
    """What this study does where the paper leaves something open.

    Attributes:
        what: The open question in words.
        place: Where the paper would answer it.
        done: What is done here.
        files: What says so.
    """

    what: str
    place: str
    done: str
    files: Sequence[str]


PACKING = {True: "packed", False: "one sample each"}
NOT_RUN = Choice(
    what="CodeBERT, Code2seq: how they are given an instruction",
    place="section 4.3",
    done="not run: one has no decoder, one reads syntax trees",
    files=PAPER,
)


def check_data(evidence: Evidence) -> list[Verdict]:
    """The number of records of the data set."""
    if not evidence.card:
        return []
    records, printed = read_number(evidence.card, "records"), evidence.paper["datasets"][evidence.data]["records"]
    return [
        Claim("Records of the data set", "section 3.2", printed).against(
            f"{records:,}",
            exact(rounds_to(printed, records)),
            how="counted",
            files=[evidence.card],
            because=evidence.obstacle(data=True),
        )
    ]


def list_unstated(evidence: Evidence) -> list[Verdict]:
    """What the paper leaves open, with what this study does instead."""
    choices = {"quoted_models_prompt": NOT_RUN}
    if evidence.models:
        choices |= _choices_of_data(evidence) | _choices_of_runs(list(evidence.models.values()))
    return [
        Claim(choices[key].what, choices[key].place, stated).against(
            choices[key].done, how="this study's own choice", files=choices[key].files, because=OWN_CHOICE
        )
        for key, stated in evidence.paper["unstated"].items()
        if key in choices
    ]


def _choices_of_data(evidence: Evidence) -> dict[str, Choice]:
    """How the data are divided and packed, by key of the paper's `unstated`."""
    card, files = read_json(evidence.card), [evidence.card]
    with reading(evidence.card):
        shares = "those of the files"
        if "records_of_parts" not in card:
            shares = " / ".join(str(card["split"]["shares"][part]) for part in ("train", "validation", "test"))
    samples = f"{read_number(evidence.card, 'parts', 'test', 'samples'):,}"
    choices = {
        "split": Choice("Shares of training, validation, test", "section 3.2", shares, files),
        "test_samples": Choice("Number of test samples", "section 4", samples, files),
    }
    stats = [model.stats for model in evidence.models.values() if model.stats]
    if stats:
        trained = [one.training for model in evidence.models.values() for one in model.runs_of(TUNED) if one.training]
        packs = {facts.plan.settings.packing for facts in trained} or {True}
        how = " and ".join(words for packing, words in PACKING.items() if packing in packs)
        length = f"{how}, {read_number(stats[0], 'max_length'):,} tokens"
        choices["packing"] = Choice("Length and packing of training sequences", "section 3.5", length, stats)
    return choices


def _choices_of_runs(models: list[ModelEvidence]) -> dict[str, Choice]:
    """How predictions are made, and of which models; by key of the paper's `unstated`."""
    records = [record for model in models for method in model.records for record in model.records[method]]
    generations = [facts for record in records if (facts := record.tests[models[0].test].generation)]
    first, files = generations[0], paths_of(records)
    new = first.decoding.max_new_tokens
    held = dict.fromkeys(facts.quantization.weights for facts in generations)
    precision = f"{', '.join(held)}, computed in {first.quantization.compute_dtype}"
    most = max(len(seeds) for model in models for seeds in model.records.values())
    sources = dict.fromkeys(generation.checkpoint.repo or "a local folder" for generation in generations)
    return {
        "decoding": Choice(
            "Decoding of the predictions", "section 4", f"{first.decoding.name}, at most {new} new tokens", files
        ),
        "evaluation_precision": Choice(
            "Precision at evaluation, of untuned models too", "section 3.3.3", precision, files
        ),
        "seeds": Choice(
            "Seeds, and the spread over them", "section 3.5, Table 2", f"{format_seeds(most)} per model", files
        ),
        "base_checkpoints": Choice("Which checkpoints the untuned rows are", "Table 2", ", ".join(sources), files),
    }
