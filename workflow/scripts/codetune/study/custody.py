"""What lies on the disk is what its record says: checked for all jobs before the first of them starts.

A job checks its own inputs, too. But by then Snakemake has removed the outputs of its last run, hours of GPU work.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import iterate_jsonl, read_json, reading, sha256_of_file, sha256_of_list
from codetune.base.identity import check_recorded
from codetune.base.manifests import MANIFEST, Manifest, checked_folder, read_manifest
from codetune.study import layout
from codetune.study.model import Source
from codetune.study.study import Study

RECORD_FIELDS = ("instruction", "input", "output")
MORE_FIELDS = ("earlier", "problem")  # of some records


def check_inputs(paths: Iterable[str]) -> None:
    """Checks files that jobs are going to read, as far as a record lies beside them.

    Raises:
        StudyError: A file is not the one that its record describes, or is no file.
    """
    for path in map(Path, paths):
        if path.exists() and not path.is_file():
            raise StudyError(f"{path} is no file, but a folder, a pipe or a device. Move it away and run again.")
        if path.name != MANIFEST:
            _check_file(path)
        elif path.exists() and not path.with_name(Path(layout.DROPPED).name).exists():
            checked_folder(path, always_hashed=0)


def check_downloads(study: Study, resources: str, paths: Iterable[str]) -> None:
    """Checks that downloads which are there already come from where the config says: another study may share them.

    Args:
        study: The study.
        resources: The folder of downloads.
        paths: The files that jobs are going to read.

    Raises:
        StudyError: A checkpoint or an encoder comes from elsewhere, or a data set is not the declared one.
    """
    used = set(map(str, paths))
    folders = [
        (pattern.format(model=name), f"models.{name}", model.source)
        for name, model in study.models.items()
        for pattern in (layout.TOKENIZER, layout.CHECKPOINT)
    ]
    folders += [
        (layout.ENCODER.format(encoder=name), f"encoders.{name}", source) for name, source in study.encoders.items()
    ]
    for place, key, source in folders:
        path = f"{resources}/{place}"
        if path in used and Path(path).exists():
            manifest = read_manifest(path)
            found = Source(manifest.path, manifest.repo, manifest.revision)
            if found != source and not _has_files_of(source, manifest):
                raise _from_elsewhere(Path(path).parent, f"{found.name} {found.revision or ''}", key)
    for name, dataset in study.datasets.items():
        path = f"{resources}/{layout.IMPORT.format(dataset=name)}"
        declared = {"records": dataset.published.records, "sha256": dataset.published.sha256}
        if path in used and Path(path).exists():
            with reading(path):
                imported = {key: read_json(path)[key] for key in declared}
            if any(value not in (None, imported[key]) for key, value in declared.items()):
                described = f"{imported['records']} records, {imported['sha256']}"
                raise _from_elsewhere(Path(path), described, f"datasets.{name}")


def _has_files_of(source: Source, manifest: Manifest) -> bool:
    """Whether a local checkpoint has the files of a manifest, byte for byte, wherever it lies."""
    files = {Path(source.path or "") / name: file for name, file in manifest.files.items()}
    return source.path is not None and all(
        path.is_file() and path.stat().st_size == file.bytes and sha256_of_file(path) == file.sha256
        for path, file in files.items()
    )


def _from_elsewhere(path: Path, found: str, key: str) -> StudyError:
    return StudyError(
        f"{path} holds something else than {key} of the config names ({found}); another study may share the folder of "
        "downloads. Give this study 'resources' of its own, or delete it and run again."
    )


def _check_file(path: Path) -> None:
    """Compares one file with the record beside it, if it is of a kind that has one."""
    for pattern, record, keys, hash_of in KINDS:
        beside = path.with_name(record.format(stem=path.stem))
        if path.match(layout.glob_of(pattern)) and path.exists() and beside.exists():
            expected = read_json(beside)
            with reading(beside):
                for key in keys:
                    expected = expected[key.format(stem=path.stem)]
            check_recorded({path.name: hash_of(path)}, {path.name: str(expected)}, {path.name: str(path)}, beside)


def _of_records(path: Path) -> str:
    with reading(path):
        return sha256_of_list(
            [*(row[field] for field in RECORD_FIELDS), *(row[field] for field in MORE_FIELDS if row.get(field))]
            for row in iterate_jsonl(path)
        )


def _of_samples(path: Path) -> str:
    return sha256_of_list(iterate_jsonl(path))


# For each kind of file its path, the record beside it, where that has the hash, and of what the hash is.
KINDS: tuple[tuple[str, str, tuple[str, ...], Callable[[Path], str]], ...] = (
    (layout.RECORDS, "{stem}.json", ("sha256",), _of_records),
    *(
        (part, "split.json", ("sha256", "{stem}"), _of_samples)
        for part in (layout.TRAIN, layout.VALIDATION, layout.TEST_PART)
    ),
    *(
        (tokens, "stats.json", ("sha256", "{stem}"), sha256_of_file)
        for tokens in (layout.TRAIN_TOKENS, layout.VALIDATION_TOKENS, layout.PROMPTS)
    ),
    *(
        (layout.PREDICTIONS, Path(origin).name, ("predictions_sha256",), sha256_of_file)
        for origin in (layout.GENERATION, layout.RETRIEVAL)
    ),
    (layout.PROBLEMS, "problems.json", ("problems_sha256",), sha256_of_file),
    (layout.VERDICTS, "execution.json", ("verdicts_sha256",), sha256_of_file),
    (layout.SCORES, "summary.json", ("scores_sha256",), sha256_of_file),
    (layout.VECTORS, "{stem}.json", ("vectors_sha256",), sha256_of_file),
)
