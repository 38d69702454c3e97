"""The kernels of the GPU, through Triton's interpreter where there is no GPU; with one, the same tests run compiled.

The whole network in these kernels is compared with the direct form in ``tests.nn.test_against_direct``.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.filters import exponential
from stcnn.nn.filters.exponential import exponential_filter, leak
from stcnn.nn.kernels.triton import launch as triton_rows
from stcnn.nn.kernels.triton.launch import AdjointBoundary, Maps, Normalisation, interpreted, why_unavailable
from stcnn.nn.log import log_once
from stcnn.nn.ops import leaky_integrator as scan
from stcnn.nn.readout.reading import Reading
from stcnn.nn.stack import ENGINES, choose
from stcnn.nn.stack.problem import Clips, LayerTensors, Problem, StackOutput
from stcnn.nn.windows import Window
from tests.nn.test_native import Network, network, trained
from tests.reference import direct
from tests.support.nn_twin import Case, choose_implementation, largest_error, ours, recordings, theirs

REASON = why_unavailable()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"the kernels cannot run here: {REASON}")
DEVICE = "cpu" if REASON is not None or interpreted() else "cuda"
RATE_HZ = 180.0
KERNELS = ("endless", "finite")
TAU_S = torch.tensor([0.005, 0.05, 1.0])

ROUNDING = {torch.float64: 1e-13, torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}
"""Relative size of the last digit, with some room for sums."""


@pytest.fixture
def every_filter_in_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the recurrences of eye, readouts and evaluation to the kernels, as on a GPU."""
    for module in (scan, exponential):
        monkeypatch.setattr(module, "runs_in_triton", lambda rows: True)


@pytest.fixture
def small_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread the lanes over many programs."""
    monkeypatch.setattr(triton_rows, "INTERPRETED_LANES", 16)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Ask again what is there, and say again what was said."""
    for remembered in (why_unavailable, log_once):
        remembered.cache_clear()
    yield
    for remembered in (why_unavailable, log_once):
        remembered.cache_clear()


def rows(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, device=DEVICE).to(dtype)


