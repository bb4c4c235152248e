"""One answer of the hub, from the first redirect to the last byte.

A server may answer anything, and what stands between us and the hub may, too. So no body is read that is not asked for,
none is decompressed, none may be longer than its caller says, and none may come slower than `LEAST` bytes in `WINDOW`
seconds.
"""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from codetune.base.hub_errors import NotTheHubError, OfflineError, RefusedError

MOST_REDIRECTS = 5
LEAST = 100_000  # bytes that have to arrive in each window, unless the body ends in it
WINDOW = 30.0  # seconds
LONGEST_LISTING = 100_000_000  # bytes; a file takes about 300


class TooSlowError(ConnectionError):
    """Hardly anything arrives."""


@contextmanager
def progress_expected() -> Iterator[Callable[[int], None]]:
    """Ends the block with `TooSlowError` when fewer than `LEAST` bytes arrive in `WINDOW` seconds.

    A library's own timeouts begin anew with each byte. An alarm does not, and it counts names, redirects and headers,
    too. To be called in the main thread.

    Yields:
        A function to be called with the number of bytes that have arrived since the last call.
    """
    window, least, arrived = WINDOW, LEAST, 0

    def too_slow(*_: Any) -> None:
        raise TooSlowError(f"fewer than {least:,} bytes came in {window:g} s")

    def note(count: int) -> None:
        nonlocal arrived
        arrived += count
        if arrived >= least:
            arrived = 0
            signal.setitimer(signal.ITIMER_REAL, window, window)

    before = signal.signal(signal.SIGALRM, too_slow)
    signal.setitimer(signal.ITIMER_REAL, window, window)
    try:
        yield note
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def answer(url: str, revision: str, more: Mapping[str, str] | None = None, is_hub: bool = True) -> Iterator[Any]:
    """Asks for a URL and follows redirects, to other hosts without the token.

    Args:
        url: Of the hub, or of another host.
        revision: The commit that is asked for.
        more: Further headers of the request.
        is_hub: Whether it is the hub's, which gets the token.

    Yields:
        The response, with status 200 or 206, its body not yet read and not compressed.

    Raises:
        RefusedError: The answer is an error.
        NotTheHubError: The answer is none that the hub gives.
    """
    from huggingface_hub import constants, errors, get_session
    from huggingface_hub.utils import build_hf_headers

    session = get_session()
    headers = {**build_hf_headers(token=None if is_hub else False), "Accept-Encoding": "identity", **(more or {})}
    request = session.build_request("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = session.send(request, stream=True, follow_redirects=False)
        except errors.OfflineModeIsEnabled:
            raise OfflineError("offline mode is enabled by HF_HUB_OFFLINE") from None
        try:
            if response.headers.get("X-Repo-Commit", revision) != revision:
                raise NotTheHubError("it is of another commit than the one asked for")
            if response.next_request is None:
                _check(response)
                yield response
                return
            request = response.next_request
            if request.url.scheme not in ("http", "https"):
                raise NotTheHubError("it sends us to what is no web address")
        finally:
            response.close()
    raise NotTheHubError(f"it redirects more than {MOST_REDIRECTS} times")


def _check(response: Any) -> None:
    """Accepts what has a body to read."""
    headers = response.headers
    if response.status_code >= 400:
        code, said = headers.get("X-Error-Code", ""), headers.get("X-Error-Message", "")
        raise RefusedError(response.status_code, code, said, asked_wait(headers))
    if response.status_code not in (200, 206):
        raise NotTheHubError(f"status {response.status_code}")
    if headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise NotTheHubError("it is compressed, which nobody asked for")


def asked_wait(headers: Any) -> float:
    """Returns the seconds that the hub asks to wait: by `Retry-After`, or until its rate-limit window ends; else 0."""
    from huggingface_hub.utils import parse_ratelimit_headers

    asked = headers.get("Retry-After", "")
    try:
        if asked.isdecimal():
            return float(asked)
        window = parse_ratelimit_headers(headers)
    except ValueError:  # a number of thousands of digits
        return 0.0
    return float(window.reset_in_seconds) if window is not None and window.remaining == 0 else 0.0


def read_listing(url: str, revision: str) -> bytes:
    """Reads the body of an answer of the hub's API.

    Raises:
        NotTheHubError: It is longer than any list of files.
    """
    body = bytearray()
    with progress_expected() as note, answer(url, revision) as response:
        for chunk in response.iter_raw():
            note(len(chunk))
            body += chunk
            if len(body) > LONGEST_LISTING:
                raise NotTheHubError(f"a list of files of more than {LONGEST_LISTING:,} bytes")
    return bytes(body)
