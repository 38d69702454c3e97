"""Detectors against their formula in plain loops, by their symmetries, and against measured peak responses."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stcnn.errors import ConfigError
from stcnn.movie import Movie
from stcnn.simulation.detectors import Channel, Detector, Extent, Lattice, Radial, cell_type, cell_types, voltage
from stcnn.simulation.early import early_stage
from stcnn.simulation.indicator import INDICATORS, fluorescence
from stcnn.stimuli import Screen, load_protocol, looming_disc, moving_rectangle, receding_disc, render

DETECTOR = Detector(
    channels={"off": Channel(weight=0.7, surround=0.4), "dark": Channel(weight=-0.2, surround=1.5)},
    surround=Extent(elevation_deg=5.0, azimuth_deg=9.0),
    local_threshold=0.05,
    pool=Extent(elevation_deg=6.0, azimuth_deg=11.0),
    radial=Radial(weight=0.5, inward=0.8, threshold=0.1),
    normalisation=0.3,
    normalisation_deg=12.0,
    threshold=0.2,
)
ELEVATION, AZIMUTH = (9.0, 4.5, 0.0, -4.5, -9.0), (-4.5, 0.0, 4.5)


def random_lattice() -> Lattice:
    rng = np.random.default_rng(0)
    shapes = dict.fromkeys(("off", "on", "thin", "dark"), (4, 5, 3)) | {"rightward": (4, 5, 2), "upward": (4, 4, 3)}
    signals = {name: torch.from_numpy(rng.uniform(0, 2, shape)) for name, shape in shapes.items()}
    for name in ("rightward", "upward"):
        signals[name] -= 1
    return Lattice(signals, torch.tensor(ELEVATION).double(), torch.tensor(AZIMUTH).double())


def bell(distance: float, sigma: float) -> float:
    return math.exp(-(distance**2) / 2 / sigma**2)


def naive_voltage(cell: Detector, lattice: Lattice, x0: float, y0: float) -> list[float]:
    """The formula of the module, column by column."""
    assert cell.radial is not None
    signals = {name: signal.numpy() for name, signal in lattice.signals.items()}
    columns = [(i, j) for i in range(5) for j in range(3)]
    total_y = sum(bell(y - ELEVATION[2], cell.surround.elevation_deg) for y in ELEVATION)
    total_x = sum(bell(x - AZIMUTH[1], cell.surround.azimuth_deg) for x in AZIMUTH)
    volts = []
    for t in range(4):
        drive = around = 0.0
        for i, j in columns:
            dy, dx = ELEVATION[i] - y0, AZIMUTH[j] - x0
            pool = bell(dy, cell.pool.elevation_deg) * bell(dx, cell.pool.azimuth_deg)
            for name, channel in cell.channels.items():
                surround = sum(
                    signals[name][t, k, m]
                    * bell(ELEVATION[i] - ELEVATION[k], cell.surround.elevation_deg)
                    * bell(AZIMUTH[j] - AZIMUTH[m], cell.surround.azimuth_deg)
                    for k, m in columns
                ) / (total_y * total_x)
                local = signals[name][t, i, j] - channel.surround * surround - cell.local_threshold
                drive += channel.weight * pool * max(local, 0)
            norm = bell(dy, cell.normalisation_deg) * bell(dx, cell.normalisation_deg)
            around += norm * (signals["off"][t, i, j] + signals["on"][t, i, j])
        for motion, horizontal, sign in (
            ("rightward", 1, 1),
            ("rightward", 1, -1),
            ("upward", 0, 1),
            ("upward", 0, -1),
        ):
            arm = 0.0
            for i, j in np.ndindex(*signals[motion].shape[1:]):
                y = (ELEVATION[i] if horizontal else (ELEVATION[i] + ELEVATION[i + 1]) / 2) - y0
                x = ((AZIMUTH[j] + AZIMUTH[j + 1]) / 2 if horizontal else AZIMUTH[j]) - x0
                away = max(sign * (x if horizontal else y), 0) / 20
                weight = away * bell(y, cell.pool.elevation_deg) * bell(x, cell.pool.azimuth_deg)
                outward = sign * signals[motion][t, i, j]
                arm += weight * (max(outward, 0) - cell.radial.inward * max(-outward, 0))
            drive += cell.radial.weight * max(arm - cell.radial.threshold, 0)
        volts.append(max(drive / (1 + cell.normalisation * around) - cell.threshold, 0))
    return volts


@pytest.mark.parametrize("position", [(0.0, 0.0), (3.0, -2.0)])
def test_voltage_is_the_formula(position: tuple[float, float]) -> None:
    lattice = random_lattice()
    found = voltage(DETECTOR, lattice, torch.tensor([position], dtype=torch.float64))[:, 0]
    np.testing.assert_allclose(found, naive_voltage(DETECTOR, lattice, *position), rtol=1e-10)
    assert (found > 0).any()


def peak(name: str, movie: Movie, position: tuple[float, float] = (0.0, 0.0)) -> float:
    lattice = Lattice.of(early_stage(movie))
    volts = voltage(cell_type(name).detector, lattice, torch.tensor([position], dtype=torch.float64))
    return float(fluorescence(volts.numpy()[:, 0], INDICATORS["lobula"], movie.rate_hz).max())


@pytest.mark.parametrize("name", ["lc11", "lplc2"])
def test_receptive_field_moves_with_the_neuron(name: str) -> None:
    """By whole columns, on a field so wide that its edges do not matter."""

    def loom(azimuth_deg: float, elevation_deg: float) -> Movie:
        screen = Screen(shape_px=(135, 135), rate_hz=60)
        place = {"azimuth_deg": azimuth_deg, "elevation_deg": elevation_deg}
        return render(screen, {"kind": "looming_disc", "edge_speed_deg_s": 100, "end_deg": 30, **place})

    assert peak(name, loom(9.0, -4.5), (9.0, -4.5)) == pytest.approx(peak(name, loom(0.0, 0.0)), rel=0.02)


@pytest.mark.parametrize("name", cell_types())
def test_opposite_directions_are_alike(name: str) -> None:
    """None of the types is known to be direction selective but LC4, of which only one direction was shown."""
    right, left = (
        moving_rectangle(Screen(rate_hz=60), width_deg=9, height_deg=9, direction_deg=direction)
        for direction in (0, 180)
    )
    assert peak(name, right) == pytest.approx(peak(name, left), rel=1e-3, abs=1e-6)


def test_lplc2_answers_to_outward_and_not_to_inward_motion() -> None:
    out, back = (kind(Screen(rate_hz=60), edge_speed_deg_s=100) for kind in (looming_disc, receding_disc))
    assert peak("lplc2", back) < 0.15 * peak("lplc2", out)


def test_unknown_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no cell type 'lplc3'.*'lplc"):
        cell_type("lplc3")


@pytest.fixture(scope="module")
def measured(shared: Path) -> pd.DataFrame:
    table = pd.read_csv(shared / "data" / "lc_tuning_klapoetke2022.csv", dtype={"protocol": str})
    return table.pivot_table(index="cell_type", columns="protocol", values="mean_pct_ref").rename(index=str.lower)


def test_peaks_follow_the_measured_ones(measured: pd.DataFrame) -> None:
    movies = {
        number: movie
        for protocol in ("klapoetke2022_size", "klapoetke2022_looming")
        for number, movie in load_protocol(protocol).movies(Screen(rate_hz=60))
    }
    lattices = {number: Lattice.of(early_stage(movie)) for number, movie in movies.items()}
    middle = torch.full((1, 2), 1.0, dtype=torch.float64)
    r = []
    for name, cell in cell_types().items():
        volts = [voltage(cell.detector, lattice, middle)[:, 0].numpy() for lattice in lattices.values()]
        simulated = [fluorescence(v, INDICATORS["lobula"], 60.0).max(initial=0) for v in volts]
        r.append(np.corrcoef(simulated, measured.loc[name, list(movies)])[0, 1])
    assert min(r) > 0.8
    assert np.median(r) > 0.9
