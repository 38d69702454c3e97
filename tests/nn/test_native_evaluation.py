"""The compiled evaluation gives the numbers of the network in double precision, clip by clip or frame by frame."""

from __future__ import annotations

import copy
import itertools
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stcnn.errors import ConfigError, ShapeError
from stcnn.nn.inference import evaluator as chosen
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.native import NativeEvaluation, why_no_native_evaluation
from stcnn.nn.inference.stream import Stream
from stcnn.nn.kernels.native.compile import why_unavailable
from stcnn.nn.model import STCNN
from tests.support.nn_compiler import compiled_by
from tests.support.nn_twin import Case, largest_error

REASON = why_unavailable()
needs_core = pytest.mark.skipif(REASON is not None, reason=f"there is no native core: {REASON}")

RATE_HZ = 180.0
SIZES: list[dict[str, Any]] = [
    {"lattice": (9, 12), "channels": (3, 4)},  # the readouts' window is in the middle, and the cone narrows
    {"lattice": (5, 6), "channels": (1, 18, 2)},  # a single channel, more than a vector, all of the lattice
]
"""Few, since each is compiled."""
KERNELS: list[dict[str, Any]] = [
    {"tau_s": (0.005, 1.0)},
    {"tau_s": (0.005, 1.0), "kernel_s": 0.3, "scale": "energy", "gain_hz": 180.0},
    {"tau_s": (0.05, 0.3), "kernel_s": 0.06},  # of 11 taps: shorter than a block
]


def network(size: dict[str, Any], kernel: dict[str, Any], **more: Any) -> STCNN:
    """A network in float32 whose running statistics have moved."""
    case = Case(**size, **kernel, **more)
    model = case.model(torch.float32, "auto")
    model.voltage_of(case.contrast(torch.float32), RATE_HZ)
    return model.eval()


def double(model: STCNN, clips: int = 1) -> Folded:
    """The same numbers in PyTorch in double precision."""
    return Folded(copy.deepcopy(model).double(), RATE_HZ, clips)


def contrast(model: STCNN, n_frames: int, clips: int = 1) -> Tensor:
    rows, columns = model.config.eye.lattice
    return torch.rand(clips, n_frames, 2 * rows - 1, 2 * columns - 1) - 0.498


@needs_core
@settings(max_examples=25)
@given(
    size=st.sampled_from(SIZES),
    kernel=st.sampled_from(KERNELS),
    norm=st.sampled_from(["batch", "none"]),
    clips=st.integers(1, 3),
    threads=st.integers(1, 4),
    cuts=st.lists(st.integers(1, 89), max_size=4),
)
def test_any_pieces_on_any_threads_are_the_network_in_double(
    size: dict[str, Any], kernel: dict[str, Any], norm: str, clips: int, threads: int, cuts: list[int]
) -> None:
    model = network(size, kernel, hidden={"norm": {"kind": norm}})
    movie, before = contrast(model, 90, clips), torch.get_num_threads()
    native, ends = NativeEvaluation(Folded(model, RATE_HZ, clips)), [0, *sorted(set(cuts)), 90]
    try:
        torch.set_num_threads(threads)
        found = torch.cat([native.push(movie[:, a:b]) for a, b in itertools.pairwise(ends)], 1)
    finally:
        torch.set_num_threads(before)
    assert largest_error(found, double(model, clips).push(movie.double())) < 1e-5


@needs_core
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_state_is_that_of_pytorch(size: dict[str, Any], kernel: dict[str, Any]) -> None:
    model = network(size, kernel)
    native, right, movie = (
        NativeEvaluation(Folded(model, RATE_HZ, 2)),
        Folded(model, RATE_HZ, 2),
        contrast(model, 50, 2),
    )
    native.push(movie)
    right.push(movie)
    found = native.state()
    assert found.keys() == right.state().keys()
    for name, rows in right.state().items():
        assert found[name].shape == rows.shape
        assert largest_error(found[name], rows) < 1e-5, name


