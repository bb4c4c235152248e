"""Errors of the hub, the network and the disk, each explained in one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codetune.base.errors import StudyError

PASSING = (408, 429, 500, 502, 503, 504)  # HTTP status codes that a retry may clear


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


def may_pass(error: Exception) -> bool:
    """Whether a retry may succeed after this error of the hub or the network."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code in PASSING
    return not isinstance(error, errors.OfflineModeIsEnabled)


def asked_wait(error: Exception) -> float:
    """Returns the seconds that the hub asks to wait: by `Retry-After`, or until its rate-limit window ends; else 0."""
    from huggingface_hub import errors
    from huggingface_hub.utils import parse_ratelimit_headers

    if not isinstance(error, errors.HfHubHTTPError):
        return 0.0
    asked = error.response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    window = parse_ratelimit_headers(error.response.headers)
    return float(window.reset_in_seconds) if window is not None and window.remaining == 0 else 0.0


def reason_of(error: Exception) -> str:
    """Says what went wrong, without the token, and without the URL: a redirected one grants access to the file."""
    from huggingface_hub import errors, get_token

    if not isinstance(error, errors.HfHubHTTPError):
        return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    said = (error.server_message or "").split("\n")[0].rstrip(".").replace(get_token() or "\n", "<token>")
    status = f"{error.response.status_code} {error.response.reason_phrase}"
    return f"the hub answered {status}" + (f" ({said})" if said else "")


@contextmanager
def hub_errors_explained(repo: Repository, path: Path | None) -> Iterator[None]:
    """Turns errors of the hub, the network and the disk into a `StudyError` of one line that says what to do.

    Args:
        repo: The repository, for messages.
        path: The file that is written, for errors of the disk that name none.

    Raises:
        StudyError: In place of each such error.
    """
    from huggingface_hub import errors, get_token

    try:
        yield
    except errors.GatedRepoError:
        login = "the token in use has no access to it" if get_token() else "set HF_TOKEN to a token of your account"
        raise StudyError(
            f"{repo.name}: the publisher asks for consent first. Accept the licence on the model's page; {login}."
        ) from None
    except errors.RevisionNotFoundError:
        raise StudyError(
            f"{repo.name}: there is no revision {repo.revision}. Check 'revision' in the config."
        ) from None
    except errors.RepositoryNotFoundError:
        raise StudyError(
            f"{repo.name}: there is no such repository, or it is private. Check 'repo' in the config, or set HF_TOKEN."
        ) from None
    except errors.HfHubHTTPError as error:
        refused = error.response.status_code in (401, 403)
        remedy = "Is the token in HF_TOKEN valid, and may it read this?" if refused else "Try again later."
        raise StudyError(f"{repo.name}: {reason_of(error)}. {remedy}") from None
    except (errors.HTTPError, ConnectionError) as error:
        raise StudyError(
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
    except ValueError as error:
        raise StudyError(
            f"{repo.name}: the answer is not the hub's ({reason_of(error)}). Is there a proxy in between?"
        ) from None
