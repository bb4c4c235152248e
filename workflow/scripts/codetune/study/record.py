"""The record of one run: all that is known about it, in one document.

Of a run, tables, figures and pages read the record and the files that it names, and Figure 2 the curve beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import read_json, reading, sha256_of_file, write_json
from codetune.base.identity import check_recorded
from codetune.base.plain import from_plain, read_as, to_plain
from codetune.base.rehearsal import is_rehearsal
from codetune.study import layout
from codetune.study.data_facts import SplitFacts
from codetune.study.examples import CountFacts
from codetune.study.execution import ExecutionFacts
from codetune.study.facts import GenerationFacts, Summary, TrainingFacts
from codetune.study.method import Method
from codetune.study.model import Model
from codetune.study.prompt import Examples
from codetune.study.record_inputs import RecordInputs
from codetune.study.retrieval import RetrievalFacts
from codetune.study.runs import Run
from codetune.study.search import SearchFacts

VERSION = 3  # of the format of record.json


@dataclass(frozen=True)
class HashedFile:
    """A file of a run.

    Attributes:
        path: Its path, relative to the folder of the record.
        sha256: SHA-256 of its bytes.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Tested:
    """Results of a run on one test set.

    Attributes:
        generation: What the predictions were computed from and with; None for a run without a model.
        summary: Scores of the predictions.
        samples_sha256: SHA-256 of the test samples.
        files: The files `predictions` and `scores`.
        retrieval: What the predictions of a run without a model were found in; None for the others.
        execution: What the unit tests of the set say of the predictions; None where it has none.
    """

    generation: GenerationFacts | None
    summary: Summary
    samples_sha256: str
    files: dict[str, HashedFile]
    retrieval: RetrievalFacts | None = None
    execution: ExecutionFacts | None = None


@dataclass(frozen=True)
class Record:
    """record.json: all that is known about one run.

    Attributes:
        version: Version of the document's format.
        run: Which run it is.
        model: The config's entry of its model, or what stands in its place.
        method: The config's entry of its method.
        data_sha256: SHA-256 of `train` and `validation`; of `train` alone where its samples are predictions or
            examples; empty for a run without training data.
        training: Facts of the training, with all settings in `plan`; None for a run that trains nothing.
        files: The file `training_log` of a training; empty for a run that trains nothing.
        tests: Results on each test set, by its name.
        template: Name of the template of its prompts; None for a run without a model.
        search: The trials that `training` was chosen from; None for a run that searches nothing.
        synthetic: Whether it is of a rehearsal, which makes up what no model computed.
        count: The trials that the number of examples was chosen from; None where there was no choice.
        folder: Folder of the record; not part of the document.
    """

    version: int
    run: Run
    model: Model
    method: Method
    data_sha256: dict[str, str]
    training: TrainingFacts | None
    files: dict[str, HashedFile]
    tests: dict[str, Tested]
    template: str | None = None
    search: SearchFacts | None = None
    synthetic: bool = False
    count: CountFacts | None = None
    folder: str = ""

    @property
    def trains(self) -> bool:
        """Whether the run trains a model."""
        return self.method.trains

    def executes(self, test: str) -> bool:
        """Whether it is evaluated on a test set with unit tests."""
        return test in self.tests and self.tests[test].execution is not None

    @property
    def examples(self) -> Examples | None:
        """The examples in its prompts; None where there are none."""
        return self.method.examples

    def path_of(self, name: str, test: str | None = None) -> Path:
        """Returns the path of one of the run's files.

        Args:
            name: Name of the file, as in `files`.
            test: The test set, for `predictions` and `scores`; None for the files of the training.
        """
        return Path(self.folder) / self._file(name, test).path

    def read_path(self, name: str, test: str | None = None) -> Path:
        """Returns the path of one of the run's files as `path_of` does, if the file is still the recorded one.

        Raises:
            StudyError: The file has changed since the record was written.
        """
        path = self.path_of(name, test)
        record = Path(self.folder) / Path(layout.RECORD).name
        check_recorded({name: sha256_of_file(path)}, {name: self._file(name, test).sha256}, {name: str(path)}, record)
        return path

    def _file(self, name: str, test: str | None) -> HashedFile:
        return (self.files if test is None else self.tests[test].files)[name]

    @property
    def curve(self) -> Path:
        """Path of the training curve; no table needs it, so that the record does not wait for it."""
        return Path(self.folder) / Path(layout.CURVE).name


def write_record(run: Run, model: Model, method: Method, template: str, inputs: RecordInputs, target: str) -> None:
    """Gathers all that is known about one run into its record.

    Args:
        run: The run.
        model: The config's entry of its model, or what stands in its place.
        method: The config's entry of its method.
        template: Name of the template of its prompts; a run without a model has none.
        inputs: The files to gather.
        target: The file to write.

    Raises:
        StudyError: An input does not hold what its name says, or is not made from the others.
    """
    record = gather_record(run, model, method, template, inputs, Path(target).parent)
    write_json(target, to_document(record))


