"""The environment variables of a job: which the workflow sets, and which it clears because libraries obey them."""

import logging
import os
import secrets
import site
import sys
import warnings
from fnmatch import fnmatchcase
from pathlib import Path

# Variables that the workflow sets for its jobs.
WORKFLOW_PID = "CODETUNE_WORKFLOW_PID"  # id of the workflow's process, which a job must not outlive
STOPPING = "CODETUNE_STOPPING"  # name that the workflow's process takes when it is told to end
TIME_LIMITED = "CODETUNE_TIME_LIMITED"  # not empty where a batch system ends a job after its `runtime`
LEFT_OUT = "CODETUNE_LEFT_OUT"  # folders of the workflow's PYTHONPATH and user site, in which jobs find no packages

# Variables that change what a job computes, or make it wait or fail, though no config names them. Shells, containers
# and clusters leave them behind. Where caches lie, how processes are pinned to cores, and what is logged make no
# difference to a result: such variables stay.
CLEARED = (
    # Launchers of several processes (torchrun, accelerate, DeepSpeed, MPI, srun, SageMaker). accelerate takes a job
    # with these for one of many and waits for the others, or takes its precision from them.
    *("ACCELERATE_*", "FSDP_*", "DEEPSPEED_*", "MEGATRON_*", "PARALLELISM_CONFIG_*", "FORK_LAUNCHED", "SM_*"),
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    *("GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", "SMDATAPARALLEL_*"),
    *("OMPI_*", "PMI_*", "PMIX_*", "MPI_*", "MV2_*"),
    # Other devices than the config's.
    *("XLA_*", "PJRT_DEVICE", "TPU_*", "USE_TORCH_XLA", "PT_HPU_*"),
    # Arithmetic: other kernels, precisions, orders of summation.
    *("TORCH*", "PYTORCH_*", "ATEN_*", "NVIDIA_TF32_OVERRIDE", "CUBLAS*", "CUDNN_*", "ONEDNN_*", "DNNL_*", "MKL_*"),
    *("OMP_DYNAMIC", "OMP_THREAD_LIMIT", "OMP_SCHEDULE", "OMP_NESTED", "OMP_MAX_ACTIVE_LEVELS", "KMP_DETERMINISTIC*"),
    *("TRITON_*", "BNB_*", "FLASH_ATTENTION_*"),
    # Other code than the locked: switches of transformers, datasets and TRL.
    *("TRANSFORMERS_*", "TRL_*", "USE_TF", "USE_TORCH", "USE_JAX", "USE_FLAX", "USE_HUB_KERNELS", "USE_LIBUV"),
)
KEPT = ("TRITON_CACHE_DIR", "TRITON_HOME", "TRITON_PTXAS_PATH", "TRITON_LIBCUDA_PATH", "MKL_THREADING_LAYER")
# Variables that the interpreter reads when it starts, beside PYTHONPATH: other ways to run the same code.
INTERPRETER = ("PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE", "PYTHONPLATLIBDIR")
_LIBRARY = Path(__file__).resolve().parents[2]


def environment_of_jobs(time_limited: bool) -> dict[str, str]:
    """Returns the environment variables that the workflow, whose process calls this, sets for its jobs.

    A job ends when the workflow's process does, even if that is killed. Otherwise the next attempt would start a
    second job on the same files. PYTHONHASHSEED is fixed because CodeBLEU's data-flow score depends on the iteration
    order of sets.

    Args:
        time_limited: Whether a batch system ends the jobs after their `runtime`.
    """
    return {
        WORKFLOW_PID: str(os.getpid()),
        STOPPING: f"codetune-workflow-{os.getpid()}-{secrets.token_hex(8)}",
        TIME_LIMITED: "yes" if time_limited else "",
        LEFT_OUT: os.pathsep.join(map(str, _other_folders())),
        "PYTHONHASHSEED": "0",
    }


def clean_environment() -> None:
    """Clears what libraries would obey behind the config; to be called before they are imported.

    If the interpreter of a job has read such variables, too, the job starts anew in the same process. A script that is
    run by hand, perhaps in a debugger, does not; it leaves out the folders of other packages from then on.
    """
    if os.environ.get(WORKFLOW_PID) and (_other_folders() or any(name in os.environ for name in INTERPRETER)):
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *INTERPRETER)}
        if _LIBRARY in _folders(os.environ.get("PYTHONPATH")):
            kept["PYTHONPATH"] = str(_LIBRARY)
        os.execve(  # noqa: S606
            sys.executable, [sys.executable, *sys.orig_argv[1:]], {**kept, "PYTHONNOUSERSITE": "1"}
        )
    for name in list(os.environ):
        if name not in KEPT and any(fnmatchcase(name, pattern) for pattern in CLEARED):
            del os.environ[name]
    # Snakemake lets its jobs import from all folders that it may import from itself.
    snakemake = getattr(sys.modules.get("snakemake"), "__file__", None)
    own = {Path(snakemake).resolve().parents[1]} if snakemake else set()
    left_out = {*_folders(os.environ.get(LEFT_OUT)), *_other_folders()} - own
    sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() not in left_out]


def _other_folders() -> list[Path]:
    """Returns the folders in which this process looks for packages that are not its environment's."""
    folders = [folder for folder in _folders(os.environ.get("PYTHONPATH")) if folder != _LIBRARY]
    user_site = Path(site.getusersitepackages()).resolve()
    return [*folders, user_site] if site.ENABLE_USER_SITE and user_site.exists() else folders


def _folders(paths: str | None) -> list[Path]:
    """Returns the folders that a variable such as PYTHONPATH lists."""
    return [Path(path).resolve() for path in (paths or "").split(os.pathsep) if path]


def set_environment(threads: int, offline: bool) -> None:
    """Sets what torch, transformers and tokenizers read once, at import; to be called before they are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    # The reader of a log can do nothing about deprecations inside the pinned libraries.
    warnings.filterwarnings("ignore", category=FutureWarning)
    for library in ("bitsandbytes", "transformers"):
        logging.getLogger(library).setLevel(logging.ERROR)
    # No job compiles what torch computes. Otherwise bitsandbytes has torch load its compiler, a second in each job.
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # torch's deterministic mode requires it on GPUs
    os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"
