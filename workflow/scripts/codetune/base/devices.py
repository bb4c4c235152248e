"""GPUs for one job: claimed before torch is imported, released when the process ends.

Snakemake limits how many GPU jobs run at once but assigns no devices. Here a job claims a device by binding a socket to
the device's name in Linux's abstract namespace. The kernel gives a name to one process at a time, for all users of the
machine, and frees it when that process ends, whatever ended it. There is no lock file that another user's umask could
close, a cleaner remove, or another TMPDIR hide.
"""

import errno
import math
import os
import random
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from codetune.base.errors import StudyError
from codetune.base.nvidia import gpu_uuids, memory_of_gpus, mig_uuids
from codetune.base.progress import doing
from codetune.base.slurm import assigned_gpus, job_id

CLAIM = "codetune-gpu"  # what the names of all claims begin with
# If this variable is set, jobs compute on the CPU whatever GPUs they are given: for trying out a cluster without any.
ONLY_NAMES = "CODETUNE_GPUS_ARE_ONLY_NAMES"
POLL_SECONDS = 1.0  # between two attempts to claim devices
UUID = re.compile(r"(GPU|MIG)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@contextmanager
def claim_gpus(count: int, least_gb: int = 0) -> Iterator[list[str]]:
    """Waits until `count` GPUs are free, claims them, and lists them in CUDA_VISIBLE_DEVICES.

    The pool is CUDA_VISIBLE_DEVICES if set, else the devices that SLURM assigned to the job, else those that
    `nvidia-smi` lists. A job claims all its devices together or none, so jobs that wait for several cannot block one
    another. With a `count` of 0 all GPUs are hidden and the job runs on the CPU. Claims inside a SLURM job contain the
    job's id, because SLURM may number the devices of every job from 0.

    Args:
        count: Number of GPUs.
        least_gb: Memory in GB (of 1e9 bytes) that each of them needs at least; smaller ones are left to other jobs.

    Yields:
        The names of the claimed devices (UUIDs or indices).

    Raises:
        StudyError: The machine has fewer than `count` GPUs, or fewer that are large enough, or `nvidia-smi` does not
            say which.
    """
    if count == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        yield []
        return
    pool = device_pool()
    if count > len(pool):
        found = f"{len(pool)} found ({', '.join(pool)})" if pool else "none found"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        now = f" (now '{visible}')" if visible else ""
        raise StudyError(
            f"this job asks for {count} GPU(s), {found}. Run with '--resources gpu=0' to use the CPU, or set "
            f"CUDA_VISIBLE_DEVICES{now} to the devices that it may use."
        )
    if least_gb:
        pool = _large_enough(pool, count, least_gb)
    with doing("waiting for a free GPU"):
        claims = _claim_together(pool, count)
    devices = sorted(claims)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    try:
        yield devices
    finally:
        for claim in claims.values():
            claim.close()


def device_pool() -> list[str]:
    """Returns the devices that a job may use, by UUID where `nvidia-smi` knows it: a UUID is the same for all jobs.

    Where a cluster does not set CUDA_VISIBLE_DEVICES (`Flags=no_gpu_env`), SLURM's own variables give the indices of
    the job's devices on the node. If `nvidia-smi` lists exactly as many devices as the job has, the node's other
    devices are hidden from it, and its list is the job's.

    Raises:
        StudyError: `nvidia-smi` gives no answer.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.strip():
        return []
    if visible is not None and all(UUID.fullmatch(name.strip()) for name in visible.split(",")):
        return list(dict.fromkeys(name.strip() for name in visible.split(",")))
    listed = gpu_uuids()
    if visible is None:
        visible = assigned_gpus()
        if visible is None or len(listed) == len(visible.split(",")):
            return list(listed.values())
    pool: list[str] = []
    for name in visible.split(","):
        device = _device_named(name.strip(), listed)
        if device is None:  # CUDA, too, hides what follows the first name that is none, such as -1
            break
        if device not in pool:
            pool.append(device)
    return pool


def _large_enough(pool: list[str], count: int, least_gb: int) -> list[str]:
    """Returns the devices of a pool that have some memory, and those of unknown size."""
    sizes = memory_of_gpus()
    found = [name for name in pool if sizes.get(name, math.inf) >= least_gb]
    if count > len(found):
        largest = max(sizes[name] for name in pool if name in sizes)
        raise StudyError(
            f"this job needs {count} GPU(s) with {least_gb} GB of memory ('gpu_memory_gb' of its model in the config), "
            f"and {len(found)} of {len(pool)} here have that: the largest has {largest:.1f} GB. Run it where there are "
            "larger ones, or lower 'gpu_memory_gb' if less will do."
        )
    return found


def _device_named(name: str, listed: dict[str, str]) -> str | None:
    """Returns the device that CUDA takes a name for, by its UUID where that is known; None if the name is none.

    Args:
        name: An index, or a UUID or its beginning.
        listed: Maps the index of each GPU to its UUID; empty if unknown.
    """
    if name.isdecimal():
        index = str(int(name))
        return listed.get(index) if listed else index
    if not name.startswith(("GPU-", "MIG-")):
        return None
    uuids = mig_uuids() if name.startswith("MIG-") else list(listed.values())
    if not uuids:
        return name
    found = [uuid for uuid in uuids if uuid.startswith(name)]
    return found[0] if len(found) == 1 else None


def _claim_together(pool: list[str], count: int) -> dict[str, socket.socket]:
    """Polls until this process has claimed `count` devices; returns their claims by device."""
    owner = f"slurm-{job_id()}-" if job_id() else ""
    waiting = False
    while True:
        claims: dict[str, socket.socket] = {}
        for device in pool:
            claim = _claim(f"{CLAIM}/{owner}{device}")
            if claim is not None:
                claims[device] = claim
            if len(claims) == count:
                return claims
        for claim in claims.values():
            claim.close()
        if not waiting:
            print(f"waiting for {count} of {len(pool)} GPU(s) to become free", flush=True)
            waiting = True
        time.sleep(POLL_SECONDS * (0.5 + random.random()))


def _claim(name: str) -> socket.socket | None:
    """Returns the socket that holds a name for this process until it is closed; None if another process has it."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(b"\0" + name.encode()[:107])  # the kernel's limit
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim
