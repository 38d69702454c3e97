"""The native core against the fused form in float64 and against the direct form; what it refuses, and what it needs."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.activation import activation
from stcnn.nn.kernels.native import compile as native_library
from stcnn.nn.kernels.native.compile import Geometry, NotCompiled, why_unavailable
from stcnn.nn.readout.reading import Reading
from stcnn.nn.stack import ENGINES, choose, native
from stcnn.nn.stack.chunked_forward import ChunkedForward
from stcnn.nn.stack.problem import Clips, LayerTensors, Problem, StackOutput
from stcnn.nn.windows import Window
from tests.support.nn_compiler import compiled_by
from tests.support.nn_twin import Case, choose_implementation, gradient_errors, largest_error, ours, recordings, theirs

REASON = why_unavailable()
needs_core = pytest.mark.skipif(REASON is not None, reason=f"there is no native core: {REASON}")

LATTICES = [((5, 6), 3, (3, 2)), ((4, 3), 5, (2, 2, 2)), ((1, 7), 1, (2, 6))]
"""Lattice, width of the kernel and channels; few, since each is compiled. A single weight in front of a normalisation
has no gradient to speak of, so no layer above the first has only one."""
PUBLISHED_SIZE = ((21, 21), 7, (10, 10, 10))
RATE_HZ = 180.0


class Network(NamedTuple):
    """Hidden layers and what they are shown."""

    layers: list[LayerTensors]
    clips: Clips
    reading: Reading

    def of(self, dtype: torch.dtype) -> Network:
        """The same numbers in another precision, as leaves of their own."""

        def cast(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.detach().to(dtype).requires_grad_(tensor.requires_grad)

        layers = [LayerTensors(*map(cast, layer[:6]), *layer[6:]) for layer in self.layers]  # type: ignore[arg-type, call-arg]
        reading = self.reading._replace(weights=cast(self.reading.weights))  # type: ignore[arg-type]
        clips = self.clips._replace(**{name: cast(getattr(self.clips, name)) for name in Clips._fields[:3]})  # type: ignore[arg-type]
        return Network(layers, clips, reading)


def network(
    size: tuple[tuple[int, int], int, tuple[int, ...]] = LATTICES[0],
    n_frames: int = 40,
    n_clips: int = 2,
    n_shared: int = 0,
    taps: int = 0,
    norm: bool = True,
    slope: float = 0.01,
    tau_s: tuple[float, float] = (0.005, 1.0),
    n_types: int = 2,
) -> Network:
    """Draw layers with time constants between the two given, and clips of noise with unequal multiplicities."""
    lattice, width, channels = size
    layers, inputs = [], 1
    for i, outputs in enumerate(channels):
        tau = tau_s[0] * (tau_s[1] / tau_s[0]) ** torch.rand(outputs)
        drawn = (
            torch.randn(outputs, inputs, width, width) / (inputs * width**2) ** 0.5,
            1 + torch.rand(outputs),
            -torch.expm1(-1 / (RATE_HZ * tau)),
            torch.exp(-taps / (RATE_HZ * tau)) if taps else None,
            1 + 0.3 * torch.randn(outputs) if norm else None,
            0.3 * torch.randn(outputs),
        )
        tensors = [None if t is None else t.requires_grad_() for t in drawn]
        layers.append(LayerTensors(*tensors, taps, slope if i else 1.0, 1e-5))  # type: ignore[arg-type, call-arg]
        inputs = outputs
    prefix = torch.randn(n_shared, 1, *lattice) if n_shared else None
    clips = Clips(prefix, torch.randn(n_frames, n_clips, *lattice), 1.0 + torch.arange(n_clips))
    window = Window(lattice[0] // 3, lattice[0], 0, lattice[1] // 2 + 1)
    weights = torch.randn(n_types, window.bottom - window.top, window.right, inputs) / inputs**0.5
    return Network(layers, clips, Reading(window, weights.requires_grad_(), activation("leaky_relu", 0.1)))


def run_native(*net: Any) -> StackOutput:
    problem = Problem(*net)
    return choose(problem, "native").run(problem)


def run_torch(*net: Any) -> StackOutput:
    return ENGINES["torch"].run(Problem(*net))


def why_not_native(net: Network) -> str:
    return ENGINES["native"].why_not(Problem(*net)) or ""


def trained(run: object, net: Network) -> tuple[StackOutput, dict[str, Tensor]]:
    """Output of ``run_native`` or ``run_torch``, and the gradients of a loss that is neither linear nor even."""
    output: StackOutput = run(net.layers, net.clips, net.reading)  # type: ignore[operator]
    drives = [m for m in (output.prefix, output.drive) if m is not None]
    loss = sum(((m - 0.3).square() * torch.linspace(0.5, 1, len(m)).to(m).view(-1, 1, 1)).sum() for m in drives)
    names = [
        (i, name)
        for i, layer in enumerate(net.layers)
        for name in LayerTensors._fields[:6]
        if getattr(layer, name) is not None
    ]
    inputs = [net.reading.weights, *[getattr(net.layers[i], name) for i, name in names]]
    read, *found = torch.autograd.grad(torch.as_tensor(loss), inputs)
    return output, {"readouts.read": read, **{f"{i}.{name}": g for (i, name), g in zip(names, found, strict=True)}}


def assert_same_as_in_double(net: Network) -> None:
    """Outputs to 1e-5, gradients to 1e-4 of the fused form in float64.

    Where seven pixels and a few frames leave differences that float32 does not hold, the fused form in float32 is the
    measure: twice its error is allowed. Where a map lies within rounding of the kink of a rectifier, at which the
    gradient jumps, those to both sides of it are right.
    """
    found, gradients = trained(run_native, net)
    right, right_gradients = trained(run_torch, net.of(torch.float64))
    assert (found.prefix is None) == (right.prefix is None)
    for a, b in [(found.prefix, right.prefix), (found.drive, right.drive)]:
        if a is not None and b is not None:
            assert a.shape == b.shape
            assert largest_error(a.detach(), b.detach()) < 1e-5
    for (mean, var), (right_mean, right_var) in zip(found.moments, right.moments, strict=True):
        torch.testing.assert_close(mean.double(), right_mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(var.double(), right_var, rtol=1e-5, atol=1e-6)
    errors = gradient_errors(by_kind(gradients), by_kind(right_gradients))
    if nearest_kink(net) < ROUNDING:
        sides = [trained(run_torch, moved(net.of(torch.float64), by))[1] for by in (-ROUNDING, ROUNDING)]
        found_errors = [errors, *(gradient_errors(by_kind(gradients), by_kind(side)) for side in sides)]
        errors = min(found_errors, key=lambda each: max(each.values()))
    if max(errors.values()) >= 1e-4:
        single = gradient_errors(by_kind(trained(run_torch, net)[1]), by_kind(right_gradients))
        assert all(error < max(1e-4, 2 * single[kind]) for kind, error in errors.items()), (errors, single)


ROUNDING = 1e-6
"""How near to zero normalised maps, which are about one, may lie on either side of it in float32."""


def nearest_kink(net: Network) -> float:
    """How near the maps come to where a rectifier has a kink, computed in float64."""
    exact = net.of(torch.float64)
    run = ChunkedForward(exact.layers, exact.clips, exact.reading.window)
    with torch.no_grad():
        run.forward()
    slopes = [*(layer.slope for layer in exact.layers[1:]), exact.reading.slope]
    nearest = float("inf")
    for i, slope in enumerate(slopes):
        for s, span in enumerate(run.spans):
            z = run.filtered(i, s, 0, span.frames) * run.row("scale", i, s) + run.row("shift", i, s)
            maps = z.view(span.frames, span.clips, *run.lattice, -1)
            read = net.reading.window.crop(maps) if i == len(slopes) - 1 else maps
            nearest = min(nearest, float("inf") if slope == 1 else float(read.abs().min()))
    return nearest


def moved(net: Network, by: float) -> Network:
    """The same network, every normalised map moved by a little."""
    layers = [layer._replace(beta=(layer.beta.detach() + by).requires_grad_()) for layer in net.layers]
    return net._replace(layers=layers)


def by_kind(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the gradients of all layers: that of a single number may be a difference that nearly cancels."""
    kinds = {name.partition(".")[2] for name in gradients}
    return {k: torch.cat([g.flatten() for name, g in gradients.items() if name.endswith(k)]) for k in kinds}


