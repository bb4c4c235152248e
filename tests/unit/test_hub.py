"""Downloads, from a stand-in for the hub that runs here, and checkpoints from local folders."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from codetune.errors import StudyError
from codetune.hub import fetch_model
from conftest import ROOT

REVISION = "a" * 40
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b'{"version": "1.0"}',
    "model.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      " + bytes(2000),
    "pytorch_model.bin": b"pickled",
    "modeling_evil.py": b"raise SystemExit",
}


class Hub(BaseHTTPRequestHandler):
    """Answers the calls of one model and one data set repository; `org/gated` and other revisions are refused."""

    damaged = False
    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        path = self.path.split("?")[0]
        Hub.asked.append(path)
        if "org/gated" in path:
            return self.refuse(403, "GatedRepo")
        if "org/model" not in path and "org/data" not in path:
            return self.refuse(401, "RepoNotFound")
        if f"/{REVISION}" not in path:
            return self.refuse(404, "RevisionNotFound")
        if path.startswith("/api/"):
            return self.api()
        name = path.split(f"/{REVISION}/")[1]
        if name not in FILES and name != "data.json":
            return self.refuse(404, "EntryNotFound")
        return self.file(name)

    def api(self):
        siblings = []
        for name, body in FILES.items():
            entry = {"rfilename": name, "size": len(body)}
            if name.endswith((".safetensors", ".bin")):
                entry["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 100}
            siblings.append(entry)
        if "/tree/" in self.path:
            tree = [{"type": "file", "path": s["rfilename"], "size": s["size"], "oid": "0" * 40} for s in siblings]
            return self.send(json.dumps(tree).encode())
        info = {"id": "org/model", "sha": REVISION, "siblings": siblings, "private": False, "tags": [], "downloads": 0}
        return self.send(json.dumps(info).encode())

    def file(self, name):
        body = FILES.get(name, b'[{"instruction": "a", "input": "", "output": "b"}]')
        etag = hashlib.sha256(body).hexdigest()
        if self.damaged and name == "model.safetensors":
            body = body[:-1] + b"x"
        self.send(body, {"ETag": f'"{etag}"', "X-Repo-Commit": REVISION})

    def refuse(self, status, code):
        self.send(b"{}", {"X-Error-Code": code, "X-Error-Message": code}, status)

    def send(self, body, headers=None, status=200):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hub.damaged = False
    Hub.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def fetch(endpoint, entry, target, call="fetch_model(entry, target, weights=True)"):
    """Runs a download in a process of its own: the hub library reads its settings once. Returns the error, if any."""
    code = (
        "import json, sys\nfrom codetune import hub\nfrom codetune.errors import StudyError\n"
        f"entry, target = json.loads(sys.argv[1]), sys.argv[2]\ntry:\n    print(hub.{call})\n"
        "except StudyError as error:\n    print('error:', error)\n"
    )
    settings = {"HF_ENDPOINT": endpoint, "HF_TOKEN": "hf_secret", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    settings |= {"PYTHONPATH": str(ROOT / "workflow/scripts"), "HF_HOME": str(target.parent / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(entry), str(target)],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "hf_secret" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def test_a_pinned_checkpoint_arrives_checked_and_without_code_or_pickles(hub, tmp_path):
    target = tmp_path / "model"
    fetch(hub, {"repo": "org/model", "revision": REVISION}, target)
    names = sorted(path.name for path in target.iterdir())
    assert names == ["config.json", "manifest.json", "model.safetensors", "tokenizer.json"]
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["revision"] == REVISION
    for name, facts in manifest["files"].items():
        assert facts == {"bytes": len(FILES[name]), "sha256": hashlib.sha256(FILES[name]).hexdigest()}
    assert not any(name in path for path in Hub.asked for name in ("pytorch_model.bin", "modeling_evil.py"))
    assert not (tmp_path / "model.partial").exists()


def test_the_tokenizer_comes_without_the_weights(hub, tmp_path):
    target = tmp_path / "tokenizer"
    fetch(hub, {"repo": "org/model", "revision": REVISION}, target, "fetch_model(entry, target, weights=False)")
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "manifest.json", "tokenizer.json"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"repo": "org/gated", "revision": REVISION}, "asks for consent first. Accept the licence"),
        ({"repo": "org/model", "revision": "b" * 40}, f"there is no revision {'b' * 40}. Check 'revision'"),
        ({"repo": "org/none", "revision": REVISION}, "there is no such repository, or it is private"),
    ],
)
def test_refusals_say_what_to_do(hub, tmp_path, entry, message):
    assert message in fetch(hub, entry, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_damaged_weights_are_not_used(hub, tmp_path):
    Hub.damaged = True
    assert "arrived damaged" in fetch(hub, {"repo": "org/model", "revision": REVISION}, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_no_network_says_what_to_do(tmp_path):
    answer = fetch("http://127.0.0.1:9", {"repo": "org/model", "revision": REVISION}, tmp_path / "model")
    assert "the hub cannot be reached" in answer
    assert "give a local 'path'" in answer


def test_a_data_set_file_arrives(hub, tmp_path):
    entry = {"repo": "org/data", "revision": REVISION, "file": "data.json"}
    path = fetch(hub, entry, tmp_path / "data.jsonl", "fetch_dataset_file(entry, target)").strip()
    assert json.loads(open(path).read())[0]["output"] == "b"
    missing = fetch(hub, {**entry, "file": "no.json"}, tmp_path / "data.jsonl", "fetch_dataset_file(entry, target)")
    assert "Check 'file' in the config" in missing


def test_a_local_checkpoint_is_linked_and_listed(checkpoints, tmp_path):
    fetch_model({"path": str(checkpoints / "llama-3.2-1b")}, tmp_path / "model", weights=True)
    assert (tmp_path / "model" / "model.safetensors").is_symlink()
    manifest = json.loads((tmp_path / "model" / "manifest.json").read_text())
    weights = (checkpoints / "llama-3.2-1b" / "model.safetensors").read_bytes()
    assert manifest["files"]["model.safetensors"]["sha256"] == hashlib.sha256(weights).hexdigest()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tokenizer.json", "model.safetensors"], "there is no config.json"),
        (["config.json", "model.safetensors"], "there is no tokenizer"),
        (["config.json", "tokenizer.json", "pytorch_model.bin"], "no weights in the safetensors format"),
    ],
)
def test_an_incomplete_checkpoint_is_an_error(tmp_path, names, message):
    (tmp_path / "source").mkdir()
    for name in names:
        (tmp_path / "source" / name).write_text("{}")
    with pytest.raises(StudyError, match=message):
        fetch_model({"path": str(tmp_path / "source")}, tmp_path / "model", weights=True)
    assert not (tmp_path / "model").exists()
