"""Where a data set's file comes from: a local path, or the hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import remove
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.base.places import path_within
from codetune.study.dataset import Published


@contextmanager
def dataset_file(published: Published, target: str | Path) -> Iterator[Path]:
    """Yields the path of the data set's file: the local file if the config gives a path, else a pinned download.

    A downloaded file is removed when the block has succeeded.

    Args:
        published: The data set as published.
        target: The rule's output; the download goes to a folder beside it.

    Raises:
        StudyError: The repository has no such file, or the download fails.
    """
    source, name = published.source, published.file or ""
    if source.path is not None:
        yield Path(source.path)
        return
    repo = Repository(source.repo or "", source.revision or "", "dataset")
    files = [file for file in list_files(repo) if file.rfilename == name]
    if not files:
        raise StudyError(f"{repo.name}, revision {repo.revision}: there is no file {name}. Check 'file' in the config.")
    folder = partial_folder(Path(target), repo.revision)
    download_files(repo, files, folder)
    yield path_within(folder, name, repo.name)
    remove(folder.parent)
