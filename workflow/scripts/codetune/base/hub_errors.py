"""Errors of the hub, the network and the disk, each explained in one line that says what to do.

What a server sends may repeat the token, so none of its words are printed unless they are plain ones.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from codetune.base.errors import StudyError

PASSING = (408, 429, 500, 502, 503, 504)  # HTTP status codes that a retry may clear
PLAIN_WORDS = re.compile(r"[A-Z]?[a-z]{0,15}[,.;:]?( [A-Z]?[a-z]{0,15}[,.;:]?){0,30}")


@dataclass(frozen=True)
class Repository:
    """A repository of the hub at one commit.

    Attributes:
        name: Owner and name, as in `owner/name`.
        revision: The commit.
        kind: `model` or `dataset`.
    """

    name: str
    revision: str
    kind: str


class UnreachableError(StudyError):
    """There is no network, or the hub does not answer."""


class NotTheHubError(Exception):
    """The answer is none that the hub gives; the message says in what, in words that are not the server's."""


class OfflineError(ConnectionError):
    """The user's settings forbid the network."""


class RefusedError(Exception):
    """The hub answered with an error.

    Attributes:
        status: HTTP status code.
        code: The hub's own name of the error; empty if it gives none.
        said: The hub's message, if it is made of plain words; else empty.
        wait: Seconds that the hub asks to wait; 0 if it does not ask.
    """

    def __init__(self, status: int, code: str, said: str, wait: float) -> None:
        known = status in {one.value for one in HTTPStatus}  # the phrase that a server sends may be any text
        status_line = f"{status} {HTTPStatus(status).phrase}" if known else str(status)
        self.said = said if PLAIN_WORDS.fullmatch(said) and not tells_token(said) else ""
        super().__init__(f"the hub answered {status_line}" + (f" ({self.said.rstrip('.')})" if self.said else ""))
        self.status, self.code, self.wait = status, code, wait


def tells_token(text: str) -> bool:
    """Whether a text holds a third of the token or more: as it is, backwards, percent-encoded, in base64 or in hex."""
    from huggingface_hub import get_token

    token = get_token()
    if not token:
        return False
    raw = token.encode()
    # In base64 a token looks different at each of three offsets; its first and last signs depend on its neighbours.
    encoded = [b64encode(b"x" * offset + raw).decode().rstrip("=")[2 * offset : -1] for offset in range(3)]
    forms = [token, token[::-1], raw.hex(), *encoded, *(form.translate({43: "-", 47: "_"}) for form in encoded)]
    texts = {text.casefold(), unquote(text).casefold(), unquote(unquote(text)).casefold()}
    for form in forms:
        length = min(max(6, len(form) // 3), len(form))
        pieces = {form[start : start + length].casefold() for start in range(len(form) - length + 1)}
        if any(piece in one for piece in pieces for one in texts):
            return True
    return False


def may_pass(error: Exception) -> bool:
    """Whether a retry may succeed after this error of the hub or the network."""
    return error.status in PASSING if isinstance(error, RefusedError) else not isinstance(error, OfflineError)


def reason_of(error: Exception) -> str:
    """Says what went wrong, without the token, and without the URL: a redirected one grants access to the file."""
    from huggingface_hub import errors

    if isinstance(error, RefusedError):
        return str(error)
    said = str(error).strip().split("\n")[0].rstrip(".")
    ours = not isinstance(error, errors.HTTPError) or any(isinstance(one, OSError) for one in _causes(error))
    if ours and said and said.isprintable() and not tells_token(said):
        return said
    return f"no valid answer: {type(error).__name__}"  # such a message may quote what the server sent


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _say_refused(repo: Repository, error: RefusedError) -> str:
    from huggingface_hub import get_token

    token = get_token()
    if error.code == "GatedRepo":
        login = "the token in use has no access to it" if token else "set HF_TOKEN to a token of your account"
        page = f"https://huggingface.co/{'datasets/' if repo.kind == 'dataset' else ''}{repo.name}"
        return f"the publisher asks for consent first. Accept the licence on {page}; {login}."
    if error.code == "RevisionNotFound":
        return f"there is no revision {repo.revision}. Check 'revision' in the config."
    # Without a token the hub answers 401 for what is private and for what does not exist.
    if error.code == "RepoNotFound" or (error.status == 401 and not token):
        return "there is no such repository, or it is private. Check 'repo' in the config, or set HF_TOKEN."
    refused = error.status in (401, 403)
    remedy = "Is the token in HF_TOKEN valid, and may it read this?" if refused else "Try again later."
    return f"{reason_of(error)}. {remedy}"


@contextmanager
def hub_errors_explained(repo: Repository, path: Path | None) -> Iterator[None]:
    """Turns errors of the hub, the network and the disk into a `StudyError` of one line that says what to do.

    Args:
        repo: The repository, for messages.
        path: The file that is written, for errors of the disk that name none.

    Raises:
        UnreachableError: In place of each error of the network.
        StudyError: In place of each other such error.
    """
    from huggingface_hub import errors

    try:
        yield
    except RefusedError as error:
        raise StudyError(f"{repo.name}: {_say_refused(repo, error)}") from None
    except NotTheHubError as error:
        raise StudyError(
            f"{repo.name}: the answer is not the hub's ({error}). Is there a proxy in between? What has arrived before "
            "is kept."
        ) from None
    except (errors.HTTPError, ConnectionError) as error:
        raise UnreachableError(
            f"{repo.name}: the hub cannot be reached ({reason_of(error)}). Run again where there is a network; what "
            "has arrived is kept. Or give a local 'path' in the config."
        ) from None
    except OSError as error:
        place = error.filename or path
        raise StudyError(
            f"{repo.name}: {place}: {error.strerror}. Fix that and run again; what has arrived is kept."
        ) from None
    except errors.HFValidationError as error:
        raise StudyError(f"{repo.name}: {reason_of(error)}. Check 'repo' in the config.") from None
