"""Ways in which a hub, or what stands in between, may misbehave: each answers one request of `hubserver.Hub`."""

import contextlib
import gzip
import json
import time
from base64 import b64encode
from urllib.parse import quote

from hubserver import OTHER_REVISION, WEIGHTS, refuse

TOKEN = "hf_secret"
HTML = b"<!DOCTYPE html>\n<html><body>Please log in</body></html>"
ENDLESS = 64_000_000  # bytes after which even an endless server ends: a client that reads so much has failed


def raw(*parts, pause=0.0):
    """Bytes of an answer as they go over the wire."""

    def action(handler):
        handler.close_connection = True
        with contextlib.suppress(OSError):
            for part in parts:
                handler.wfile.write(part)
                handler.wfile.flush()
                time.sleep(pause)

    return action


def send(body, status=200, **headers):
    return lambda handler: handler.send(
        body, {name.replace("_", "-"): value for name, value in headers.items()}, status
    )


def listing(change):
    """The hub's list of files, changed."""

    def action(handler):
        key = next(key for key in handler.server.files if f"/{key[1]}" in handler.request_seen.path)
        siblings = [dict(sibling) for sibling in handler.server.declared[key].values()]
        found = {"id": key[0], "sha": key[1], "siblings": siblings}
        changed = change(found)
        handler.send(changed if isinstance(changed, bytes) else json.dumps(changed or found).encode())

    return action


def of_weights(**changes):
    """The list of files, with another entry for the weights; None removes a field."""

    def change(found):
        entry = next(entry for entry in found["siblings"] if entry["rfilename"] == "model.safetensors")
        for name, value in changes.items():
            entry.pop(name, None)
            if value is not REMOVED:
                entry[name] = value

    return listing(change)


def endless(head, chunk=b"x" * 65536, wrap=lambda chunk: b"%x\r\n%s\r\n" % (len(chunk), chunk)):
    """A body without end."""

    def action(handler):
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(head)
            for _ in range(ENDLESS // len(chunk)):
                handler.wfile.write(wrap(chunk))
                handler.request_seen.sent += len(chunk)

    return action


def drip(head, chunk):
    """A byte now and then, for ever: each comes before any timeout of a single read."""
    return raw(head, *[chunk] * 200, pause=0.1)


def with_length(body, *headers):
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body])


def drip_the_file(handler):
    """The right bytes, but too slowly to be of use."""
    start = int(handler.request_seen.range[6:-1])
    size = len(WEIGHTS)
    head = (
        f"HTTP/1.1 206 OK\r\nContent-Length: {size - start}\r\nContent-Range: bytes {start}-{size - 1}/{size}\r\n\r\n"
    )
    raw(head.encode(), *[WEIGHTS[place : place + 1] for place in range(start, start + 200)], pause=0.1)(handler)


REMOVED = object()
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(30_000_000))
DEEP = b'{"sha": ' + b"[" * 200_000
PAGE = send(HTML, Content_Type="text/html; charset=utf-8")
COMPRESSED = send(BOMB, Content_Encoding="gzip")

# What the API answers in place of a list of files.
LISTINGS = {
    "a list": listing(lambda _: b"[]"),
    "a text": listing(lambda _: b'"model"'),
    "a number": listing(lambda _: b"1"),
    "null": listing(lambda _: b"null"),
    "nothing": listing(lambda _: b" "),
    "half of it": listing(lambda found: json.dumps(found).encode()[:200]),
    "bytes": listing(lambda found: json.dumps(found).encode().replace(b"config", b"\xff\xfe")),
    "deep nesting": listing(lambda _: DEEP),
    "no files": listing(lambda found: {"sha": found["sha"]}),
    "files null": listing(lambda found: {**found, "siblings": None}),
    "files an object": listing(lambda found: {**found, "siblings": {"a": 1}}),
    "a file as text": listing(lambda found: {**found, "siblings": ["config.json"]}),
    "a file twice": listing(lambda found: {**found, "siblings": found["siblings"] * 2}),
    "another commit": listing(lambda found: {**found, "sha": OTHER_REVISION}),
    "no commit": listing(lambda found: {"siblings": found["siblings"]}),
    "no name": of_weights(rfilename=REMOVED),
    "a number as name": of_weights(rfilename=7),
    "a name that clears the screen": of_weights(rfilename="model\x1b[2J.safetensors"),
    "a name of two lines": of_weights(rfilename="model\nerror: x.safetensors"),
    "no size": of_weights(size=REMOVED),
    "size null": of_weights(size=None),
    "a negative size": of_weights(size=-1),
    "size as text": of_weights(size="12"),
    "a broken size": of_weights(size=1.5),
    "an endless size": of_weights(size=10**30),
    "a size of 5,000 digits": listing(
        lambda found: json.dumps(found).encode().replace(b'"size": ', b'"size": ' + b"9" * 5000)
    ),
    "size NaN": of_weights(size=float("nan")),
    "hash not in hex": of_weights(lfs={"sha256": "g" * 64}),
    "a short hash": of_weights(lfs={"sha256": "a" * 63}),
    "hash and a line": of_weights(lfs={"sha256": "a" * 64 + "\n"}),
    "hash as text": of_weights(lfs="a" * 64),
    "hash a number": of_weights(lfs={"sha256": 5}),
    "no git hash": of_weights(blobId=REMOVED),
    "git hash of another form": of_weights(blobId="../" + "a" * 37),
    "token as a name": of_weights(rfilename=f"model-{TOKEN}.safetensors"),
    "a page": PAGE,
    "compressed": COMPRESSED,
    "without end": endless(CHUNKED),
    "a million files": endless(CHUNKED + b'f\r\n{"siblings": [{\r\n', b'"size": 1}, {' * 4000),
    "in drips": drip(CHUNKED, b"1\r\n \r\n"),
    "of another commit by its header": lambda handler: handler.send(b"{}", {"X-Repo-Commit": OTHER_REVISION}),
}

