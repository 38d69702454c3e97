"""Free movies: limits hold whatever the field, the ascent never falls, and the same seed finds the same."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from stcnn.experiments.asked_models import AskedModels, asked_models
from stcnn.experiments.optimal import FreeMovies, Limits, goal
from stcnn.experiments.optimal.limits import smoothed
from stcnn.stimuli import Screen
from tests.support.networks import network, run_of

SCREEN = Screen(shape_px=(31, 35), rate_hz=30)
LIMITS = Limits(duration_s=0.2, rms_contrast=0.2)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> AskedModels:
    return asked_models([run_of([network(seed=1), network(seed=2)], tmp_path_factory.mktemp("runs")).path])


@given(
    seed=st.integers(0, 2**31),
    rms=st.floats(0.01, 2),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    smooth=st.tuples(st.floats(0, 4), st.floats(0, 0.3)),
    background=st.floats(0, 1),
)
@settings(max_examples=30)
def test_gamut_and_contrast_hold_whatever_the_field(
    seed: int, rms: float, ends: tuple[float, float], smooth: tuple[float, float], background: float
) -> None:
    screen = Screen(shape_px=(9, 11), rate_hz=30, background=background)
    limits = Limits(rms_contrast=rms, darkest=min(ends), brightest=max(ends), smooth_deg=smooth[0], smooth_s=smooth[1])
    anything = 10 * torch.randn(7, 9, 11, generator=torch.Generator().manual_seed(seed))
    shown = limits.movie(limits.field(anything, screen), screen)
    assert shown.min() + background >= min(limits.darkest, background) - 1e-6
    assert shown.max() + background <= max(limits.brightest, background) + 1e-6
    assert shown.square().mean().sqrt() <= rms * background * (1 + 1e-5) + 1e-7


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_smoothing_is_that_of_scipy_with_grey_beyond(axis: int) -> None:
    values = torch.randn(20, 12, 15, dtype=torch.float64)
    expected = gaussian_filter1d(values.numpy(), 1.5, axis=axis, mode="constant", radius=5)
    np.testing.assert_allclose(smoothed(values, axis, 1.5), expected, atol=1e-12)


def test_a_movie_passes_nothing_finer_than_its_smoothness() -> None:
    limits = Limits(smooth_deg=3, smooth_s=0.1, rms_contrast=2)
    screen = Screen(shape_px=(64, 64), rate_hz=60)
    noise = limits.field(torch.randn(60, 64, 64, generator=torch.Generator().manual_seed(0)), screen)
    inside = limits.movie(noise, screen)[30, 16:48, 16:48] * torch.hann_window(32)
    power = torch.fft.rfft(inside, dim=1).abs().square().mean(0)
    assert power[8:].mean() < 1e-3 * power[:3].mean()  # 8 cycles in 32 deg; half the amplitude at 2 cycles


def test_the_ascent_never_falls_and_reproduces_from_its_seed(two: AskedModels) -> None:
    ascent = FreeMovies(two, LIMITS, SCREEN)
    wanted = goal(two, "strongest", "lc11")
    found, values = ascent.found(wanted, torch.ones(2), seed=5, steps=6)
    assert len(values) > 2
    assert (np.diff(values) > 0).all()
    again, _ = ascent.found(wanted, torch.ones(2), seed=5, steps=6)
    np.testing.assert_array_equal(again.movie.luminance(), found.movie.luminance())
    other, _ = ascent.found(wanted, torch.ones(2), seed=6, steps=1)
    assert not np.array_equal(other.movie.luminance(), found.movie.luminance())
    contrast = found.movie.contrast() / SCREEN.background
    assert np.sqrt((contrast**2).mean()) <= 0.2 * (1 + 1e-4)
    assert found.movie.duration_s == pytest.approx(0.2)
    assert found.value == pytest.approx(values[-1], rel=1e-3, abs=1e-5)  # asked as stimuli of a family are


def test_gradients_are_those_of_differences(two: AskedModels) -> None:
    presenter = FreeMovies(two, LIMITS, SCREEN).presenter
    contrast = 0.1 * torch.randn(1, 6, 31, 35, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(contrast.shape, generator=torch.Generator().manual_seed(1))
    leaf = contrast.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(presenter.differentiable(leaf).rise[0, 0, 8, 1], leaf)
    ahead, behind = (presenter.differentiable(contrast + h * direction).rise[0, 0, 8, 1] for h in (1e-2, -1e-2))
    assert float((gradient * direction).sum()) == pytest.approx(float(ahead - behind) / 2e-2, rel=0.05)


def test_disputed_movies_spread_the_models(two: AskedModels) -> None:
    found, values = FreeMovies(two, LIMITS, SCREEN).found(goal(two, "disputed", "lc18"), torch.ones(2), steps=4)
    assert values[-1] > values[0]
    assert found.value > 0


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Limits(rms_contrast=0)
