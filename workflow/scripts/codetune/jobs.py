"""What every script does around its one library call: log, errors, threads and GPUs."""

import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codetune.devices import claim_gpus
from codetune.errors import StudyError


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Runs the block as one job of the workflow.

    All output goes to the job's log, line by line. The thread pools of the numeric libraries get the rule's threads,
    the job gets the rule's GPUs, and no library may reach a network unless the rule is one that downloads
    (`params.network`). A `StudyError` ends the process with one line instead of a traceback.

    Args:
        snakemake: The object that Snakemake puts into scripts, or anything with the same `log`, `threads`,
            `resources` and `params`.
    """
    _write_output_to(snakemake.log[0])
    _set_environment(snakemake.threads, offline=not snakemake.params.get("network", False))
    start = time.monotonic()
    try:
        with claim_gpus(int(snakemake.resources.get("gpu", 0))) as devices:
            if devices:
                print(f"GPUs of this job: {', '.join(devices)}", flush=True)
            yield
    except StudyError as error:
        print(f"error: {error}", flush=True)
        sys.exit(1)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{place}", flush=True)
        sys.exit(1)
    print(f"done in {time.monotonic() - start:.1f} s", flush=True)


def _write_output_to(path: str) -> None:
    """Sends this process's standard output and error, those of C code too, to the log file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _set_environment(threads: int, offline: bool) -> None:
    """Has to run before torch, transformers or tokenizers are imported: they read these once."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    # Deprecations inside the pinned libraries are nothing the reader of a log can act on.
    warnings.filterwarnings("ignore", category=FutureWarning)
    for library in ("bitsandbytes", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what torch's deterministic mode asks for on a GPU
    os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"
