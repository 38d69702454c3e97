"""Simulated against measured peak responses of the ten cell types of Klapoetke et al. 2022.

    python benchmarks/calibration.py                     judges the shipped table of types
    python benchmarks/calibration.py --fit               fits the table anew (half an hour on one core) and judges it
    python benchmarks/calibration.py --without looming   fits sizes alone and tests on looming (as long again)
    python benchmarks/calibration.py --without sizes     leaves out every other size and tests on those

Measured are the mean peaks of 7 to 11 neurons per type, in percent of a reference response, for 49 sizes of a moving
rectangle and five looming protocols (doi 10.1016/j.neuron.2022.02.013; Zenodo 10.5281/zenodo.5950008).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from fitting import Bench, best_scale, fitted, plain, write_type
from measured import LOOMING, SIZES, SIZES_DEG, measured
from record import ROOT, write

from stcnn.simulation import SimulatedDataConfig, Simulation, simulate
from stcnn.simulation.detectors import cell_types
from stcnn.simulation.imaging import Imaging
from stcnn.viz.theme import PALETTE, SEQUENTIAL, themed

PROTOCOLS = ("klapoetke2022_size", "klapoetke2022_looming")
NOISE_DFF = {"lc11": 0.03, "lc12": 0.07, "lc17": 0.02, "lc18": 0.08, "lc21": 0.045}
"""Measured noise of three averaged trials (figures of the published notebooks; within 50 percent)."""


def correlations(simulated: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlation per type over sizes, looming, and both."""
    parts = {"sizes": SIZES, "looming": LOOMING, "all": SIZES + LOOMING}
    return pd.DataFrame({name: simulated[part].corrwith(truth[part], axis=1) for name, part in parts.items()})


# --- the shipped table, seen through a whole population and its imaging ---------------------------------------------


def population() -> Simulation:
    """Ten neurons of every type, centred within a degree or two, imaged as published, after 2 s of grey."""
    fields = {"n_animals": 10, "neurons_per_animal": 1, "position_sd_deg": 1.5, "rate_hz": 180.0, "before_s": 2.0}
    imaging = Imaging(volume_rate_hz=5.6)
    return simulate(SimulatedDataConfig(cell_types=tuple(cell_types()), stimuli=PROTOCOLS, imaging=imaging, **fields))


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
    """Maps of the 49 sizes, measured above simulated, and the looming protocols, in percent of the reference."""
    with themed() as theme:
        figure, axes = plt.subplots(3, 10, figsize=(17, 5.6), height_ratios=(3, 3, 2), layout="constrained")
        for column, name in enumerate(truth.index):
            top = max(table.loc[name, SIZES].max() for table in (truth, simulated)) * 100
            for maps, table in zip(axes[:2, column], (truth, simulated), strict=True):
                grid = table.loc[name, SIZES].to_numpy(float).reshape(7, 7) * 100
                image = maps.imshow(grid, origin="lower", vmin=0, vmax=top, cmap=SEQUENTIAL)
                maps.set_xticks(range(7), SIZES_DEG, fontsize=6)
                maps.set_yticks(range(7), SIZES_DEG, fontsize=6)
            figure.colorbar(image, ax=axes[:2, column], location="bottom", aspect=30, pad=0.02, ticks=[0, int(top)])
            bars, places = axes[2, column], np.arange(len(LOOMING))
            bars.bar(places - 0.2, truth.loc[name, LOOMING] * 100, 0.4, color=theme.ink, label="measured")
            bars.bar(places + 0.2, simulated.loc[name, LOOMING] * 100, 0.4, color=PALETTE[0], label="simulated")
            bars.set_xticks(places, LOOMING, fontsize=6, rotation=90)
            axes[0, column].set_title(f"{name.upper()}\nr = {scores.loc[name, 'all']:.2f}")
            axes[1, column].set_xlabel("width (°)")
        axes[0, 0].set_ylabel("measured\nheight (°)")
        axes[1, 0].set_ylabel("simulated\nheight (°)")
        axes[2, 0].set_ylabel("looming\n(% of reference)")
        figure.legend(*axes[2, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        figure.savefig(path, dpi=110)


def fit_table(names: list[str], truth: pd.DataFrame, n_steps: int) -> None:
    """Fit to sizes and looming, and write the table of types."""
    coarse, fine = Bench(PROTOCOLS, 3), Bench(PROTOCOLS, 1)
    weight = torch.tensor([1.0] * len(SIZES) + [3.0] * len(LOOMING))
    for name in names:
        target = torch.tensor(truth.loc[name].to_numpy(np.float32))
        free, error = fitted(coarse, target, weight, n_steps)
        print(f"{name}: error {error:.3f} of the variance", flush=True)
        with torch.no_grad():
            scale = best_scale(fine.peaks(free.detector()), target, weight).item()
            write_type(name, plain(free.detector(scale)))
    cell_types.cache_clear()


def held_out(left_out: str, names: list[str], truth: pd.DataFrame, n_steps: int) -> None:
    """Fit to some of the protocols alone and write how well the others are foretold."""
    kept = pd.Series(1.0, SIZES + LOOMING)
    kept[LOOMING if left_out == "looming" else SIZES[1::2]] = 0.0
    if left_out == "sizes":
        kept[LOOMING] = 3.0
    tested = kept.index[kept == 0]
    bench, weight = Bench(PROTOCOLS, 3), torch.tensor(kept.to_numpy(np.float32))
    rows, foretold = [], []
    for name in names:
        target = torch.tensor(truth.loc[name].to_numpy(np.float32))
        free, _ = fitted(bench, target, weight, n_steps)
        with torch.no_grad():
            found = bench.peaks(free.detector())
        peaks = pd.Series((best_scale(found, target, weight) * found).numpy(), kept.index)
        foretold.append(peaks[tested])
        r = {
            what: peaks[where].corr(truth.loc[name, where])
            for what, where in (("fitted", kept > 0), ("held_out", tested))
        }
        rows.append({"cell_type": name, **r, **(peaks[tested].round(3).to_dict() if left_out == "looming" else {})})
        print(rows[-1], flush=True)
    together = np.corrcoef(np.ravel(foretold), truth.loc[names, tested].to_numpy().ravel())[0, 1]
    median = float(np.median([row["held_out"] for row in rows]))
    write(f"calibration_without_{left_out}", rows, n_steps=n_steps, held_out_all_types=float(together), median=median)


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
    figure(recorded, truth, scores, ROOT / "docs" / "images" / "calibration.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true", help="fit sizes and looming, write the table of types")
    parser.add_argument("--without", choices=("looming", "sizes"), help="leave out looming, or every other size")
    parser.add_argument("--types", nargs="*", help="only these types are fitted")
    parser.add_argument("--steps", type=int, default=200, help="of the fit (default: 200)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    truth = measured()
    names = options.types or list(truth.index)
    if options.without:
        held_out(options.without, names, truth, options.steps)
        return
    if options.fit:
        fit_table(names, truth, options.steps)
    judge(truth)


if __name__ == "__main__":
    main()
