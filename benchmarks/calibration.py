"""Simulated against measured peak responses of the ten cell types of Klapoetke et al. 2022.

    python benchmarks/calibration.py               judges the shipped table of types
    python benchmarks/calibration.py --fit         fits the table anew (an hour on one core) and judges it
    python benchmarks/calibration.py --held-out    fits sizes alone and tests on looming (as long again)

Measured are the mean peaks of 7 to 11 neurons per type, in percent of a reference response, for 49 sizes of a moving
rectangle and five looming protocols (doi 10.1016/j.neuron.2022.02.013; Zenodo 10.5281/zenodo.5950008).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import ClassVar

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import yaml
from pydantic import BaseModel
from record import RESULTS, ROOT, write
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from stcnn.simulation import SimulatedDataConfig, Simulation, simulate
from stcnn.simulation.detectors import Channel, Detector, Extent, Lattice, Radial, cell_types, voltage
from stcnn.simulation.early import CHANNELS, EarlyStage, early_stage
from stcnn.simulation.imaging import Imaging
from stcnn.simulation.indicator import INDICATORS, fluorescence
from stcnn.simulation.recordings import movies_of
from stcnn.stimuli import load_protocol
from stcnn.viz.theme import themed

MEASURED = ROOT.parent / "shared" / "data" / "lc_tuning_klapoetke2022.csv"
TYPES = ROOT / "stcnn" / "simulation" / "types.yaml"
SIZES = [str(5619 + i) for i in range(49)]
LOOMING = ["321", "322", "325", "327", "329"]
SIZES_DEG = ("2", "4.5", "9", "15", "30", "45", "90")
PROTOCOLS = ("klapoetke2022_size", "klapoetke2022_looming")
NOISE_DFF = {"lc11": 0.03, "lc12": 0.07, "lc17": 0.02, "lc18": 0.08, "lc21": 0.045}
"""Measured noise of three averaged trials (figures of the published notebooks; within 50 percent)."""


def measured() -> pd.DataFrame:
    """Mean peaks as a fraction of the reference, a row per cell type and a column per protocol."""
    table = pd.read_csv(MEASURED, dtype={"protocol": str})
    peaks = table.pivot(index="cell_type", columns="protocol", values="mean_pct_ref") / 100
    return peaks.rename(index=str.lower)[SIZES + LOOMING]


def correlations(simulated: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlation per type over sizes, looming, and both."""
    parts = {"sizes": SIZES, "looming": LOOMING, "all": SIZES + LOOMING}
    return pd.DataFrame({name: simulated[part].corrwith(truth[part], axis=1) for name, part in parts.items()})


# --- the shipped table, seen through a whole population and its imaging ---------------------------------------------


def population() -> Simulation:
    """Ten neurons of every type, centred within a degree or two, imaged as published."""
    imaging = Imaging(volume_rate_hz=5.6)
    fields = {"n_animals": 10, "position_sd_deg": 1.5, "rate_hz": 180.0, "imaging": imaging, "stimuli": PROTOCOLS}
    return simulate(SimulatedDataConfig(cell_types=tuple(cell_types()), **fields))


