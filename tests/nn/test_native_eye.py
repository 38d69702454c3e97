"""The compiled eye sees what the eye in PyTorch sees in double precision, and leaves to it what it cannot see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn import hidden_stack
from stcnn.nn.eye import Eye, EyeConfig
from stcnn.nn.frames import EYE_FRAMES, Frames, Whole
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.native import NativeEvaluation
from stcnn.nn.kernels.native.compile import NotCompiled
from stcnn.nn.model import STCNN
from stcnn.nn.stack.column_sampling import CodedFrames, NativeEye
from tests.nn import test_native_evaluation as evaluation
from tests.nn.test_folded import Film
from tests.nn.test_native import RATE_HZ, needs_core
from tests.support.nn_compiler import compiled_by
from tests.support.nn_twin import Case, largest_error

KERNELS: list[dict[str, Any]] = [
    {"tau_s": 0.006},
    {"tau_s": 0.02, "filter": {"scale": "energy", "gain_hz": 180.0}},
    {"tau_s": 0.02, "filter": {"kernel_s": 0.06}},  # of 11 taps, of which the last is still 5 % of the first
    {"tau_s": 0.1, "filter": {"kernel_s": 0.3, "scale": "energy"}},  # of 54
]


def an_eye(kernel: dict[str, Any] | None = None, **options: Any) -> Eye:
    return Eye(EyeConfig.model_validate({**KERNELS[2], **(kernel or {}), **options}))


def native(eye: Eye, frames: Frames, start: int = 0, deg_per_px: float = 1.0) -> Tensor:
    return NativeEye(eye, frames.contrast(start, start + 1), RATE_HZ, deg_per_px).sample_columns(frames, start)


def in_double(eye: Eye, contrast: Tensor, start: int = 0, deg_per_px: float = 1.0) -> Tensor:
    right = Eye(eye.config).double().sample_columns(Whole(contrast.double()), RATE_HZ, deg_per_px, start)
    assert right.dtype == torch.float64
    return right


@dataclass
class Coded:
    """Clips of codes, as a batch of the data set is (whose module brings memory of its own past the sanitizers)."""

    codes: Tensor
    levels: Tensor | None

    @property
    def n_frames(self) -> int:
        return self.codes.shape[1]

    def contrast(self, start: int, stop: int) -> Tensor:
        frames = self.codes[:, start:stop]
        if self.levels is None:
            return frames
        return torch.stack([levels[codes.long()] for codes, levels in zip(frames, self.levels, strict=True)])


def coded(shape: tuple[int, ...]) -> Coded:
    """Clips of codes, each with levels of its own."""
    return Coded(torch.randint(0, 256, shape, dtype=torch.uint8), torch.rand(shape[0], 256) - 0.5)


# ---- what it sees


@needs_core
@settings(max_examples=150)
@given(
    lattice=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    shape_px=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    spacing_deg=st.sampled_from([1.0, 2.5, 4.0]),
    fwhm_deg=st.sampled_from([0.5, 3.0, 9.0]),
    deg_per_px=st.sampled_from([0.7, 1.0]),
    kernel=st.sampled_from(KERNELS),
    clips=st.integers(1, 3),
    n_frames=st.integers(1, 2 * EYE_FRAMES + 20),
    grey=st.floats(0, 0.99),
    codes=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_eye_sees_what_it_sees_in_double(
    lattice: tuple[int, int],
    shape_px: tuple[int, int],
    spacing_deg: float,
    fwhm_deg: float,
    deg_per_px: float,
    kernel: dict[str, Any],
    clips: int,
    n_frames: int,
    grey: float,
    codes: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    eye = an_eye(kernel, lattice=lattice, column_spacing_deg=spacing_deg, acceptance_fwhm_deg=fwhm_deg, window_deg=20.0)
    shape, start = (clips, n_frames, *shape_px), int(grey * n_frames)
    frames = coded(shape) if codes else Whole(torch.rand(shape) - 0.5)
    contrast = frames.contrast(0, n_frames)
    found, right = native(eye, frames, start, deg_per_px), in_double(eye, contrast, start, deg_per_px)
    # Relative to what is summed, for light and dark cancel in single columns; and a lattice may see nothing.
    largest = in_double(eye, contrast.abs(), start, deg_per_px).abs().max()
    assert found.shape == (n_frames - start, clips, *lattice)
    # A lattice far beside the picture sees 1e-40 of it, where single precision no longer has its digits.
    assert float((found - right).abs().max()) <= 1e-6 * max(float(largest), torch.finfo(torch.float32).tiny)


@needs_core
@pytest.mark.parametrize("centre_deg", [(0.0, 0.0), (-3.0, 7.5)])
@pytest.mark.parametrize("kernel", [*KERNELS, {"tau_s": 0.006, "filter": {"kernel_s": 0.5, "gain_hz": 180.0}}])
def test_the_published_eye_sees_what_it_sees_in_double(kernel: dict[str, Any], centre_deg: tuple[float, float]) -> None:
    contrast, eye = torch.rand(2, 150, 83, 83) - 0.5, an_eye(kernel, centre_deg=centre_deg)
    assert largest_error(native(eye, Whole(contrast), 7), in_double(eye, contrast, 7)) < 1e-6


@needs_core
@pytest.mark.parametrize("n_frames", [1, EYE_FRAMES - 1, EYE_FRAMES, EYE_FRAMES + 1, 2 * EYE_FRAMES, 150])
def test_a_film_never_stands_whole(n_frames: int) -> None:
    film, eye = Film(torch.rand(2, n_frames + 5, 21, 30) - 0.5), an_eye(lattice=(5, 6))
    assert torch.equal(native(eye, film, 5), native(eye, Whole(film.whole[:, 5:])))
    assert max(film.asked) <= EYE_FRAMES
    assert sum(film.asked) == n_frames + 1


@needs_core
def test_codes_are_looked_up_and_not_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    eye, batch = an_eye(lattice=(5, 6)), coded((3, 100, 21, 30))
    assert isinstance(batch, CodedFrames)
    expanded = native(eye, Whole(batch.contrast(0, batch.n_frames)), 11)
    compiled = NativeEye(eye, batch.contrast(0, 1), RATE_HZ, 1.0)
    monkeypatch.setattr(Coded, "contrast", lambda *_: pytest.fail("expanded"))
    assert torch.equal(compiled.sample_columns(batch, 11), expanded)


@needs_core
def test_a_batch_without_levels_is_contrast() -> None:
    eye, contrast = an_eye(lattice=(5, 6)), torch.rand(2, 30, 21, 30) - 0.5
    batch = coded((2, 30, 21, 30))
    batch.codes, batch.levels = contrast, None
    assert torch.equal(native(eye, batch), native(eye, Whole(contrast)))


def held(frames: Coded) -> Coded:
    """The same clips, of which each holds its frames for other times."""
    n_clips, n_frames = frames.codes.shape[:2]
    shown = torch.randint(0, n_frames // 4, (n_clips, n_frames)).sort(1).values
    return replace(frames, codes=torch.stack([clip[t] for clip, t in zip(frames.codes, shown, strict=True)]))


@needs_core
@pytest.mark.parametrize("codes", [False, True])
def test_frames_that_are_held_are_seen_as_long(codes: bool) -> None:
    eye, batch = an_eye(lattice=(5, 18)), held(coded((3, 150, 21, 30)))
    contrast = batch.contrast(0, batch.n_frames)
    share = float((contrast[:, 1:] == contrast[:, :-1]).flatten(2).all(2).float().mean())
    assert 0.5 < share < 0.9
    found = native(eye, batch if codes else Whole(contrast), 5)
    assert largest_error(found, in_double(eye, contrast, 5)) < 1e-6


@needs_core
def test_evaluation_sees_frames_that_are_held_as_long() -> None:
    model = evaluation.network(*evaluation.PLAIN)
    contrast = held(coded((2, 90, 17, 23))).contrast(0, 90)
    found = NativeEvaluation(Folded(model, RATE_HZ, 2)).push(contrast)
    assert largest_error(found, evaluation.double(model, 2).push(contrast.double())) < 1e-5


@needs_core
@pytest.mark.parametrize("codes", [False, True])
def test_the_number_of_threads_changes_nothing(codes: bool) -> None:
    shape, before = (5, 90, 21, 30), torch.get_num_threads()
    eye, frames = an_eye(lattice=(5, 18)), coded(shape) if codes else Whole(torch.rand(shape) - 0.5)
    found = []
    try:
        for threads in (1, 2, 3, 8):
            torch.set_num_threads(threads)
            found.append(native(eye, frames))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])


@needs_core
def test_contrast_in_any_strides_is_seen() -> None:
    eye, contrast = an_eye(lattice=(5, 6)), torch.rand(2, 90, 21, 30) - 0.5
    right = native(eye, Whole(contrast))
    for a, b in ((2, 3), (0, 1), (1, 2)):
        same = contrast.transpose(a, b).contiguous().transpose(a, b)
        assert not same.is_contiguous()
        assert torch.equal(native(eye, Whole(same)), right)


# ---- when it is taken


def small_model(compute: str = "native", **options: Any) -> STCNN:
    return Case(lattice=(5, 6), channels=(3, 2), n_frames=70, **options).model(torch.float32, compute)


def seen(model: STCNN, frames: Frames) -> tuple[Tensor, Tensor]:
    """What the choice sees, and what the eye sees in PyTorch."""
    return model._sample_columns(frames, RATE_HZ, 3), model.eye.sample_columns(frames, RATE_HZ, 1.0, 3)


def noise(n_frames: int = 70) -> Tensor:
    return torch.rand(2, n_frames, 9, 11) - 0.5


@needs_core
@pytest.mark.parametrize("compute", ["auto", "torch", "native", "triton", "reference"])
@pytest.mark.parametrize("worth", [False, True])
def test_it_is_taken_where_the_hidden_layers_are_compiled(
    compute: str, worth: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, frames = small_model("reference"), Whole(noise())
    model.hidden.compute = compute
    products = 67 * 2 * 30 * sum(layer.weight.numel() for layer in model.hidden)
    monkeypatch.setattr(hidden_stack, "WORTH_COMPILING", products if worth else products + 1)
    found, right = seen(model, frames)
    compiled = native(model.eye, frames, 3)
    assert not torch.equal(compiled, right)  # other roundings tell them apart
    assert torch.equal(found, compiled if compute == "native" or (compute == "auto" and worth) else right)


REFUSALS: dict[str, tuple[Callable[[STCNN, Tensor], object], str]] = {
    "double contrast": (lambda _, x: x.double(), "float32"),
    "half contrast": (lambda _, x: x.half(), "float32"),
    "double eye": (lambda model, x: (model.eye.double(), x)[1], "float32"),
    "gradient": (lambda _, x: x.requires_grad_(), "needs a gradient"),
    "nan": (lambda _, x: x.index_fill(1, torch.tensor(60), torch.nan), "contrast is not finite"),
    "inf": (lambda _, x: x.index_fill(1, torch.tensor(69), -torch.inf), "contrast is not finite"),
    "tau": (lambda model, x: (model.eye.tau_s.fill_(torch.nan), x)[1], "a parameter is not finite"),
}


@needs_core
@pytest.mark.parametrize("what", REFUSALS)
def test_what_it_cannot_see_pytorch_sees(what: str) -> None:
    model, (change, reason) = small_model(), REFUSALS[what]
    frames = Whole(change(model, noise()))  # type: ignore[arg-type]
    found, right = seen(model, frames)
    torch.testing.assert_close(found, right, rtol=0, atol=0, equal_nan=True)
    assert found.requires_grad == (what == "gradient")
    with pytest.raises(NotCompiled, match=reason):
        native(model.eye, frames, 3)


@needs_core
def test_a_gradient_that_nobody_asks_for_does_not_keep_it_from_seeing() -> None:
    eye, contrast = an_eye(lattice=(5, 6)), noise()
    right = native(eye, Whole(contrast))
    with torch.no_grad():
        assert torch.equal(native(eye, Whole(contrast.requires_grad_())), right)


@needs_core
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_levels_that_are_not_finite_are_left_to_pytorch(value: float) -> None:
    model, batch = small_model(), coded((2, 70, 9, 11))
    assert batch.levels is not None
    batch.levels[1, 7] = value
    found, right = seen(model, batch)
    assert not right.isfinite().all()
    torch.testing.assert_close(found, right, rtol=0, atol=0, equal_nan=True)


@needs_core
def test_kernels_of_few_taps_and_mixed_precision_are_left_to_pytorch() -> None:
    few, frames = small_model(kernel_s=8 / RATE_HZ), Whole(noise())
    with pytest.raises(NotCompiled, match="few taps"):
        native(few.eye, frames)
    found, right = seen(few, frames)
    assert torch.equal(found, right)
    with torch.autocast("cpu", torch.bfloat16):
        found, right = seen(small_model(), frames)
    assert torch.equal(found, right)


def test_without_a_compiler_pytorch_sees_the_same() -> None:
    model, frames = small_model("auto"), Whole(noise())
    model.hidden.compute = "native"
    with compiled_by("no-such-compiler"):
        found, right = seen(model, frames)
    assert torch.equal(found, right)


@needs_core
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_training_says_of_a_movie_that_is_not_finite_what_it_always_said(value: float) -> None:
    model, contrast = small_model(), noise()
    contrast[1, 40, 3, 3] = value
    with pytest.raises(ConfigError, match="compute='native' cannot run: a parameter or a movie is not finite"):
        model.voltage_of(contrast, RATE_HZ)
    model.hidden.compute = "auto"
    assert not model.voltage_of(contrast, RATE_HZ).isfinite().all()
