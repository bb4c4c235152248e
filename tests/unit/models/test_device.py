"""The device of a job: the GPU that it was given, never the CPU in its place."""

import os

import pytest
import torch
from codetune.base.errors import StudyError
from codetune.models import device as module
from codetune.models.device import device


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    module._try_gpu.cache_clear()
    monkeypatch.setattr(module, "find_spec", lambda _: None)


def test_a_job_without_a_gpu_computes_on_the_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device() == "cpu"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert device() == "cpu"


def test_a_job_with_a_gpu_computes_on_it_and_tries_it_once(monkeypatch):
    tried = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa")
    monkeypatch.setattr(torch, "zeros", lambda *_, **options: tried.append(options["device"]) or torch.ones(1))
    assert [device(), device()] == ["cuda:0", "cuda:0"]
    assert tried == ["cuda:0"]


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch was built with CUDA")
def test_a_torch_without_cuda_is_named(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(StudyError, match=r"the GPU 0, and torch \S+ cannot compute on it \(it was built without"):
        device()


@pytest.mark.parametrize(
    "problem",
    [
        RuntimeError("The NVIDIA driver on your system is too old (found version 12020). Please update"),
        RuntimeError("No CUDA GPUs are available"),  # CUDA_VISIBLE_DEVICES=7 where there are three
        RuntimeError("CUDA error: no kernel image is available for execution on the device\nCUDA kernel errors might"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB"),
    ],
    ids=lambda problem: str(problem)[:20],
)
def test_a_gpu_that_torch_cannot_compute_on_is_an_error_of_one_line(monkeypatch, problem):
    def fail(*_, **__):
        raise problem

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch, "zeros", fail)
    with pytest.raises(StudyError) as caught:
        device()
    reason = str(problem).splitlines()[0]
    assert f"(built for CUDA 13.0: {reason})" in str(caught.value)
    assert "--resources gpu=0" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_on_a_cluster_whose_gpus_are_only_names_jobs_compute_on_the_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CODETUNE_GPUS_ARE_ONLY_NAMES", "yes")
    assert device() == "cpu"


@pytest.mark.parametrize("triton", [True, False])
def test_a_gpu_needs_a_c_compiler_where_kernels_are_compiled(monkeypatch, tmp_path, triton):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: torch.ones(1))
    monkeypatch.setattr(module, "find_spec", lambda name: triton and name == "triton")
    if triton:
        with pytest.raises(StudyError, match="there is no gcc and no clang"):
            device()
    else:
        assert device() == "cuda:0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MemTotal: 24 kB\nMemFree:  8 kB\nMemAvailable:      15706112 kB\nBuffers: 9 kB\n", 15706112 * 1024),
        ("MemTotal: 24 kB\nMemFree:  8 kB\n", 3 * 4096),  # an old kernel
        (None, 3 * 4096),  # no Linux
    ],
)
def test_memory_that_holds_files_is_free(text, expected, tmp_path, monkeypatch):
    """Otherwise weights would be dequantised after a restart and not after a large file was read."""
    if text:
        (tmp_path / "meminfo").write_text(text)
    monkeypatch.setattr(module, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(os, "sysconf", {"SC_AVPHYS_PAGES": 3, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert module.free_memory() == expected