def maps(v: Tensor, **more: object) -> Maps:
    """Two clips of three channels, from a start that is not zero."""
    b = leak(TAU_S.to(v), 1 / RATE_HZ)
    return Maps(v, 2, 3, b, torch.randn_like(v[0]), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("frames", [1, 4, 37])
def test_recurrence_of_any_input_type_keeps_its_state_in_float32(dtype: torch.dtype, frames: int) -> None:
    u = rows(frames, 42, dtype=dtype)
    v = torch.full(u.shape, torch.nan, device=DEVICE, dtype=torch.promote_types(dtype, torch.float32))
    given = maps(v)
    sums = triton_rows.integrate(u, given, moments=True)
    state, right = given.start.double(), []
    for u_t in u.double():
        state = state + given.leak.double().repeat(14) * (u_t - state)
        right.append(state)
    y = torch.stack(right)
    tolerance = ROUNDING[v.dtype]  # not that of the input, which is exact
    assert largest_error(v.cpu(), y.cpu()) < tolerance
    assert largest_error(sums.cpu(), torch.stack([y.sum(0), y.square().sum(0)]).cpu()) < 10 * tolerance


@pytest.mark.parametrize("dtype", list(ROUNDING))
def test_activation_rounds_once(dtype: torch.dtype) -> None:
    given = maps(rows(9, 42, dtype=torch.promote_types(dtype, torch.float32)))
    scale, shift, mean = rows(3, 3, dtype=given.v.dtype)
    norm = Normalisation(scale, shift, mean, 0.01)
    found = triton_rows.activate(given, norm, dtype)
    z = given.v.double() * norm.scale.double().repeat(14) + norm.shift.double().repeat(14)
    assert found.dtype == dtype
    assert largest_error(found.cpu(), torch.where(z > 0, z, 0.01 * z).cpu()) < ROUNDING[dtype]


@pytest.mark.usefixtures("small_programs")
def test_window_is_cut_out_of_every_clip_and_put_back() -> None:
    given, window = maps(rows(6, 2 * 4 * 5 * 3)), Window(1, 4, 2, 5)
    zero = torch.zeros_like(given.leak)
    plain = Normalisation(zero + 1, zero, zero, 1.0)
    found = triton_rows.activate(given, plain, torch.float32, (window, 5))
    pictures = given.v.view(6, 2, 4, 5, 3)
    assert torch.equal(found, window.crop(pictures).flatten(1))
    whole = torch.zeros_like(pictures)
    window.crop(whole).copy_(found.view(6, 2, 3, 3, 3))
    behind = [AdjointBoundary(torch.zeros_like(given.v[0])) for _ in range(2)]
    on_window = triton_rows.integrate_backward(found, given, behind[0], None, torch.float32, (window, 5))
    everywhere = triton_rows.integrate_backward(whole.flatten(1), given, behind[1], None, torch.float32)
    assert torch.equal(on_window.du, everywhere.du)
    assert torch.equal(on_window.sums[0], everywhere.sums[0])


@pytest.mark.usefixtures("every_filter_in_kernels")
@pytest.mark.parametrize("taps", [None, 9, 40])
def test_filter_in_kernels_is_the_convolution(taps: int | None) -> None:
    x = rows(120, 2, 3)
    kernel = direct.kernel(TAU_S.double(), None, direct.Filter(taps, "area", 1.0), RATE_HZ)
    found, state = exponential_filter(x, TAU_S.to(DEVICE), 1 / RATE_HZ, taps)
    unit = -torch.expm1(-(taps or torch.inf) / RATE_HZ / TAU_S.double())
    right = direct.convolve(x.double().cpu().movedim(0, 1), kernel, "matrix").movedim(0, 1) * unit
    assert largest_error(found.cpu(), right) < 5e-6
    assert (state.history is None) == (taps is None)


@pytest.mark.usefixtures("every_filter_in_kernels")
@pytest.mark.parametrize("taps", [None, 9])
def test_filter_in_kernels_has_exact_gradients_for_input_time_constant_and_state(taps: int | None) -> None:
    before, x = (rows(n, 1, 3, dtype=torch.float64).requires_grad_() for n in (3, 4))
    tau_s = TAU_S.to(before).requires_grad_()

    def answer(before: Tensor, x: Tensor, tau_s: Tensor) -> Tensor:
        _, state = exponential_filter(before, tau_s, 1 / RATE_HZ, taps)
        y, state = exponential_filter(x, tau_s, 1 / RATE_HZ, taps, state)
        return torch.cat([y.flatten(), state.last.flatten()])

    assert torch.autograd.gradcheck(answer, (before, x, tau_s), eps=1e-7, atol=1e-5, rtol=1e-4, fast_mode=True)


@pytest.mark.usefixtures("every_filter_in_kernels")
@pytest.mark.parametrize("training", [True, False])
def test_network_with_every_filter_in_kernels_is_the_direct_form(training: bool) -> None:
    case = Case(kernel_s=0.06, n_frames=20)
    model = case.model(torch.float32, "triton")
    contrast, recorded = case.contrast(torch.float32), recordings(case, torch.float32)
    model.train(training)
    right = theirs(model, contrast, recorded, case)
    with torch.set_grad_enabled(training):
        found = ours(model, contrast, recorded, case)
    assert largest_error(found.voltage, right.voltage) < 1e-5
    assert largest_error(found.traces, right.traces) < 1e-5


def network_here(n_frames: int = 3, n_shared: int = 0, taps: int = 0) -> Network:
    """A small network where the kernels run."""

    def moved(given: tuple[object, ...]) -> list[object]:
        return [t.detach().to(DEVICE).requires_grad_(t.requires_grad) if isinstance(t, Tensor) else t for t in given]

    net = network(n_frames=n_frames, n_shared=n_shared, taps=taps)
    layers = [LayerTensors(*moved(layer)) for layer in net.layers]  # type: ignore[arg-type]
    return Network(layers, Clips(*moved(net.clips)), Reading(*moved(net.reading)))  # type: ignore[arg-type]


def run_triton(*net: Any) -> StackOutput:
    return ENGINES["triton"].run(Problem(*net))


def why_not_triton(net: Network) -> str:
    return ENGINES["triton"].why_not(Problem(*net)) or ""


@pytest.mark.skipif(DEVICE != "cpu", reason="changes the sizes of the interpreter")
def test_result_does_not_depend_on_the_size_of_programs_and_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network_here(n_frames=7, n_shared=3, taps=5)
    whole, gradients = trained(run_triton, net)
    monkeypatch.setattr(triton_rows, "INTERPRETED_LANES", 128)
    monkeypatch.setattr(triton_rows, "INTERPRETED_BATCH", 3)
    parts, others = trained(run_triton, net)
    torch.testing.assert_close(whole.drive, parts.drive, rtol=1e-5, atol=1e-6)
    for name in gradients:
        torch.testing.assert_close(gradients[name], others[name], rtol=1e-4, atol=1e-6)


def test_one_backward_pass_and_no_second_derivative() -> None:
    net = network_here()
    rest, weight = run_triton(*net).drive, net.layers[0].weight
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(rest.sum(), weight, create_graph=True)
    torch.autograd.grad(rest.sum(), weight, retain_graph=True)
    with pytest.raises(RuntimeError, match="one backward pass"):
        torch.autograd.grad(rest.sum(), weight)


def test_what_the_kernels_cannot_run_is_refused_with_the_reason() -> None:
    net = network_here()
    assert "only convolutions may be shorter than float32" in why_not_triton(net.of(torch.bfloat16))
    many = torch.zeros(1, 1, 1, 1).expand(2**20, 64, 21, 21)
    assert "take fewer clips per step" in why_not_triton(net._replace(clips=Clips(None, many, torch.ones(64))))


def test_maps_on_the_cpu_are_no_reason_to_take_the_kernels() -> None:
    net = network()
    assert not ENGINES["triton"].is_worth_it(Problem(*net))


@pytest.mark.usefixtures("forgotten")
def test_without_triton_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_rows, "find_spec", lambda name: None)
    case = Case(n_frames=3)
    model = case.model(torch.float32)
    model.hidden.compute = "triton"
    with pytest.raises(ConfigError, match=r"compute='triton' cannot run: Triton is not installed \(pip install triton"):
        model.voltage_of(case.contrast(torch.float32), RATE_HZ)


