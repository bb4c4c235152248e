"""Optimizers for bf16 weights: rounding is right on average, small steps are not lost, states are taken up exactly."""

import copy

import pytest
import torch
from bitsandbytes.optim import AdamW8bit
from codetune.training.rounding import StochasticRounding, round_stochastically
from torch.optim import AdamW
from transformers import Adafactor

KINDS = {
    "adamw": lambda parameters, rate: AdamW(parameters, lr=rate, weight_decay=0.0),
    "adafactor": lambda parameters, rate: Adafactor(parameters, lr=rate, scale_parameter=False, relative_step=False),
    "adamw_8bit": lambda parameters, rate: AdamW8bit(parameters, lr=rate, weight_decay=0.0),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("value", [1.0, 1.001, -1.001, 3.14159, -0.0078, 1e-30, 123456.7, 1e-40])
def test_the_mean_of_what_is_rounded_is_the_number(value):
    count = 100_000
    values = torch.full((count,), value)
    found = round_stochastically(values, generator())
    spacing = float(found.double().max() - found.double().min())
    assert found.dtype == torch.bfloat16
    assert len(found.unique()) <= 2
    assert found.double().min() <= values[0].double() <= found.double().max()
    assert abs(found.double().mean() - values[0].double()) <= 4 * spacing / 2 / count**0.5 + 1e-45


def test_what_bf16_holds_and_what_is_no_finite_number_stays():
    exact = torch.randn(1000, generator=generator()).bfloat16()
    assert torch.equal(round_stochastically(exact.float(), generator(1)), exact)
    odd = torch.tensor([0.0, -0.0, torch.inf, -torch.inf])
    assert torch.equal(round_stochastically(odd, generator()).float(), odd)
    assert round_stochastically(odd, generator())[1].signbit()
    nan = torch.tensor([0x7FFFFFFF, -1, 0x7F800001], dtype=torch.int32).view(torch.float32)
    assert round_stochastically(nan.repeat(100), generator()).isnan().all()


def trained(kind, rounded, steps, rate=1e-5, dtype=torch.bfloat16):
    """Weights near 1 after steps against a gradient that always points the same way."""
    parameter = torch.nn.Parameter(torch.ones(64, 128, dtype=dtype))
    optimizer = KINDS[kind]([parameter], rate)
    if rounded:
        optimizer = StochasticRounding(optimizer, 0)
    for _ in range(steps):
        parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    return parameter.detach().float().mean().item()


@pytest.mark.parametrize("kind", KINDS)
def test_updates_too_small_for_bf16_are_not_lost(kind):
    """A step of 1e-5 is 1/400 of the distance to the next number."""
    expected = trained(kind, False, 200, dtype=torch.float32)
    assert expected == pytest.approx(1 - 200e-5, abs=2e-4)
    assert trained(kind, True, 200) == pytest.approx(expected, abs=1e-4)
    if kind != "adamw_8bit":
        assert trained(kind, False, 200) == 1.0, "what the wrapper is for"


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_taken_up_to_the_same_bytes(kind):
    """torch rounds the state of an optimizer to the type of its parameters when it is loaded."""

    def begin():
        weights = [torch.nn.Parameter(torch.ones(shape, dtype=torch.bfloat16)) for shape in ((64, 128), (128,), (3,))]
        return weights, StochasticRounding(KINDS[kind](weights, 1e-3), 7)

    def go_on(weights, optimizer, steps):
        for step in steps:
            for number, one in enumerate(weights):
                if number < 2:  # one has no gradient, as a parameter that no token passes through
                    one.grad = torch.randn(one.shape, generator=generator(step)).bfloat16()
            optimizer.step()
            assert [one.grad is None for one in weights] == [False, False, True]
            assert {one.dtype for one in weights} == {torch.bfloat16}

    weights, optimizer = begin()
    go_on(weights, optimizer, range(3))
    values, state = [one.detach().clone() for one in weights], copy.deepcopy(optimizer.state_dict())
    go_on(weights, optimizer, range(3, 6))
    others, resumed = begin()
    with torch.no_grad():
        for one, value in zip(others, values, strict=True):
            one.copy_(value)
    resumed.load_state_dict(state)
    go_on(others, resumed, range(3, 6))
    assert [one.tolist() for one in others] == [one.tolist() for one in weights]
    moments = [value for one in resumed.state.values() for key, value in one.items() if torch.is_tensor(value)]
    assert torch.bfloat16 not in {value.dtype for value in moments}
