"""A hash of a script and of the library modules it uses, so that reruns follow what code does, not when it changed."""

import ast
import hashlib
from functools import cache
from pathlib import Path

# Raised by hand when a change outside the fingerprints does change results on purpose: everything is computed again.
RESULTS_VERSION = 1


# Rooms that compute nothing: a changed word in them must not train a model again.
OUTSIDE = ("base", "study")


def fingerprint(script: Path) -> str:
    """SHA-256 over a script and all library modules that it imports, directly or through others.

    Comments, layout, docstrings, and the words of errors and of `print` do not count, and neither do the rooms that
    compute nothing.

    Raises:
        ValueError: An import of the library is not one that can be followed.
    """
    digest = hashlib.sha256(f"{RESULTS_VERSION}\n".encode())
    for path in closure(script):
        digest.update(f"{path.relative_to(script.parent).as_posix()}\n{_content(path)}\n".encode())
    return digest.hexdigest()


def closure(script: Path) -> list[Path]:
    """A script and the library modules whose code counts for it, sorted by their paths."""
    found: set[Path] = set()
    waiting = {script}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= _imports(path, script.parent) - found
    return sorted(found)


@cache
def _imports(path: Path, scripts: Path) -> frozenset[Path]:
    """The library's modules that one file imports, inside functions too."""
    found = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}, line {node.lineno}: a relative import, which fingerprints cannot follow")
            if _of_library(node.module):
                found |= {_file_of(scripts, path, f"{node.module}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {_file_of(scripts, path, alias.name) for alias in node.names if _of_library(alias.name)}
    return frozenset(file for file in found if file.relative_to(scripts).parts[1] not in OUTSIDE)


def _of_library(name: str | None) -> bool:
    return name is not None and name.split(".")[0] == "codetune"


def _file_of(scripts: Path, path: Path, name: str) -> Path:
    """The file of a module, or of a name in one."""
    whole = scripts.joinpath(*name.split("."))
    for module in (whole, whole.parent):
        if module.with_suffix(".py").exists():
            return module.with_suffix(".py")
    raise ValueError(f"{path}: imports {name}, which is neither a module of the library nor in one")


@cache
def _content(path: Path) -> str:
    """What of a file enters the hash; kept, since most modules stand behind many scripts."""
    return ast.dump(_Bare().visit(_parse(path)))


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


class _Bare(ast.NodeTransformer):
    """Takes out what people read and no result depends on."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drops docstrings, and what is printed."""
        value = node.value
        words = isinstance(value, ast.Constant) and isinstance(value.value, str)
        return None if words or _calls(value, "print") else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Drops what an error says."""
        if _calls(node.exc, "StudyError"):
            return ast.Raise(ast.Name("StudyError", ast.Load()), None)
        return self.generic_visit(node)


def _calls(node: ast.expr | None, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
