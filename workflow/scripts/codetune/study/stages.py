"""The jobs of a study that people wait for, with the files that each makes and needs. The rules are the authority."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune.study import layout
from codetune.study.answering import answering_tests
from codetune.study.embeddings import embeddings_for, embeddings_of, encoders_of
from codetune.study.joint import Joint
from codetune.study.runs import NONE, Evaluation, Run, dataset_of
from codetune.study.study import Study
from codetune.study.tables import table_inputs
from codetune.study.tested import executed_tests

ON_GPU = ("finetune", "curve", "generate")  # where there are any
LOGS = "logs"  # folder of the logs within the results, as the Snakefile sets it


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        rule: Name of its rule.
        what: What it is of, for people: a run, a model, a table.
        output: Path of its first output.
        log: Path of its log.
        needs: Paths of the outputs of other jobs that it waits for.
        on_gpu: Whether it computes on a GPU, where there are any.
    """

    rule: str
    what: str
    output: str
    log: str
    needs: tuple[str, ...] = ()
    on_gpu: bool = False


def jobs_of(study: Study, results: str, resources: str) -> list[Job]:
    """The jobs of a study in the order of its path from the downloads to the tables.

    Args:
        study: The study.
        results: Folder of the results.
        resources: Folder of the downloads.
    """
    made = _Maker(study, results, resources)
    jobs: list[Job] = []
    for name in study.used_datasets:
        jobs += made.of_dataset(name)
    jobs += [made.join(joint) for joint in study.used_joints]
    for name in study.used_models:
        jobs += made.of_model(name)
    jobs += [made.encoder(name) for name in encoders_of(study)]
    jobs += [made.embedding(entry) for entry in embeddings_of(study)]
    jobs += [made.leaks(pair) for pair in study.leak_checks]
    jobs += made.of_execution()
    jobs += [made.tokens(entry) for entry in study.token_sets]
    jobs += [made.examples(entry) for entry in study.example_sets]
    jobs += [made.prompts(entry) for entry in study.prompt_sets if entry["test"] not in study.tests]
    jobs += [job for trial in study.tried for job in made.of_evaluation(trial)]
    jobs += [made.count(run) for run in study.runs if study.count_trials_of(run)]
    jobs += [made.prompts(entry) for entry in study.prompt_sets if entry["test"] in study.tests]
    jobs += [made.training(run) for run in study.trainings]
    jobs += [job for run in study.training_runs for job in made.after_training(run)]
    jobs += [job for evaluation in study.evaluations for job in made.of_evaluation(evaluation)]
    jobs += [made.record(run) for run in study.runs]
    return jobs + made.of_study()


