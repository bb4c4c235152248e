"""A headless Chromium for the tests, without a network, driven over chromedriver's HTTP interface (W3C WebDriver)."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

ARGUMENTS = [
    *"--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(),
    *"--disable-component-update --disable-sync --disable-dev-shm-usage".split(),
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's name for a reference to an element


def missing():
    """The programs that are needed and not here."""
    return [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]


class Browser:
    def __init__(self, address, profile):
        self._address = address
        options = {"args": [*ARGUMENTS, f"--user-data-dir={profile}", "--window-size=1280,1000"]}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs, "unhandledPromptBehavior": "ignore"}
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._address += f"/session/{session['sessionId']}"

    def _ask(self, method, path, body=None):
        request = urllib.request.Request(
            self._address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from None

    def open(self, path, fragment=""):
        """Opens a file anew, at a fragment of it (`#...`); what was logged before is forgotten."""
        self.problems()
        if fragment:  # from another page, or the browser would stay on this one
            self._ask("POST", "/url", {"url": "about:blank"})
        self._ask("POST", "/url", {"url": path.resolve().as_uri() + fragment})

    def run(self, script, *arguments):
        """Runs JavaScript in the page and gives what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait_for(self, script, *arguments, seconds=20):
        """Waits until JavaScript gives something true."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.1)
        return value

    def press(self, selector, keys):
        """Types into an element as a person does."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{found[ELEMENT]}/value", {"text": keys})

    def resize(self, width, height):
        """Sets the window's size, in pixels."""
        self._ask("POST", "/window/rect", {"width": width, "height": height})

    def enter_frame(self):
        """What follows is about the page in the first frame."""
        self._ask("POST", "/frame", {"id": 0})

    def alert(self):
        """Whether the page has an alert open."""
        try:
            return self._ask("GET", "/alert/text") is not None
        except RuntimeError:
            return False

    def problems(self):
        """Console errors, and addresses asked for that are not local, since the page was opened."""
        errors = [entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE"]
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [
            event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        return errors + [url for url in asked if not url.startswith(LOCAL)]

    def _log(self, kind):
        return self._ask("POST", "/se/log", {"type": kind})

    def close(self):
        self._ask("DELETE", "")


@contextmanager
def browser(folder):
    """A browser with a fresh profile in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                made = Browser(f"http://127.0.0.1:{port}", folder)
                break
            except (ConnectionError, urllib.error.URLError):
                assert time.monotonic() < deadline, "chromedriver does not answer"
                time.sleep(0.1)
        yield made
        made.close()
    finally:
        driver.terminate()
        driver.wait()
