"""A job's environment: what a shell or a launcher left in it changes nothing."""

import json
import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest
from codetune.base import environment
from codetune.base.environment import clean_environment, environment_of_jobs, set_environment
from conftest import ROOT

LAUNCHERS = {
    "accelerate": {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_USE_FSDP": "true", "FSDP_OFFLOAD_PARAMS": "true"},
    "torchrun": {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"},
    "torchrun's agent": {"TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "0", "ROLE_RANK": "0", "LOCAL_WORLD_SIZE": "2"},
    "OpenMPI": {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
    "MPICH, srun": {
        "PMI_SIZE": "2",
        "PMI_RANK": "0",
        "PMIX_RANK": "0",
        "MPI_LOCALNRANKS": "2",
        "MV2_COMM_WORLD_SIZE": "2",
    },
    "TPU": {"TPU_NAME": "x", "XLA_USE_BF16": "1", "PJRT_DEVICE": "TPU"},
    "arithmetic": {
        **{"NVIDIA_TF32_OVERRIDE": "1", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
        **{"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "OMP_DYNAMIC": "true", "TRITON_INTERPRET": "1"},
    },
}
HARMLESS = {
    **{
        "PATH": "/bin",
        "HF_HOME": "/hf",
        "HF_TOKEN": "x",
        "CUDA_VISIBLE_DEVICES": "0",
        "SLURM_JOB_ID": "7",
        "CC": "gcc",
    },
    **{"TRITON_CACHE_DIR": "/cache", "OMP_PROC_BIND": "true", "LD_LIBRARY_PATH": "/lib", "TMPDIR": "/scratch"},
    "https_proxy": "http://proxy",
}


@pytest.mark.parametrize("left", LAUNCHERS)
def test_what_a_launcher_left_is_cleared(monkeypatch, left):
    monkeypatch.setattr(os, "environ", {**HARMLESS, **LAUNCHERS[left]})
    clean_environment()
    assert os.environ == HARMLESS


def test_the_settings_of_a_job_are_the_workflow_s_own(monkeypatch):
    left = {"OMP_NUM_THREADS": "9", "CUBLAS_WORKSPACE_CONFIG": "x", "HF_HUB_OFFLINE": "0", "TORCHDYNAMO_DISABLE": "0"}
    monkeypatch.setattr(os, "environ", dict(left))
    clean_environment()
    set_environment(threads=2, offline=True)
    kept = {name: os.environ[name] for name in left}
    own = {"OMP_NUM_THREADS": "2", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "HF_HUB_OFFLINE": "1"}
    assert kept == own | {"TORCHDYNAMO_DISABLE": "1"}


# What accelerate and bitsandbytes read and a job may keep: it names services, accounts, caches and what is printed.
NAMES_SERVICES = "AWS_* MLFLOW_* CLEARML_* HF_* XDG_* NO_COLOR CI FOO systemdrive NCCL_* CUDA_* ROCM_* LD_LIBRARY_PATH"
PRINTS_OR_TESTS = "PYTEST_* RUN_SLOW NPROC OMP_NUM_THREADS KMP_AFFINITY KMP_BLOCKTIME CCL_* CONDA_PREFIX VIRTUAL_ENV"


@pytest.mark.parametrize("library", ["accelerate", "bitsandbytes", "peft"])
def test_every_variable_that_a_library_reads_is_cleared_or_known_to_be_harmless(library):
    folder = Path(find_spec(library).origin).parent
    text = "\n".join(
        path.read_text() for path in folder.rglob("*.py") if not {"test_utils", "commands"} & set(path.parts)
    )
    read = set(re.findall(r"""(?:environ(?:\.get|\.pop)?[(\[]|getenv\(|_from_env\(\[?)\s*f?["'](\w+)["']""", text))
    assert read
    from fnmatch import fnmatchcase

    known = [*environment.CLEARED, *NAMES_SERVICES.split(), *PRINTS_OR_TESTS.split()]
    assert {name for name in read if not any(fnmatchcase(name, pattern) for pattern in known)} == set()


# A job as Snakemake starts it: with all folders of Snakemake's own search path at the end of the script's.
JOB = """
    import json, os, sys
    sys.path.extend({leaked})
    from codetune.base.jobs import job
    from types import SimpleNamespace
    from pathlib import Path
    here = Path(sys.argv[1])
    nothing = SimpleNamespace(
        log=[], output=[here / "results/x"], config=dict(results=here / "results", resources=here),
        threads=1, params={{}}, resources={{}},
    )
    with job(nothing):
        import importlib.util
        try:
            import yaml
            yaml = yaml.__file__
        except ImportError:
            yaml = None
        print(json.dumps([yaml, bool(importlib.util.find_spec("extra")), sys.flags.optimize, os.getpid()]))
"""


def run_job(folder, leaked=(), **variables):
    code = textwrap.dedent(JOB).format(leaked=list(map(str, leaked)))
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT / "workflow/scripts"), variables.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True
    )
    output, _ = process.communicate(timeout=30)
    *found, pid = json.loads(output.splitlines()[0])
    assert pid == process.pid
    return found


@pytest.fixture
def shadows(tmp_path):
    """A folder with another version of a package of the environment, and one that the environment does not have."""
    folder = tmp_path / "shadows"
    folder.mkdir()
    for name in ("yaml", "extra"):
        (folder / f"{name}.py").touch()
    return folder


def test_packages_in_pythonpath_do_not_shadow_those_of_the_environment(tmp_path, shadows):
    import yaml

    dirty = {"PYTHONPATH": str(shadows), "PYTHONOPTIMIZE": "2"}
    assert run_job(tmp_path, **dirty, CODETUNE_WORKFLOW_PID=str(os.getpid())) == [yaml.__file__, False, 0]
    # By hand the interpreter stays as it was started, but finds the same packages.
    assert run_job(tmp_path, **dirty) == [yaml.__file__, False, 2]


def test_nor_do_folders_that_only_snakemake_s_own_process_searches(tmp_path, shadows):
    import yaml

    settings = {"CODETUNE_WORKFLOW_PID": str(os.getpid()), "CODETUNE_LEFT_OUT": str(shadows)}
    assert run_job(tmp_path, leaked=[shadows], **settings) == [yaml.__file__, False, 0]


def test_the_workflow_tells_its_jobs_which_folders_to_leave_out(monkeypatch, shadows):
    monkeypatch.setenv("PYTHONPATH", f"{shadows}:{ROOT / 'workflow/scripts'}")
    monkeypatch.setattr("site.ENABLE_USER_SITE", False)
    assert environment_of_jobs(time_limited=False)["CODETUNE_LEFT_OUT"] == str(shadows)
    monkeypatch.setattr("site.ENABLE_USER_SITE", True)
    monkeypatch.setattr("site.getusersitepackages", lambda: str(shadows))
    monkeypatch.delenv("PYTHONPATH")
    assert environment_of_jobs(time_limited=False)["CODETUNE_LEFT_OUT"] == str(shadows)