def peaks(simulation: Simulation) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean peak above baseline per type and protocol, of the recordings and of their noise-free truth."""
    tables = []
    for recorded in (True, False):
        columns = {}
        for name, responses in simulation.responses.items():
            traces = np.mean(responses.trials, axis=0) if recorded else responses.dff
            before = simulation.movies[name].time_s < 0
            columns[name] = traces[:, ~before].max(1) - traces[:, before].mean(1)
        table = pd.DataFrame(columns)
        types = [neuron.cell_type for neuron in simulation.neurons]
        reference = [cell_types()[name].reference_dff for name in types]
        tables.append(table.div(reference, axis=0).groupby(types, sort=False).mean())
    return tables[0], tables[1]


def noise(simulation: Simulation) -> pd.DataFrame:
    """Noise of the average of the trials at rest, simulated beside measured, for the types where it is known."""
    before = {name: movie.time_s < 0 for name, movie in simulation.movies.items()}
    rest = [np.mean(r.trials, axis=0)[:, before[name]] for name, r in simulation.responses.items()]
    spread = np.sqrt(np.mean([np.var(r - r.mean(1, keepdims=True), axis=1) for r in rest], axis=0))
    table = pd.Series(spread).groupby([n.cell_type for n in simulation.neurons]).mean()
    return pd.DataFrame({"simulated": table, "measured": pd.Series(NOISE_DFF)}).dropna()


def figure(simulated: pd.DataFrame, truth: pd.DataFrame, scores: pd.DataFrame, path: Path) -> None:
    """Maps of the 49 sizes and the looming protocols, measured above simulated."""
    with themed():
        figure, axes = plt.subplots(4, 10, figsize=(17, 6.6), height_ratios=(3, 3, 1, 1), layout="constrained")
    for column, name in enumerate(truth.index):
        for row, (table, what) in enumerate(((truth, "measured"), (simulated, "simulated"))):
            limits = {"vmin": 0, "vmax": truth.loc[name, SIZES].max(), "cmap": "viridis"}
            maps = axes[row, column]
            maps.imshow(table.loc[name, SIZES].to_numpy(float).reshape(7, 7), origin="lower", **limits)
            maps.set_xticks(range(7), SIZES_DEG, fontsize=6)
            maps.set_yticks(range(7), SIZES_DEG, fontsize=6)
            bars = axes[2 + row, column]
            bars.bar(LOOMING, table.loc[name, LOOMING] * 100)
            bars.set_ylim(0, 110 * max(1, truth.loc[name, LOOMING].max()))
            bars.tick_params(labelsize=6)
            if column == 0:
                maps.set_ylabel(f"{what}\nheight (deg)")
                bars.set_ylabel(what)
        axes[0, column].set_title(f"{name.upper()}  r = {scores.loc[name, 'all']:.2f}")
        axes[1, column].set_xlabel("width (deg)")
    figure.savefig(path, dpi=150)


# --- fitting ----------------------------------------------------------------------------------------------------------


class Bench:
    """All protocols on the lattice of columns, joined in time, for a neuron in the middle of them.

    Everything lies a quarter of the spacing off the nearest column, which stands for the average over all places.
    """

    def __init__(self, n_averaged: int) -> None:
        """Average so many samples of the 180 Hz signals: the fits take three, at a small error in the scale."""
        early, self.rate_hz = EarlyStage(), 180.0 / n_averaged
        off_deg = early.spacing_deg / 4
        moved = {"azimuth_deg": off_deg, "elevation_deg": off_deg}
        stimuli = {n: shown | moved for name in PROTOCOLS for n, shown in load_protocol(name).parameters.items()}
        config = SimulatedDataConfig(stimuli=stimuli, rate_hz=180.0, before_s=0.0, after_s=0.3)
        columns = [early_stage(movie, early).every(n_averaged) for movie in movies_of(config).values()]
        joined = {
            name: torch.from_numpy(np.concatenate([c.signals[name] for c in columns])).float()
            for name in columns[0].signals
        }
        y_deg, x_deg = (torch.tensor(p).float() for p in (columns[0].elevation_deg, columns[0].azimuth_deg))
        self.lattice = Lattice(joined, y_deg, x_deg)
        self.position = torch.full((1, 2), off_deg)
        self.lengths = [len(c.signals["off"]) for c in columns]
        indicator = INDICATORS["lobula"]
        linear = indicator.model_copy(update={"dff_max": math.inf})
        self.calcium = torch.from_numpy(fluorescence(np.eye(max(self.lengths)), linear, self.rate_hz)).float()
        self.dff_max = indicator.dff_max

    def peaks(self, detector: Detector) -> Tensor:
        """Peak dF/F to every protocol, ``(54,)``."""
        volts = voltage(detector, self.lattice, self.position)[:, 0]
        together = pad_sequence(volts.split(self.lengths), batch_first=True)
        calcium = (together @ self.calcium.T).amax(1)
        return calcium / (1 + calcium / self.dff_max)


class Free(torch.nn.Module):
    """The free parameters of a detector: weights as they are, positive ones as logarithms, extents between bounds."""

    weights = dict.fromkeys(CHANNELS, 0.5) | {"dark": 1.0, "radial": 0.2}
    positive = {f"surround_{c}": 1.0 for c in CHANNELS} | {
        "inward": 1.0,
        "arm": 0.3,
        "local": 0.05,
        "gain": 0.05,
        "end": 0.1,
    }
    bounds_deg: ClassVar = {"surround": (4.5, 20.0), "pool": (6.0, 18.0), "norm": (5.0, 30.0)}
    """Surround: LC18 model, 13.5 deg. Pool: receptive fields of 15 to 40 deg half width (Klapoetke et al. 2022)."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        noise = torch.Generator().manual_seed(seed)
        start = self.weights | {k: math.log(v) for k, v in self.positive.items()}
        start |= {f"{name}_{axis}": -0.5 for name in self.bounds_deg for axis in "yx"}
        jitter = 0.2 * torch.randn(len(start), generator=noise)
        self.values = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(torch.tensor(v) + j) for (k, v), j in zip(start.items(), jitter, strict=True)}
        )
        self.start = {name: value.detach().clone() for name, value in self.values.items()}

    def detector(self, scale: float = 1.0) -> Detector:
        """The detector, with tensors in place of its numbers; ``scale`` multiplies its response."""
        v = self.values

        def extent(name: str) -> Extent:
            low, high = self.bounds_deg[name]
            y, x = (low + (high - low) * torch.sigmoid(v[f"{name}_{axis}"]) for axis in "yx")
            return Extent.model_construct(elevation_deg=y, azimuth_deg=x)

        channels = {
            c: Channel.model_construct(weight=v[c] * scale, surround=v[f"surround_{c}"].exp()) for c in CHANNELS
        }
        radial = Radial.model_construct(weight=v["radial"] * scale, inward=v["inward"].exp(), threshold=v["arm"].exp())
        return Detector.model_construct(
            channels=channels,
            surround=extent("surround"),
            local_threshold=v["local"].exp(),
            pool=extent("pool"),
            radial=radial,
            normalisation=v["gain"].exp(),
            normalisation_deg=extent("norm").elevation_deg,
            threshold=v["end"].exp() * scale,
        )

    def penalty(self) -> Tensor:
        """Pulls weights to zero and everything else to where it started, gently."""
        sizes = sum(self.values[name].abs() for name in self.weights)
        moved = sum((v - self.start[k]).square() for k, v in self.values.items() if k not in self.weights)
        return 2e-4 * sizes + 1e-3 * moved


