"""Access to repositories of the hub, asked for before anything large is downloaded.

A publisher may ask for consent. Found out one by one, in the order of the downloads, each refusal would cost gigabytes
and a new start. So each job that downloads first asks for all that its invocation of the workflow will download.
"""

from collections.abc import Iterable, Mapping

from codetune.base.errors import StudyError
from codetune.base.hub import check_access
from codetune.base.hub_errors import Repository, UnreachableError
from codetune.base.hub_files import cached_file, cached_listing


def ask_for_access(wanted: Iterable[Mapping[str, str]]) -> None:
    """Asks the hub for access to repositories, each by one file, of which no byte is kept.

    A repository whose file the user's own cache of the hub holds, as its commit has it, is not asked for: who has that
    file had access.

    Args:
        wanted: Of each repository `name`, `revision` and `kind`, and the `file` to ask for.

    Raises:
        StudyError: The hub refuses a repository or does not answer. If it refuses several, a line on each is printed.
    """
    refused: dict[str, str] = {}
    for one in wanted:
        repo = Repository(one["name"], one["revision"], one["kind"])
        if _is_cached(repo, one["file"]):
            continue
        try:
            check_access(repo, one["file"])
        except UnreachableError:
            raise
        except StudyError as error:
            refused[repo.name] = str(error)
    if len(refused) == 1:
        raise StudyError(*refused.values())
    for line in refused.values():
        print(line, flush=True)
    if refused:
        raise StudyError(
            f"the hub refuses {len(refused)} repositories: {', '.join(refused)}. The lines above say why, and what to "
            "do. Nothing is downloaded before all of them can be read."
        )


def _is_cached(repo: Repository, name: str) -> bool:
    """Whether the user's cache holds a file of a commit. A list of the files alone says nothing: anybody gets it."""
    return any(file.rfilename == name and cached_file(repo, file) for file in cached_listing(repo) or [])
