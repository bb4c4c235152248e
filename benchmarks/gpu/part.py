"""Runs one part of the check in this process, and appends its findings to a file as they come.

Usage: python benchmarks/gpu/part.py NAME FINDINGS.jsonl [--small]

`gpu_check.py` calls it, with a time limit.
"""

import argparse
import importlib
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the parts are gpu.NAME, beside the benchmarks' modules

from gpu.findings import Finding, append_finding  # noqa: E402
from gpu.process import set_up  # noqa: E402


def main() -> None:
    """Runs the part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("findings", type=Path)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    set_up(options.small)
    try:
        for finding in importlib.import_module(f"gpu.{options.name}").check(options.small):
            append_finding(options.findings, finding)
    except ModuleNotFoundError as error:
        found = f"there is no {error.name}, so that the rest of this part was not run"
        append_finding(options.findings, Finding("packages", "all are installed", found, ok=False))


if __name__ == "__main__":
    main()
