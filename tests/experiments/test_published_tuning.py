"""The published model (Klapoetke et al. 2022) answers our protocols as its published figures show."""

from pathlib import Path

import pandas as pd
import pytest

from stcnn.experiments import between_grey
from stcnn.published import open_published
from stcnn.stimuli import Screen, load_protocol, render

LATTICE_DEG = {"azimuth_deg": -1.0, "elevation_deg": 1.0}
"""The middle of the published lattice, where its stimuli were centred."""
SIZES = ("klapoetke2022_size", tuple(str(5619 + i) for i in range(49)))
LOOMING = ("klapoetke2022_looming", ("321", "322", "325", "327", "329"))
SMALL = ("5619", "5620", "5626", "5627")
HEIGHTS = ("5626", "5633", "5640", "5647", "5654", "5661")
"""Two degrees wide, 4.5 to 90 high."""


def peaks_of(shared: Path, *asked: tuple[str, tuple[str, ...]]) -> pd.DataFrame:
    """Peak dF/F above rest: a row per cell type, a column per stimulus."""
    model = open_published(shared / "reference" / "lc_small_3", epoch=10, calcium_tau="per_type")
    found = {}
    for protocol, names in asked:
        parameters = load_protocol(protocol).parameters
        for name in names:
            movie = between_grey(render(Screen(rate_hz=180), parameters[name] | LATTICE_DEG), 0.1, 0.5)
            found[name] = {kind: dff.max() - dff[0] for kind, dff in model.predict(movie, start="steady").items()}
    return pd.DataFrame(found)


@pytest.fixture(scope="module")
def peaks(shared: Path) -> pd.DataFrame:
    return peaks_of(shared, (SIZES[0], (*SMALL, *HEIGHTS[1:])), (LOOMING[0], ("321", "322", "327")))


def test_lc18_answers_the_smallest_with_two_thirds_and_less_the_higher_they_are(peaks: pd.DataFrame) -> None:
    assert peaks.loc["lc18", list(SMALL)].max() == pytest.approx(0.65, abs=0.02)
    assert peaks.loc["lc18", list(HEIGHTS)].is_monotonic_decreasing
    lowest, highest = peaks.loc["lc18", [HEIGHTS[0], HEIGHTS[-1]]].to_numpy(float)
    assert highest < 0.5 * lowest


@pytest.mark.parametrize(("cell_type", "factor"), [("lc17", 3.0), ("lc12", 2.0)])
def test_looming_is_far_above_small_objects(peaks: pd.DataFrame, cell_type: str, factor: float) -> None:
    assert peaks.loc[cell_type, ["321", "322"]].min() > factor * peaks.loc[cell_type, list(SMALL)].max()


def test_nothing_answers_to_receding(peaks: pd.DataFrame) -> None:
    assert (peaks["327"] < 0.1 * peaks[["321", "322"]].max(axis=1)).all()


@pytest.mark.slow
def test_peaks_follow_the_measured_ones_as_closely_as_the_published_pictures(shared: Path) -> None:
    """Pictures of the published program, digitised, correlate by 0.91, 0.86, 0.55, 0.74 and 0.85 over the sizes."""
    table = pd.read_csv(shared / "data" / "lc_tuning_klapoetke2022.csv", dtype={"protocol": str})
    measured = table.pivot(index="cell_type", columns="protocol", values="mean_pct_ref").rename(index=str.lower)
    found = peaks_of(shared, SIZES, LOOMING)
    over_sizes, over_all = (
        found[list(names)].corrwith(measured[list(names)], axis=1).loc[found.index]
        for names in (SIZES[1], SIZES[1] + LOOMING[1])
    )
    published = pd.Series({"lc11": 0.91, "lc18": 0.86, "lc17": 0.55, "lc12": 0.74, "lc21": 0.85})
    assert ((over_sizes - published).abs() < 0.1).all()
    assert (over_all > 0.75).all()