class _Maker:
    """Makes jobs of a study, by kind."""

    def __init__(self, study: Study, results: str, resources: str) -> None:
        self.study, self.results, self.resources = study, results, resources

    def _job(self, rule: str, name: Mapping[str, Any], output: str, log: str, *needs: str) -> Job:
        """A job; `name` has the values of the wildcards."""
        place = f"{self.results}/{LOGS}/{rule}/{log.format(**name)}.log"
        return Job(rule, self._shown(name), output, place, needs, rule in ON_GPU)

    def _shown(self, name: Mapping[str, Any]) -> str:
        """What tells a job from the others of its rule: what all jobs of the study share is left out."""
        shared = {
            "data": len([*self.study.used_datasets, *self.study.used_joints]) == 1,
            "test": len(self.study.tests) == 1,
            "seed": len({run.seed for run in self.study.runs}) == 1,
        }
        told = {key: value for key, value in name.items() if value != NONE and not shared.get(key, False)}
        order = ("model", "method", "seed", "data", "dataset", "part", "encoder", "template", "prompt", "test", "table")
        parts = [f"seed {told[key]}" if key == "seed" else str(told[key]) for key in order if key in told]
        return " ".join(parts) or " ".join(map(str, name.values()))

    def _in_results(self, pattern: str, **name: Any) -> str:
        return f"{self.results}/{pattern.format(**name)}"

    def _in_resources(self, pattern: str, **name: Any) -> str:
        return f"{self.resources}/{pattern.format(**name)}"

    def _of(self, pattern: str, what: Run | Evaluation) -> str:
        return f"{self.results}/{layout.fill(pattern, what)}"

    def of_dataset(self, name: str) -> list[Job]:
        """Download and split of a data set."""
        records, split = self._in_resources(layout.RECORDS, dataset=name), self._in_results(layout.TRAIN, dataset=name)
        return [
            self._job("download_dataset", {"dataset": name}, records, "{dataset}"),
            self._job("split", {"dataset": name}, split, "{dataset}", records),
        ]

    def of_execution(self) -> list[Job]:
        """The sandbox, and the unit tests of each test set that has some."""
        sandbox, tests = self._in_resources(layout.SANDBOX), executed_tests(self.study)
        jobs = [self._job("sandbox", {"what": "interpreter"}, sandbox, "interpreter")] if tests else []
        for test in tests:
            needs = self._in_results(layout.TRAIN, dataset=test), sandbox
            problems = self._in_results(layout.PROBLEMS, test=test)
            jobs.append(self._job("record_tests", {"test": test}, problems, "{test}", *needs))
        return jobs

    def join(self, joint: Joint) -> Job:
        """The training and validation parts of several data sets together."""
        needs = (self._in_results(layout.TRAIN, dataset=name) for name in joint.datasets)
        name = {"dataset": joint.name}
        return self._job("join", name, self._in_results(layout.TRAIN, **name), "{dataset}", *needs)

    def of_model(self, name: str) -> list[Job]:
        """Downloads of a model."""
        tokenizer, weights = (self._in_resources(one, model=name) for one in (layout.TOKENIZER, layout.CHECKPOINT))
        return [
            self._job("download_tokenizer", {"model": name}, tokenizer, "{model}"),
            self._job("download_model", {"model": name}, weights, "{model}"),
        ]

    def encoder(self, name: str) -> Job:
        """Download of an encoder."""
        output = self._in_resources(layout.ENCODER, encoder=name)
        return self._job("download_encoder", {"encoder": name}, output, "{encoder}")

    def embedding(self, entry: Mapping[str, str]) -> Job:
        """Vectors of a part of a data set."""
        needs = self._in_results(layout.TRAIN, dataset=entry["dataset"]), self._in_resources(layout.ENCODER, **entry)
        return self._job(
            "embed", entry, self._in_results(layout.VECTORS, **entry), "{dataset}/{encoder}/{part}", *needs
        )

    def leaks(self, pair: Mapping[str, str]) -> Job:
        """What training data have of a test set."""
        needs = (self._in_results(layout.TRAIN, dataset=pair[key]) for key in ("dataset", "test"))
        return self._job("leaks", pair, self._in_results(layout.LEAKS, **pair), "{dataset}/{test}", *needs)

    def tokens(self, entry: Mapping[str, str]) -> Job:
        """Tokens of a data set for a model."""
        needs = self._in_results(layout.TRAIN, **entry), self._in_resources(layout.TOKENIZER, **entry)
        output = self._in_results(layout.TRAIN_TOKENS, **entry)
        return self._job("tokenize", entry, output, "{dataset}/{model}/{template}", *needs)

    def prompts(self, entry: Mapping[str, str]) -> Job:
        """Prompts of a test set for a model."""
        needs = [
            self._in_results(layout.TRAIN, dataset=dataset_of(entry["test"])),
            self._in_resources(layout.TOKENIZER, model=entry["model"]),
        ]
        if entry["data"] != NONE:
            needs.append(self._in_results(layout.EXAMPLES, **entry))
        needs += [self._of(layout.COUNT, run) for run in self.study.count_runs_of(entry)]
        return self._job("prompt", entry, self._in_results(layout.PROMPTS, **entry), layout.OF_PROMPTS, *needs)

    def examples(self, entry: Mapping[str, str]) -> Job:
        """The choice of examples for a test set."""
        names = entry["data"], dataset_of(entry["test"])
        needs = dict.fromkeys(self._in_results(layout.TRAIN, dataset=name) for name in names)
        vectors = embeddings_for(self.study, entry["prompt"], entry["data"], entry["test"])
        needs |= dict.fromkeys(self._in_results(layout.VECTORS, **one) for one in vectors)
        output = self._in_results(layout.EXAMPLES, **entry)
        return self._job("examples", entry, output, "{data}/{test}/{prompt}/seed{seed}", *needs)

    def count(self, run: Run) -> Job:
        """The choice among the trials of a number of examples."""
        scores = (self._of(layout.SCORES, trial) for trial in self.study.count_trials_of(run))
        return self._job("choose_count", vars(run), self._of(layout.COUNT, run), layout.RUN, *scores)

    def training(self, run: Run) -> Job:
        """One training, which may be a trial of a search."""
        tokens = self._in_results(layout.TRAIN_TOKENS, **self.study.token_set_of(run))
        needs = tokens, self._in_resources(layout.CHECKPOINT, model=run.model)
        return self._job("finetune", vars(run), self._of(layout.TUNED, run), layout.RUN, *needs)

    def after_training(self, run: Run) -> list[Job]:
        """The choice among the trials of a search, and the curve of a run."""
        tuned, curve = self._of(layout.TUNED, run), self._of(layout.CURVE_PREDICTIONS, run)
        trials = [self._of(layout.TUNED, trial) for trial in self.study.trials_of(run)]
        choice = [self._job("choose", vars(run), tuned, layout.RUN, *trials)] if trials else []
        return [
            *choice,
            self._job("curve", vars(run), curve, layout.RUN, tuned),
            self._job("score_curve", vars(run), self._of(layout.CURVE, run), layout.RUN, curve),
        ]

    def of_evaluation(self, evaluation: Evaluation) -> list[Job]:
        """Predictions of a run on a test set, and their scores."""
        run, predictions = evaluation.run, self._of(layout.PREDICTIONS, evaluation)
        name = vars(run) | {"test": evaluation.test}
        if run.retrieves:
            rule, needs = "retrieve", [self._in_results(layout.TRAIN, dataset=run.data)]
        else:
            prompts = self._in_results(layout.PROMPTS, **self.study.prompt_set_of(evaluation))
            needs = [prompts, self._in_resources(layout.CHECKPOINT, model=run.model)]
            waited = [self._of(layout.TUNED, run)] if self.study.method_of(run).trains else []
            has_leaks = run.data != NONE and evaluation.test in self.study.tests
            waited += [self._of(layout.LEAKS, evaluation)] if has_leaks else []
            rule, needs = "generate", [*needs, *waited]
        jobs = [self._job(rule, name, predictions, layout.EVALUATION, *needs)]
        scored = predictions
        if evaluation.test in executed_tests(self.study):
            scored = self._of(layout.VERDICTS, evaluation)
            problems = self._in_results(layout.PROBLEMS, test=evaluation.test)
            jobs.append(self._job("execute", name, scored, layout.EVALUATION, predictions, problems))
        return [*jobs, self._job("score", name, self._of(layout.SCORES, evaluation), layout.EVALUATION, scored)]

    def record(self, run: Run) -> Job:
        """The record of a run."""
        scores = (self._of(layout.SCORES, evaluation) for evaluation in self.study.of_run(run))
        return self._job("record", vars(run), self._of(layout.RECORD, run), layout.RUN, *scores)

    def of_study(self) -> list[Job]:
        """Comparisons on each test set, and the tables."""
        jobs = []
        for test in self.study.tests:
            records = [self._of(layout.RECORD, evaluation.run) for evaluation in self.study.of_test(test)]
            comparisons = self._in_results(layout.COMPARISONS, test=test)
            pairs = [pair for pair in self.study.leak_checks if pair["test"] == test]
            leaks = [self._in_results(layout.LEAKS, **pair) for pair in pairs]
            jobs.append(self._job("significance", {"test": test}, comparisons, "{test}", *records, *leaks))
        jobs += [self._answers()] if self.study.questions else []
        for table, inputs in table_inputs(self.study, self._in_results, self._in_resources).items():
            output, needs = (
                self._in_results(layout.TABLE_CSV, table=table),
                [one for each in inputs.values() for one in each],
            )
            jobs.append(self._job("table", {"table": table}, output, "{table}", *needs))
        return jobs

    def _answers(self) -> Job:
        """The answers to the study's questions."""
        of_tests = [one for test in answering_tests(self.study) for one in self.study.of_test(test)]
        needs = self._in_results(layout.ALL_RECORDS), *(self._of(layout.SCORES, one) for one in of_tests)
        return self._job("answers", {"what": "questions"}, self._in_results(layout.ANSWERS), "answers", *needs)