@needs_core
@pytest.mark.parametrize("kernel", KERNELS)
def test_continues_a_state_of_pytorch_and_is_continued_by_it(kernel: dict[str, Any]) -> None:
    model = network(SIZES[0], kernel)
    movie = contrast(model, 60)
    whole, first, second = double(model).push(movie.double()), Folded(model, RATE_HZ), Folded(model, RATE_HZ)
    first.push(movie[:, :20])
    native = NativeEvaluation(Folded(model, RATE_HZ))
    native.load_state(first.state())
    assert largest_error(native.push(movie[:, 20:41]), whole[:, 20:41]) < 1e-5
    second.load_state(native.state())
    assert largest_error(second.push(movie[:, 41:]), whole[:, 41:]) < 1e-5


@needs_core
def test_grey_steady_grey_and_forgetting_are_those_of_pytorch() -> None:
    model = network(SIZES[0], KERNELS[1])
    native, right = NativeEvaluation(Folded(model, RATE_HZ, 2)), double(model, 2)
    assert largest_error(native.push_grey(37), right.push_grey(37)) < 1e-5
    assert largest_error(native.settle(), right.settle()) < 1e-5
    steady = native.push_grey(20)
    assert torch.allclose(steady, steady[:, :1].expand_as(steady), rtol=1e-5)
    native.reset()
    right.reset()
    assert largest_error(native.push_grey(5), right.push_grey(5)) < 1e-5


class Streams(NamedTuple):
    native: Stream
    right: Stream


def streams(size: dict[str, Any] = SIZES[0], kernel: dict[str, Any] = KERNELS[1], **options: Any) -> Streams:
    """A stream in compiled code, and the same network in double precision in PyTorch."""
    model = network(size, kernel, calcium={"tau": "per_type", "tau_init_s": (0.2, 1.0)})
    right = copy.deepcopy(model).double()
    model.hidden.compute, right.hidden.compute = "native", "reference"
    return Streams(*(m.stream(rate_hz=RATE_HZ, **options) for m in (model, right)))


def pictures(n_frames: int, clips: int = 0, size: dict[str, Any] = SIZES[0]) -> np.ndarray:
    shape = [2 * n - 1 for n in size["lattice"]]
    return np.random.default_rng(0).integers(0, 256, (n_frames, *([clips] if clips else []), *shape), dtype=np.uint8)


def assert_same(pair: Streams, frames: np.ndarray) -> None:
    """Both answer all frames alike; the compiled one as such."""
    found, right = ([stream.step(frame) for frame in frames] for stream in pair)
    assert pair.native._core is not None
    for key in ("voltage", "calcium"):
        a, b = (
            [np.stack([getattr(sample[name], key) for sample in samples]) for name in pair.native.cell_types]
            for samples in (found, right)
        )
        # A voltage around zero is a difference of larger numbers, as large as those of the other types.
        largest = max(0.1, *(np.abs(answer).max() for answer in b))
        for one, other in zip(a, b, strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * largest)


@needs_core
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("start", ["rest", "grey", "steady"])
def test_stream_is_that_of_the_network_in_double(size: dict[str, Any], kernel: dict[str, Any], start: str) -> None:
    assert_same(streams(size, kernel, start=start), pictures(30, size=size))


@needs_core
def test_stream_of_several_clips_and_of_given_neurons() -> None:
    assert_same(streams(clips=3, neurons={"lc11": ("c", "a")}), pictures(20, clips=3))


@needs_core
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_are_their_luminance(dtype: type) -> None:
    assert_same(streams(), (pictures(10) / 255).astype(dtype))


@needs_core
def test_steps_chunks_and_saved_states_can_take_turns() -> None:
    pair, frames = streams(), pictures(60)
    assert_same(pair, frames[:15])
    chunk = torch.from_numpy(frames[15:40] / np.float32(255) - np.float32(0.498))[None]
    for found, right in zip(pair.native.advance(chunk), pair.right.advance(chunk.double()), strict=True):
        assert largest_error(found, right) < 1e-5
    assert_same(pair, frames[40:45])
    saved = pair.native.state_dict()
    pair.native.step(frames[0])
    pair.native.load_state_dict(saved)
    assert pair.native.n_frames == 45
    assert_same(pair, frames[45:])
    for stream in pair:
        stream.reset()
    assert_same(pair, frames[:5])


