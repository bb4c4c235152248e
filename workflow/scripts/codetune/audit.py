"""What the paper claims, held against its own tables, the models' architectures and this study's results."""

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd

from codetune.architectures import lora_parameters, parameters, steps_per_epoch
from codetune.files import atomic, read_json, write_text
from codetune.summaries import read_score

AGREES, DISAGREES, NOT_STATED, NOT_CHECKABLE = "agrees", "disagrees", "not stated", "not checkable here"
BASE, TUNED = "base", "qlora"  # the methods that the paper compares
PAPER = ("config/paper.yaml",)
UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
Row = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One claim and what became of it. `files` are those that the computed value comes from."""

    claim: str
    place: str
    paper: str
    computed: str
    verdict: str
    how: str
    files: str


@dataclass(frozen=True)
class Model:
    """One of the paper's models, as this study has it.

    Attributes:
        label: Its name in this study.
        genuine: The config names the very repository that the paper names. A local folder may hold anything.
        config: Path of its config.json.
        stats: Path of its token statistics.
        summaries: Paths of the summaries of scores, one a seed, by method.
        generations: Paths of the records of generation, in the same way.
        trainings: Paths of the training records, one a seed.
    """

    label: str
    genuine: bool
    config: str
    stats: str
    summaries: dict[str, list[str]] = field(default_factory=dict)
    generations: dict[str, list[str]] = field(default_factory=dict)
    trainings: list[str] = field(default_factory=list)

    def score(self, method: str) -> float:
        """Mean ROUGE-L over the seeds."""
        return statistics.fmean(map(read_score, self.summaries[method]))

    def gain(self) -> float:
        """Gain of the tuned over the untuned model, in percent of it; infinite over nothing."""
        base, tuned = self.score(BASE), self.score(TUNED)
        return 100 * (tuned / base - 1) if base else math.inf

    def scored(self, *methods: str) -> list[str]:
        """The summaries of the methods; empty unless all of them were run."""
        return [path for m in methods for path in self.summaries[m]] if set(methods) <= set(self.summaries) else []


@dataclass(frozen=True)
class Study:
    """What the paper declares, and what this study has of it.

    Attributes:
        paper: config/paper.yaml.
        models: The paper's models that were run here on the paper's data set, by name, in the paper's order.
        card: Path of the data card; empty where the data set was not used.
        genuine_data: The config names the very repository of the data that the paper names.
    """

    paper: Row
    models: dict[str, Model]
    card: str
    genuine_data: bool

    def comparable(self, *names: str) -> bool:
        """Whether scores and token counts of these models are about the paper's models and data at all."""
        return self.genuine_data and all(name in self.models and self.models[name].genuine for name in names)

    def rows(self, table: str, method: str | None = None) -> list[tuple[Row, Model]]:
        """The rows of one of the paper's tables whose model was run here."""
        rows = [row for row in self.paper[table] if row.get("model") in self.models and row.get("method") == method]
        return [(row, self.models[row["model"]]) for row in rows]


def read_study(
    runs: list[Row], models: dict[str, Row], datasets: dict[str, Row], files: Mapping[str, list[str]], paper: Row
) -> Study:
    """Sorts a study's files by the paper's models.

    Args:
        runs: All runs of the study.
        models: The config's `models`.
        datasets: The config's `datasets`.
        files: Paths by kind: `configs` (folders), `stats`, `cards`, `summaries`, `generations`, one a run;
            `trainings`, one a tuned run.
        paper: What the paper declares.
    """
    name = paper["dataset"]["name"]
    trainings = iter(files["trainings"])
    found: dict[str, Model] = {}
    card = ""
    for position, run in enumerate(runs):
        training = next(trainings) if run["tuned"] else None
        if run["dataset"] != name or run["model"] not in paper["models"]:
            continue
        key, entry = run["model"], models[run["model"]]
        genuine = _comes_from(entry, paper["models"][key]["repo"])
        config = str(Path(files["configs"][position]) / "config.json")
        model = found.setdefault(key, Model(entry["label"], genuine, config, files["stats"][position]))
        model.summaries.setdefault(run["method"], []).append(files["summaries"][position])
        model.generations.setdefault(run["method"], []).append(files["generations"][position])
        if training and run["method"] == TUNED:
            model.trainings.append(training)
        card = files["cards"][position]
    genuine_data = _comes_from(datasets.get(name, {}), paper["dataset"]["repo"])
    return Study(paper, {key: found[key] for key in paper["models"] if key in found}, card, genuine_data)


