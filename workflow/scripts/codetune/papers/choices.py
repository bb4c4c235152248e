"""Data, and what the paper leaves open."""

from collections.abc import Sequence

from codetune.base.files import read_json
from codetune.papers.evidence import Study
from codetune.papers.printed import rounds_to
from codetune.papers.verdicts import PAPER, Verdict, if_comparable, verdict_on


def check_data(study: Study) -> list[Verdict]:
    if not study.card:
        return []
    records, printed = read_json(study.card)["records"], study.paper["dataset"]["records"]
    agrees = if_comparable(study.genuine_data, rounds_to(printed, records))
    return [
        verdict_on("Records of the data set", "section 3.2", printed, f"{records:,}", agrees, "counted", [study.card])
    ]


def list_unstated(study: Study) -> list[Verdict]:
    """What the paper leaves open, with what this study does instead."""
    choices, findings = _choices(study), []
    for key, stated in study.paper["unstated"].items():
        if key in choices:
            claim, place, shown, files = choices[key]
            findings.append(verdict_on(claim, place, stated, shown, None, "this study's own choice", files))
    return findings


def _choices(study: Study) -> dict[str, tuple[str, str, str, Sequence[str]]]:
    """This study's choices: claim, where the paper would say it, choice, files; by key of the paper's `unstated`."""
    models = list(study.models.values())
    nowhere = "CodeBERT, Code2seq: how they are given an instruction"
    choices: dict[str, tuple[str, str, str, Sequence[str]]] = {
        "quoted_models_prompt": (nowhere, "section 4.3", "not run: one has no decoder, one reads syntax trees", PAPER)
    }
    if not models:
        return choices
    card, stats = read_json(study.card), [model.stats for model in models]
    generations = [path for model in models for paths in model.generations.values() for path in paths]
    generation = read_json(generations[0])
    split = " / ".join(str(card["split"]["shares"][part]) for part in ("train", "validation", "test"))
    most = max(len(paths) for model in models for paths in model.summaries.values())
    new = generation["settings"]["max_new_tokens"]
    precision = f"{generation['quantization']['type']}, computed in {generation['quantization']['compute_dtype']}"
    length = read_json(stats[0])["max_length"]
    sources = dict.fromkeys(read_json(path)["checkpoint"].get("repo", "a local folder") for path in generations)
    return choices | {
        "split": ("Shares of training, validation, test", "section 3.2", split, [study.card]),
        "test_samples": ("Number of test samples", "section 4", f"{card['parts']['test']['samples']:,}", [study.card]),
        "packing": ("Length and packing of training sequences", "section 3.5", f"packed, {length:,} tokens", stats),
        "decoding": ("Decoding of the predictions", "section 4", f"greedy, at most {new} new tokens", generations),
        "evaluation_precision": (
            "Precision at evaluation, of untuned models too",
            "section 3.3.3",
            precision,
            generations,
        ),
        "seeds": ("Seeds, and the spread over them", "section 3.5, Table 2", f"{most} seed(s) a model", generations),
        "base_checkpoints": ("Which checkpoints the untuned rows are", "Table 2", ", ".join(sources), generations),
    }
