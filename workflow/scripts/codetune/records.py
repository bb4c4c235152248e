"""What a run leaves behind about how it came about: settings, hashes, versions, machine."""

import hashlib
import importlib.metadata
import os
import platform
import resource
import sys
from functools import cache
from pathlib import Path
from typing import Any

from codetune.files import read_json, sha256_of_file, write_json

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets", "tokenizers", "numpy")


def environment() -> dict[str, Any]:
    """Versions of Python and the libraries, and the machine."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": versions,
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpus": _gpu_names(),
    }


def write_run_record(
    run: dict[str, Any], config: dict[str, Any], files: dict[str, str], training: str | None, target: str
) -> None:
    """Writes all that is known of one run into one document: from what, with what, on what, and what came out.

    Args:
        run: Data set, model, method and seed.
        config: The parts of the configuration that the run depends on.
        files: Path of `card`, `predictions`, `scores`, `summary` and `generation`.
        training: Path of the training record; None for an untuned model.
        target: JSON to write.
    """
    hashed = {**files, **({"training": training} if training else {})}
    write_json(
        target,
        {
            "run": run,
            "config": config,
            "data": {part: facts["sha256"] for part, facts in read_json(files["card"])["parts"].items()},
            "training": read_json(training) if training else None,
            "generation": read_json(files["generation"]),
            "result": read_json(files["summary"]),
            "files": {name: {"path": path, "sha256": sha256_of_file(path)} for name, path in hashed.items()},
        },
    )


def checkpoint_identity(folder: str | Path) -> dict[str, Any]:
    """Where a checkpoint came from, and one hash over the hashes of its files."""
    manifest = read_json(Path(folder) / "manifest.json")
    files = manifest.pop("files")
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
    return {**manifest, "sha256": hashlib.sha256(lines.encode()).hexdigest()}


def file_hashes(**paths: str | Path) -> dict[str, str]:
    """SHA-256 of each named file."""
    return {name: sha256_of_file(path) for name, path in paths.items()}


def peak_memory() -> dict[str, Any]:
    """The most memory that was in use: the GPU's where there is one, else the process's resident memory."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return {"of": "GPU", "bytes": torch.cuda.max_memory_reserved()}
    return {"of": "process", "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def gpu_joules() -> float | None:
    """Energy that this process's GPU has used since its driver was loaded; None where NVML does not count it."""
    import pynvml

    name = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not name:
        return None
    try:
        pynvml.nvmlInit()
        by_name = name.startswith("GPU-")
        handle = pynvml.nvmlDeviceGetHandleByUUID(name) if by_name else pynvml.nvmlDeviceGetHandleByIndex(int(name))
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except (ValueError, pynvml.NVMLError):
        return None


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpu_names() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
