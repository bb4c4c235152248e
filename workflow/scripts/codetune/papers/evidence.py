"""What this study has of the paper's models and data."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codetune.base.files import Row
from codetune.evaluation.comparisons import Comparison, Comparisons, Score
from codetune.papers.declared import BASE, PAPER_METRIC, TUNED
from codetune.study.layout import RECORD
from codetune.study.model import Source
from codetune.study.record import Record
from codetune.study.runs import NONE, System

CHAT = "base-chat"  # the untuned model in its own chat template, which the paper may mean by its first method, too

# Why a claim is not checkable here.
OTHER_MODELS = "checkpoints that are not known to be the paper's"
OTHER_DATA = "data that are not known to be the paper's"
OTHER_WEIGHTS = "weights that are not held as the paper's, in NF4"
NOT_RUN = "all models of the paper, not all of which were run"
TUNED_HERE = "an untuned model that is tuned here, so that it is compared with its own tuned self alone"
OTHER_LAYERS = "layers whose shapes config.json does not tell"
OWN_CHOICE = "a choice of this study decides it"


@dataclass(frozen=True)
class Files:
    """What the audit reads beside the records: paths.

    Attributes:
        configs: config.json by model.
        tokens: Statistics of the training tokens, by data set and model, and then by template.
        prompts: Statistics of the prompts, by test set and model, and then by template.
        cards: The data card by data set.
    """

    configs: Mapping[str, str]
    tokens: Mapping[tuple[str, str], dict[str, str]]
    prompts: Mapping[tuple[str, str], dict[str, str]]
    cards: Mapping[str, str]


@dataclass(frozen=True)
class ModelEvidence:
    """One of the paper's models, as this study has it.

    Attributes:
        label: Its name in this study.
        genuine: The config names the very repository that the paper names. A local folder may hold anything.
        test: The test set that its scores are of.
        config: Path of its config.json.
        tokens: Path of the statistics of its training tokens, by template; empty where it is not trained.
        prompts: Path of the statistics of its test prompts, by template.
        records: The records of its runs, one per seed, by method.
    """

    label: str
    genuine: bool
    test: str
    config: str
    tokens: dict[str, str]
    prompts: dict[str, str]
    records: dict[str, list[Record]] = field(default_factory=dict)

    def runs_of(self, *methods: str) -> list[Record]:
        """The records of these methods; empty unless all of them were run."""
        if not set(methods) <= set(self.records):
            return []
        return [record for method in methods for record in self.records[method]]

    def system_of(self, method: str) -> System:
        """The system of a method that was run."""
        return self.records[method][0].run.system

    @property
    def is_held_as_printed(self) -> bool:
        """Whether the paper's methods held their frozen weights in NF4 (section 3.3.3)."""
        runs = [record for name in (BASE, CHAT, TUNED) for record in self.records.get(name, [])]
        return all(record.method.quantization and record.method.quantization.type == "nf4" for record in runs)

    @property
    def is_tuned(self) -> bool:
        """Whether it was tuned here, by any method."""
        return any(record.training is not None for runs in self.records.values() for record in runs)

    @property
    def stats(self) -> str:
        """Path of the statistics of the tokens that the paper's method was trained on; empty where there are none."""
        template = self.records[TUNED][0].template if TUNED in self.records else None
        return self.tokens.get(template or "", next(iter(self.tokens.values()), ""))

    @property
    def samples(self) -> int:
        """Number of test samples."""
        return min(record.tests[self.test].summary.samples for runs in self.records.values() for record in runs)


