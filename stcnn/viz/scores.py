"""How good the fit is: scores of neurons beside what could be reached, and calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from stcnn.viz.theme import LIGHT, PALETTE, Margins, Theme, colours, panels, themed


def neuron_scores(neurons: pd.DataFrame, references: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Draw the held-out correlation of every neuron, the mean of each cell type, and what it is held against.

    Args:
        neurons: ``cell_type``, ``neuron``, ``correlation``, ``ceiling`` (of its own recordings; NaN if unknown).
        references: ``cell_type``, ``reference`` (such as "noise ceiling"), ``correlation``; may be empty.
        theme: light or dark.
    """
    names = list(dict.fromkeys(neurons.cell_type))
    spread = np.random.default_rng(0)  # points of equal height beside each other; the same picture every time
    with themed(theme):
        figure, ((axes,),) = panels(1, 1, (max(1.4, 0.75 * len(names)), 2.3), Margins(right=1.8, bottom=0.35, top=0.1))
        for place, (name, colour) in enumerate(colours(names).items()):
            mine = neurons[neurons.cell_type == name]
            scores = mine.correlation.to_numpy()
            ceilings = mine.ceiling.to_numpy()
            across = place + spread.uniform(-0.22, 0.22, len(scores))
            axes.vlines(across, scores, ceilings, color=theme.ink, lw=0.5, alpha=0.35)
            axes.plot(across, ceilings, "_", color=theme.ink, ms=5, alpha=0.7)
            axes.plot(across, scores, "o", color=colour, ms=4, alpha=0.55)
            axes.plot([place - 0.28, place + 0.28], [np.nanmean(scores)] * 2, color=colour, lw=2.6)
        kinds = list(dict.fromkeys(references.reference))
        styles = dict(zip(kinds, ("--", ":", "-.", (0, (1, 1)), (0, (5, 1))), strict=False))
        for name, kind, r in references[["cell_type", "reference", "correlation"]].itertuples(index=False, name=None):
            place = names.index(name)
            axes.plot([place - 0.38, place + 0.38], [r, r], color=theme.ink, lw=1.2, ls=styles[kind])
        handles = [
            Line2D([], [], color=theme.ink, marker="o", ls="", ms=4, alpha=0.55, label="neuron"),
            Line2D([], [], color=theme.ink, marker="_", ls="", ms=6, alpha=0.7, label="its noise ceiling"),
            Line2D([], [], color=theme.ink, lw=2.6, label="mean of neurons"),
            *(Line2D([], [], color=theme.ink, lw=1.2, ls=styles[kind], label=kind) for kind in kinds),
        ]
        axes.set_xticks(range(len(names)), names)
        lowest = float(np.nanmin([*neurons.correlation, *references.correlation, 0]))
        axes.set(ylabel="held-out correlation", ylim=(max(-1, lowest - 0.05), 1), xlim=(-0.6, len(names) - 0.4))
        axes.axhline(0, color=theme.faint, lw=0.8, zorder=0)
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def calibration(predicted: NDArray[np.floating], measured: NDArray[np.floating], theme: Theme = LIGHT) -> Figure:
    """Draw what was measured where the model said so much: measured dF/F in ten shares of the samples.

    Args:
        predicted: samples, ``(n,)``, dF/F.
        measured: the same samples, ``(n,)``, dF/F.
        theme: light or dark.
    """
    shares = [share for share in np.array_split(np.argsort(predicted), 10) if len(share)]
    x, y = (np.array([values[share].mean() for share in shares]) for values in (predicted, measured))
    quarter, three_quarters = (np.array([np.quantile(measured[s], q) for s in shares]) for q in (0.25, 0.75))
    with themed(theme):
        figure, ((axes,),) = panels(1, 1, (2.4, 2.1), Margins(top=0.15))
        axes.fill_between(x, quarter, three_quarters, color=PALETTE[0], alpha=0.2, lw=0, label="middle half")
        axes.plot(x, y, "o-", color=PALETTE[0], ms=3.5, label="mean")
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        axes.plot(ends, ends, color=theme.ink, lw=0.6, ls=":")
        axes.set(xlabel="predicted dF/F", ylabel="measured dF/F")
        axes.legend()
    return figure
