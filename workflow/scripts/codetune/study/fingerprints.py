"""Fingerprints: a hash of a script and of the codetune modules that it uses.

With them a rule reruns when what its script does has changed, not when a file was touched.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# To be raised by hand when a change outside the fingerprints changes results on purpose; everything reruns.
RESULTS_VERSION = 1

# Rooms that compute no result, so that changes in them must not retrain a model.
OUTSIDE = ("base", "study")


def fingerprint(script: Path, environment: Path | None = None, by_name: Iterable[str] = ()) -> str:
    """Computes the SHA-256 of a script, of all codetune modules that it uses, and of the packages it runs with.

    Comments, formatting, docstrings, error messages, calls of `print` and the words by which code says what it does
    (`base/progress.py`) do not enter the hash, and neither do the rooms that compute no result.

    Args:
        script: A script in the folder that holds the package codetune.
        environment: The script's conda environment.
        by_name: Names of the modules that the script does not import, but looks up by name.

    Raises:
        ValueError: An import of codetune cannot be followed.
    """
    digest = hashlib.sha256(f"{RESULTS_VERSION}\n".encode())
    for path in closure(script, by_name):
        digest.update(f"{path.relative_to(script.parent).as_posix()}\n{_content(path)}\n".encode())
    if environment is not None:
        lines = (line.partition("#")[0].strip() for line in environment.read_text(encoding="utf-8").splitlines())
        digest.update("\n".join(filter(None, lines)).encode())
    return digest.hexdigest()


def closure(script: Path, by_name: Iterable[str] = ()) -> list[Path]:
    """Returns the files that enter a script's fingerprint: the script and the modules it uses, sorted by path."""
    found: set[Path] = set()
    waiting = {script, *(_file_of(script.parent, script, module) for module in by_name)}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= _imports(path, script.parent) - found
    return sorted(found)


@cache
def _imports(path: Path, scripts: Path) -> frozenset[Path]:
    """Returns the codetune modules that one file imports, also inside functions."""
    found = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}, line {node.lineno}: a relative import, which fingerprints cannot follow")
            if _is_codetune(node.module):
                found |= {_file_of(scripts, path, f"{node.module}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {_file_of(scripts, path, alias.name) for alias in node.names if _is_codetune(alias.name)}
    return frozenset(file for file in found if file.relative_to(scripts).parts[1] not in OUTSIDE)


def _is_codetune(name: str | None) -> bool:
    return name is not None and name.split(".")[0] == "codetune"


def _file_of(scripts: Path, path: Path, name: str) -> Path:
    """Returns the file of a module, or of the module that holds a name."""
    whole = scripts.joinpath(*name.split("."))
    for module in (whole, whole.parent):
        if module.with_suffix(".py").exists():
            return module.with_suffix(".py")
    raise ValueError(f"{path}: imports {name}, which is neither a module of the library nor in one")


@cache
def _content(path: Path) -> str:
    """Returns what of a file enters the hash; cached, because many scripts use the same modules."""
    return ast.dump(_WithoutProse().visit(_parse(path)))


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


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
