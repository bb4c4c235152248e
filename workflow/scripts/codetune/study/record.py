"""The record of one run: all that is known of it, in one document. Tables, figures and pages read nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import read_json, sha256_of_file, write_json
from codetune.base.plain import from_plain, to_plain
from codetune.study import layout
from codetune.study.facts import GenerationFacts, SplitFacts, Summary, TrainingFacts
from codetune.study.method import Method
from codetune.study.model import Model
from codetune.study.runs import Run, System

VERSION = 1  # of the form of record.json


@dataclass(frozen=True)
class HashedFile:
    """A file of the run.

    Attributes:
        path: Seen from the folder of the record.
        sha256: Hash of its bytes.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class Tested:
    """The run on one test set.

    Attributes:
        generation: What the predictions were computed from and with.
        summary: Their scores.
        samples_sha256: Hash of the test samples.
        files: `predictions` and `scores`.
    """

    generation: GenerationFacts
    summary: Summary
    samples_sha256: str
    files: dict[str, HashedFile]


@dataclass(frozen=True)
class Record:
    """record.json.

    Attributes:
        version: Of the form of this document.
        run: Which run it is.
        model: The config's entry of the model.
        method: The config's entry of the method.
        data_sha256: Hashes of the training data's parts; empty for a run that sees none.
        training: What the training was; None for a run that sees no data. All settings are in its `plan`.
        files: The `training_log` of a training.
        tests: The run on each test set.
        folder: Where the record lies; not part of the document.
    """

    version: int
    run: Run
    model: Model
    method: Method
    data_sha256: dict[str, str]
    training: TrainingFacts | None
    files: dict[str, HashedFile]
    tests: dict[str, Tested]
    folder: str = ""

    def path_of(self, name: str, test: str | None = None) -> Path:
        """Path of one of the run's files, or of its files on a test set."""
        files = self.files if test is None else self.tests[test].files
        return Path(self.folder) / files[name].path

    @property
    def curve(self) -> Path:
        """Path of the training curve; no table needs it, so that the record does not wait for it."""
        return Path(self.folder) / Path(layout.CURVE).name


@dataclass(frozen=True)
class RecordInputs:
    """The files that a record gathers.

    Attributes:
        splits: split.json of the training data and of each test set, by name.
        training: training.json; None for a run that sees no data.
        files: The `training_log` of a training.
        tests: For each test set its `generation`, `summary`, `predictions` and `scores`.
    """

    splits: Mapping[str, str]
    training: str | None
    files: Mapping[str, str]
    tests: Mapping[str, Mapping[str, str]]


def write_record(run: Run, model: Model, method: Method, inputs: RecordInputs, target: str) -> None:
    """Gathers all that is known of one run: from what, with what, on what, and what came out.

    Raises:
        StudyError: One of the files is not what its kind holds.
    """
    folder = Path(target).parent
    splits = {name: from_plain(read_json(path), SplitFacts, path) for name, path in inputs.splits.items()}
    tests = {
        test: Tested(
            generation=from_plain(read_json(files["generation"]), GenerationFacts, files["generation"]),
            summary=from_plain(read_json(files["summary"]), Summary, files["summary"]),
            samples_sha256=splits[test].sha256["test"],
            files={name: _hashed(files[name], folder) for name in ("predictions", "scores")},
        )
        for test, files in inputs.tests.items()
    }
    training = inputs.training
    record = Record(
        version=VERSION,
        run=run,
        model=model,
        method=method,
        data_sha256={part: splits[run.data].sha256[part] for part in ("train", "validation")} if run.trains else {},
        training=from_plain(read_json(training), TrainingFacts, training) if training else None,
        files={name: _hashed(path, folder) for name, path in inputs.files.items()},
        tests=tests,
    )
    document = to_plain(record)
    del document["folder"]
    write_json(target, document)


def _hashed(path: str, folder: Path) -> HashedFile:
    return HashedFile(Path(path).relative_to(folder).as_posix(), sha256_of_file(path))


def read_record(path: str | Path) -> Record:
    """Reads the record of a run.

    Raises:
        StudyError: It is not a record, or one of another release.
    """
    document = read_json(path)
    found = document.get("version") if isinstance(document, dict) else None
    if found != VERSION:
        raise StudyError(f"{path}: a record of version {found}, but {VERSION} is read here. Delete it and run again.")
    return replace(from_plain(document, Record, str(path)), folder=str(Path(path).parent))


def read_records(paths: Iterable[str | Path]) -> list[Record]:
    """Reads the records of some runs, in their order."""
    return [read_record(path) for path in paths]


def by_system(records: Iterable[Record]) -> dict[System, list[Record]]:
    """The records of each system, one per seed, in their order."""
    found: dict[System, list[Record]] = {}
    for record in records:
        found.setdefault(record.run.system, []).append(record)
    return found
