"""Hashes that tell whether two jobs start from the same files."""

import hashlib
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, sha256_of_file


def checkpoint_identity(folder: str | Path) -> dict[str, Any]:
    """Where a checkpoint came from, and one hash over the hashes of its files."""
    manifest = read_json(Path(folder) / "manifest.json")
    files = manifest.pop("files")
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
    return {**manifest, "sha256": hashlib.sha256(lines.encode()).hexdigest()}


def file_hashes(**paths: str | Path) -> dict[str, str]:
    """SHA-256 of each named file."""
    return {name: sha256_of_file(path) for name, path in paths.items()}
