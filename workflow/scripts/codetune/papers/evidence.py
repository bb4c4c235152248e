"""What this study has of the paper's models and data."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codetune.base.files import Row
from codetune.papers.declared import PAPER_METRIC
from codetune.study.layout import RECORD
from codetune.study.model import Source
from codetune.study.record import Record
from codetune.study.runs import NONE

BASE, TUNED = "base", "qlora"  # the paper's two methods, by the names that config/paper.yaml gives them


@dataclass(frozen=True)
class Files:
    """What the audit reads beside the records: paths.

    Attributes:
        configs: config.json by model.
        tokens: Statistics of the training tokens, by data set, model and template.
        prompts: Statistics of the prompts, by test set, model and template.
        cards: The data card by data set.
    """

    configs: Mapping[str, str]
    tokens: Mapping[tuple[str, str, str], str]
    prompts: Mapping[tuple[str, str, str], str]
    cards: Mapping[str, str]


@dataclass(frozen=True)
class ModelEvidence:
    """One of the paper's models, as this study has it.

    Attributes:
        label: Its name in this study.
        genuine: The config names the very repository that the paper names. A local folder may hold anything.
        test: The test set that its scores are of.
        config: Path of its config.json.
        tokens: Path of the statistics of its training tokens, in the template of its training; empty where it is not
            trained.
        prompts: Path of the statistics of its test prompts, in the same template.
        records: The records of its runs, one per seed, by method.
    """

    label: str
    genuine: bool
    test: str
    config: str
    tokens: str
    prompts: str
    records: dict[str, list[Record]] = field(default_factory=dict)

    def runs_of(self, *methods: str) -> list[Record]:
        """The records of these methods; empty unless all of them were run."""
        if not set(methods) <= set(self.records):
            return []
        return [record for method in methods for record in self.records[method]]

    def score_of(self, method: str) -> float:
        """Mean ROUGE-L over the seeds."""
        return statistics.fmean(_rouge_l(record, self.test) for record in self.records[method])

    def gain(self) -> float:
        """Gain of the tuned over the untuned model, in percent of it; infinite over nothing."""
        base, tuned = self.score_of(BASE), self.score_of(TUNED)
        return 100 * (tuned / base - 1) if base else math.inf


@dataclass(frozen=True)
class Evidence:
    """What the paper declares, and what this study has of it.

    Attributes:
        paper: config/paper.yaml.
        models: The paper's models that were run here on the paper's data set, by name, in the paper's order.
        card: Path of the data card; empty where the data set was not used.
        genuine_data: The config names the very repository of the data that the paper names.
    """

    paper: Row
    models: dict[str, ModelEvidence]
    card: str
    genuine_data: bool

    def comparable(self, *names: str) -> bool:
        """Whether scores and token counts of these models are about the paper's models and data at all."""
        return self.genuine_data and all(name in self.models and self.models[name].genuine for name in names)

    def rows(self, table: str, method: str | None = None) -> list[tuple[Row, ModelEvidence]]:
        """The rows of one of the paper's tables whose model was run here."""
        rows = [row for row in self.paper[table] if row.get("model") in self.models and row.get("method") == method]
        return [(row, self.models[row["model"]]) for row in rows]

    @property
    def trained(self) -> dict[str, ModelEvidence]:
        """The models of the paper's Table 1 that have training tokens here, in its order."""
        return {row["model"]: model for row, model in self.rows("table1") if model.tokens}


def gather_evidence(records: Iterable[Record], files: Files, datasets: Mapping[str, Source], paper: Row) -> Evidence:
    """Sorts what a study found by the paper's models.

    Args:
        records: Of all runs of the study.
        files: What else is read.
        datasets: Where each data set comes from.
        paper: What the paper declares.
    """
    name = paper["dataset"]["name"]
    members: dict[str, list[Record]] = {}
    for record in records:
        if record.run.model in paper["models"] and name in record.tests and record.run.data in (name, NONE):
            members.setdefault(record.run.model, []).append(record)
    found = {key: _evidence_of(own, name, files, paper["models"][key]["repo"]) for key, own in members.items()}
    return Evidence(
        paper=paper,
        models={key: found[key] for key in paper["models"] if key in found},
        card=files.cards[name] if found else "",
        genuine_data=name in datasets and datasets[name].is_repository(paper["dataset"]["repo"]),
    )


def _evidence_of(records: list[Record], test: str, files: Files, repo: str) -> ModelEvidence:
    """What this study has of one model; `repo` is the repository that the paper names."""
    key, model = records[0].run.model, records[0].model
    # The paper's tuned model decides, or else another tuned one, or else the paper's untuned one.
    leading = max(records, key=lambda one: (one.run.trains, one.run.method in (TUNED, BASE)))
    place = (test, key, str(leading.template))
    evidence = ModelEvidence(
        label=model.label,
        genuine=model.source.is_repository(repo),
        test=test,
        config=files.configs[key],
        tokens=files.tokens.get(place, ""),
        prompts=files.prompts[place],
    )
    for record in records:
        evidence.records.setdefault(record.run.method, []).append(record)
    return evidence


def paths_of(records: Iterable[Record]) -> list[str]:
    """Paths of the records themselves: the files that a score comes from."""
    return [str(Path(record.folder) / Path(RECORD).name) for record in records]


def _rouge_l(record: Record, test: str) -> float:
    """The run's mean ROUGE-L F1, in [0, 1] (the paper's equation 4)."""
    score = record.tests[test].summary.scores[PAPER_METRIC]
    return math.nan if score is None else score