def _comes_from(entry: Row, repo: str) -> bool:
    """Whether a config entry is fetched from that repository: a local path goes before it."""
    return "path" not in entry and entry.get("repo") == repo


def audit(study: Study) -> pd.DataFrame:
    """Every claim that can be checked, with its verdict.

    Returns:
        One row a claim: `subject`, and the attributes of Finding.
    """
    subjects = {
        "Models": _sizes(study) + _contexts(study),
        "Trainable parameters": _trainable(study),
        "Training steps": _steps(study) + _steps_trained(study) + _sequences(study),
        "Equations": [_scaling(study.paper), _quantisation(study.paper)],
        "Scores, within the paper": _scores_within(study.paper),
        "Scores, here": _scores_here(study),
        "Data, and what a rerun has to know": [*_data(study), *_unstated(study)],
    }
    return pd.DataFrame([{"subject": name, **asdict(row)} for name, rows in subjects.items() for row in rows])


def verdict(paper: object, agrees: bool | None) -> str:
    """The verdict on a claim: of a value that the paper does not give, and of one that cannot be compared, too."""
    if paper is None:
        return NOT_STATED
    if agrees is None:
        return NOT_CHECKABLE
    return AGREES if agrees else DISAGREES


def parse(printed: object) -> tuple[float, float]:
    """A printed number such as 11.3M, and half a unit of its last digit."""
    match = re.fullmatch(r"(-?\d+)(?:\.(\d+))?([KMB]?)", str(printed))
    if match is None:
        raise ValueError(f"not a printed number: {printed}")
    whole, decimals, unit = match[1], match[2] or "", UNITS[match[3]]
    return float(f"{whole}.{decimals}0") * unit, 0.5 * unit / 10 ** len(decimals)


def rounds_to(printed: object, computed: float) -> bool:
    """Whether a computed value, rounded as the paper rounds it, is what the paper prints."""
    value, half = parse(printed)
    return math.isfinite(computed) and abs(computed - value) <= half * (1 + 1e-9)


def _finding(
    claim: str, place: str, paper: object, computed: object, agrees: bool | None, how: str, files: Sequence[str]
) -> Finding:
    shown = "-" if paper is None else str(paper)
    return Finding(claim, place, shown, str(computed), verdict(paper, agrees), how, _common(files))


def _common(paths: Sequence[str]) -> str:
    """Paths in one: what differs between more than two becomes a star."""
    if len(set(paths)) <= 2:
        return ", ".join(dict.fromkeys(paths))
    parts = zip(*(path.split("/") for path in paths), strict=True)
    return "/".join(names[0] if len(set(names)) == 1 else "*" for names in parts)


def _if(comparable: bool, agrees: bool) -> bool | None:
    return agrees if comparable else None


def _size(value: float) -> str:
    return f"{value / 1e9:.2f} B" if value >= 1e8 else f"{value / 1e6:.2f} M"


# --- Models and adapters: from config.json ----------------------------------------------------------------------------


def _sizes(study: Study) -> list[Finding]:
    """Parameters of the models, in tables and text."""
    how = "embedding and projections; norms and biases, under 0.1 %, left out"
    declared = [("Table 1", row["model"], row["params"]) for row in study.paper["table1"]]
    rows = [row for row in study.paper["table2"] if row.get("method") == BASE]
    declared += [("Table 2", row["model"], row["params"]) for row in rows]
    declared += [("section 3.1", *item) for item in study.paper["text"]["params"].items()]
    findings, totals = [], {}
    for place, key, printed in declared:
        if key not in study.models:
            continue
        model = study.models[key]
        found = parameters(read_json(model.config))
        totals[key] = sum(found.values())
        shown = f"{_size(totals[key])}; {_size(found['layers'])} without the embedding"
        agrees = _if(model.genuine, rounds_to(printed, totals[key]))
        findings.append(_finding(f"Parameters of {model.label}", place, printed, shown, agrees, how, [model.config]))
    tuned = {row["model"]: totals[row["model"]] for row, _ in study.rows("table1")}
    return findings + ([_all_below(study, tuned)] if tuned else [])