def gather_record(run: Run, model: Model, method: Method, template: str, inputs: RecordInputs, folder: Path) -> Record:
    """Gathers all that is known about one run, as `write_record` does, for a record that lies in a folder.

    Raises:
        StudyError: An input does not hold what its name says, or is not made from the others.
    """
    splits = {name: read_as(path, SplitFacts) for name, path in inputs.splits.items()}

    def hash_of(name: str, part: str) -> str:
        with reading(inputs.splits[name]):
            return splits[name].sha256[part]

    tests = {
        test: Tested(
            generation=None if run.retrieves else read_as(files["origin"], GenerationFacts),
            summary=read_as(files["summary"], Summary),
            samples_sha256=hash_of(test, "test"),
            files={name: _hash_file(files[name], folder) for name in ("predictions", "scores")},
            retrieval=read_as(files["origin"], RetrievalFacts) if run.retrieves else None,
            execution=read_as(files["execution"], ExecutionFacts) if "execution" in files else None,
        )
        for test, files in inputs.tests.items()
    }
    training = inputs.training
    parts = ("train", "validation") if method.trains else ("train",) if method.uses_data else ()
    record = Record(
        version=VERSION,
        run=run,
        model=model,
        method=method,
        data_sha256={part: hash_of(run.data, part) for part in parts},
        training=read_as(training, TrainingFacts) if training else None,
        files={name: _hash_file(path, folder) for name, path in inputs.files.items()},
        tests=tests,
        template=None if run.retrieves else template,
        search=read_as(inputs.search, SearchFacts) if inputs.search else None,
        synthetic=is_rehearsal(),
        count=read_as(inputs.count, CountFacts) if inputs.count else None,
        folder=str(folder),
    )
    _check_not_made_up(record, inputs)
    _check_origins(record, inputs)
    return record


def to_document(record: Record) -> dict[str, Any]:
    """Returns the JSON document of a record."""
    document = {key: value for key, value in to_plain(record).items() if key != "folder"}
    if record.model.kind is None:
        del document["model"]["kind"]
    for test, tested in record.tests.items():
        if tested.generation:
            document["tests"][test]["generation"] = tested.generation.to_document()
        if tested.execution is None:
            del document["tests"][test]["execution"]
    return document


def _check_not_made_up(record: Record, inputs: RecordInputs) -> None:
    """Checks that a study takes nothing that a rehearsal made up for its own."""
    facts: list[tuple[str | None, TrainingFacts | GenerationFacts | None]] = [(inputs.training, record.training)]
    facts += [(inputs.tests[test]["origin"], tested.generation) for test, tested in record.tests.items()]
    if found := [path for path, one in facts if one and one.synthetic and not record.synthetic]:
        raise StudyError(f"{found[0]}: made up by a rehearsal. Delete it and run again.")


def _check_origins(record: Record, inputs: RecordInputs) -> None:
    """Checks that training, predictions and scores were made from what the record names."""
    training, expected = record.training, {}
    if training and inputs.training:
        samples = {f"{part}_samples": digest for part, digest in record.data_sha256.items()}
        _check_made_from(training.inputs_sha256, samples, inputs.training)
        expected = {"tuned": training.tuned_sha256, "checkpoint": training.checkpoint.sha256}
        if record.search and inputs.search:
            _check_chosen(record.search, inputs.training, inputs.search)
    for test, tested in record.tests.items():
        files, written = inputs.tests[test], {"scores": tested.summary.scores_sha256}
        if generation := tested.generation:
            used = generation.inputs_sha256 | {"checkpoint": generation.checkpoint.sha256}
            if record.examples:
                expected = {"examples_samples": record.data_sha256["train"]}
            _check_made_from(used, expected | {"prompts_samples": tested.samples_sha256}, files["origin"])
            written["predictions"] = generation.predictions_sha256
        if retrieval := tested.retrieval:
            searched = {"train_samples": record.data_sha256["train"], "test_samples": tested.samples_sha256}
            _check_made_from(retrieval.inputs_sha256, searched, files["origin"])
            written["predictions"] = retrieval.predictions_sha256
        if execution := tested.execution:
            judged = {"predictions": tested.files["predictions"].sha256}
            _check_made_from(execution.inputs_sha256, judged, files["execution"])
        for name, facts in (("predictions", "origin"), ("scores", "summary")):
            check_recorded({name: tested.files[name].sha256}, written, files, files[facts])


def _check_chosen(search: SearchFacts, training: str, path: str) -> None:
    """Checks that the training is the trial that was chosen."""
    chosen = {trial.method: trial.training_sha256 for trial in search.trials}.get(search.chosen, "")
    check_recorded({"training": sha256_of_file(training)}, {"training": chosen}, {"training": training}, path)


def _check_made_from(used: Mapping[str, str], expected: Mapping[str, str], path: str) -> None:
    """Compares the hashes of the inputs that a file of facts names with those that the run has."""
    for name, digest in expected.items():
        if used.get(name) != digest:
            what = name.replace("_", " ")
            raise StudyError(f"{path}: made from other inputs than the run has now ({what}). Delete it and run again.")


def read_record(path: str | Path) -> Record:
    """Reads the record of a run.

    Raises:
        StudyError: The file is not a record, one of another version, or made up by a rehearsal of another study.
    """
    return replace(as_record(read_json(path), str(path)), folder=str(Path(path).parent))


def as_record(document: Any, where: str) -> Record:
    """Makes a record of its JSON document.

    Args:
        document: The document.
        where: Where it stands, for errors.

    Raises:
        StudyError: It is not a record, one of another version, or made up by a rehearsal of another study.
    """
    found = document.get("version") if isinstance(document, dict) else None
    if found != VERSION:
        raise StudyError(
            f"{where}: a record of version {found}, but this release reads version {VERSION}. Delete it and run again."
        )
    if document.get("synthetic") and not is_rehearsal():
        raise StudyError(f"{where}: made up by a rehearsal. Delete it and run again.")
    return from_plain(document, Record, where)


def _hash_file(path: str, folder: Path) -> HashedFile:
    return HashedFile(Path(path).relative_to(folder).as_posix(), sha256_of_file(path))
