"""Indicator, sampling, noise and planted faults against closed forms and statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data import Dataset, Recording
from stcnn.errors import ConfigError
from stcnn.movie import Movie
from stcnn.simulation.faults import Fault, plant
from stcnn.simulation.imaging import Imaging, expose, noise, sample_times
from stcnn.simulation.indicator import INDICATORS, Indicator, fluorescence


@pytest.mark.parametrize("name", INDICATORS)
def test_small_constant_voltage_gives_as_much_fluorescence(name: str) -> None:
    dff = fluorescence(np.full(4000, 1e-3), INDICATORS[name], 200.0)
    assert dff[-1] == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("name", INDICATORS)
def test_response_to_an_impulse_decays_to_half_in_the_time_stated(name: str) -> None:
    indicator, rate_hz = INDICATORS[name], 2000.0
    dff = fluorescence(np.eye(1, 20000).ravel() * 1e-3, indicator, rate_hz)
    tail = dff[int(8 * indicator.rise_tau_s * rate_hz) :]  # where the rise is over
    assert np.argmax(tail < tail[0] / 2) / rate_hz == pytest.approx(indicator.half_decay_s, rel=0.08)


@given(st.floats(0, 1e4))
def test_fluorescence_never_exceeds_saturation(voltage: float) -> None:
    indicator = Indicator(half_rise_s=0.01, half_decay_s=0.1, dff_max=5.0)
    assert fluorescence(np.full(300, voltage), indicator, 100.0).max() < 5.0


@given(rate_hz=st.floats(5.6, 30), exposure_s=st.floats(0, 0.03), phase=st.floats(0, 1))
def test_exposures_lie_within_the_trial(rate_hz: float, exposure_s: float, phase: float) -> None:
    at_s = sample_times(-0.5, 2.0, Imaging(volume_rate_hz=rate_hz, exposure_s=exposure_s), phase)
    assert at_s[0] - exposure_s / 2 >= -0.5
    assert at_s[-1] + exposure_s / 2 <= 2.0 + 1e-9
    np.testing.assert_allclose(np.diff(at_s), 1 / rate_hz)
    assert len(at_s) >= int(2.4 * rate_hz) - 1


def test_exposure_averages_over_its_time() -> None:
    time_s = np.arange(100) / 100
    np.testing.assert_allclose(expose(time_s[None] ** 2, time_s, np.array([0.5]), 0.2), 0.25 + 0.2**2 / 12, rtol=1e-3)


def test_noise_has_the_stated_size_and_memory() -> None:
    imaging = Imaging(volume_rate_hz=10, drift_dff_s=0, correlated_fraction=0.5, correlation_tau_s=0.5)
    drawn = noise(np.zeros((400, 200)), np.full(400, 0.1), np.arange(200) / 10, imaging, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(0.1, rel=0.02)
    lagged = (drawn[:, 1:] * drawn[:, :-1]).mean() / drawn.var()
    assert lagged == pytest.approx(0.5 * np.exp(-0.2), rel=0.05)


def test_photon_noise_grows_with_the_root_of_fluorescence() -> None:
    imaging, rng = Imaging(drift_dff_s=0, correlated_fraction=0), np.random.default_rng(0)
    sizes = [noise(np.full((300, 99), dff), np.full(300, 0.1), np.arange(99.0), imaging, rng).std() for dff in (0, 3)]
    assert sizes[1] / sizes[0] == pytest.approx(2, rel=0.03)


def two_animals() -> Dataset:
    movie = Movie(np.full((30, 3, 3), 0.498, np.float32), 60.0)
    traces = {"a": np.arange(30, dtype=np.float32), "b": -np.arange(20, dtype=np.float32)}
    return Dataset.of(
        {"a": movie, "b": movie},
        [
            Recording(
                "lc11", f"n{animal}", stimulus, trace, np.arange(len(trace)) / 60, 60.0, animal=f"animal_{animal}"
            )
            for animal in range(2)
            for stimulus, trace in traces.items()
        ],
    )


@pytest.mark.parametrize(
    ("fault", "first_trace"),
    [
        (Fault(kind="shifted", n_samples=3), [0, 0, 0, *range(27)]),
        (Fault(kind="dropped", n_samples=3), [*range(10), *range(13, 30), 29, 29, 29]),
        (Fault(kind="inverted"), [29 - n for n in range(30)]),
        (Fault(kind="swapped"), [*range(0, -20, -1), *[-19] * 10]),
    ],
)
def test_fault_does_what_it_says_to_one_animal_and_nothing_to_others(fault: Fault, first_trace: list[int]) -> None:
    clean = two_animals()
    spoilt = plant(clean, [fault.model_copy(update={"animal": "animal_0"})])
    np.testing.assert_array_equal(spoilt.recordings[0].trace, first_trace)
    for before, after in zip(clean.recordings[2:], spoilt.recordings[2:], strict=True):
        np.testing.assert_array_equal(before.trace, after.trace)


def test_fault_in_an_animal_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"animal 'animal_2', which is not there.*'animal_"):
        plant(two_animals(), [Fault(kind="inverted", animal="animal_2")])
