"""What `nvidia-smi` says of this machine's GPUs, though it may fail now and then, or hang."""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress

from codetune.base.errors import StudyError

LIMIT = 20.0  # seconds that one call may take
PATIENCE = 40.0  # seconds after which no further call is made
PAUSE = 1.0  # seconds between two calls


def gpu_uuids() -> dict[str, str]:
    """Maps the index of each GPU to its UUID; empty where there is no `nvidia-smi` or it finds no device.

    Raises:
        StudyError: `nvidia-smi` gives no answer. The same device would then have one name in this job and another in
            the next.
    """
    rows = _answer(r"^\s*(\d+)\s*,\s*(\S+)", "--query-gpu=index,uuid", "--format=csv,noheader")
    return dict(rows)


def mig_uuids() -> list[str]:
    """Returns the UUIDs of the parts that GPUs are divided into (MIG); empty where there are none.

    Raises:
        StudyError: `nvidia-smi` gives no answer.
    """
    return [uuid for uuid, is_part in _answer(r"UUID: ((MIG-)?[^)\s]+)", "--list-gpus") if is_part]


def memory_of_gpus() -> dict[str, float]:
    """Maps the UUID of each GPU, and of each part of one, to its memory in GB (of 1e9 bytes).

    Of a part it is what its name says (`3g.20gb`); a GPU that is divided has the whole. Empty where there is no
    `nvidia-smi` or it finds no device.

    Raises:
        StudyError: `nvidia-smi` gives no answer.
    """
    rows = _answer(r"^\s*(\S+)\s*,\s*(\d+)", "--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")
    found = {uuid: int(mebibytes) * 2**20 / 1e9 for uuid, mebibytes in rows}
    parts = _answer(r"^\s*(?:MIG \S*?(\d+)gb.*|GPU.*)UUID: ([^)\s]+)", "--list-gpus") if found else []
    return found | {uuid: float(gigabytes) for gigabytes, uuid in parts if gigabytes}


def _answer(pattern: str, *arguments: str) -> list[tuple[str, str]]:
    """Asks `nvidia-smi` until it lists devices, or has failed for `PATIENCE` seconds.

    Args:
        pattern: Matches the line of one device.
        arguments: Of the call.

    Returns:
        The pattern's two groups for each device; empty where there is no `nvidia-smi` or it finds no device.
    """
    if shutil.which("nvidia-smi") is None:
        return []
    start = time.monotonic()
    while True:
        status, output = _ask(*arguments)
        devices = re.findall(pattern, output, re.MULTILINE)
        if (status == 0 and devices) or "No devices were found" in output:
            return devices
        if time.monotonic() - start > PATIENCE:
            problem = f"gives no answer within {LIMIT:.0f} s" if status is None else f"fails with status {status}"
            said = f" ({output.strip().splitlines()[0]})" if output.strip() else ""
            raise StudyError(
                f"nvidia-smi {problem}{said}, so it is unknown which GPUs this machine has. Have its NVIDIA driver "
                "looked at, or run with '--resources gpu=0' to use the CPU."
            )
        time.sleep(PAUSE)


def _ask(*arguments: str) -> tuple[int | None, str]:
    """Calls `nvidia-smi` once; returns its status, None if it took too long, and what it printed."""
    try:
        call = subprocess.Popen(
            ["nvidia-smi", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return error.errno or 1, error.strerror or str(error)
    try:
        output, _ = call.communicate(timeout=LIMIT)
    except BaseException as problem:
        with suppress(ProcessLookupError):
            os.killpg(call.pid, signal.SIGKILL)  # no wait for its end: a process that hangs in the driver has none
        if isinstance(problem, subprocess.TimeoutExpired):
            return None, ""
        raise
    return call.returncode, output
