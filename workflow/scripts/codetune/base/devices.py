"""GPUs for one job: claimed before torch is imported, released when the process ends.

Snakemake limits how many GPU jobs run at once but assigns no devices. Here each job takes an exclusive file lock per
device. The kernel drops the locks of a process that dies, whatever killed it, so no device stays claimed.
"""

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.base.locks import try_lock
from codetune.base.slurm import assigned_gpus, job_id

POLL_SECONDS = 1.0  # between two attempts to claim devices


@contextmanager
def claim_gpus(count: int, lock_folder: Path | None = None) -> Iterator[list[str]]:
    """Waits until `count` GPUs are free, claims them, and lists them in CUDA_VISIBLE_DEVICES.

    The pool is CUDA_VISIBLE_DEVICES if set, else the devices that SLURM assigned to the job, else those that
    `nvidia-smi` lists. A job claims all its devices together or none, so jobs that wait for several cannot block one
    another. With a `count` of 0 all GPUs are hidden and the job runs on the CPU. The names of locks taken inside a
    SLURM job contain the job's id, because SLURM may number the devices of every job from 0.

    Args:
        count: Number of GPUs.
        lock_folder: Folder of the locks; the default is shared by all users of the machine.

    Yields:
        The names of the claimed devices (UUIDs or indices).

    Raises:
        StudyError: The machine has fewer than `count` GPUs.
    """
    if count == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        yield []
        return
    pool = device_pool()
    if count > len(pool):
        found = f"{len(pool)} found ({', '.join(pool)})" if pool else "none found"
        raise StudyError(
            f"this job asks for {count} GPU(s), {found}. Run with '--resources gpu=0' to use the CPU, or set "
            "CUDA_VISIBLE_DEVICES to the devices that it may use."
        )
    locks = _lock_devices(pool, count, lock_folder or default_lock_folder())
    devices = sorted(locks)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    try:
        yield devices
    finally:
        for lock in locks.values():
            os.close(lock)
        if job_id():
            _remove_unused_locks(lock_folder or default_lock_folder())


def device_pool() -> list[str]:
    """Returns the devices that a job may use, by UUID where `nvidia-smi` knows it: a UUID is the same for all jobs.

    Where a cluster does not set CUDA_VISIBLE_DEVICES (`Flags=no_gpu_env`), SLURM's own variables give the indices of
    the job's devices on the node. If `nvidia-smi` lists exactly as many devices as the job has, the node's other
    devices are hidden from it, and its list is the job's.
    """
    listed = _list_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        visible = assigned_gpus()
        if visible is not None and len(listed) == len(visible.split(",")):
            visible = None
    if visible is None:
        return list(listed.values())
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return list(dict.fromkeys(listed.get(name, name) for name in names if name != "-1"))


def default_lock_folder() -> Path:
    """Returns the folder of the locks, made if missing; all users of the machine share it, as they share its GPUs."""
    folder = Path(tempfile.gettempdir()) / "codetune-gpu-locks"
    if not folder.exists():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    return folder


def _list_gpus() -> dict[str, str]:
    """Maps the index of each GPU to its UUID, by `nvidia-smi`; empty where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return {}
    query = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return {}
    rows = (line.split(",") for line in answer.stdout.splitlines() if "," in line)
    return {index.strip(): uuid.strip() for index, uuid in rows}


def _lock_devices(pool: list[str], count: int, folder: Path) -> dict[str, int]:
    """Polls until this process holds the locks of `count` devices; returns their file descriptors by device."""
    owner = f"slurm-{os.environ['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in os.environ else ""
    waiting = False
    while True:
        locks: dict[str, int] = {}
        for device in pool:
            lock = _try_shared_lock(folder / f"{owner}{device}".replace("/", "_"))
            if lock is not None:
                locks[device] = lock
            if len(locks) == count:
                return locks
        for lock in locks.values():
            os.close(lock)
        if not waiting:
            print(f"waiting for {count} of {len(pool)} GPU(s) to become free", flush=True)
            waiting = True
        time.sleep(POLL_SECONDS * (0.5 + random.random()))


def _try_shared_lock(path: Path) -> int | None:
    """Locks a file that all users may open; returns its descriptor, or None if another process holds the lock."""
    lock = try_lock(path)
    if lock is not None:
        with suppress(PermissionError):
            os.fchmod(lock, 0o666)
    return lock


def _remove_unused_locks(folder: Path) -> None:
    """Removes the lock files of SLURM jobs that have ended, whose names are never used again."""
    for path in folder.glob("slurm-*"):
        with suppress(OSError):
            lock = try_lock(path)
            if lock is not None:
                path.unlink()
                os.close(lock)