def _all_below(study: Study, totals: dict[str, int]) -> Finding:
    printed = study.paper["text"]["params_below"]
    limit = parse(printed)[0]
    above = [f"{study.models[key].label} {_size(total)}" for key, total in totals.items() if total >= limit]
    decides = all(study.models[key].genuine for key in totals) and (above or len(totals) == len(study.paper["table1"]))
    agrees = _if(bool(decides), not above)
    files = [study.models[key].config for key in totals]
    shown = f"not below: {', '.join(above)}" if above else "all below"
    claim = "All fine-tuned models have fewer parameters than this"
    return _finding(claim, "abstract, section 3.1", printed, shown, agrees, "as above", files)


def _contexts(study: Study) -> list[Finding]:
    """The longest input that a model was made for, in tokens."""
    findings = []
    for key, declared in study.paper["text"]["context"].items():
        if key in study.models:
            model = study.models[key]
            found = read_json(model.config)["max_position_embeddings"]
            claim, how = f"Longest context of {model.label}, tokens", "max_position_embeddings"
            agrees = _if(model.genuine, found >= declared)
            findings.append(_finding(claim, "section 3.1", declared, found, agrees, how, [model.config]))
    return findings


def _trainable(study: Study) -> list[Finding]:
    """Trainable parameters: both tables against the rank of the text and the other one."""
    findings = []
    for table, method in (("table1", None), ("table2", TUNED)):
        for row, model in study.rows(table, method):
            for rank in study.paper["ranks"]:
                count = lora_parameters(read_json(model.config), rank, study.paper["target_modules"])
                claim = f"Trainable parameters of {model.label} at r = {rank}"
                place = f"{_name(table)}" + ("; r in section 3.5" if rank == study.paper["ranks"][0] else "")
                how = "r (inputs + outputs) of all seven projections of all layers"
                agrees = _if(model.genuine, rounds_to(row["trainable"], count))
                findings.append(_finding(claim, place, row["trainable"], _size(count), agrees, how, [model.config]))
    return findings


def _name(table: str) -> str:
    return table.replace("table", "Table ")


# --- Steps: from token statistics -------------------------------------------------------------------------------------


