"""A hash of a script and of the library modules it uses, so that reruns follow what the code does, not its dates."""

import ast
import hashlib
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parent


def fingerprint(script: str | Path) -> str:
    """SHA-256 over a script and all modules of this library that it imports, directly or through others.

    Comments and layout do not count: mending a comment must not train a model again.
    """
    digest = hashlib.sha256()
    # By folder too: a script may have a module's name, and a set has another order in every process.
    for path in sorted(_closure(Path(script)), key=lambda path: (path.name, path.parent.name)):
        digest.update(_content(path))
    return digest.hexdigest()


def _closure(script: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = {script}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= _library_imports(path) - found
    return found


@cache
def _library_imports(path: Path) -> frozenset[Path]:
    """The library's modules that one file imports, inside functions too."""
    names = set()
    for node in ast.walk(_parse(path)):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module == LIBRARY.name:
            names |= {alias.name for alias in node.names}
        elif node.module.startswith(f"{LIBRARY.name}."):
            names.add(node.module.split(".")[1])
    return frozenset(LIBRARY / f"{name}.py" for name in names)


@cache
def _content(path: Path) -> bytes:
    """What of a file enters the hash; kept, since most modules stand behind many of the two dozen scripts."""
    return f"{path.name}\n{ast.dump(_parse(path))}\n".encode()


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
