"""The noun Study: all nouns of a configuration, and what each job depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from codetune.study.dataset import Dataset
from codetune.study.declared_tables import MAIN, DeclaredTable
from codetune.study.decoding import Decoding
from codetune.study.joint import Joint
from codetune.study.method import Method, TuningSettings
from codetune.study.model import NO_MODEL, Model, Source
from codetune.study.prompt import Prompt
from codetune.study.question import Question
from codetune.study.runs import NONE, Evaluation, Run, System, validation_of
from codetune.study.template import Template
from codetune.study.training import TrainingPlan, resolve_settings
from codetune.study.unpinned import Unpinned
from codetune.study.variants import Variants


@dataclass(frozen=True)
class Study:
    """A checked configuration.

    Attributes:
        evaluations: Each pair of a run and a test set.
        models: The models by name.
        methods: The methods by name.
        datasets: The data sets by name; those that are published somewhere.
        templates: The templates by name.
        prompts: The prompts that have an entry in the config, by name.
        template: Name of the template where neither method nor model names one.
        training: The study's training settings.
        decoding: Settings of the decoding.
        joints: The data sets that are made from others, by name.
        encoders: Where the encoders come from, by name.
        variants: Which methods and models are variants of others.
        questions: What is asked of the systems.
        paper: Name of the paper whose numbers and claims stand beside those of the study.
        declared: The tables of that paper that are laid out as there, by name.
        rehearsal: Whether what takes a GPU is made up, and all else made from that.
        targets: The runs that can be asked for together, by the names that the config gives them.
        gpu_memory: GB that the GPU of a model's jobs needs, by its name: for all methods, or for each by name.
        unpinned: The entries whose commit is still to be filled in; what would use them is not in this study.
    """

    evaluations: list[Evaluation]
    models: Mapping[str, Model]
    methods: Mapping[str, Method]
    datasets: Mapping[str, Dataset]
    templates: Mapping[str, Template]
    prompts: Mapping[str, Prompt]
    template: str
    training: Mapping[str, Any]
    decoding: Decoding
    joints: Mapping[str, Joint] = field(default_factory=dict)
    encoders: Mapping[str, Source] = field(default_factory=dict)
    variants: Variants = field(default_factory=Variants)
    questions: Sequence[Question] = ()
    paper: str = MAIN
    declared: Mapping[str, DeclaredTable] = field(default_factory=dict)
    rehearsal: bool = False
    targets: Mapping[str, list[Run]] = field(default_factory=dict)
    gpu_memory: Mapping[str, int | dict[str, int]] = field(default_factory=dict)
    unpinned: list[Unpinned] = field(default_factory=list)

    @cached_property
    def runs(self) -> list[Run]:
        """All runs, each once."""
        return list(self._evaluations_of)

    @cached_property
    def training_runs(self) -> list[Run]:
        """The runs that train a model."""
        return [run for run in self.runs if self.method_of(run).trains]

    @cached_property
    def trainings(self) -> list[Run]:
        """What is trained: the trials of each run that searches, and each other run that trains a model."""
        return [training for run in self.training_runs for training in self.trials_of(run) or [run]]

    @cached_property
    def trained_systems(self) -> list[System]:
        """The systems that train a model, each once."""
        return list(dict.fromkeys(run.system for run in self.training_runs))

    @cached_property
    def planned(self) -> list[Run]:
        """One training of each system: what Table 1 has a row of."""
        return list({run.system: run for run in self.trainings}.values())

    @cached_property
    def used_models(self) -> list[str]:
        """Names of the models of all runs that have one."""
        return list(dict.fromkeys(run.model for run in self.runs if not run.retrieves))

    @cached_property
    def tunings(self) -> dict[str, dict[str, TuningSettings]]:
        """What is trained of each model, by its name and the method's."""
        found: dict[str, dict[str, TuningSettings]] = {}
        for run in self.training_runs:
            if tuning := self.methods[run.method].tuning:
                found.setdefault(run.model, {})[run.method] = tuning
        return found

    @cached_property
    def tests(self) -> list[str]:
        """Names of the test sets on which a run is evaluated."""
        return list(dict.fromkeys(evaluation.test for evaluation in self.evaluations))

    @cached_property
    def used_datasets(self) -> list[str]:
        """Names of the data sets on which a run is trained or evaluated, or from which it retrieves."""
        used = dict.fromkeys(run.data for run in self.runs if run.data != NONE)
        published = [name for data in used for name in self.published_of(data)]
        return list(dict.fromkeys([*published, *self.tests]))

    @cached_property
    def used_joints(self) -> list[Joint]:
        """The data sets made from others that a run uses."""
        return [self.joints[data] for data in dict.fromkeys(run.data for run in self.runs) if data in self.joints]

    def runs_of(self, name: str) -> list[Run]:
        """Returns the runs of a model, or of a target of the config, that this study has."""
        return [run for run in self.runs if run.model == name or run in self.targets.get(name, ())]

    def published_of(self, data: str) -> list[str]:
        """Returns the names of the published data sets that a run's training data are made from."""
        return self.joints[data].datasets if data in self.joints else [data]

    def of_test(self, test: str) -> list[Evaluation]:
        """Returns the evaluations on one test set."""
        return self._evaluations_on[test]

    def of_run(self, run: Run) -> list[Evaluation]:
        """Returns the evaluations of one run."""
        return self._evaluations_of[run]

    def datasets_of(self, run: Run) -> list[str]:
        """Returns the names of a run's data sets: the one whose training samples it uses, and those of its tests."""
        used = [run.data] if run.data != NONE else []
        return list(dict.fromkeys([*used, *(evaluation.test for evaluation in self.of_run(run))]))

    @cached_property
    def _evaluations_on(self) -> dict[str, list[Evaluation]]:
        return {test: [one for one in self.evaluations if one.test == test] for test in self.tests}

    @cached_property
    def _evaluations_of(self) -> dict[Run, list[Evaluation]]:
        found: dict[Run, list[Evaluation]] = {}
        for evaluation in self.evaluations:
            found.setdefault(evaluation.run, []).append(evaluation)
        return found

    @cached_property
    def token_sets(self) -> list[dict[str, str]]:
        """Data set, model and template of each token set that a run is trained on."""
        return _each_once([self.token_set_of(run) for run in self.training_runs])

    @cached_property
    def prompt_sets(self) -> list[dict[str, str]]:
        """Each set of prompts that a run or a trial is evaluated on, by the wildcards of its path."""
        return _each_once([self.prompt_set_of(one) for one in self.scored if not one.run.retrieves])

    @cached_property
    def zero_shot_sets(self) -> list[dict[str, str]]:
        """Those of them that have no examples."""
        return [one for one in self.prompt_sets if one["data"] == NONE]

    @cached_property
    def example_sets(self) -> list[dict[str, str]]:
        """Each choice of examples, by the wildcards of its path: one for the prompts of all models."""
        keys = ("test", "prompt", "data", "seed")
        return _each_once([{key: one[key] for key in keys} for one in self.prompt_sets if one["data"] != NONE])

    @cached_property
    def leak_checks(self) -> list[dict[str, str]]:
        """Training data and test set of each run that uses the former."""
        used = [one for one in self.evaluations if one.run.data != NONE]
        return _each_once([{"dataset": one.run.data, "test": one.test} for one in used])

    def token_set_of(self, run: Run) -> dict[str, str]:
        """Data set, model and template of the token set that a run is trained on."""
        return {"dataset": run.data, "model": run.model, "template": self.template_of(run)}

    def prompt_set_of(self, evaluation: Evaluation) -> dict[str, str]:
        """The prompts that a run with a model is evaluated on, by the wildcards of their path."""
        run, prompt = evaluation.run, self.method_of(evaluation.run).prompt
        own = (prompt.name, run.data, run.seed) if prompt and prompt.examples else (self.template_of(run), NONE, 0)
        name, data, seed = own
        return {"test": evaluation.test, "model": run.model, "prompt": name, "data": data, "seed": str(seed)}

    def prompt_called(self, name: str, data: str) -> Prompt:
        """Returns a prompt by the wildcards of a path.

        Args:
            name: Name of a prompt with examples, or of a template.
            data: Name of the data set of the examples; `none` without examples.
        """
        return Prompt(name, name) if data == NONE else self.prompts.get(name) or self.tried_prompts[name]

    @cached_property
    def trials(self) -> dict[str, dict[str, Method]]:
        """The trials of each method that searches, by its name and theirs."""
        return {name: method.trials() for name, method in self.methods.items() if method.searched}

    @cached_property
    def trained(self) -> dict[str, Method]:
        """The methods with which a model is trained as they are: without those that search, but with their trials."""
        others = {name: method for name, method in self.methods.items() if not method.searched}
        return others | {name: trial for trials in self.trials.values() for name, trial in trials.items()}

    def trials_of(self, run: Run) -> list[Run]:
        """Returns the trainings of a run that searches, none for others: runs of the trials of its method."""
        return [replace(run, method=name) for name in self.trials.get(run.method, ())]

    def values_of(self, method: str) -> dict[str, dict[str, Any]]:
        """Returns the searched settings with their values in each trial of a method, by the trial's name."""
        searched, trials = self.methods[method].searched, self.trials[method]
        return {name: {key: trial.training[key] for key in searched} for name, trial in trials.items()}

    @cached_property
    def count_trials(self) -> dict[str, dict[str, Method]]:
        """The trials of each method whose number of examples is chosen, by its name and theirs."""
        return {name: method.count_trials() for name, method in self.methods.items() if method.counts}

    @cached_property
    def tried_methods(self) -> dict[str, Method]:
        """All of these trials by name."""
        return {name: trial for trials in self.count_trials.values() for name, trial in trials.items()}

    @cached_property
    def tried_prompts(self) -> dict[str, Prompt]:
        """Their prompts by name."""
        return {trial.prompt.name: trial.prompt for trial in self.tried_methods.values() if trial.prompt}

    @cached_property
    def tried(self) -> list[Evaluation]:
        """The evaluations by which numbers of examples are chosen; no table shows them."""
        return [one for run in self.runs for one in self.count_trials_of(run)]

    @cached_property
    def scored(self) -> list[Evaluation]:
        """All evaluations, of runs and of trials."""
        return [*self.evaluations, *self.tried]

    def count_trials_of(self, run: Run) -> list[Evaluation]:
        """Returns the evaluations by which a run's number of examples is chosen; none where it is fixed."""
        trials = self.count_trials.get(run.method, ())
        return [Evaluation(replace(run, method=name), validation_of(run.data)) for name in trials]

    def counts_of(self, method: str) -> dict[str, int]:
        """Returns the number of examples of each trial of a method, by the trial's name."""
        return dict(zip(self.count_trials[method], self.methods[method].counts, strict=True))

    def count_runs_of(self, prompts: Mapping[str, str]) -> list[Run]:
        """Returns the run whose number of examples a set of prompts has; none where the prompt fixes it.

        Args:
            prompts: The set, by the wildcards of its path.
        """
        if prompts["data"] == NONE:
            return []
        of = [name for name in self.count_trials if self.methods[name].prompt == self.prompts.get(prompts["prompt"])]
        return [Run(prompts["data"], prompts["model"], name, int(prompts["seed"])) for name in of]

    def method_of(self, run: Run) -> Method:
        """Returns the method of a run, or of a trial."""
        return self.methods.get(run.method) or self.trained.get(run.method) or self.tried_methods[run.method]

    def model_of(self, run: Run) -> Model:
        """Returns a run's model, or what stands for it where there is none."""
        return NO_MODEL if run.retrieves else self.models[run.model]

    def decoding_for(self, run: Run) -> Decoding:
        """Returns the settings of the decoding of a run's predictions."""
        return self.decoding.of_seed(run.seed)

    def template_of(self, run: Run) -> str:
        """Returns the name of a run's template: its method's, or else its model's, or else the study's."""
        prompt = self.method_of(run).prompt
        return (prompt.template if prompt else self.model_of(run).template) or self.template

    def for_training(self, run: Run) -> TrainingPlan:
        """Returns all settings on which a run's training depends.

        Args:
            run: A run that trains, or a trial; a run that searches has no settings of its own.
        """
        model, method = self.models[run.model], self.method_of(run)
        assert method.tuning is not None and method.quantization is not None  # as of all methods that train
        settings, memory = resolve_settings(self.training, model.training, method.training)
        return TrainingPlan(model.source, memory, method.tuning, method.quantization, settings, run.seed)


def _each_once(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(entry.values()): entry for entry in entries}.values())
