"""Where a data set's file comes from: a local path, or the hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import remove
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository


@contextmanager
def dataset_file(entry: dict[str, Any], target: str | Path) -> Iterator[Path]:
    """Yields the data set's file: the local one if the entry names a path, else the pinned file of the hub.

    A downloaded file is removed when the block has succeeded.

    Args:
        entry: A `datasets` entry of the config.
        target: The rule's output; the download lies in a folder beside it.

    Raises:
        StudyError: The file cannot be had; the message says what to do.
    """
    if "path" in entry:
        yield Path(entry["path"])
        return
    repo = Repository(entry["repo"], entry["revision"], "dataset")
    files = [file for file in list_files(repo) if file.rfilename == entry["file"]]
    if not files:
        raise StudyError(
            f"{repo.name}, revision {repo.revision}: there is no file {entry['file']}. Check 'file' in the config."
        )
    folder = partial_folder(Path(target), repo.revision)
    download_files(repo, files, folder)
    yield folder / entry["file"]
    remove(folder.parent)
