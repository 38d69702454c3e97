"""The page of in-silico physiology: its numbers as text, what was recorded beside what was not, and how it looks."""

import numpy as np
import pytest

from stcnn.data import Dataset, Recording
from stcnn.experiments.physiology import ANALYSES, Bench
from stcnn.experiments.physiology.curves import Number
from stcnn.experiments.physiology.objects import square
from stcnn.experiments.physiology.recorded import Recorded
from stcnn.report.physiology import Examined, agreement, page, written
from stcnn.report.svg import standalone
from stcnn.stimuli import Screen, render
from tests.support.pages import Opens
from tests.support.planted_neurons import PlantedNeurons

SCREEN = Screen(shape_px=(42, 42), deg_per_px=2.0, rate_hz=30)
HEIGHTS = {4.5: 0.5, 9.0: 1.0, 15.0: 0.6, 30.0: 0.2}
"""Measured peak of four squares, by side."""


def recordings() -> Recorded:
    movies = {}
    found = []
    for side_deg, height in HEIGHTS.items():
        movie = render(SCREEN, square(side_deg) | {"timing": {"before_s": 0.3, "after_s": 0.3}})
        movies[f"s{side_deg:g}"] = movie
        bump = np.exp(-((movie.time_s - 0.6) ** 2) / (2 * 0.3**2))
        for neuron, gain in {"n1": 0.9, "n2": 1.1}.items():
            trace = (gain * height * bump).astype(np.float32)
            found.append(Recording("bump", neuron, f"s{side_deg:g}", trace, movie.time_s, 30.0))
    return Recorded(Dataset.of(movies, found))


@pytest.fixture(scope="module")
def examined() -> Examined:
    planted = PlantedNeurons(
        {"bump": lambda s: max(0.0, 1 - abs(np.log(s.get("width_deg", 1) / 9.0))), "none": lambda _: 0.0},
        members=(0.9, 1.0, 1.1),
    )
    bench = Bench(planted, SCREEN)
    results = [ANALYSES[name].measure(bench) for name in ("size", "direction", "gratings", "latency")]
    return Examined("made <up>", ("bump", "none"), results, 3, "a screen", recordings())


def test_numbers_have_a_dash_where_undefined_and_say_where_the_range_ends():
    values = np.array([[2.0, 60.0, 9.0, np.nan]])
    assert written(Number("a", "a", "°", values, ends=(2.0, 60.0))) == ["≤ 2", "≥ 60", "9", "–"]
    assert written(Number("a", "a", "", np.array([[-0.5]]))) == ["−0.50"]
    assert written(Number("a", "a", "s", np.array([[1.0], [1.2]]))) == ["1.1 ± 1.3"]


def test_predicted_and_measured_peaks_are_correlated_over_what_was_recorded(examined: Examined):
    r, ceiling = agreement(examined.results[0], examined)
    predicted = [1 - abs(np.log(side / 9.0)) for side in HEIGHTS]
    expected = np.corrcoef(np.maximum(predicted, 0), list(HEIGHTS.values()))[0, 1]
    assert r.values[0, 0] == pytest.approx(expected, abs=0.01)
    assert np.isnan(r.values[0, 1])  # nothing was recorded of the other type
    assert 0.95 < ceiling.values[0, 0] < 1
    assert agreement(examined.results[3], examined) == []


def test_a_page_says_what_was_recorded_and_fits_on_a_telephone(examined: Examined, opens: Opens):
    text, pictures = page(examined)
    assert "made &lt;up&gt;" in text
    assert "4 of 9 stimuli were recorded" in text
    assert "None of these 20 stimuli was recorded: all of it is an extrapolation." in text
    assert "length of the vector sum" in text
    assert all("var(--" not in standalone(picture) for picture in pictures.values())
    tab = opens(text)
    assert tab.run("return document.querySelectorAll('.save').length") == len(pictures) == 4
    for width in (400, 1400):
        tab.resize(width)
        assert tab.run("return document.documentElement.scrollWidth - innerWidth") <= 0