@needs_core
@settings(max_examples=30)
@given(
    size=st.sampled_from(LATTICES),
    n_frames=st.integers(8, 70),
    n_clips=st.integers(1, 3),
    n_shared=st.sampled_from([0, 1, 15, 16, 17, 40]),
    norm=st.booleans(),
    slope=st.sampled_from([0.0, 0.01, 1.0, 2.0]),
    seed=st.integers(0, 1000),
)
@example(size=LATTICES[1], n_frames=61, n_clips=2, n_shared=0, norm=True, slope=1.0, seed=317)  # 6.6e-8 from a kink
def test_outputs_and_gradients_are_those_of_the_fused_form_in_double(
    size: tuple[tuple[int, int], int, tuple[int, ...]],
    n_frames: int,
    n_clips: int,
    n_shared: int,
    norm: bool,
    slope: float,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    assert_same_as_in_double(network(size, n_frames, n_clips, n_shared, norm=norm, slope=slope))


@needs_core
@pytest.mark.parametrize("n_shared", [0, 5, 48])
@pytest.mark.parametrize("taps", [1, 7, 16, 33, 60])
def test_kernels_that_end_forget_what_is_older(taps: int, n_shared: int) -> None:
    assert_same_as_in_double(network(n_frames=50, n_shared=n_shared, taps=taps, norm=False, tau_s=(0.1, 1.0)))


@needs_core
def test_published_size_with_long_time_constants() -> None:
    assert_same_as_in_double(network(PUBLISHED_SIZE, n_frames=90, n_shared=20, taps=64))


@needs_core
@pytest.mark.parametrize("n_types", [1, 8, 11])
def test_readouts_of_any_number_of_types(n_types: int) -> None:
    assert_same_as_in_double(network(n_frames=40, n_shared=20, n_types=n_types))


@needs_core
@pytest.mark.parametrize("n_grey", [0, 23])
def test_training_step_of_the_model_is_that_of_the_direct_form(n_grey: int) -> None:
    case = Case(lattice=(5, 6), channels=(3, 2))
    model, contrast = case.model(torch.float32, "native"), case.contrast(torch.float32)
    contrast[:, :n_grey] = 0
    recorded = recordings(case, torch.float32)
    right = theirs(model, contrast, recorded, case)
    found = ours(model, contrast, recorded, case, n_grey=n_grey)
    assert largest_error(found.voltage, right.voltage) < 1e-5
    assert max(largest_error(found.running[name], value) for name, value in right.running.items()) < 1e-5
    assert max(gradient_errors(found.gradients, right.gradients).values()) < 1e-4


@needs_core
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_evaluation_is_that_of_the_layers_in_double(norm: str) -> None:
    case = Case(lattice=(5, 6), channels=(3, 2), hidden={"norm": {"kind": norm}, "bias": True}, n_frames=50)
    model, contrast = case.model(torch.float32), case.contrast(torch.float64)
    contrast[:, :20] = 0
    model.voltage_of(contrast.float(), RATE_HZ)  # moves the running statistics
    model.eval()
    with torch.no_grad():
        choose_implementation(model, "native")
        found = [model.voltage_of(contrast.float(), RATE_HZ, n_grey=n_grey) for n_grey in (0, 20)]
        choose_implementation(model, "reference")
        right = model.double().voltage_of(contrast, RATE_HZ)
    assert all(largest_error(voltage, right) < 1e-5 for voltage in found)


@needs_core
def test_result_does_not_depend_on_the_number_of_threads() -> None:
    net, threads, found = network(n_clips=5), torch.get_num_threads(), []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            found.append(trained(run_native, net))
    finally:
        torch.set_num_threads(threads)
    (one, gradients), (three, others) = found
    assert torch.equal(one.drive, three.drive)
    assert all(torch.equal(gradients[name], others[name]) for name in gradients)


def test_gradient_along_the_weights_is_known_behind_a_normalisation() -> None:
    """Of one weight per channel that is all of it: sums over the kernel are left with rounding, which is exchanged."""
    torch.manual_seed(432)
    net = network(((1, 7), 1, (2, 6)), n_frames=66, n_clips=1, n_shared=16, slope=0.0)
    right = trained(run_torch, net.of(torch.float64))[1]["0.weight"]
    for run in [run_torch, *([run_native] if REASON is None else [])]:
        found = trained(run, net)[1]["0.weight"]
        torch.testing.assert_close(found.double(), right, rtol=1e-4, atol=0)


@needs_core
def test_result_stays_when_its_memory_is_used_again() -> None:
    for run in (run_native, run_torch):
        output, gradients = trained(run, network(n_frames=16, n_clips=1))
        before = [t.clone() for t in (output.drive, *gradients.values())]
        trained(run, network(n_frames=16, n_clips=1))
        assert all(map(torch.equal, (output.drive, *gradients.values()), before))


@needs_core
def test_one_backward_pass_and_no_second_derivative() -> None:
    net = network()
    rest = run_native(*net).drive
    weight = net.layers[0].weight
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(rest.sum(), weight, create_graph=True)
    torch.autograd.grad(rest.sum(), weight, retain_graph=True)
    with pytest.raises(RuntimeError, match="one backward pass"):
        torch.autograd.grad(rest.sum(), weight)


@needs_core
def test_what_it_cannot_run_is_refused_with_the_reason() -> None:
    net = network()
    assert "float32" in why_not_native(net.of(torch.float64))
    net.clips.maps[3, 0, 1, 1] = torch.nan
    assert "not finite" in why_not_native(net)
    with pytest.raises(ConfigError, match="not finite"):
        run_native(*net)
    layer = net.layers[0]._replace(weight=torch.randn(3, 1, 2, 2))
    clips = net.clips._replace(maps=torch.zeros(4, 1, 5, 6))
    assert "even" in why_not_native(net._replace(layers=[layer], clips=clips))


@needs_core
def test_model_says_why_it_cannot_run_in_the_native_core() -> None:
    case = Case(lattice=(5, 6), channels=(3, 2))
    model = case.model(torch.float64)
    choose_implementation(model, "native")
    with pytest.raises(ConfigError, match="compute='native' cannot run: it computes in float32"):
        model.voltage_of(case.contrast(torch.float64), RATE_HZ)


@needs_core
@pytest.mark.parametrize(("size", "width", "points"), [(21, 7, 24), (21, 9, 28), (3, 11, 12), (1, 1, 4)])
def test_circular_grid_holds_map_and_kernel(size: int, width: int, points: int) -> None:
    geometry = Geometry.of((size, size), (1, 1, width, width))
    assert geometry.ny == geometry.nx == points


@pytest.mark.parametrize(
    ("command", "complaint"), [("no-such-compiler", "no C\\+\\+ compiler"), ("false", "'false' does not work")]
)
def test_without_a_compiler_training_goes_on_and_says_once_why(
    command: str, complaint: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(native, "WORTH_COMPILING", 0)
    with compiled_by(command):
        case = Case(lattice=(4, 4), channels=(7,))
        model = case.model(torch.float32, "auto")
        for _ in range(2):
            model.voltage_of(case.contrast(torch.float32), RATE_HZ).sum().backward()
        assert len(caplog.records) == 1
        with pytest.raises(NotCompiled, match=complaint):
            native_library.machine()
        assert "several times slower" in caplog.text


@needs_core
def test_code_that_does_not_compile_leaves_no_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STCNN_CACHE", str(tmp_path))
    geometry = Geometry.of((5, 6), (3, 1, 3, 3))._replace(rows=-1)
    with pytest.raises(NotCompiled, match="cannot compile the native layer"):
        native_library.library(geometry)
    assert not list(native_library.cache_folder().iterdir())


@needs_core
def test_compiled_layer_is_kept_under_a_name_that_says_what_it_is(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STCNN_CACHE", str(tmp_path))
    geometry = Geometry.of((2, 3), (1, 1, 1, 1))
    assert isinstance(native_library.library.__wrapped__(geometry), ctypes.CDLL)
    (kept,) = native_library.cache_folder().iterdir()
    assert kept.name.startswith("layer_2x3_4x4_1to1_")
    assert isinstance(native_library.library.__wrapped__(geometry), ctypes.CDLL)