@pytest.mark.usefixtures("forgotten")
def test_choice_on_a_gpu_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    eye = torch.empty(3, 1, 4, 4, device="meta")

    class OnGpu:  # what is asked of maps before any of them is touched
        is_cuda, device, dtype, numel = True, torch.device("cuda", 0), eye.dtype, eye.numel

    clips = Clips(None, OnGpu(), torch.ones(1))  # type: ignore[arg-type]
    problem = Problem(*network()._replace(clips=clips))
    assert choose(problem, "auto").name == "triton"
    assert choose(problem, "auto").name == "triton"
    assert [record.message for record in caplog.records] == [
        "compute=triton: hidden layers train in Triton's kernels, for the maps are on cuda:0"
    ]
    why_unavailable.cache_clear()
    monkeypatch.setattr(triton_rows, "find_spec", lambda name: None)
    assert not ENGINES["triton"].why_chosen(problem).startswith("Triton")
    assert "Triton is not installed" in str(ENGINES["triton"].why_not(problem))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU: the kernels above ran in the interpreter")
def test_auto_takes_the_kernels_on_a_gpu() -> None:
    case = Case()
    model = case.model(torch.float32, "auto").cuda()
    contrast, recorded = case.contrast(torch.float32), recordings(case, torch.float32)
    right = theirs(model, contrast, recorded, case)
    assert largest_error(ours(model, contrast, recorded, case).voltage, right.voltage) < 1e-5
    choose_implementation(model, "triton")


@pytest.mark.parametrize(
    ("batch", "kernel"), [(2, "finite"), *(pytest.param(triton_rows.BATCH, k, marks=pytest.mark.slow) for k in KERNELS)]
)
def test_kernels_compile_for_a_hopper_gpu_and_keep_everything_in_registers(batch: int, kernel: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.compiled_kernels", str(batch), kernel]
    root, variables = Path(__file__).resolve().parents[2], os.environ | {"TRITON_INTERPRET": "0"}
    made = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert len(found) == 4
    assert {name: used["stack"] for name, used in found.items()} == dict.fromkeys(found, 0)
