"""Causal filters against explicit convolution, their gradients against finite differences, and their state."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.filters.convolution import fir_filter
from stcnn.nn.filters.exponential import ExponentialConfig, exponential_filter, exponential_gain
from stcnn.nn.filters.instant import NoFilterConfig
from stcnn.nn.filters.kind import Constants, FilterState
from stcnn.nn.filters.power_exponential import PowerExponentialConfig
from stcnn.nn.filters.temporal_filter import TemporalFilter
from tests.reference import direct

Scale = Literal["area", "energy"]
SCALES: list[Scale] = ["area", "energy"]


def exponential(
    x: Tensor, tau_s: Tensor, rate_hz: float, taps: int | None, scale: Scale = "area", state: FilterState | None = None
) -> tuple[Tensor, FilterState]:
    """Scaled filter ``(T, ..., C)`` as the layers use it: the gain in front."""
    kernel_s = None if taps is None else taps / rate_hz
    config = ExponentialConfig.model_validate({"kernel_s": kernel_s, "scale": scale})
    return exponential_filter(x * exponential_gain(tau_s, 1 / rate_hz, config), tau_s, 1 / rate_hz, taps, state)


def power_exponential(
    x: Tensor, tau_s: Tensor, n: Tensor, taps: int = 12, state: FilterState | None = None
) -> tuple[Tensor, FilterState]:
    config = PowerExponentialConfig(kernel_s=taps / 180)
    return fir_filter(x, config.kernel(Constants(tau_s=tau_s, n=n), 1 / 180), state)


def convolved(x: Tensor, kernel: Tensor) -> Tensor:
    return direct.convolve(x.double().movedim(0, 1), kernel, "matrix").movedim(0, 1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("rate_hz", [60.0, 180.0, 360.0])
@pytest.mark.parametrize("taps", [None, 1, 2, 8, 9, 90, 900])
def test_recurrence_is_the_convolution_with_the_kernel(taps: int | None, rate_hz: float, scale: Scale) -> None:
    tau_s = torch.tensor([0.005, 0.03, 0.3, 1.0])
    x = 1 + torch.randn(400, 2, 4)
    right = convolved(x, direct.kernel(tau_s.double(), None, direct.Filter(taps, scale, 1.0), rate_hz))
    exact = exponential(x.double(), tau_s.double(), rate_hz, taps, scale)[0]
    torch.testing.assert_close(exact, right, rtol=1e-10, atol=1e-10)
    error = (exponential(x, tau_s, rate_hz, taps, scale)[0] - right).abs().max() / right.abs().max()
    assert error < 5e-6


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("taps", [2, 40, 300])
def test_fourier_filter_is_the_convolution_with_the_kernel(taps: int, scale: Scale) -> None:
    config = PowerExponentialConfig.model_validate({"kernel_s": taps / 180, "scale": scale})
    tau_s, n = torch.tensor([0.01, 0.05, 0.3]).double(), torch.tensor([0.5, 2.0, 10.0]).double()
    x = torch.randn(100, 2, 3, dtype=torch.float64)
    right = convolved(x, direct.kernel(tau_s, n, direct.Filter(taps, scale, 1.0), 180.0))
    found, _ = fir_filter(x, config.kernel(Constants(tau_s=tau_s, n=n), 1 / 180))
    torch.testing.assert_close(found, right, rtol=1e-10, atol=1e-10)


def test_a_power_exponential_of_one_tap_is_refused() -> None:
    config, one = PowerExponentialConfig(kernel_s=0.02), torch.ones(1)
    with pytest.raises(ConfigError, match=r"kernel_s=0\.02 has one tap at 60 Hz.*Lengthen kernel_s"):
        config.kernel(Constants(tau_s=0.1 * one, n=one), 1 / 60)


@pytest.mark.parametrize("rate_hz", [60.0, 360.0])
def test_impulse_response_has_unit_area_or_unit_energy(rate_hz: float) -> None:
    tau_s = torch.tensor([0.02, 0.1], dtype=torch.float64)
    impulse = torch.zeros(1000, 1, 2, dtype=torch.float64)
    impulse[0] = rate_hz  # one second times hertz: an impulse of area one
    area = exponential(impulse, tau_s, rate_hz, None, "area")[0].sum(0) / rate_hz
    energy = exponential(impulse, tau_s, rate_hz, None, "energy")[0].square().sum(0) / rate_hz
    torch.testing.assert_close(area, torch.ones_like(area))
    torch.testing.assert_close(energy, torch.ones_like(energy))


@pytest.mark.parametrize("rate_hz", [60.0, 90.0, 180.0, 360.0])
def test_unit_energy_answers_a_constant_in_proportion_to_the_root_of_tau(rate_hz: float) -> None:
    """Without sampling ``sqrt(2 tau)``; sampling raises it by ``sqrt(x coth x)``, ``x = dt / (2 tau)``.

    So a kernel of unit energy does not depend on the rate where tau is at least two frames (1 %), but one of 6 ms, as
    the published photoreceptor has it, answers 60 Hz with 1.25 times what it would answer without sampling.
    """
    tau_s = torch.tensor([0.006, 0.04, 0.2], dtype=torch.float64)
    found = exponential(torch.ones(2000, 1, 3, dtype=torch.float64), tau_s, rate_hz, None, "energy")[0][-1, 0]
    x = 1 / (2 * tau_s * rate_hz)
    torch.testing.assert_close(found, torch.sqrt(2 * tau_s * x / torch.tanh(x)))
    assert float(found[2] / (2 * tau_s[2]).sqrt()) == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("taps", [None, 1, 9, 12])
def test_gradients_of_the_recurrence_are_exact(taps: int | None, scale: Scale) -> None:
    before, x = (torch.randn(n, 1, 3, dtype=torch.float64, requires_grad=True) for n in (5, 7))
    tau_s = torch.tensor([0.005, 0.04, 1.0], dtype=torch.float64, requires_grad=True)

    def answer(before: Tensor, x: Tensor, tau_s: Tensor) -> Tensor:
        _, state = exponential(before, tau_s, 180.0, taps, scale)
        y, state = exponential(x, tau_s, 180.0, taps, scale, state)
        return torch.cat([y.flatten(), state.last.flatten()])

    assert torch.autograd.gradcheck(answer, (before, x, tau_s), eps=1e-7, atol=1e-5, rtol=1e-4)


def test_gradients_of_the_power_exponential_are_exact() -> None:
    x = torch.randn(7, 1, 3, dtype=torch.float64, requires_grad=True)
    tau_s = torch.tensor([0.01, 0.03, 0.1], dtype=torch.float64, requires_grad=True)
    n = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *given: power_exponential(*given)[0], (x, tau_s, n), eps=1e-7, atol=1e-5)


@given(
    cuts=st.lists(st.integers(1, 29), max_size=4),
    taps=st.none() | st.integers(1, 40),
    tau_s=st.floats(0.005, 1.0),
    power=st.booleans(),
)
def test_pieces_are_the_whole(cuts: list[int], taps: int | None, tau_s: float, power: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(30, 2, 3, dtype=torch.float64)
    tau = torch.full((3,), tau_s, dtype=torch.float64, requires_grad=True)
    n = torch.full((3,), 1.5, dtype=torch.float64)

    def filtered(x: Tensor, state: FilterState | None) -> tuple[Tensor, FilterState]:
        if power:
            return power_exponential(x, tau, n, 2 + (taps or 50), state)
        return exponential(x, tau, 180.0, taps, state=state)

    ends = [0, *sorted(set(cuts)), 30]
    state, pieces = None, []
    for start, stop in itertools.pairwise(ends):
        piece, state = filtered(x[start:stop], state)
        pieces.append(piece)
    whole, _ = filtered(x, None)
    target = torch.randn_like(whole)
    torch.testing.assert_close(torch.cat(pieces), whole, rtol=1e-9, atol=1e-9)
    found, right = (torch.autograd.grad((y - target).square().sum(), tau)[0] for y in (torch.cat(pieces), whole))
    torch.testing.assert_close(found, right, rtol=1e-7, atol=1e-7 * float(target.square().sum() / tau_s))


def test_half_precision_input_is_integrated_in_float32() -> None:
    x, tau_s = torch.randn(200, 1, 2).bfloat16(), torch.tensor([0.05, 0.5])
    found, state = exponential_filter(x, tau_s, 1 / 180)
    assert found.dtype == state.last.dtype == torch.float32
    torch.testing.assert_close(found, exponential_filter(x.float(), tau_s, 1 / 180)[0])


def test_second_derivative_is_refused_with_a_reason() -> None:
    x = torch.randn(5, 1, 1, dtype=torch.float64, requires_grad=True)
    y, _ = exponential_filter(x, torch.tensor([0.1], dtype=torch.float64), 1 / 180)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(y.square().sum(), x, create_graph=True)


def test_one_frame_at_a_time_keeps_the_state_small() -> None:
    x, tau_s = torch.randn(500, 1, 2), torch.tensor([0.05, 0.3])
    state = None
    for frame in x:
        _, state = exponential_filter(frame[None], tau_s, 1 / 180, 90, state)
    assert state is not None
    assert state.history is None or state.history.shape == (90, 1, 2)


def test_a_layer_without_filter_answers_at_once() -> None:
    x = torch.randn(4, 1, 3)
    found, _ = TemporalFilter(NoFilterConfig(), 3)(x, 180.0)
    assert torch.equal(found, x)
