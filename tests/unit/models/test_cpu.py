"""What a job does when it computes on a CPU, and what it says of the CPU's speed."""

import ctypes
import platform
import subprocess
import sys

import pytest
import torch
from codetune.models import cpu
from codetune.models.cpu import keep_freed_memory, matmul_rate, prepare_cpu
from conftest import ROOT

GIGA = 1e9


@pytest.fixture(autouse=True)
def memory_as_it_is(monkeypatch):
    """The tests' own process gives memory back as before."""
    monkeypatch.setattr(cpu, "keep_freed_memory", lambda: None)


def said(monkeypatch, capsys, compute_dtype, **giga):
    """The lines on a CPU with so many GFLOP/s in each type."""
    monkeypatch.setattr(cpu, "matmul_rate", lambda dtype: giga[str(dtype).removeprefix("torch.")] * GIGA)
    prepare_cpu(compute_dtype)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("configured", "rates", "times", "other"),
    [
        ("bfloat16", {"bfloat16": 1.02, "float32": 174}, "171 times", "float32"),
        ("bfloat16", {"bfloat16": 50, "float32": 125}, "2.5 times", "float32"),
        ("float32", {"bfloat16": 1000, "float32": 225}, "4.4 times", "bfloat16"),
    ],
)
def test_a_slow_number_format_is_named_with_what_to_set(configured, rates, times, other, monkeypatch, capsys):
    first, warning = said(monkeypatch, capsys, configured, **rates)
    assert first.startswith("no GPU: computing on the CPU")
    assert f"{times} as fast in {other} as in {configured}" in warning
    assert f"'quantization.compute_dtype: {other}'" in warning


@pytest.mark.parametrize("configured", ["bfloat16", "float32"])
@pytest.mark.parametrize("rates", [{"bfloat16": 100, "float32": 100}, {"bfloat16": 100, "float32": 190}])
def test_about_the_same_speed_is_no_reason_to_change_anything(configured, rates, monkeypatch, capsys):
    rates = rates if configured == "bfloat16" else dict(zip(rates, reversed(rates.values()), strict=True))
    (line,) = said(monkeypatch, capsys, configured, **rates)
    assert f"100 GFLOP/s in {configured}" in line


def test_on_a_gpu_nothing_is_measured_said_or_kept(monkeypatch, capsys):
    monkeypatch.setattr(cpu, "device", lambda: "cuda:0")
    for name in ("matmul_rate", "keep_freed_memory"):
        monkeypatch.setattr(cpu, name, None)
    assert prepare_cpu("bfloat16") is None
    assert not capsys.readouterr().out


def test_no_random_number_is_drawn_and_gradients_stay_on():
    before = torch.get_rng_state()
    assert prepare_cpu("float32") > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("rate", [0.05 * GIGA, GIGA, 20 * GIGA, 225 * GIGA, 5000 * GIGA])
def test_the_rate_is_found_in_a_fraction_of_a_second_whatever_it_is(rate, monkeypatch):
    now = 100.0

    class Matrix:
        def __init__(self, size, _, dtype):
            self.size, self.calls = size, 0

        def __matmul__(self, other):
            nonlocal now
            now += 2 * self.size**3 / rate + 2e-6 + (0.005 if self.calls == 0 else 0)  # choosing a kernel
            self.calls += 1

    monkeypatch.setattr(torch, "ones", Matrix)
    assert matmul_rate(torch.bfloat16, lambda: now) == pytest.approx(rate, rel=0.05)
    assert now - 100 < 0.35


FAULTS = """
import resource, sys, torch
from codetune.models.cpu import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def use():
    return sum(float(torch.ones(3_000_000 + 100_000 * step).sum()) for step in range(10))
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is not glibc")
def test_freed_memory_is_used_again_without_a_page_fault():
    found = {}
    for way in ("keep", "as it is"):
        command = [sys.executable, "-c", FAULTS, way]
        done = subprocess.run(
            command, cwd=ROOT / "workflow/scripts", env={"OMP_NUM_THREADS": "1"}, check=True, capture_output=True
        )
        found[way] = int(done.stdout)
    assert found["as it is"] > 50  # 70 of huge pages, 35,000 of small ones: the kernel decides
    assert found["keep"] < found["as it is"] / 5


@pytest.mark.parametrize(
    "problem", [OSError("no such library"), TypeError("not on Windows"), AttributeError("mallopt")]
)
def test_without_glibc_nothing_happens(problem, monkeypatch):
    def fail(_):
        raise problem

    monkeypatch.setattr(ctypes, "CDLL", fail)
    keep_freed_memory()
