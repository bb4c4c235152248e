"""Where a data set's files come from: local paths, the hub, or GitHub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.files import remove
from codetune.base.github import download_file
from codetune.base.hub import download_files, list_files, partial_folder
from codetune.base.hub_errors import Repository
from codetune.base.places import path_within
from codetune.study.dataset import Published


@contextmanager
def dataset_files(published: Published, target: str | Path) -> Iterator[list[Path]]:
    """Yields the paths of the data set's files: local files if the config gives a path, else a pinned download.

    Downloaded files are removed when the block has succeeded.

    Args:
        published: The data set as published.
        target: The rule's output; the download goes to a folder beside it.

    Raises:
        StudyError: The repository lacks a file, or the download fails.
    """
    source = published.source
    if source.path is not None:
        yield published.local_files
        return
    if published.github is not None:
        folder = Path(target).with_name(Path(target).name + ".partial")
        yield [download_file(published.github, source.revision or "", name, folder) for name in published.files]
        remove(folder)
        return
    repo = Repository(source.repo or "", source.revision or "", "dataset")
    listed = {file.rfilename: file for file in list_files(repo)}
    for name in published.files:
        if name not in listed:
            key = "parts" if published.parts else "file"
            raise StudyError(
                f"{repo.name}, revision {repo.revision}: there is no file {name}. Check '{key}' in the config."
            )
    folder = partial_folder(Path(target), repo.revision)
    download_files(repo, [listed[name] for name in published.files], folder)
    yield [path_within(folder, name, repo.name) for name in published.files]
    remove(folder.parent)
