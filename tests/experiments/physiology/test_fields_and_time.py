"""Receptive fields, latency, adaptation and invariance of neurons that are known by construction."""

from collections.abc import Sequence

import numpy as np
import pytest

from stcnn.experiments.physiology import ANALYSES, Bench, Models
from stcnn.experiments.physiology.cells import Cells, side_deg
from stcnn.experiments.physiology.curves import Number, Result
from stcnn.experiments.physiology.noise_field import Trial, field_and_limit
from stcnn.experiments.physiology.subject import Answer, Values
from stcnn.experiments.receptive_field import receptive_fields
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen
from tests.support.places import degrees_from

SCREEN = Screen(shape_px=(36, 36), deg_per_px=2.0, rate_hz=30)


class Planted:
    """A rectified sum over a Gaussian field of what differs from grey, some frames later, darkness positive.

    Args:
        middle_deg: azimuth and elevation of the field.
        late_frames: how much later.
        decay: share of the answer that is left at each further presentation (:attr:`repeats_s` apart).
    """

    n_members = 1
    cell_types: Sequence[str] = ("planted",)

    def __init__(self, middle_deg: tuple[float, float], late_frames: int, decay: float = 1.0) -> None:
        self.middle_deg = middle_deg
        self.late_frames = late_frames
        self.decay = decay

    def answer(self, movie: Movie) -> Answer:
        x, y = degrees_from(movie, self.middle_deg)
        weight = np.exp(-(x**2 + y[:, None] ** 2) / (2 * 5.0**2))
        drive = np.maximum(-(movie.contrast() * weight).sum((1, 2)), 0)
        late = np.concatenate([np.zeros(self.late_frames), drive[: len(drive) - self.late_frames]])
        late *= self.decay ** np.maximum(np.floor(movie.time_s + 1e-9), 0)
        return Answer(movie.time_s, late[None, None], late[None, None])


def measured(name: str, subject: Planted) -> Result:
    return ANALYSES[name].measure(Bench(subject, SCREEN))


def number(result: Result, name: str) -> float:
    (found,) = (each for each in result.numbers if each.name == name)
    return float(found.mean[0])


def test_noise_finds_where_and_when_a_planted_field_is():
    found = measured("noise_field", Planted((10.0, -14.0), 3))
    side = side_deg(SCREEN)
    assert number(found, "dark_field_azimuth_deg") == pytest.approx(10.0, abs=side / 2)
    assert number(found, "dark_field_elevation_deg") == pytest.approx(-14.0, abs=side / 2)
    assert number(found, "dark_field_lag_s") == pytest.approx(3 / 30, abs=1 / 30)
    assert 5 < number(found, "dark_field_diameter_deg") < 30
    where = found.maps[0]
    row, column = np.unravel_index(where.values[0, 0].argmax(), where.values.shape[2:])
    assert where.up.values[row] == pytest.approx(-14.0, abs=side)  # rows go from bottom to top
    assert where.across.values[column] == pytest.approx(10.0, abs=side)
    assert where.outline is not None
    assert where.outline[0, row, column]


def test_a_field_is_the_mean_after_each_onset_less_the_mean_of_all():
    rng = np.random.default_rng(3)
    trials = [Trial((rng.random((80, 4)) < 0.1).astype(float), rng.random((1, 2, 80))) for _ in range(3)]
    found, _ = field_and_limit(trials, 6)
    mean = np.mean([trial.activity.mean(-1) for trial in trials], 0)
    for cell in range(4):
        windows: list[Values] = []
        for trial in trials:
            starts = [t for t in np.flatnonzero(trial.onsets[:, cell]) if t < 80 - 6]
            windows += [trial.activity[..., t : t + 6] for t in starts]
        np.testing.assert_allclose(found[..., cell], np.mean(windows, 0) - mean[..., None], atol=1e-12)