def best_scale(found: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Factor that brings peaks nearest to their target."""
    return (weight * found * target).sum() / ((weight * found.square()).sum() + 1e-9)


def fit(bench: Bench, target: Tensor, weight: Tensor, seed: int) -> tuple[Free, float]:
    """Fit a detector to peaks, up to their scale, by gradient descent on the squared error relative to the variance."""
    free = Free(seed)
    variance = (weight * (target - (weight * target).sum() / weight.sum()).square()).sum()
    error = torch.tensor(torch.inf)
    for steps, rate, gentle in ((200, 0.06, 1.0), (80, 0.02, 0.0)):
        optimiser = torch.optim.Adam(free.parameters(), lr=rate)
        decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i, n=steps: min(1.0, 2 * (1 - i / n)))
        for _ in range(steps):
            found = bench.peaks(free.detector())
            error = (weight * (best_scale(found, target, weight) * found - target).square()).sum() / variance
            optimiser.zero_grad()
            (error + gentle * free.penalty()).backward()
            optimiser.step()
            decay.step()
    return free, error.item()


def fitted(name: str, truth: pd.DataFrame, benches: tuple[Bench, Bench], *, looming: bool) -> tuple[dict, np.ndarray]:
    """Fit a type to sizes, with or without looming, from a second start where the first ends badly.

    Returns:
        The detector as plain numbers, and the peaks it gives to all protocols.
    """
    coarse, fine = benches
    weight = torch.tensor([1.0] * len(SIZES) + [3.0 * looming] * len(LOOMING))
    target = torch.tensor(truth.loc[name].to_numpy(np.float32))
    free, error = fit(coarse, target, weight, seed=0)
    if error > 0.1:
        free, error = min((free, error), fit(coarse, target, weight, seed=1), key=lambda result: result[1])
    with torch.no_grad():
        scale = best_scale(fine.peaks(free.detector()), target, weight).item()
        found = free.detector(scale)
        print(f"{name}: error {error:.3f} of the variance", flush=True)
        return plain(found), fine.peaks(found).numpy()


def plain(part: object) -> float | dict:
    """Tensors as numbers of three digits, models as mappings."""
    if isinstance(part, BaseModel):
        return {name: plain(value) for name, value in part}
    if isinstance(part, dict):
        return {name: plain(value) for name, value in part.items()}
    return float(f"{float(part):.3g}")


def write_type(name: str, detector: dict) -> None:
    """Put a fitted detector into the table of types; the comments at its head and all other entries stay."""
    head = "".join(line for line in TYPES.open() if line.startswith("#"))
    table = yaml.safe_load(TYPES.read_text())
    table[name]["detector"] = detector
    text = "\n".join(
        yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None) for name, entry in table.items()
    )
    TYPES.write_text(f"{head}\n{text}")


def held_out(names: list[str], truth: pd.DataFrame, benches: tuple[Bench, Bench]) -> None:
    """Fit to sizes alone and write how well looming is foretold."""
    foretold = {name: fitted(name, truth, benches, looming=False)[1] for name in names}
    simulated = pd.DataFrame.from_dict(foretold, orient="index", columns=SIZES + LOOMING)
    scores = correlations(simulated, truth.loc[names])
    both = np.corrcoef(simulated[LOOMING].to_numpy().ravel(), truth.loc[names, LOOMING].to_numpy().ravel())[0, 1]
    rows = [{"cell_type": n, **scores.loc[n].to_dict(), **simulated.loc[n, LOOMING].to_dict()} for n in names]
    write("calibration_held_out", rows, what="fitted to sizes alone", looming_across_types=float(both))


def judge(truth: pd.DataFrame) -> None:
    """Write how well a population of the shipped types follows the measured peaks, and draw both."""
    simulation = population()
    recorded, quiet = peaks(simulation)
    truth = truth.loc[recorded.index]
    scores = correlations(recorded, truth)
    scores["noise_free"] = correlations(quiet, truth)["all"]
    scores = scores.join(noise(simulation).add_prefix("noise_"))
    rows = [{"cell_type": name, **row.dropna().to_dict()} for name, row in scores.iterrows()]
    write("calibration", rows, median=float(scores["all"].median()), lowest=float(scores["all"].min()))
    figure(recorded, truth, scores, RESULTS / "calibration.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true", help="fit sizes and looming, write the table of types")
    parser.add_argument("--held-out", action="store_true", help="fit sizes alone, test on looming")
    parser.add_argument("--types", nargs="*", help="only these types are fitted")
    options = parser.parse_args()
    if not MEASURED.is_file():
        raise SystemExit(f"needs the measured responses in {MEASURED}")
    torch.set_num_threads(1)
    truth = measured()
    names = options.types or list(truth.index)
    if options.fit or options.held_out:
        benches = Bench(3), Bench(1)
    if options.held_out:
        return held_out(names, truth, benches)
    if options.fit:
        for name in names:
            write_type(name, fitted(name, truth, benches, looming=True)[0])
        cell_types.cache_clear()
    return judge(truth)


if __name__ == "__main__":
    main()
