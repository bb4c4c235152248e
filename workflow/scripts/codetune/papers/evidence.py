"""What this study has of the paper's models and data."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codetune.base.files import Row
from codetune.study.summaries import read_score

BASE, TUNED = "base", "qlora"  # the methods that the paper compares


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
