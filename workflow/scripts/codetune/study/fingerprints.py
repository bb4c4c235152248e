"""Fingerprints: a hash of a script and of the codetune modules that it uses.

With them a rule reruns when what its script does has changed, not when a file was touched.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from codetune.base.files import MISSHAPEN, write_json

# To be raised by hand when a change outside the fingerprints changes results on purpose; everything reruns.
RESULTS_VERSION = 1

# Rooms that compute no result, so that changes in them must not retrain a model.
OUTSIDE = ("base", "study")


class _Code(NamedTuple):
    """What a file comes to.

    Attributes:
        digest: SHA-256 of what of it enters a fingerprint.
        imports: Dotted names of what it imports from codetune, also inside functions.
    """

    digest: str
    imports: list[str]


class Fingerprints:
    """Fingerprints of scripts: the SHA-256 of a script, of all codetune modules that it uses, and of its packages.

    Comments, formatting, docstrings, error messages, calls of `print` and the words by which code says what it does
    (`base/progress.py`) do not enter the hash, and neither do the rooms that compute no result.

    To parse all files takes a second, so what they come to is remembered from one command to the next, by their bytes.
    """

    def __init__(self, memory: Path | None = None) -> None:
        """Reads what earlier commands remembered.

        Args:
            memory: The file for it; without it, or if it cannot be written, files are parsed anew.
        """
        self._memory = memory
        self._known: dict[str, _Code] = {}
        with suppress(OSError, *MISSHAPEN):
            known = json.loads(memory.read_text(encoding="utf-8")) if memory and memory.is_file() else {}
            if known.get("by") == _self():
                self._known = {key: _Code(str(digest), list(names)) for key, (digest, names) in known["files"].items()}
        self._remembered = len(self._known)
        self._files: dict[Path, _Code] = {}

    def of(self, script: Path, environment: Path | None = None, by_name: Iterable[str] = ()) -> str:
        """Computes a fingerprint.

        Args:
            script: A script in the folder that holds the package codetune.
            environment: The script's conda environment.
            by_name: Names of the modules that the script does not import, but looks up by name.

        Raises:
            ValueError: An import of codetune cannot be followed.
        """
        digest = hashlib.sha256(f"{RESULTS_VERSION}\n".encode())
        for path in self.closure(script, by_name):
            digest.update(f"{path.relative_to(script.parent).as_posix()}\n{self._code(path).digest}\n".encode())
        if environment is not None:
            lines = (line.partition("#")[0].strip() for line in environment.read_text(encoding="utf-8").splitlines())
            digest.update("\n".join(filter(None, lines)).encode())
        self._remember()
        return digest.hexdigest()

    def closure(self, script: Path, by_name: Iterable[str] = ()) -> list[Path]:
        """Returns the files that enter a script's fingerprint: the script and the modules it uses, sorted by path."""
        found: set[Path] = set()
        waiting = {script, *(_file_of(script.parent, script, module) for module in by_name)}
        while waiting:
            path = waiting.pop()
            found.add(path)
            used = {_file_of(script.parent, path, name) for name in self._code(path).imports}
            waiting |= {file for file in used if file.relative_to(script.parent).parts[1] not in OUTSIDE} - found
        return sorted(found)

    def _code(self, path: Path) -> _Code:
        if path not in self._files:
            text = path.read_bytes()
            key = hashlib.sha256(text).hexdigest()
            if key not in self._known:
                self._known[key] = _read_code(path, text)
            self._files[path] = self._known[key]
        return self._files[path]

    def _remember(self) -> None:
        """Writes down what is known, if there is more than was read."""
        if self._memory is None or len(self._known) == self._remembered:
            return
        with suppress(OSError):  # a folder that cannot be written
            self._memory.parent.mkdir(exist_ok=True)
            write_json(self._memory, {"by": _self(), "files": self._known})
            self._remembered = len(self._known)


@cache
def _self() -> str:
    """Says by what files were parsed: what another version of this module or of Python remembered is not taken."""
    return hashlib.sha256(Path(__file__).read_bytes() + sys.version.encode()).hexdigest()


def _read_code(path: Path, text: bytes) -> _Code:
    """Parses a file."""
    tree = ast.parse(text)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}, line {node.lineno}: a relative import, which fingerprints cannot follow")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    content = ast.dump(_WithoutProse().visit(tree))
    ours = sorted(name for name in names if name.split(".")[0] == "codetune")
    return _Code(hashlib.sha256(content.encode()).hexdigest(), ours)


def _file_of(scripts: Path, path: Path, name: str) -> Path:
    """Returns the file of a module, or of the module that holds a name."""
    whole = scripts.joinpath(*name.split("."))
    for module in (whole, whole.parent):
        if module.with_suffix(".py").exists():
            return module.with_suffix(".py")
    raise ValueError(f"{path}: imports {name}, which is neither a module of the library nor in one")


class _WithoutProse(ast.NodeTransformer):
    """Drops what people read and no result depends on."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drops docstrings and calls of `print`."""
        value = node.value
        docstring = isinstance(value, ast.Constant) and isinstance(value.value, str)
        return None if docstring or _calls(value, "print") else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Drops the message of a `StudyError`."""
        if _calls(node.exc, "StudyError"):
            return ast.Raise(ast.Name("StudyError", ast.Load()), None)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Drops the words of `doing` and `counted`."""
        if _calls(node, "doing") or _calls(node, "counted"):
            kept = [each for each in node.args if not isinstance(each, ast.JoinedStr | ast.Constant)]
            node = ast.Call(node.func, kept, [])
        return self.generic_visit(node)


def _calls(node: ast.expr | None, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
