"""A stand-in for the model and data hub: it speaks the hub's API as far as this project calls it, and fails as told."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

REVISION = "a" * 40
OTHER_REVISION = "c" * 40
WEIGHTS = b"\x08\x00\x00\x00\x00\x00\x00\x00{}      " + bytes(range(256)) * 12000
OTHER_WEIGHTS = WEIGHTS[:16] + WEIGHTS[:15:-1]
MODEL = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickled",
    "modeling_evil.py": b"raise SystemExit",
    "models/model.safetensors": b"of another model",
}
DATA = {"data/train.json": b'[{"instruction": "a", "input": "", "output": "b"}]'}
LARGE = (".safetensors", ".bin")  # in LFS, by SHA-256; small files are known by git's hash


class Hub(ThreadingHTTPServer):
    """Model `org/model` at two revisions and data set `org/data` at one.

    Attributes:
        files: What is sent, by repository, revision and name.
        declared: What the hub's API says of each: name, size and hash.
        faults: What to do instead of answering, each for a number of requests.
        requests: What was asked: method, path, range, authorization, host, and the number of bytes of content sent.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        other = {**MODEL, "model.safetensors": OTHER_WEIGHTS, "config.json": b'{"model_type": "gemma"}'}
        self.files = {
            ("org/model", REVISION): dict(MODEL),
            ("org/model", OTHER_REVISION): other,
            ("org/data", REVISION): dict(DATA),
        }
        self.declared = {key: {name: declare(name, body) for name, body in f.items()} for key, f in self.files.items()}
        self.faults = []
        self.requests = []
        self.cdn = ""
        self.go_on = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """A client that was killed is no news."""

    def fault(self, where, action, times=1):
        """The next `times` requests whose path holds `where` get `action` instead of an answer."""
        self.faults.append(Fault(where, action, times))

    def asked_for(self, name):
        return [request for request in self.requests if name in request.path and request.method == "GET"]


@dataclass
class Fault:
    where: str
    action: Callable
    times: int


def declare(name, body):
    facts = {"rfilename": name, "size": len(body)}
    if name.endswith(LARGE):
        facts["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 100}
        body = b"the pointer"
    return {**facts, "blobId": hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()}


class Handler(BaseHTTPRequestHandler):
    cut_after = None  # bytes of content sent, of those announced
    claimed_length = None  # bytes announced, and sent, of the content

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        self.request_seen = SimpleNamespace(
            method=self.command,
            path=path,
            range=self.headers.get("Range"),
            authorization=self.headers.get("Authorization"),
            host=self.headers.get("Host"),
            sent=0,
        )
        self.server.requests.append(self.request_seen)
        fault = next((f for f in self.server.faults if f.where in path and f.times > 0), None)
        if fault is None:
            return self.answer(path)
        fault.times -= 1
        return fault.action(self)

    do_HEAD = do_GET  # noqa: N815

    def answer(self, path):
        _, _, rest = path.partition("/cdn")
        if self.server.cdn and not rest and path.endswith("model.safetensors"):
            return self.send(b"", {"Location": self.server.cdn + "/cdn" + path}, 302)
        path = rest or path
        repo = next((key for key in self.server.files if key[0] in path), None)
        if repo is None:
            return refuse(404, "RepoNotFound")(self)
        key = next((key for key in self.server.files if key[0] in path and f"/{key[1]}" in path), None)
        if key is None:
            return refuse(404, "RevisionNotFound")(self)
        if path.startswith("/api/"):
            siblings = list(self.server.declared[key].values())
            return self.send(json.dumps({"id": key[0], "sha": key[1], "siblings": siblings, "tags": []}).encode())
        body = self.server.files[key].get(path.partition(f"/{key[1]}/")[2])
        if body is None:
            return refuse(404, "EntryNotFound")(self)
        return self.send_file(body)

    def send_file(self, body):
        status, headers = 200, {}
        if self.request_seen.range:
            start, end = self.request_seen.range.removeprefix("bytes=").split("-")
            start, stop = int(start), int(end or len(body) - 1) + 1
            status, headers = 206, {"Content-Range": f"bytes {start}-{stop - 1}/{len(body)}"}
            body = body[start:stop]
        self.send(body, headers, status)

    def send(self, body, headers=None, status=200):
        body = body[: self.claimed_length]
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        body = body[: self.cut_after] if self.command == "GET" else b""
        self.request_seen.sent = len(body)
        self.wfile.write(body)
        self.wfile.flush()


def refuse(status, code="", message="", **headers):
    """An error as the hub sends it."""
    fields = {"X-Error-Code": code, "X-Error-Message": message} if code or message else {}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(b"{}", fields, status)


def cut(after):
    """The connection ends in the middle of the content."""

    def action(handler):
        handler.cut_after = after
        handler.answer(handler.request_seen.path)

    return action


def hold(after):
    """Nothing comes after some bytes, until the test goes on."""

    def action(handler):
        cut(after)(handler)
        handler.server.go_on.wait(60)

    return action


def claim_length(length):
    """The answer is whole by its own Content-Length, but not the whole file."""

    def action(handler):
        handler.claimed_length = length
        handler.answer(handler.request_seen.path)

    return action


def ignore_range(handler):
    """The whole file, whatever part was asked for."""
    handler.request_seen.range = None
    handler.answer(handler.request_seen.path)


def login_page(handler):
    """What a proxy puts in place of the hub."""
    handler.send(b"<html>Please log in</html>", {"Content-Type": "text/html"})


def echo_the_token(handler):
    """A fault whose message holds the request's own headers."""
    refuse(503, message=f"bad header {handler.headers['Authorization']}")(handler)


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    server = Hub()
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
