"""The study: all nouns of a configuration, and what each job depends on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune.study.dataset import Dataset
from codetune.study.decoding import Decoding
from codetune.study.method import Method, Quantization
from codetune.study.model import Model
from codetune.study.runs import Evaluation, Run
from codetune.study.training import TrainingPlan, resolve_settings


@dataclass(frozen=True)
class Study:
    """A checked configuration.

    Attributes:
        evaluations: Every run on every test set that it is evaluated on.
        models: The models by name.
        methods: The methods by name.
        datasets: The data sets by name.
        quantization: Of the frozen weights of every run.
        template: How samples are serialised where a model says nothing else.
        training: The study's training settings.
        decoding: How completions are decoded.
    """

    evaluations: list[Evaluation]
    models: Mapping[str, Model]
    methods: Mapping[str, Method]
    datasets: Mapping[str, Dataset]
    quantization: Quantization
    template: str
    training: Mapping[str, Any]
    decoding: Decoding

    @property
    def runs(self) -> list[Run]:
        """The runs, each once."""
        return list(dict.fromkeys(evaluation.run for evaluation in self.evaluations))

    @property
    def training_runs(self) -> list[Run]:
        """The runs that see training data."""
        return [run for run in self.runs if run.trains]

    @property
    def tests(self) -> list[str]:
        """The test sets that a run is evaluated on."""
        return list(dict.fromkeys(evaluation.test for evaluation in self.evaluations))

    @property
    def used_datasets(self) -> list[str]:
        """The data sets that a run is trained or evaluated on."""
        return list(dict.fromkeys([*(run.data for run in self.training_runs), *self.tests]))

    def of_test(self, test: str) -> list[Evaluation]:
        """The evaluations on one test set."""
        return [evaluation for evaluation in self.evaluations if evaluation.test == test]

    def of_run(self, run: Run) -> list[Evaluation]:
        """The evaluations of one run."""
        return [evaluation for evaluation in self.evaluations if evaluation.run == run]

    def template_of(self, model: str) -> str:
        """The model's own choice of template, else the study's."""
        return self.models[model].template or self.template

    def for_training(self, run: Run) -> TrainingPlan:
        """What a training depends on.

        Raises:
            StudyError: A training setting is missing or has another type.
        """
        model, method = self.models[run.model], self.methods[run.method]
        assert model.memory is not None and method.lora is not None  # which the check of the config has seen to
        settings = resolve_settings(self.training, model.training, method.training)
        return TrainingPlan(model.source, model.memory, method.lora, self.quantization, settings, run.seed)
