"""Pinned downloads of single files from GitHub.

They are small, since GitHub takes no larger ones: a file that did not arrive whole is fetched anew. GitHub sends no
hash of them: what they hold is checked by the hash of the records that the config declares.
"""

import time
from pathlib import Path
from urllib.parse import quote

from codetune.base.errors import StudyError
from codetune.base.hub import WAITS
from codetune.base.hub_answers import answer, progress_expected
from codetune.base.hub_errors import NotTheHubError, OfflineError, RefusedError, may_pass
from codetune.base.places import path_within
from codetune.base.progress import BYTES, doing

ADDRESS = "https://raw.githubusercontent.com"
MOST_BYTES = 100_000_000  # of a file in a repository of GitHub


def download_file(repository: str, revision: str, name: str, folder: Path) -> Path:
    """Downloads a file of a repository as a commit has it, and tries again where that may help.

    Args:
        repository: Its owner and name.
        revision: The commit.
        name: The file's name in the repository.
        folder: Where to put it; made if it is not there.

    Returns:
        The path of the file.

    Raises:
        StudyError: There is no such file, GitHub does not answer, or what it sends is no such file.
    """
    from huggingface_hub.errors import HTTPError

    what, target = f"{repository}: {name}", path_within(folder, name, repository)
    target.parent.mkdir(parents=True, exist_ok=True)
    waits = list(WAITS)
    while True:
        try:
            size = _fetch(f"{ADDRESS}/{repository}/{revision}/{quote(name)}", name, target)
        except NotTheHubError as error:
            raise StudyError(f"{what}: the answer is not GitHub's ({error}). Is there a proxy in between?") from None
        except (RefusedError, HTTPError, ConnectionError) as error:
            reason = _reason_of(error)
            if not may_pass(error):
                raise StudyError(f"{what}: {reason}") from None
            if not waits:
                raise StudyError(f"{what}: {reason}. Run again where there is a network, or give a 'path'.") from None
            wait = waits.pop(0)
            print(f"{what}: {reason}; next try in {wait:g} s", flush=True)
            with doing(f"waiting to ask for {name} again"):
                time.sleep(wait)
        else:
            print(f"{name}: {size:,} bytes")
            return target


def _fetch(url: str, name: str, target: Path) -> int:
    """Writes what a URL holds into a file, and returns its size in bytes."""
    size = 0
    download = doing(f"download of {name}", BYTES)
    with progress_expected() as note, answer(url, "", is_hub=False) as response, download as part:
        if "html" in response.headers.get("Content-Type", "").lower():
            raise NotTheHubError(f"a page in place of {name}")
        length = response.headers.get("Content-Length", "")
        part.start(int(length[:20]) if length.isdecimal() else 0, 0)
        with target.open("wb") as stream:
            for chunk in response.iter_raw():
                note(len(chunk))
                stream.write(chunk)
                part.add(len(chunk))
                size += len(chunk)
                if size > MOST_BYTES:
                    raise NotTheHubError(f"more than {MOST_BYTES:,} bytes")
    if length.isdecimal() and size != int(length[:20]):
        raise ConnectionError(f"{name} ended after {size:,} of {int(length[:20]):,} bytes")
    return size


def _reason_of(error: Exception) -> str:
    """Says what went wrong, in words that are not the server's."""
    if isinstance(error, OfflineError):
        return f"GitHub is not asked: {error}. Run again without that, or give a 'path'."
    if not isinstance(error, RefusedError):
        return f"GitHub cannot be reached ({type(error).__name__})"
    if error.status == 404:
        return (
            "there is no such repository, commit or file. Check 'github', 'revision' and the file's name in the config."
        )
    return f"GitHub answered {error.status}"
