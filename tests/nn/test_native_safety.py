"""Nothing is read before it is written, and nothing of the wrong kind reaches compiled code."""

from __future__ import annotations

import inspect
import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stcnn.errors import RateError, ShapeError
from stcnn.nn.frames import Whole
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.native import NativeEvaluation
from stcnn.nn.inference.stream import Stream
from stcnn.nn.kernels.native import pointers
from stcnn.nn.kernels.native import workspace as arena
from stcnn.nn.kernels.native.compile import compiler
from stcnn.nn.kernels.native.layer import NativeLayer
from stcnn.nn.kernels.native.layer_args import BackwardArgs, ReadoutArgs
from stcnn.nn.stack.column_sampling import NativeEye
from tests.nn import test_native as training
from tests.nn import test_native_evaluation as evaluation
from tests.nn import test_native_eye as eyes
from tests.nn.test_native import RATE_HZ, needs_core
from tests.support.nn_compiler import compiled_by
from tests.support.nn_twin import Case, largest_error

pytestmark = needs_core


# ---- unwritten memory


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Let all memory be full of NaN until it is written: that of torch, and that of the compiled code."""
    torch.use_deterministic_algorithms(True)  # torch.empty then returns NaN
    assert torch.empty(3).isnan().all()
    try:
        with compiled_by(shlex.join((*compiler(), "-DUNWRITTEN=0xff"))):
            yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("poisoned")
def test_training_reads_no_memory_before_it_is_written() -> None:
    for taps, run in itertools.product((0, 20), (training.run_native, training.run_torch)):
        net = training.network(n_frames=37, n_shared=20, taps=taps)
        first, gradients = training.trained(run, net)
        for pages in arena._spare:
            torch.frombuffer(pages, dtype=torch.float32).fill_(float("nan"))
        assert arena._spare
        again, others = training.trained(run, net)
        assert first.drive.isfinite().all()
        assert torch.equal(first.drive, again.drive)
        for name, gradient in gradients.items():
            assert gradient.isfinite().all(), name
            assert torch.equal(gradient, others[name]), name


@pytest.mark.usefixtures("poisoned")
def test_evaluation_and_streams_read_no_memory_before_it_is_written() -> None:
    for kernel, clips in itertools.product(evaluation.KERNELS, (1, 3)):
        model = evaluation.network(evaluation.SIZES[0], kernel)
        native, right = NativeEvaluation(Folded(model, RATE_HZ, clips)), evaluation.double(model, clips)
        movie = evaluation.contrast(model, 50, clips)
        assert largest_error(native.push_grey(20), right.push_grey(20)) < 1e-5
        assert largest_error(native.push(movie), right.push(movie.double())) < 1e-5
        evaluation.assert_same(
            evaluation.streams(kernel=kernel, clips=clips), evaluation.pictures(20, clips if clips > 1 else 0)
        )


@pytest.mark.usefixtures("poisoned")
def test_the_eye_reads_no_memory_before_it_is_written() -> None:
    for kernel, codes in itertools.product(eyes.KERNELS, (False, True)):
        eye, shape = eyes.an_eye(kernel, lattice=(5, 18)), (3, 90, 21, 30)
        frames = eyes.coded(shape) if codes else Whole(torch.rand(shape) - 0.5)
        assert largest_error(eyes.native(eye, frames, 5), eyes.in_double(eye, frames.contrast(0, 90), 5)) < 1e-6


# ---- arguments of a layer in training


def test_every_address_of_an_array_comes_from_the_function_that_judges_it() -> None:
    judging = inspect.getsource(pointers.address_of)
    for file in Path(pointers.__file__).parent.glob("*.py"):
        code = file.read_text().replace(judging, "")
        assert not re.search(r"data_ptr|\.ctypes\.|__array_interface__", code), file.name


Place = tuple[int, ...]


def tensors_in(value: object, path: Place = ()) -> Iterator[tuple[Place, Tensor]]:
    """All tensors in nested tuples, and where they are."""
    if isinstance(value, Tensor):
        yield path, value
    if isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from tensors_in(item, (*path, i))


def replaced(value: tuple[Any, ...], path: Place, tensor: Tensor | None) -> tuple[Any, ...]:
    """The same nested tuples with another tensor at ``path``."""
    here, *deeper = path
    items = list(value)
    items[here] = replaced(items[here], tuple(deeper), tensor) if deeper else tensor
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


def strided(tensor: Tensor) -> Tensor:
    """The same numbers, but for one in between."""
    return tensor.repeat_interleave(2, -1)[..., ::2]


def unaligned(tensor: Tensor) -> Tensor:
    """The same numbers, one number further than a vector may begin."""
    return F.pad(tensor.flatten(), (1, 0))[1:].view(tensor.shape)


FAULTS: dict[str, tuple[Callable[[Tensor], Tensor | None], str]] = {
    "precision": (lambda t: t.float() if t.dtype == torch.float64 else t.double(), "instead of"),
    "one too many": (lambda t: F.pad(t, (0, 1)), "instead of"),
    "one axis more": (lambda t: t.unsqueeze(0), "instead of|not enough values|too many"),
    "no numbers": (lambda t: t[..., :0], "instead of"),
    "strides": (strided, "must be contiguous"),
    "device": (lambda t: t.to("meta"), "instead of"),
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[NativeLayer, tuple[Any, ...]]]:
    """The last call of each function of a layer in one training step, as it went."""
    found: dict[str, tuple[NativeLayer, tuple[Any, ...]]] = {}

    def recording(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(layer: NativeLayer, *arguments: Any) -> object:
            if name != "backward" or arguments[-1].dz_below is not None:
                found[name] = layer, arguments
            return function(layer, *arguments)

        return call

    for name in ("forward", "backward", "read_maps", "adjoint_of_reading"):
        monkeypatch.setattr(NativeLayer, name, recording(name, getattr(NativeLayer, name)))
    training.trained(training.run_native, training.network(n_frames=37, n_shared=20, taps=20))
    monkeypatch.undo()
    assert len(found) == 4
    return found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["forward", "backward", "read_maps", "adjoint_of_reading"])
def test_no_array_of_the_wrong_kind_reaches_a_layer(
    calls: dict[str, tuple[NativeLayer, tuple[Any, ...]]], name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, arguments = calls[name]
    never = SimpleNamespace(**{name: lambda _: pytest.fail("reached compiled code")})
    monkeypatch.setattr(layer, "_library", never)
    change, complaint = FAULTS[fault]
    seen = list(tensors_in(arguments))
    assert len(seen) > 4
    for path, tensor in seen:
        with pytest.raises(ValueError, match=complaint):
            getattr(layer, name)(*replaced(arguments, path, change(tensor)))


def test_no_vector_that_begins_anywhere_reaches_a_layer(
    calls: dict[str, tuple[NativeLayer, tuple[Any, ...]]],
) -> None:
    for name, (layer, arguments) in calls.items():
        vectors = [(path, t) for path, t in tensors_in(arguments) if t.shape[-1] == layer.lanes and t.dim() > 3]
        assert vectors
        for path, tensor in vectors:
            with pytest.raises(ValueError, match="no multiple"):
                getattr(layer, name)(*replaced(arguments, path, unaligned(tensor)))


@pytest.mark.parametrize(("name", "wrong"), [("frames", 0), ("frames", 500), ("taps", 0), ("taps", 2**30)])
def test_no_impossible_number_reaches_a_layer(
    calls: dict[str, tuple[NativeLayer, tuple[Any, ...]]], name: str, wrong: int
) -> None:
    layer, (frames, read, written, *rest) = calls["forward"]
    frames, written = (wrong, written) if name == "frames" else (frames, written._replace(taps=wrong))
    with pytest.raises(ValueError, match=r"0 frames|instead of|a kernel of \d+ taps"):
        layer.forward(frames, read, written, *rest)


@pytest.mark.parametrize("window", [(0, 6, 0, 4), (-1, 5, 0, 4), (2, 2, 0, 4), (3, 2, 0, 4), (0, 5, 0, 7)])
def test_no_window_beyond_the_lattice_reaches_a_layer(
    calls: dict[str, tuple[NativeLayer, tuple[Any, ...]]], window: tuple[int, ...]
) -> None:
    for name in ("backward", "read_maps", "adjoint_of_reading"):
        layer, arguments = calls[name]
        changed = [a._replace(window=window) if isinstance(a, (BackwardArgs, ReadoutArgs)) else a for a in arguments]
        with pytest.raises(ValueError, match="is not on the lattice"):
            getattr(layer, name)(*changed)


# ---- arguments of the eye


@pytest.mark.parametrize("fault", ["precision", "one too many", "one axis more", "no numbers", "device"])
@pytest.mark.parametrize("name", ["codes", "levels", "contrast"])
def test_no_array_of_the_wrong_kind_reaches_the_eye(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    eye, batch = eyes.an_eye(lattice=(5, 6)), eyes.coded((2, 70, 21, 30))
    if name == "contrast":
        batch.codes, batch.levels = batch.contrast(0, 70), None
    compiled = NativeEye(eye, batch.contrast(0, 1), RATE_HZ, 1.0)
    monkeypatch.setattr(compiled, "_code", SimpleNamespace(sample_clip=lambda *_: pytest.fail("reached compiled code")))
    field = "levels" if name == "levels" else "codes"
    setattr(batch, field, FAULTS[fault][0](getattr(batch, field)))
    with pytest.raises(ValueError, match="instead of"):
        compiled.sample_columns(batch, 0)


# ---- the model


@pytest.mark.parametrize("compute", ["native", "torch", "auto"])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("shape", [(2, 0, 9, 11), (0, 20, 9, 11), (20, 9, 11), (1, 20, 1, 9, 11), (2, 20, 0, 11)])
def test_contrast_of_no_clips_is_refused_whatever_computes(shape: tuple[int, ...], mode: str, compute: str) -> None:
    model = Case(lattice=(5, 6), channels=(3, 2)).model(torch.float32, compute).train(mode == "train")
    with torch.set_grad_enabled(mode == "train"), pytest.raises(ShapeError, match="at least one clip, frame and pixel"):
        model.voltage_of(torch.zeros(shape), RATE_HZ)


def test_multiplicity_is_one_number_for_each_clip() -> None:
    model = Case(lattice=(5, 6), channels=(3, 2)).model(torch.float32, "native")
    with pytest.raises(ShapeError, match="one number for each of 2 clips"):
        model.voltage_of(torch.zeros(2, 20, 9, 11), RATE_HZ, torch.ones(3))


@pytest.mark.parametrize("where", ["hidden.0.filter.tau_s", "readouts.lc11.weight", "calcium.tau_s"])
def test_parameters_that_are_not_finite_reach_no_compiled_code(where: str) -> None:
    model = evaluation.network(*evaluation.PLAIN)
    parameter = dict(model.named_parameters())[where]
    with torch.no_grad():
        parameter.fill_(torch.nan)
    if where.startswith("calcium"):
        stream = model.stream(rate_hz=RATE_HZ, start="rest")
        assert stream._live is None
        return
    with pytest.raises(Exception, match="not finite"):
        NativeEvaluation(Folded(model, RATE_HZ))


def test_after_contrast_that_is_not_finite_evaluation_starts_anew() -> None:
    model = evaluation.network(evaluation.SIZES[0], evaluation.KERNELS[1])
    movie, native = evaluation.contrast(model, 40), NativeEvaluation(Folded(model, RATE_HZ))
    right = native.push(movie)
    wrong = movie.clone()
    wrong[0, 20, 3, 3] = torch.inf
    with pytest.raises(ShapeError, match="not finite"):
        native.push(wrong)
    assert torch.equal(native.push(movie), right)


# ---- streams

SHAPES_PX = [(17, 23), (1, 17, 23), (23, 17), (2, 17, 23), (17, 23, 1), (17, 46), (0, 23), (23,)]
LAYOUTS: list[Callable[[np.ndarray], np.ndarray]] = [
    np.ascontiguousarray,
    np.asfortranarray,
    np.flip,
    lambda a: np.repeat(a, 2, -1)[..., ::2],
]


@settings(max_examples=100)
@given(
    shape=st.sampled_from(SHAPES_PX),
    dtype=st.sampled_from(["u1", "i2", "?", "f2", "f4", ">f4", "f8", "g", "c8"]),
    value=st.sampled_from([0, 0.25, 1, -1, np.nan, np.inf, 300]),
    layout=st.sampled_from(LAYOUTS),
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_whatever_is_shown_compiled_code_and_pytorch_answer_alike(
    shape: tuple[int, ...], dtype: str, value: float, layout: Callable[[np.ndarray], np.ndarray]
) -> None:
    frame = layout(np.full(shape, value).astype(dtype))
    pair, frames = evaluation.streams(*evaluation.PLAIN, start="rest"), evaluation.pictures(4)
    evaluation.assert_same(pair, frames[:2])
    complaints = []
    for stream in pair:
        try:
            stream.step(frame)
        except ShapeError as error:
            complaints.append(str(error))
    assert len(complaints) in (0, 2)
    assert len(set(complaints)) < 2
    evaluation.assert_same(pair, frames[2:])


@pytest.mark.parametrize("shape", [(1, 17, 23), (3, 17, 23), (17, 23), (2, 17, 23, 1)])
def test_frames_of_other_clips_reach_no_compiled_code(shape: tuple[int, ...]) -> None:
    stream = evaluation.streams(clips=2).native
    stream.step(evaluation.pictures(1, 2)[0])
    assert stream._core is not None
    with pytest.raises(ShapeError, match="frames of shape"):
        stream._core.step(np.zeros(shape, np.float32), 0.5)


def saved() -> tuple[Stream, dict[str, Tensor]]:
    """A stream in compiled code after some frames, and its state; always the same."""
    torch.manual_seed(0)
    stream = evaluation.streams().native
    for frame in evaluation.pictures(5):
        stream.step(frame)
    return stream, stream.state_dict()


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: rows for key, rows in state.items() if key != name}


STATES: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], type[Exception], str]] = {
    "nothing": (lambda _: {}, RateError, "nan frames per second"),
    "rate": (lambda s: {**s, "rate_hz": torch.tensor(60.0)}, RateError, "60 frames per second"),
    "a layer less": (lambda s: without(s, "hidden.1.last"), ShapeError, "lacks 'hidden.1.last'"),
    "a layer more": (lambda s: {**s, "hidden.2.last": s["hidden.1.last"]}, ShapeError, "has 'hidden.2.last'"),
    "no count": (lambda s: without(s, "n_frames"), ShapeError, "lacks 'n_frames'"),
    "shape": (lambda s: {**s, "readouts.last": torch.zeros(1, 3)}, ShapeError, r"'last' of shape \(1, 3\)"),
    "kernel": (lambda s: {**s, "hidden.0.history": s["hidden.0.history"][1:]}, ShapeError, "'history' of shape"),
    "clips": (lambda s: {**s, "eye.last": s["eye.last"].repeat(1, 2)}, ShapeError, "'last' of shape"),
    "indicator": (lambda s: {**s, "calcium.last": torch.zeros(1, 9)}, ShapeError, "'last' of shape"),
    "numbers": (lambda s: {**s, "eye.last": s["eye.last"] * torch.nan}, ShapeError, "not finite"),
}


@pytest.mark.parametrize("fault", STATES)
def test_a_state_that_is_not_the_streams_is_refused_and_changes_nothing(fault: str) -> None:
    stream, state = saved()
    change, kind, complaint = STATES[fault]
    twin = saved()[0]
    with pytest.raises(kind, match=complaint):
        stream.load_state_dict(change(state))
    for frame in evaluation.pictures(9)[5:]:
        for a, b in zip(stream.step(frame).values(), twin.step(frame).values(), strict=True):
            assert a == b
