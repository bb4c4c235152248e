"""What a record says of the machine."""

import sys

import pynvml
import pytest
from codetune.base.machine import gpu_joules


@pytest.fixture
def nvml(monkeypatch):
    """A stand-in for NVML with two GPUs, whose counters are in millijoules."""
    counters = {"GPU-aa": 5_000, "GPU-bb": 7_500}

    def by_name(name):
        if name not in counters:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return name

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", by_name)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: list(counters)[index])
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", counters.__getitem__)


@pytest.mark.parametrize(
    ("visible", "joules"), [("GPU-bb", 7.5), ("0", 5.0), ("", None), ("GPU-cc", None), ("a,b", None)]
)
def test_the_energy_is_that_of_the_job_s_own_gpu(nvml, monkeypatch, visible, joules):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_joules() == joules


def test_without_nvml_no_energy_is_said(monkeypatch):
    def fails():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fails)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpu_joules() is None


def test_without_the_package_of_nvml_no_energy_is_said(monkeypatch):
    """A machine with a GPU and torch may lack it."""
    monkeypatch.setattr("codetune.base.machine.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpu_joules() is None