@needs_core
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "runs from nan"), (1.5, "runs from 0 to 1.5"), (-np.inf, "runs from -inf")]
)
def test_a_frame_that_is_no_luminance_is_refused_and_changes_nothing(value: float, message: str) -> None:
    pair, frames = streams(), pictures(6)
    assert_same(pair, frames[:3])
    wrong = np.zeros(frames.shape[1:], np.float32)
    wrong[4, 7] = value
    with pytest.raises(ShapeError, match=message):
        pair.native.step(wrong)
    assert_same(pair, frames[3:])


@needs_core
@pytest.mark.parametrize("shape", [(2, 5, 17, 23), (1, 0, 17, 23), (5, 17, 23)])
def test_contrast_of_the_wrong_shape_never_reaches_compiled_code(shape: tuple[int, ...]) -> None:
    native = NativeEvaluation(Folded(network(*PLAIN), RATE_HZ))
    with pytest.raises(ShapeError, match="the contrast has shape"):
        native.push(torch.zeros(shape))


PLAIN = SIZES[0], KERNELS[0]


@needs_core
def test_contrast_that_is_not_finite_is_refused() -> None:
    model = network(*PLAIN)
    movie = contrast(model, 40)
    movie[0, 30, 2, 3] = torch.nan
    with pytest.raises(ShapeError, match="not finite"):
        NativeEvaluation(Folded(model, RATE_HZ)).push(movie)


@needs_core
def test_contrast_in_any_strides_and_precision_is_taken() -> None:
    model = network(*PLAIN)
    movie = contrast(model, 20, 2)
    right = NativeEvaluation(Folded(model, RATE_HZ, 2)).push(movie)
    for same in (movie.transpose(2, 3).contiguous().transpose(2, 3), movie.double(), movie.flip(1).flip(1)):
        assert torch.equal(NativeEvaluation(Folded(model, RATE_HZ, 2)).push(same), right)


@needs_core
def test_networks_it_cannot_evaluate_are_named_with_the_reason() -> None:
    assert "float32" in str(why_no_native_evaluation(Folded(network(*PLAIN).double(), RATE_HZ)))
    sums = network(SIZES[0], {"kernel_s": 0.02})
    assert "few taps" in str(why_no_native_evaluation(Folded(sums, RATE_HZ)))
    other = network(SIZES[0], {}, hidden={"filter": {"kind": "none"}})
    assert "not exponential" in str(why_no_native_evaluation(Folded(other, RATE_HZ)))
    broken = network(*PLAIN)
    with torch.no_grad():
        next(iter(broken.hidden)).weight[0, 0, 0, 0] = torch.inf
    assert "not finite" in str(why_no_native_evaluation(Folded(broken, RATE_HZ)))
    broken.hidden.compute = "native"
    with pytest.raises(ConfigError, match="compute='native' cannot run: a parameter is not finite"):
        chosen.evaluator(broken, RATE_HZ)


def test_without_a_compiler_evaluation_and_streams_go_on_and_say_once_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model, frames = network(*PLAIN), pictures(3)
    monkeypatch.setattr(chosen, "WORTH_COMPILING", 0)
    with compiled_by("no-such-compiler"):
        for _ in range(2):
            with torch.no_grad():
                model.voltage_of(contrast(model, 5), RATE_HZ)
            model.stream(rate_hz=RATE_HZ).step(frames[0])
        (record,) = caplog.records
        assert "several times slower than in the native core: no C++ compiler" in record.getMessage()


@needs_core
@pytest.mark.parametrize("clips", [1, 3])
def test_published_size_from_shared_grey(clips: int) -> None:
    """Every window of the cone, grids of 24 and of fewer points, and the choice of itself."""
    size = {"lattice": (21, 21), "channels": (10, 10, 10, 10)}
    model = network(size, {"tau_s": (0.005, 0.3), "kernel_s": 0.5}, hidden={"kernel_columns": 7})
    movie = contrast(model, 60, clips)
    movie[:, :30] = 0
    assert isinstance(chosen.evaluator(model, RATE_HZ), NativeEvaluation)
    with torch.no_grad():
        found = model.voltage_of(movie, RATE_HZ, n_grey=30)
    assert largest_error(found, double(model, clips).push(movie.double())) < 1e-5