def _steps(study: Study) -> list[Finding]:
    """Steps of both tables, against samples packed into training sequences and against one sample a sequence."""
    declared = {row["model"]: row for row in study.paper["table1"]}
    findings = []
    for table, method in (("table1", None), ("table2", TUNED)):
        for row, model in study.rows(table, method):
            train = read_json(model.stats)["parts"]["train"]
            epochs, batch = declared[row["model"]]["epochs"], declared[row["model"]]["batch_size"]
            for kind, count in (("packed", train["packed_sequences"]), ("not packed", train["samples"])):
                whole, all_of_it = epochs * (count // batch), epochs * steps_per_epoch(count, batch)
                claim = f"Steps of {model.label}, samples {kind}"
                how = (
                    f"{epochs} epochs of {count:,} sequences; batches of {batch}, without or with the last, smaller one"
                )
                matches = rounds_to(row["steps"], whole) or rounds_to(row["steps"], all_of_it)
                agrees = _if(study.comparable(row["model"]), matches)
                shown = f"{whole:,} or {all_of_it:,}"
                findings.append(_finding(claim, _name(table), row["steps"], shown, agrees, how, [model.stats]))
    return [*findings, _steps_of_both(study.paper)]


def _steps_trained(study: Study) -> list[Finding]:
    """Steps of Table 1 against those trained here, early stopping included; mean over the seeds."""
    findings = []
    for row, model in study.rows("table1"):
        if model.trainings:
            steps = statistics.fmean(read_json(path)["result"]["steps"] for path in model.trainings)
            claim, how = (
                f"Steps of {model.label}, as trained here",
                f"until training stopped, {len(model.trainings)} seed(s)",
            )
            agrees = _if(study.comparable(row["model"]), rounds_to(row["steps"], steps))
            findings.append(_finding(claim, "Table 1", row["steps"], f"{steps:,.0f}", agrees, how, model.trainings))
    return findings


def _steps_of_both(paper: Row) -> Finding:
    other = {row["model"]: row["steps"] for row in paper["table2"] if "steps" in row}
    agrees = all(rounds_to(other[row["model"]], row["steps"]) for row in paper["table1"])
    shown = ", ".join(str(row["steps"]) for row in paper["table1"])
    printed = ", ".join(other[row["model"]] for row in paper["table1"])
    return _finding("Table 2's steps are Table 1's", "Tables 1, 2", printed, shown, agrees, "Table 1's steps", PAPER)


def implied_sequences(table1: list[Row], whole_batches: bool) -> range:
    """The numbers of training sequences that give every row of Table 1 its steps.

    Args:
        table1: The paper's rows.
        whole_batches: Only whole batches are steps, as in transformers 4 where it accumulates gradients; else the
            last, smaller one too.
    """
    lowest, highest = 1, math.inf
    for row in table1:
        steps, batch = row["steps"] // row["epochs"], row["batch_size"]
        first = steps * batch if whole_batches else (steps - 1) * batch + 1
        lowest, highest = max(lowest, first), min(highest, first + batch - 1)
    return range(lowest, int(highest) + 1)


def _sequences(study: Study) -> list[Finding]:
    """What Table 1's steps an epoch say about the number of training sequences."""
    table1 = study.paper["table1"]
    printed = ", ".join(f"{row['steps'] / row['epochs']:g}" for row in table1) + " steps an epoch"
    findings = []
    for whole, counted in ((False, "the last, smaller batch counts"), (True, "only whole batches count")):
        fits = implied_sequences(table1, whole)
        claim = f"One number of training sequences gives all of Table 1's steps, where {counted}"
        how = "the numbers that steps and batch size allow, common to all rows"
        findings.append(_finding(claim, "Table 1", printed, _span(fits), bool(fits), how, PAPER))
    fits = implied_sequences(table1, whole_batches=True)
    return findings + ([_packed_into(study, fits), _multiple_of_batch(study, fits)] if fits and study.models else [])


def _packed_into(study: Study, fits: range) -> Finding:
    """Whether packing gives the implied number: even all records, packed without a gap."""
    tuned = {row["model"]: model for row, model in study.rows("table1")}
    stats = [read_json(model.stats) for model in tuned.values()]
    full = [sum(part["tokens"] for part in one["parts"].values()) // one["max_length"] for one in stats]
    agrees = _if(study.comparable(*tuned), any(number in fits for number in full))
    templates = ", ".join(dict.fromkeys(one["template"] for one in stats))
    claim = f"That number is what packing gives, even of all samples, with the template '{templates}'"
    files = [model.stats for model in tuned.values()]
    how = "tokens of all parts / max_length, in the order of Table 1"
    return _finding(claim, "Table 1", _span(fits), ", ".join(f"{n:,}" for n in full), agrees, how, files)


def _multiple_of_batch(study: Study, fits: range) -> Finding:
    """Whether all records, one a sequence, give the steps at a whole multiple of the printed batch size."""
    records = read_json(study.card)["records"]
    times = [factor for factor in range(1, records // fits.start + 1) if records // factor in fits]
    shown = (
        ", ".join(f"{records:,} / {factor} = {records // factor:,}" for factor in times) or f"none of {records:,} / k"
    )
    claim = "That number is all records by a whole number k: no packing, and k times the printed batch size"
    agrees = _if(study.genuine_data, bool(times))
    return _finding(claim, "Table 1", _span(fits), shown, agrees, "records of the data card", [study.card])


def _span(numbers: range) -> str:
    return f"{numbers[0]:,} to {numbers[-1]:,}" if numbers else "none"


# --- Equations --------------------------------------------------------------------------------------------------------


def _scaling(paper: Row) -> Finding:
    """Equation 2 against what LoRA is (Hu et al. 2022, section 4.1) and PEFT computes."""
    alpha, rank = paper["alpha"], paper["ranks"][0]
    claim = f"An adapter is scaled by alpha, at alpha = {alpha} and r = {rank}"
    how = "alpha / r (Hu et al. 2022, section 4.1; PEFT)"
    return _finding(claim, "equation 2, section 3.5", alpha, f"{alpha / rank:g}", alpha == alpha / rank, how, PAPER)


def nf4_levels() -> list[float]:
    """The 16 levels of 4-bit NormalFloat, ascending, in [-1, 1].

    Quantiles of the normal distribution, eight above zero and seven below, and zero itself (Dettmers et al. 2023,
    section 3, equation 4; bitsandbytes, `create_normal_map`).
    """
    outermost = 1 - (1 / 32 + 1 / 30) / 2

    def quantiles(count: int) -> list[float]:
        step = (outermost - 0.5) / count
        return [NormalDist().inv_cdf(outermost - place * step) for place in range(count)]

    levels = sorted([*quantiles(8), 0.0, *(-value for value in quantiles(7))])
    return [level / max(levels) for level in levels]


def uniform_levels(bits: int) -> list[float]:
    """The levels of min-max rounding (equation 3) on weights from -1 to 1."""
    last = 2**bits - 1
    return [2 * place / last - 1 for place in range(last + 1)]


def _quantisation(paper: Row) -> Finding:
    """Equation 3 against NF4, which section 3.3.3 names beside it."""
    nf4, uniform = nf4_levels(), uniform_levels(paper["bits"])
    apart = max(abs(one - other) for one, other in zip(nf4, uniform, strict=True))
    gaps = [high - low for low, high in pairwise(nf4)]
    shown = f"levels {min(gaps):.3f} to {max(gaps):.3f} apart; up to {apart:.2f} from equation 3's"
    printed = f"levels {uniform[1] - uniform[0]:.3f} apart"
    how = "NF4's levels are quantiles of the normal distribution (Dettmers et al. 2023, section 3), scaled to [-1, 1]"
    return _finding("NF4 rounds as equation 3 does", "equation 3", printed, shown, apart < 0.005, how, PAPER)


# --- Scores -----------------------------------------------------------------------------------------------------------


def _declared_scores(paper: Row, method: str) -> dict[str, float]:
    return {row["model"]: row["rouge_l"] for row in paper["table2"] if row.get("method") == method}


def _scores_within(paper: Row) -> list[Finding]:
    """The claims of abstract and text, from the paper's own Table 2."""
    base, tuned, names = _declared_scores(paper, BASE), _declared_scores(paper, TUNED), paper["models"]
    gains = {key: 100 * (score / base[key] - 1) for key, score in tuned.items()}
    findings = []
    for key, percent in paper["text"]["gain_percent"].items():
        claim = f"Gain of {names[key]['name']} over its untuned self"
        how = f"{tuned[key]} against {base[key]} in Table 2"
        agrees = rounds_to(percent, gains[key])
        findings.append(_finding(claim, "abstract", f"{percent} %", f"{gains[key]:.1f} %", agrees, how, PAPER))
        claim = f"That gain of {names[key]['name']} is its score, times 100"
        score = 100 * tuned[key]
        agrees = rounds_to(percent, score)
        findings.append(_finding(claim, "abstract", f"{percent} %", f"{score:.0f}", agrees, "Table 2", PAPER))
    return [*findings, _improved(names, gains), _above_baselines(paper), _larger_baselines(paper), *_marks(paper)]


def _improved(names: Row, gains: dict[str, float]) -> Finding:
    worse = [f"{names[key]['name']} {gain:+.1f} %" for key, gain in gains.items() if gain <= 0]
    shown = f"{len(gains) - len(worse)} of {len(gains)}" + (f"; not {', '.join(worse)}" if worse else "")
    claim = "Fine-tuning improves all models, if that is what the text means (it says both 'all' and 'generally')"
    return _finding(claim, "section 4.1", f"{len(gains)} of {len(gains)}", shown, not worse, "Table 2", PAPER)


def _baselines(paper: Row) -> list[Row]:
    """What section 4.1 calls the baselines: rows of Table 2 of models that the paper does not tune."""
    tuned = _declared_scores(paper, TUNED)
    return [row for row in paper["table2"] if row.get("model") not in tuned]


def _above_baselines(paper: Row) -> Finding:
    best = max(row["rouge_l"] for row in _baselines(paper))
    worst = min(_declared_scores(paper, TUNED).values())
    claim = "All tuned models score above CodeBERT, Code2seq and Phi-3 Mini"
    shown = f"lowest tuned {worst}, highest of those {best}"
    return _finding(claim, "section 4.1", "all", shown, worst > best, "Table 2", PAPER)


def _larger_baselines(paper: Row) -> Finding:
    largest = max(parse(row["params"])[0] for row in paper["table2"] if row.get("method") == TUNED)
    larger = [row for row in _baselines(paper) if parse(row["params"])[0] > largest]
    names = ", ".join(paper["models"][row["model"]]["name"] if "model" in row else row["label"] for row in larger)
    shown = f"{len(larger)} of {len(_baselines(paper))} baselines: {names or '-'}"
    claim = "Larger baselines, more than one, are outperformed"
    return _finding(claim, "abstract", "several", shown, len(larger) > 1, "parameters in Table 2", PAPER)


def _marks(paper: Row) -> list[Finding]:
    """The best score, and the equal ones."""
    tuned, text, names = _declared_scores(paper, TUNED), paper["text"], paper["models"]
    top, best = max(tuned, key=lambda key: tuned[key]), text["best"]
    shown, printed = (f"{names[key]['name']}, {tuned[key]}" for key in (top, best["model"]))
    agrees = top == best["model"] and rounds_to(best["rouge_l"], tuned[top])
    findings = [_finding("Best tuned model", "section 4.3", printed, shown, agrees, "Table 2", PAPER)]
    equal = [tuned[key] for key in text["equal"]["models"]]
    claim = f"{' and '.join(names[key]['name'] for key in text['equal']['models'])}, tuned, score the same"
    agrees = all(rounds_to(text["equal"]["rouge_l"], score) for score in equal)
    shown = ", ".join(map(str, equal))
    return [*findings, _finding(claim, "section 4.2", text["equal"]["rouge_l"], shown, agrees, "Table 2", PAPER)]


def _scores_here(study: Study) -> list[Finding]:
    """The same claims, from this study's scores."""
    pairs = {row["model"]: model for row, model in study.rows("table2", TUNED) if model.scored(BASE, TUNED)}
    findings = []
    for method in (BASE, TUNED):
        for row, model in study.rows("table2", method):
            if files := model.scored(method):
                claim = f"ROUGE-L of {model.label}, {'fine-tuned' if method == TUNED else 'untuned'}"
                score = model.score(method)
                agrees = _if(study.comparable(row["model"]), rounds_to(row["rouge_l"], score))
                how = f"mean over the test samples and {len(files)} seed(s)"
                findings.append(_finding(claim, "Table 2", row["rouge_l"], f"{score:.4f}", agrees, how, files))
    for key, percent in study.paper["text"]["gain_percent"].items():
        if key in pairs:
            model = pairs[key]
            claim, how = f"Gain of {model.label} over its untuned self", "relative gain of the mean ROUGE-L"
            agrees = _if(study.comparable(key), rounds_to(percent, model.gain()))
            shown, files = f"{model.gain():.1f} %", model.scored(BASE, TUNED)
            findings.append(_finding(claim, "abstract", f"{percent} %", shown, agrees, how, files))
    return findings + (_ranks_here(study, pairs) if pairs else [])


def _ranks_here(study: Study, pairs: dict[str, Model]) -> list[Finding]:
    """Claims about all tuned models together; they need all of them."""
    declared = _declared_scores(study.paper, TUNED)
    comparable = study.comparable(*declared) and pairs.keys() == declared.keys()
    files = [path for model in pairs.values() for path in model.scored(BASE, TUNED)]
    tuned = {key: model.score(TUNED) for key, model in pairs.items()}
    better = [key for key, model in pairs.items() if tuned[key] > model.score(BASE)]
    worse = ", ".join(model.label for key, model in pairs.items() if key not in better)
    shown = f"{len(better)} of {len(pairs)}" + (f"; not {worse}" if worse else "")
    every = f"{len(declared)} of {len(declared)}"
    agrees = _if(comparable, len(better) == len(pairs))
    how = "means of ROUGE-L, however small the difference"
    findings = [_finding("Fine-tuning improves all models", "section 4.1", every, shown, agrees, how, files)]
    best = study.paper["text"]["best"]["model"]
    top = max(tuned, key=lambda key: tuned[key])
    agrees = _if(comparable, top == best)
    printed = study.paper["models"][best]["name"]
    findings.append(_finding("Best tuned model", "section 4.3", printed, pairs[top].label, agrees, how, files))
    return [*findings, *_untuned_beaten(study, tuned, comparable)]


def _untuned_beaten(study: Study, tuned: dict[str, float], comparable: bool) -> list[Finding]:
    """Untuned models that the paper does not tune, against the tuned ones."""
    findings = []
    for row, model in study.rows("table2", BASE):
        if row["model"] not in _declared_scores(study.paper, TUNED) and (files := model.scored(BASE)):
            below = sum(score > model.score(BASE) for score in tuned.values())
            claim, printed = f"Tuned models above {model.label}, untuned", len(_declared_scores(study.paper, TUNED))
            agrees = _if(comparable and study.comparable(row["model"]), below == printed)
            shown, how = f"{below} of {len(tuned)}", "means of ROUGE-L"
            files = files + [path for key in tuned for path in study.models[key].scored(TUNED)]
            findings.append(_finding(claim, "section 4.1", f"all {printed}", shown, agrees, how, files))
    return findings


# --- Data, and what is not stated -------------------------------------------------------------------------------------


def _data(study: Study) -> list[Finding]:
    if not study.card:
        return []
    records, printed = read_json(study.card)["records"], study.paper["dataset"]["records"]
    agrees = _if(study.genuine_data, rounds_to(printed, records))
    return [
        _finding("Records of the data set", "section 3.2", printed, f"{records:,}", agrees, "counted", [study.card])
    ]


def _unstated(study: Study) -> list[Finding]:
    """What the paper leaves open, with what this study does instead."""
    choices, findings = _choices(study), []
    for key, stated in study.paper["unstated"].items():
        if key in choices:
            claim, place, shown, files = choices[key]
            findings.append(_finding(claim, place, stated, shown, None, "this study's own choice", files))
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


# --- Writing ----------------------------------------------------------------------------------------------------------


def write_audit(table: pd.DataFrame, study: Study, outputs: Mapping[str, str]) -> None:
    """Writes the audit as CSV, as Markdown with a table for each subject, and as one long LaTeX table."""
    with atomic(outputs["csv"]) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    note = _what_was_run(study)
    shown = _for_readers(table)
    parts = [
        f"## {subject}\n\n" + rows.drop(columns="Subject").to_markdown(index=False, disable_numparse=True)
        for subject, rows in shown.groupby("Subject", sort=False)
    ]
    write_text(outputs["md"], "\n\n".join(["# The paper's claims, checked", note, *parts]) + "\n")
    widths = (0.08, 0.16, 0.08, 0.08, 0.15, 0.08, 0.17)
    latex = shown.to_latex(
        index=False,
        escape=True,
        longtable=True,
        column_format="".join(rf"p{{{width}\linewidth}}" for width in widths),
        caption="The paper's claims, checked",
    )
    escaped = re.sub(r"([&%$#_])", r"\\\1", note)
    write_text(outputs["tex"], f"{{\\footnotesize\n{escaped}\n\n{_breakable(latex)}}}\n")


def _for_readers(table: pd.DataFrame) -> pd.DataFrame:
    names = {"subject": "Subject", "claim": "Claim", "place": "Where", "paper": "Paper", "computed": "Computed"}
    shown = table.rename(columns=names | {"verdict": "Verdict"})
    shown["How, from what"] = table["how"] + " (" + table["files"] + ")"
    return shown.drop(columns=["how", "files"])


def _breakable(text: str) -> str:
    """Lets LaTeX break a path after each slash."""
    return text.replace("/", r"/\allowbreak{}")


def _what_was_run(study: Study) -> str:
    others = [model.label for model in study.models.values() if not model.genuine]
    text = f"Models run: {', '.join(model.label for model in study.models.values()) or 'none of the paper'}."
    if others:
        text += f" Not known to be the paper's checkpoints, so that they decide no claim: {', '.join(others)}."
    if not study.genuine_data:
        text += " The data set is not known to be the paper's, so that no score or token count decides a claim."
    return (
        f"{text} A value agrees if it rounds to what the paper prints. Where a claim can be read in two ways (rank, "
        "packing), both are rows."
    )
