"""A process that has Snakemake loaded and makes each plan in a copy of itself: a plan takes a third less time."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

PLANNER = """
import json, os, signal, sys
import jsonschema, smart_open, snakemake.report  # which each plan loads

from snakemake.cli import main

for line in sys.stdin:
    asked = json.loads(line)
    if (child := os.fork()) == 0:
        signal.alarm(900)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, path in ((1, asked["stdout"]), (2, asked["stderr"])):
            os.dup2(os.open(path, os.O_WRONLY), descriptor)
        sys.argv = ["snakemake", *asked["arguments"]]
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def dry_run(arguments: list[str], folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Does what the command `snakemake` does with these arguments, -n among them.

    Args:
        arguments: Of the command.
        folder: In which it is given.
        environment: All variables that it sees. Those that Python itself reads when it starts come too late.
    """
    with tempfile.NamedTemporaryFile("r") as stdout, tempfile.NamedTemporaryFile("r") as stderr:
        asked = {"folder": str(Path(folder).absolute()), "environment": environment, "arguments": arguments}
        planner = _planner()
        assert planner.stdin and planner.stdout
        print(json.dumps(asked | {"stdout": stdout.name, "stderr": stderr.name}), file=planner.stdin, flush=True)
        status = int(planner.stdout.readline())
        return subprocess.CompletedProcess(["snakemake", *arguments], status, stdout.read(), stderr.read())


@cache
def _planner() -> "subprocess.Popen[str]":
    """The process, which ends with this one."""
    command = [sys.executable, "-P", "-c", PLANNER]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    planner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    atexit.register(planner.communicate)
    return planner