# What comes in place of a file of which a part has arrived.
FILES = {
    "a page": PAGE,
    "a page without a type": send(HTML),
    "a page in place of a part": send(HTML, 206, Content_Range=f"bytes 0-54/{len(WEIGHTS)}", Content_Type="text/html"),
    "JSON": send(b'{"error": "log in"}', Content_Type="application/json"),
    "a text as long as the file": send(b"x" * len(WEIGHTS)),
    "compressed": COMPRESSED,
    "compressed in two ways": send(BOMB, Content_Encoding="br, gzip"),
    "without end": endless(CHUNKED),
    "without end and without chunks": endless(b"HTTP/1.1 200 OK\r\n\r\n", wrap=bytes),
    "in drips": drip_the_file,
    "longer": send(WEIGHTS + b"x"),
    "longer in chunks": raw(CHUNKED, b"%x\r\n" % (len(WEIGHTS) + 9), WEIGHTS + b"x" * 9, b"\r\n0\r\n\r\n"),
    "another start": send(WEIGHTS[500:], 206, Content_Range=f"bytes 500-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"),
    "another size": send(WEIGHTS[:50], 206, Content_Range="bytes 1000000-1000049/99999999"),
    "no range": send(WEIGHTS[:50], 206),
    "a range of words": send(WEIGHTS[:50], 206, Content_Range="bytes all/some"),
    "a range of 5,000 digits": send(WEIGHTS[:50], 206, Content_Range="bytes 1" + "0" * 5000 + "-2/3"),
    "parts": send(b"--a\r\n", 206, Content_Type="multipart/byteranges; boundary=a"),
    "of another commit": send(WEIGHTS, X_Repo_Commit=OTHER_REVISION),
    "chunks of garbage": raw(CHUNKED, b"zz\r\nnonsense"),
    "half a chunk": raw(CHUNKED, b"ffff\r\nhalf"),
    "no answer": raw(),
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.6 " + TOKEN.encode() + b"\r\n"),
    "a negative length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx"),
    "a length of words": raw(b"HTTP/1.1 200 OK\r\nContent-Length: much\r\n\r\nx"),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
    "nothing, by its status": send(b"", 204),
    "an odd status": send(b"", 299),
    "a status of 999": raw(b"HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n"),
    "nothing new": send(b"", 304),
}

# What may come in place of either.
ANYWHERE = {
    "a circle of redirects": lambda handler: handler.send(b"", {"Location": handler.path}, 302),
    "a redirect to a file": send(b"", 302, Location="file:///etc/passwd"),
    "a redirect to another protocol": send(b"", 307, Location="ftp://127.0.0.1/"),
    "a redirect to nowhere": send(b"", 302, Location="http://"),
    "a redirect without a place": send(b"", 302),
    "a redirect to garbage": send(b"", 302, Location="http://[::1/\x01"),
    "a redirect to the token": send(b"", 302, Location=f"http://127.0.0.1:9/{TOKEN}"),
    "a redirect to the token's host": send(b"", 302, Location=f"http://{TOKEN.replace('_', '-')}.invalid/"),
    "a redirect with an endless page": endless(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", wrap=bytes),
    "an error without end": endless(b"HTTP/1.1 404 Not Found\r\n\r\n", wrap=bytes),
    "a busy error without end": endless(b"HTTP/1.1 503 Busy\r\n\r\n", wrap=bytes),
    "a compressed error": send(BOMB, 403, Content_Encoding="gzip"),
    "headers without end": raw(b"HTTP/1.1 200 OK\r\n", *[b"X-A: " + b"a" * 60_000 + b"\r\n"] * 50),
    "headers in drips": drip(b"HTTP/1.1 200 OK\r\n", b"a"),
    "wait for 30 years": send(b"", 429, Retry_After="1000000000"),
    "wait for ever": send(b"", 429, Retry_After="9" * 5000),
    "a window without end": send(b"", 429, RateLimit=f'"api";r=0;t={"9" * 5000}'),
    "an error that is a list": send(b"[1]", 400),
    "an error of numbers": send(b'{"error": 5, "errors": 7}', 500),
}


def echo(text):
    """The token in all places of an error that a client may print."""
    line = f"HTTP/1.1 503 {text}\r\nX-Error-Message: {text}\r\nX-Error-Code: {text}\r\nX-HF-Warning: {text}; {text}\r\n"
    body = json.dumps({"error": text})
    return raw(f"{line}X-Request-Id: {text}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


ECHOES = {
    "as it is": echo(f"Bearer {TOKEN}"),
    "percent-encoded": echo(quote(TOKEN).replace("_", "%5F")),
    "percent-encoded twice": echo("hf%255Fsecret"),
    "in base64": echo(b64encode(f"Bearer {TOKEN}".encode()).decode()),
    "in hex": echo(TOKEN.encode().hex()),
    "backwards": echo(TOKEN[::-1]),
    "in capitals": echo(TOKEN.upper()),
    "without its end": echo(TOKEN[:7]),
    "letter by letter": echo(" ".join(TOKEN)),
    "as a broken header": raw(b"HTTP/1.1 200 OK\r\n" + TOKEN.encode() + b"\r\n\r\n"),
    "as a name of an error": refuse(403, TOKEN, TOKEN),
}