def test_noise_without_relation_is_significant_in_one_of_twenty_fields():
    rng = np.random.default_rng(5)
    n_fields = 200
    trials = []
    for _ in range(6):
        onsets = (rng.random((300, 16)) < 0.03).astype(float)
        slow = np.apply_along_axis(
            lambda v: np.convolve(v, np.exp(-np.arange(20) / 5))[:300], -1, rng.standard_normal((1, n_fields, 300))
        )
        trials.append(Trial(onsets, np.maximum(slow - 1, 0) ** 2))
    found, limit = field_and_limit(trials, 10)
    share = (np.abs(found).max((-2, -1)) > limit).mean()
    assert 0.01 < share < 0.11  # 0.05 give or take 3.3 standard errors


def test_cells_tile_the_field_and_lie_as_the_noise_does():
    cells = Cells.of(Screen())
    assert cells.side_deg == 5
    np.testing.assert_allclose(cells.azimuth.values[[0, -1]], [-40, 40])
    picture = np.zeros((83, 83))
    picture[4, 70] = 1.0  # high and on the right
    found = cells.sums(picture)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert cells.elevation.values[row] == pytest.approx(37.0, abs=2.5)
    assert cells.azimuth.values[column] == pytest.approx(29.0, abs=2.5)
    assert found.sum() == pytest.approx(1.0)


def test_the_gradient_is_that_of_the_model_summed_over_cells():
    config = ModelConfig.model_validate({"hidden": {"channels": [2]}})
    model = STCNN(config, Population(neurons={"lc11": ("a",)}), deg_per_px=2.0).eval()
    found = ANALYSES["gradient_field"].measure(Bench(Models([model]), SCREEN))
    field = receptive_fields(model, 30, shape_px=SCREEN.shape_px, lags_s=0.4)["lc11"]
    lag = np.square(field).sum((1, 2)).argmax()
    np.testing.assert_allclose(found.maps[0].values[0, 0].sum(), field[lag].sum(), rtol=1e-5)
    assert ANALYSES["gradient_field"].measure(Bench(Planted((0, 0), 1), SCREEN)).left_out == [
        "The gradient: what is examined is no network."
    ]


@pytest.mark.parametrize("late_frames", [1, 4])
def test_latency_is_that_planted(late_frames: int):
    found = measured("latency", Planted((0.0, 0.0), late_frames))
    assert number(found, "latency_s") == pytest.approx(late_frames / 30, abs=0.5 / 30 + 1e-9)


def test_an_answer_that_halves_with_each_presentation_is_adapted():
    found = measured("adaptation", Planted((0.0, 0.0), 0, decay=0.5))
    curve = found.curves[0]
    np.testing.assert_allclose(curve.values[0, 0] / curve.values[0, 0, 0], 0.5 ** np.arange(6), rtol=0.02)
    assert number(found, "square_adaptation") == pytest.approx(1 - 0.5**5, abs=0.01)
    assert number(measured("adaptation", Planted((0.0, 0.0), 0)), "square_adaptation") == pytest.approx(0, abs=0.02)


def test_transience_compares_late_with_peak():
    found = measured("adaptation", Planted((0.0, 0.0), 0, decay=0.5))
    assert number(found, "transience") == pytest.approx(1 - 0.25, abs=0.01)  # of the third second
    assert number(measured("adaptation", Planted((0.0, 0.0), 0)), "transience") == pytest.approx(0, abs=0.01)


def test_invariance_is_one_for_what_does_not_matter():
    found = measured("invariance", Planted((0.0, 0.0), 1))
    assert number(found, "leftward_r") == pytest.approx(1.0, abs=1e-3)
    assert number(found, "half_contrast_r") == pytest.approx(1.0, abs=1e-3)
    assert number(found, "half_contrast_ratio") == pytest.approx(0.5, abs=1e-3)
    assert number(found, "bright_ratio") == pytest.approx(0.0)  # it is driven by darkness alone
    assert number(found, "8_deg_higher_ratio") < 1


def test_numbers_have_names_of_their_own():
    names = [each.name for key in ("latency", "adaptation", "invariance") for each in _numbers(key)]
    assert len(set(names)) == len(names)


def _numbers(key: str) -> Sequence[Number]:
    return measured(key, Planted((0.0, 0.0), 1)).numbers