@dataclass(frozen=True)
class Evidence:
    """What the paper declares, and what this study has of it.

    Attributes:
        paper: What the paper declares.
        file: Path of its file within the project.
        records: Of all runs of the study.
        data: Name of the paper's data set that the scores here are of.
        models: The paper's models that were run here on the paper's data set, by name, in the paper's order.
        card: Path of the data card; empty where the data set was not used.
        sources: Where each data set of this study comes from, by its name.
        tests: Scores with their intervals, and the path of these, by test set.
    """

    paper: Row
    file: str
    records: list[Record]
    data: str
    models: dict[str, ModelEvidence]
    card: str
    sources: Mapping[str, Source]
    tests: Mapping[str, tuple[str, Comparisons]]

    @property
    def compared(self) -> str:
        """Path of the scores on the paper's data set; empty where there are none."""
        return self.tests[self.data][0] if self.data in self.tests else ""

    @property
    def comparisons(self) -> Comparisons | None:
        """The scores on the paper's data set; None where nothing was evaluated on it."""
        return self.tests[self.data][1] if self.data in self.tests else None

    def has_its_data(self, name: str) -> bool:
        """Whether the config names the very repository of a data set that the paper names."""
        return name in self.sources and self.sources[name].is_repository(self.paper["datasets"][name]["repo"])

    def obstacle(self, names: Collection[str] = (), *, data: bool = False, scores: bool = False) -> str:
        """Why what was computed of these models decides nothing about the paper's; empty if it does.

        Args:
            names: Models that were run here.
            data: Whether the claim is about the data, too.
            scores: Whether it is about what the models compute, too.
        """
        if not all(self.models[name].genuine for name in names):
            return OTHER_MODELS
        if scores and not all(self.models[name].is_held_as_printed for name in names):
            return OTHER_WEIGHTS
        return OTHER_DATA if data and not self.has_its_data(self.data) else ""

    def rows(self, table: str, method: str | None = None) -> list[tuple[Row, ModelEvidence]]:
        """The rows of one of the paper's tables whose model was run here."""
        rows = [row for row in self.paper[table] if row.get("model") in self.models and row.get("method") == method]
        return [(row, self.models[row["model"]]) for row in rows]

    @property
    def trained(self) -> dict[str, ModelEvidence]:
        """The models of the paper's Table 1 that have training tokens here, in its order."""
        return {row["model"]: model for row, model in self.rows("table1") if model.tokens}

    def score_of(self, system: System) -> Score | None:
        """The score of a system by the paper's metric."""
        return self.comparisons.score_of(system, PAPER_METRIC) if self.comparisons else None

    def gain_of(self, system: System, method: str) -> Comparison | None:
        """The gain of a system over its untuned model by the paper's metric; None where it was not computed.

        Args:
            system: The system.
            method: Name of the method of the untuned model, whether or not the system's method has it as a baseline.
        """
        if not self.comparisons:
            return None
        gain = self.comparisons.gain_over(system, method, PAPER_METRIC)
        return gain or self.pair_of(system, System(NONE, system.model, method))

    def pair_of(self, system: System, over: System) -> Comparison | None:
        """The comparison of two systems by the paper's metric; None where it was not computed."""
        return self.comparisons.pair_of(system, over, PAPER_METRIC) if self.comparisons else None


def gather_evidence(
    records: Iterable[Record],
    comparisons: Mapping[str, Comparisons],
    files: Files,
    datasets: Mapping[str, Source],
    paper: Row,
    file: str,
) -> Evidence:
    """Sorts what a study found by the paper's models.

    Args:
        records: Of all runs of the study.
        comparisons: Of all test sets of the study, by their paths.
        files: What else is read.
        datasets: Where each data set comes from.
        paper: What the paper declares.
        file: Path of its file within the project.
    """
    records, names = list(records), list(paper["datasets"])
    name = next((one for one in names if any(one in record.tests for record in records)), names[0])
    found: dict[str, ModelEvidence] = {}
    for record in records:
        key = record.run.model
        if key not in paper["models"] or name not in record.tests or record.run.data not in (name, NONE):
            continue
        if key not in found:
            found[key] = ModelEvidence(
                label=record.model.label,
                genuine=record.model.source.is_repository(paper["models"][key]["repo"]),
                test=name,
                config=files.configs[key],
                tokens=files.tokens.get((name, key), {}),
                prompts=files.prompts.get((name, key), {}),
            )
        found[key].records.setdefault(record.run.method, []).append(record)
    return Evidence(
        paper=paper,
        file=file,
        records=records,
        data=name,
        models={key: found[key] for key in paper["models"] if key in found},
        card=files.cards[name] if found else "",
        sources=datasets,
        tests={one.test: (path, one) for path, one in comparisons.items()},
    )


def paths_of(records: Iterable[Record]) -> list[str]:
    """Paths of the records themselves: the files that a score comes from."""
    return [str(Path(record.folder) / Path(RECORD).name) for record in records]
