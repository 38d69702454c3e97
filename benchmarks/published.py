"""The published model (Klapoetke et al. 2022) asked with our protocols, beside the peaks that were measured.

    python benchmarks/published.py

Three places of the stimuli are compared: the middle of the picture, the middle of the model's lattice, which lies one
degree left of and above it, and the column that its readouts look at, four degrees further in both directions.
"""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from measured import LOOMING, SIZES, SIZES_DEG, measured
from record import ROOT, arguments, write

import stcnn
from stcnn.experiments import between_grey
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen, load_protocol, render
from stcnn.viz.theme import PALETTE, themed

PLACES = {"picture": (0.0, 0.0), "lattice": (-1.0, 1.0), "readout": (-5.0, 5.0)}
"""Azimuth and elevation in degrees."""
RATE_HZ, BEFORE_S, AFTER_S = 180.0, 0.2, 1.2
SHOWN = ("lc11", "lc12", "lc17", "lc18", "lc21")


def answers(model: STCNN, place: tuple[float, float]) -> dict[str, pd.DataFrame]:
    """dF/F of the average neuron above rest to each stimulus, a column per cell type, after grey without end."""
    moved = {"azimuth_deg": place[0], "elevation_deg": place[1]}
    shown = {n: p for name in ("size", "looming") for n, p in load_protocol(f"klapoetke2022_{name}").parameters.items()}
    found = {}
    for name, parameters in shown.items():
        movie = between_grey(render(Screen(rate_hz=RATE_HZ), parameters | moved), BEFORE_S, AFTER_S)
        dff = pd.DataFrame(model.predict(movie, start="steady"))
        found[name] = dff - dff.iloc[0]
    return found


def rows(place: str, peaks: pd.DataFrame, truth: pd.DataFrame) -> list[dict[str, object]]:
    """Correlation with the measured peaks, and what the published figures are described by, per cell type."""
    small, disc, loom = ["5619", "5620", "5626", "5627"], ["321", "322"], ["321", "322", "329"]
    table = []
    for name in SHOWN:
        mine, real = peaks.loc[name], truth.loc[name]
        numbers = {
            "r_sizes": mine[SIZES].corr(real[SIZES]),
            "r_all": mine.corr(real),
            "smallest": mine["5619"],
            "best_size": mine[SIZES].max(),
            "best_loom": mine[loom].max(),
            "disc_to_small": mine[disc].max() / mine[small].max(),
            "measured_disc_to_small": real[disc].max() / real[small].max(),
        }
        table.append({"place": place, "cell_type": name, **{key: float(value) for key, value in numbers.items()}})
    return table


def draw_type(axes: Axes, name: str, traces: dict[str, pd.DataFrame], truth: pd.Series, colour: str, ink: str) -> None:
    """All traces of a type on one sheet: heights upward, widths to the right, looming below."""
    peaks = pd.Series({n: trace[name].max() for n, trace in traces.items()})
    scale = (peaks * truth).sum() / (truth**2).sum()
    step_s, step_dff = 3.2, 1.15 * max(peaks.max(), scale * truth.max())
    places = {n: divmod(i, 7) for i, n in enumerate(SIZES)} | {n: (-1.7, i) for i, n in enumerate(LOOMING)}
    for n, (row, column) in places.items():
        dff = traces[n][name].to_numpy()
        time_s = column * step_s + np.arange(len(dff)) / RATE_HZ
        axes.plot(time_s, row * step_dff + dff, color=colour, lw=1.1)
        stem = time_s[[dff.argmax()] * 2], row * step_dff + np.array([0, scale * truth[n]])
        axes.plot(*stem, color=ink, lw=0.6, marker="o", markevery=[1], ms=2.2)
        if row in (0, -1.7):
            text = f"{SIZES_DEG[column]}°" if row == 0 else n
            axes.text(column * step_s + 0.2, row * step_dff - 0.08 * step_dff, text, va="top", fontsize=7)
        if column == 0 and row >= 0:
            axes.text(-0.4, row * step_dff, f"{SIZES_DEG[row]}°", ha="right", fontsize=7)
    bar_dff = 0.1 if peaks.max() < 0.4 else 0.5
    corner = (6 * step_s, -1.7 * step_dff)
    axes.plot([corner[0] + 1, corner[0], corner[0]], [corner[1], corner[1], corner[1] + bar_dff], color=ink, lw=1.2)
    axes.text(corner[0], corner[1] - 0.08 * step_dff, f"1 s, {bar_dff:g} dF/F", va="top", fontsize=7, ha="center")
    axes.set_title(f"{name.upper()}   r = {peaks.corr(truth):.2f}")
    axes.axis("off")


def figure(traces: dict[str, pd.DataFrame], truth: pd.DataFrame) -> None:
    """A sheet per cell type, in the form of the published grids."""
    with themed() as theme:
        figure, axes = plt.subplots(2, 3, figsize=(15, 10.5), layout="constrained")
        for sheet, name, colour in zip(axes.flat, SHOWN, PALETTE, strict=False):
            draw_type(sheet, name, traces, truth.loc[name], colour, theme.ink)
        axes[0, 0].text(-3.2, 4, "height", rotation=90, fontsize=9)
        axes[1, 2].axis("off")
        note = (
            "Line: the published model, epoch 10.\nDot: mean measured peak, scaled to the model.\n\n"
            "Grids: dark rectangles at 100°/s,\nheight upward, width to the right.\n"
            "Below: 321, 322 dark disc, slow and fast;\n325 ring; 327 receding; 329 r/v = 40 ms."
        )
        axes[1, 2].text(0.05, 0.6, note, transform=axes[1, 2].transAxes, fontsize=10, va="center", linespacing=1.5)
        target = ROOT / "docs" / "images" / "published_grid.png"
        figure.savefig(target, dpi=100)
        print(f"written to {target}")


def main() -> None:
    arguments(__doc__)
    model = stcnn.open_published(ROOT.parent / "shared" / "reference" / "lc_small_3", 10, calcium_tau="per_type")
    truth = measured()
    table = []
    for place, centre_deg in PLACES.items():
        traces = answers(model, centre_deg)
        peaks = pd.DataFrame({n: trace.max() for n, trace in traces.items()})
        table += rows(place, peaks, truth)
        if place == "lattice":
            figure(traces, truth)
    write("published", table, epoch=10, calcium_tau="per_type")


if __name__ == "__main__":
    main()
