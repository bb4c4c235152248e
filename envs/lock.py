"""Writes requirements.lock and envs/*.yaml from pyproject.toml and what is installed in this environment.

Usage: python envs/lock.py            (see `make lock`)

CUDA packages are left out: torch's own metadata pins them where they are wanted.
"""

import tomllib
from importlib.metadata import distribution, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = {
    "download": "Downloads from the hub.",
    "tokenize": "Splitting and tokenising: no torch.",
    "train": "Fine-tuning and generation.",
    "embed": "Vectors of requests by an encoder, on a CPU.",
    "execute": "Running generated code in a sandbox.",
    "analysis": "Retrieval, scoring, tables and figures: no torch.",
}
PYTHON, PIP = "3.11.14", "25.3"
LEFT_OUT = ("nvidia-", "cuda-", "triton")
# Triton compiles its kernels with a C compiler. Without a version, because none was tried.
FROM_CONDA = {"train": ["c-compiler"]}
KEPT = ("nvidia-ml-py",)  # reads a GPU's energy counter; pure Python


def groups() -> dict[str, list[str]]:
    """The dependency groups of pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        return {name: list(names) for name, names in tomllib.load(stream)["dependency-groups"].items()}


def closure(names: list[str]) -> dict[str, str]:
    """Name and installed version of each package and of all that it needs."""
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    done: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in done:
            continue
        done.add(str(requirement))
        name = canonicalize_name(requirement.name)
        if name.startswith(LEFT_OUT) and name not in KEPT:
            continue
        found[name] = version(name).split("+")[0]
        for text in distribution(name).requires or []:
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in requirement.extras | {""}):
                waiting.append(need)
    return dict(sorted(found.items()))


def main() -> None:
    """Writes the files."""
    wanted = groups()
    header = "# Made by `make lock` from pyproject.toml. Do not edit.\n"
    everything = closure([name for names in wanted.values() for name in names])
    lock = "".join(f"{name}=={pin}\n" for name, pin in everything.items())
    (ROOT / "requirements.lock").write_text(header + lock)
    for name, purpose in ENVIRONMENTS.items():
        pins = "".join(f"      - {package}=={pin}\n" for package, pin in closure(wanted[name]).items())
        conda = "".join(f"  - {package}\n" for package in FROM_CONDA.get(name, []))
        (ROOT / "envs" / f"{name}.yaml").write_text(
            f"# {purpose}\n{header}channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n"
            f"  - python={PYTHON}\n  - pip={PIP}\n{conda}  - pip:\n{pins}"
        )


if __name__ == "__main__":
    main()
