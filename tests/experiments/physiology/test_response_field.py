"""Fields mapped by responses, of neurons whose field and delay are known by construction."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.special import erf

from stcnn.experiments.physiology import ANALYSES, Bench, Models
from stcnn.experiments.physiology.curves import Result
from stcnn.experiments.physiology.response_field import PANEL, displacements, mapped, strongest
from stcnn.experiments.physiology.subject import Answer, Values
from stcnn.experiments.physiology.tuning_numbers import full_width
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen, render
from tests.support.places import degrees_from

SCREEN = Screen(shape_px=(40, 50), deg_per_px=2.0, rate_hz=60)
DIRECTIONS = ("azimuth_deg", "elevation_deg")


class Planted:
    """Darkness under a Gaussian window, some frames later; one window for each cell type.

    Args:
        middle_deg: azimuth and elevation of the windows.
        sigma_deg: standard deviations of each along azimuth and elevation.
        late_frames: how much later.
    """

    n_members = 1

    def __init__(
        self, sigma_deg: dict[str, tuple[float, float]], middle_deg: tuple[float, float], late_frames: int
    ) -> None:
        self.cell_types: Sequence[str] = tuple(sigma_deg)
        self.sigma_deg = sigma_deg
        self.middle_deg = middle_deg
        self.late_frames = late_frames

    def answer(self, movie: Movie) -> Answer:
        x, y = degrees_from(movie, self.middle_deg)
        dark = -movie.contrast()
        windows = [
            (np.exp(-((x / across) ** 2) / 2), np.exp(-((y / up) ** 2) / 2)) for across, up in self.sigma_deg.values()
        ]
        drive = np.stack([np.einsum("tyx,x,y->t", dark, *window) for window in windows])
        late = np.pad(drive, ((0, 0), (self.late_frames, 0)))[:, : drive.shape[1]]
        return Answer(movie.time_s, late[None], late[None])


class OnlySmall(Planted):
    """The same, silent where more than so many square degrees are dark at a time."""

    most_deg2 = 50.0

    def answer(self, movie: Movie) -> Answer:
        found = super().answer(movie)
        area = (-movie.contrast() * movie.deg_per_px**2).sum((1, 2)).max()
        quiet = found.dff * (area < self.most_deg2)
        return Answer(found.time_s, quiet, quiet)


def number(result: Result, name: str) -> Values:
    (found,) = (each for each in result.numbers if each.name == name)
    return found.values[0]


def width_of_convolution(sigma_deg: float, side_deg: float) -> float:
    """Full width at half maximum of a Gaussian convolved with a box, found on a fine grid."""
    x = np.linspace(-60, 60, 24001)
    y = erf((x + side_deg / 2) / sigma_deg / np.sqrt(2)) - erf((x - side_deg / 2) / sigma_deg / np.sqrt(2))
    above = x[y >= y.max() / 2]
    return float(above[-1] - above[0])


@pytest.fixture(scope="module")
def small() -> Result:
    """A neuron of small objects, 10 degrees right and 5 degrees up of the middle, two frames late."""
    planted = OnlySmall({"small": (7.0, 5.0)}, (10.0, 5.0), 2)
    return ANALYSES["response_field"].measure(Bench(planted, SCREEN))


def test_width_and_height_are_those_of_the_field_with_the_stimulus(small: Result):
    assert small.notes == ["small: small square."]
    assert number(small, "response_field_width_deg")[0] == pytest.approx(width_of_convolution(7.0, 4.5), rel=0.02)
    assert number(small, "response_field_height_deg")[0] == pytest.approx(width_of_convolution(5.0, 4.5), rel=0.03)


def test_what_is_displaced_right_and_up_is_answered_by_a_field_that_lies_there(small: Result):
    azimuth, elevation = small.curves
    assert (azimuth.series, elevation.series) == ("azimuth", "elevation")
    assert azimuth.axis.values[azimuth.values[0, 0].argmax()] == 10.0
    assert elevation.axis.values[elevation.values[0, 0].argmax()] == 5.0
    assert small.left_out == []


def test_latency_to_what_moves_is_the_lag_behind_its_passage():
    planted = OnlySmall({"small": (7.0, 5.0)}, (0.0, 0.0), 3)
    found = ANALYSES["response_field"].measure(Bench(planted, SCREEN))
    assert number(found, "response_field_latency_s")[0] == pytest.approx(3 / 60, abs=1e-3)
    assert number(found, "response_field_dff_latency_s")[0] == pytest.approx(3 / 60, abs=1e-3)


def test_latency_to_what_stands_is_that_to_half_of_the_peak():
    planted = Planted({"any": (5.0, 5.0)}, (0.0, 0.0), 4)
    found = mapped(Bench(planted, SCREEN), ["flashed disc"])
    assert found.latency_s[0, 0] == pytest.approx(4 / 60, abs=0.5 / 60 + 1e-9)


def test_each_type_is_mapped_with_what_it_answers_most_and_what_never_falls_to_half_has_a_reason():
    planted = Planted({"narrow": (4.0, 4.0), "wide": (300.0, 4.0)}, (0.0, 0.0), 0)
    bench = Bench(planted, SCREEN)
    chosen, left_out = strongest(bench)
    peaks = np.stack([bench.read(list(either.values())).mean(-1)[0] for either in PANEL.values()], -1)
    assert chosen == [list(PANEL)[best] for best in peaks.argmax(-1)]
    assert left_out == []
    found = ANALYSES["response_field"].measure(bench)
    assert np.isnan(number(found, "response_field_width_deg")[1])
    assert np.isfinite(number(found, "response_field_height_deg")).all()
    assert found.left_out == [
        "Width of the field of wide: nothing is answered, or more than half as much as the most 45° away."
    ]


def test_who_answers_nothing_has_no_stimulus():
    silent = OnlySmall({"silent": (5.0, 5.0)}, (0.0, 0.0), 0)
    silent.most_deg2 = 0.0
    found = ANALYSES["response_field"].measure(Bench(silent, SCREEN))
    assert found.left_out == ["silent: no stimulus of the panel is answered."]
    assert np.isnan([each.values for each in found.numbers]).all()


def test_a_screen_that_cannot_show_a_stimulus_says_so():
    planted = Planted({"any": (5.0, 5.0)}, (0.0, 0.0), 0)
    chosen, left_out = strongest(Bench(planted, Screen(shape_px=(20, 20), deg_per_px=2.0, rate_hz=60)))
    assert [sentence.partition(":")[0] for sentence in left_out] == ["Long bar", "Expanding disc"]
    assert chosen[0] in PANEL


def test_steps_are_finer_on_a_small_screen():
    across, up = displacements(Screen(shape_px=(10, 50), deg_per_px=2.0, rate_hz=60))
    np.testing.assert_allclose(across.values, np.arange(-45, 46, 5.0))
    np.testing.assert_allclose(up.values, np.arange(-8.75, 8.76, 1.25))


def test_full_width_is_nan_where_one_side_does_not_fall_to_half():
    x = np.arange(5.0)
    y = np.array([[0, 1, 2, 1, 0], [0, 2, 4, 3, 4], [2, 2, 2, 1, 0], [0, 0, 0, 0, 0.0], [np.nan] * 5])
    np.testing.assert_allclose(full_width(x, y), [2.0, np.nan, np.nan, np.nan, np.nan])
    x = np.arange(-20, 21, 5.0)  # of a Gaussian with a standard deviation of one step
    assert full_width(x, np.exp(-((x / 5) ** 2) / 2)) == pytest.approx(5 * 2 * np.sqrt(2 * np.log(2)), rel=0.01)


def test_some_members_choose_for_all():
    config = ModelConfig.model_validate({"hidden": {"channels": [2]}})
    models = [STCNN(config, Population(neurons={"lc11": ("a",)}), deg_per_px=2.0).eval() for _ in range(2)]
    together = Bench(Models(models), SCREEN)
    assert strongest(together, n_choosing=1)[0] == strongest(Bench(Models(models[:1]), SCREEN))[0]


def test_movies_answered_together_are_answered_as_alone():
    config = ModelConfig.model_validate({"hidden": {"channels": [2]}})
    population = Population(neurons={"lc11": ("a",), "lplc2": ("b",)})
    models = Models([STCNN(config, population, deg_per_px=2.0).eval() for _ in range(2)])
    movies = [render(SCREEN, stimulus) for either in PANEL.values() for stimulus in either.values()][3:8]
    for together, movie in zip(models.answers(movies), movies, strict=True):
        alone = models.answer(movie)
        assert together.dff.shape == alone.dff.shape
        np.testing.assert_allclose(together.dff, alone.dff, atol=1e-6)
        np.testing.assert_allclose(together.activity, alone.activity, atol=1e-6)
        np.testing.assert_array_equal(together.time_s, alone.time_s)
