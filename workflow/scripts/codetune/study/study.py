"""The noun Study: all nouns of a configuration, and what each job depends on."""

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
        evaluations: Each pair of a run and a test set.
        models: The models by name.
        methods: The methods by name.
        datasets: The data sets by name.
        quantization: Quantisation of the frozen weights in every run.
        template: Name of the template for models without one of their own.
        training: The study's training settings.
        decoding: Settings of the decoding.
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
        """All runs, each once."""
        return list(dict.fromkeys(evaluation.run for evaluation in self.evaluations))

    @property
    def training_runs(self) -> list[Run]:
        """The runs that use training data."""
        return [run for run in self.runs if run.trains]

    @property
    def planned(self) -> list[Run]:
        """One run of each system that uses training data: what Table 1 has a row of."""
        return list({run.system: run for run in self.training_runs}.values())

    @property
    def used_models(self) -> list[str]:
        """Names of the models of all runs."""
        return list(dict.fromkeys(run.model for run in self.runs))

    @property
    def tests(self) -> list[str]:
        """Names of the test sets on which a run is evaluated."""
        return list(dict.fromkeys(evaluation.test for evaluation in self.evaluations))

    @property
    def used_datasets(self) -> list[str]:
        """Names of the data sets on which a run is trained or evaluated."""
        return list(dict.fromkeys([*(run.data for run in self.training_runs), *self.tests]))

    def of_test(self, test: str) -> list[Evaluation]:
        """Returns the evaluations on one test set."""
        return [evaluation for evaluation in self.evaluations if evaluation.test == test]

    def of_run(self, run: Run) -> list[Evaluation]:
        """Returns the evaluations of one run."""
        return [evaluation for evaluation in self.evaluations if evaluation.run == run]

    @property
    def token_sets(self) -> list[dict[str, str]]:
        """Data set, model and template of each token set that a run is trained on."""
        found = [self.token_set_of(run) for run in self.training_runs]
        return [entry for place, entry in enumerate(found) if entry not in found[:place]]

    @property
    def prompt_sets(self) -> list[dict[str, str]]:
        """Test set, model and template of each set of prompts that a run is evaluated on."""
        found = dict.fromkeys((evaluation.test, evaluation.run.model) for evaluation in self.evaluations)
        return [{"test": test, "model": model, "template": self.template_of(model)} for test, model in found]

    def token_set_of(self, run: Run) -> dict[str, str]:
        """Data set, model and template of the token set that a run is trained on."""
        return {"dataset": run.data, "model": run.model, "template": self.template_of(run.model)}

    def template_of(self, model: str) -> str:
        """Returns the name of a model's template: its own, or else the study's."""
        return self.models[model].template or self.template

    def for_training(self, run: Run) -> TrainingPlan:
        """Returns all settings on which a run's training depends.

        Args:
            run: A run that uses training data.
        """
        model, method = self.models[run.model], self.methods[run.method]
        assert model.memory is not None and method.lora is not None  # as `load_study` has checked
        settings = resolve_settings(self.training, model.training, method.training)
        return TrainingPlan(model.source, model.memory, method.lora, self.quantization, settings, run.seed)
