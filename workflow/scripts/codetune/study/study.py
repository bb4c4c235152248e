"""The noun Study: all nouns of a configuration, and what each job depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codetune.study.dataset import Dataset
from codetune.study.decoding import Decoding
from codetune.study.method import Method
from codetune.study.model import NO_MODEL, Model
from codetune.study.runs import Evaluation, Run, System
from codetune.study.training import TrainingPlan, resolve_settings
from codetune.study.variants import Variants


@dataclass(frozen=True)
class Study:
    """A checked configuration.

    Attributes:
        evaluations: Each pair of a run and a test set.
        models: The models by name.
        methods: The methods by name.
        datasets: The data sets by name.
        template: Name of the template where neither method nor model names one.
        training: The study's training settings.
        decoding: Settings of the decoding.
        variants: Which methods and models are variants of others.
    """

    evaluations: list[Evaluation]
    models: Mapping[str, Model]
    methods: Mapping[str, Method]
    datasets: Mapping[str, Dataset]
    template: str
    training: Mapping[str, Any]
    decoding: Decoding
    variants: Variants = field(default_factory=Variants)

    @property
    def runs(self) -> list[Run]:
        """All runs, each once."""
        return list(dict.fromkeys(evaluation.run for evaluation in self.evaluations))

    @property
    def training_runs(self) -> list[Run]:
        """The runs that train a model."""
        return [run for run in self.runs if run.trains]

    @property
    def planned(self) -> list[Run]:
        """One run of each system that is trained: what Table 1 has a row of."""
        return list({run.system: run for run in self.training_runs}.values())

    @property
    def compared_variants(self) -> list[tuple[System, System]]:
        """Each variant that is trained with its default, as far as that is trained, too."""
        return self.variants.pairs_of(list(dict.fromkeys(run.system for run in self.training_runs)))

    @property
    def used_models(self) -> list[str]:
        """Names of the models of all runs that have one."""
        return list(dict.fromkeys(run.model for run in self.runs if not run.retrieves))

    @property
    def tests(self) -> list[str]:
        """Names of the test sets on which a run is evaluated."""
        return list(dict.fromkeys(evaluation.test for evaluation in self.evaluations))

    @property
    def used_datasets(self) -> list[str]:
        """Names of the data sets on which a run is trained or evaluated; a retrieval is evaluated on its own."""
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
        found = [self.prompt_set_of(evaluation) for evaluation in self.evaluations if not evaluation.run.retrieves]
        return [entry for place, entry in enumerate(found) if entry not in found[:place]]

    def token_set_of(self, run: Run) -> dict[str, str]:
        """Data set, model and template of the token set that a run is trained on."""
        return {"dataset": run.data, "model": run.model, "template": self.template_of(run)}

    def prompt_set_of(self, evaluation: Evaluation) -> dict[str, str]:
        """Test set, model and template of the prompts that a run with a model is evaluated on."""
        run = evaluation.run
        return {"test": evaluation.test, "model": run.model, "template": self.template_of(run)}

    def model_of(self, run: Run) -> Model:
        """Returns a run's model, or what stands for it where there is none."""
        return NO_MODEL if run.retrieves else self.models[run.model]

    def template_of(self, run: Run) -> str:
        """Returns the name of a run's template: its method's, or else its model's, or else the study's."""
        prompt = self.methods[run.method].prompt
        return (prompt.template if prompt else self.model_of(run).template) or self.template

    def for_training(self, run: Run) -> TrainingPlan:
        """Returns all settings on which a run's training depends.

        Args:
            run: A run that trains.
        """
        model, method = self.models[run.model], self.methods[run.method]
        assert method.tuning is not None and method.quantization is not None  # as of all methods that train
        settings, memory = resolve_settings(self.training, model.training, method.training)
        return TrainingPlan(model.source, memory, method.tuning, method.quantization, settings, run.seed)
