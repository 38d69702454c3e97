"""The known answers of Klapoetke et al. 2022, asked of the published checkpoint by the analyses themselves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stcnn.experiments.physiology import ANALYSES, Bench, Models
from stcnn.experiments.physiology.curves import Result
from stcnn.published import open_published
from stcnn.stimuli import Screen

pytestmark = pytest.mark.slow
SMALLEST_DEG = 4.5
LATTICE_PX = (-1, 1)
"""The middle of the published lattice, where its stimuli were centred."""


@pytest.fixture(scope="module")
def bench(shared: Path) -> Bench:
    model = open_published(shared / "reference" / "lc_small_3", epoch=10, calcium_tau="per_type")
    return Bench(Models([model]), Screen(rate_hz=180), centre_px=LATTICE_PX)


def number(result: Result, name: str, bench: Bench) -> pd.Series:
    (found,) = (each for each in result.numbers if each.name == name)
    return pd.Series(found.mean, list(bench.cell_types))


def test_types_of_small_objects_prefer_the_smallest_and_lose_them_with_height(bench: Bench) -> None:
    size = ANALYSES["size"].measure(bench)
    preferred = number(size, "preferred_side_deg", bench)
    assert (preferred[["lc11", "lc18", "lc21"]] <= 2 * SMALLEST_DEG).all()
    suppression = number(ANALYSES["surround"].measure(bench), "height_suppression", bench)
    assert (suppression[["lc11", "lc18"]] > 0.5).all()  # measured 0.96 and 0.94
    assert suppression["lc12"] < suppression[["lc11", "lc18"]].min()


def test_looming_types_prefer_discs_that_approach_to_those_that_recede(bench: Bench) -> None:
    published = ANALYSES["published"].measure(bench)
    looms = published.traces[1]
    peaks = {
        title: (answer.dff[0].max(-1) - answer.dff[0, :, 0])
        for title, answer in zip(looms.columns, looms.answers[0], strict=True)
        if answer is not None
    }
    table = pd.DataFrame(peaks, list(bench.cell_types))
    assert (table["receding, 100°/s"] < 0.15 * table[["disc, 25°/s", "disc, 100°/s"]].max(axis=1)).all()
    small = published.maps[0].values[0, :, :2, :2].max((-2, -1))
    ratio = table[["disc, 25°/s", "disc, 100°/s"]].min(axis=1) / small
    assert ratio["lc17"] > 3
    assert ratio["lc12"] > 2


def test_49_sizes_correlate_with_the_measured_ones_as_the_published_pictures_do(shared: Path, bench: Bench) -> None:
    measured = pd.read_csv(shared / "data" / "lc_tuning_klapoetke2022.csv", dtype={"protocol": str})
    sizes = measured[measured.protocol.isin([str(number) for number in range(5619, 5668)])]
    pivot = sizes.assign(protocol=sizes.protocol.astype(int)).pivot(
        index="cell_type", columns="protocol", values="mean_pct_ref"
    )
    found = ANALYSES["published"].measure(bench).maps[0].values[0].reshape(len(bench.cell_types), 49)
    published = {"lc11": 0.91, "lc18": 0.86, "lc17": 0.55, "lc12": 0.74, "lc21": 0.85}
    for name, r in published.items():
        mine = found[bench.cell_types.index(name)]
        assert np.corrcoef(mine, pivot.loc[name.upper()])[0, 1] == pytest.approx(r, abs=0.12)
