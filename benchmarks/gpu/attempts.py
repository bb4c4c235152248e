"""Attempts at trainings, in a process of their own that may be killed.

Usage: python benchmarks/gpu/attempts.py FOLDER [--small] JOB...

Jobs are done one after the other: `train:NAME` trains to the end, from what an earlier attempt of that name has left;
`kill:NAME` and `stop:NAME` begin a training and send this process SIGKILL or SIGTERM at a random moment of it; `memory`
trains with too little memory. FOLDER gets NAME.json with the outcome of each training that has come to its end.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from gpu.process import set_up  # noqa: E402


def main() -> None:
    """Does the jobs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("jobs", nargs="+")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    set_up(options.small)
    from gpu.memory_short import train_in_short_memory
    from gpu.trainings import Subject, disturb, train

    subject = Subject(options.folder, options.small)
    for job in options.jobs:
        kind, _, name = job.partition(":")
        print(f"{job} ...", flush=True)
        if kind == "train":
            train(subject, name)
        elif kind == "memory":
            train_in_short_memory(subject)
        else:
            disturb(subject, name, kind, random.SystemRandom())


if __name__ == "__main__":
    main()
