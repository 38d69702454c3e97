"""Tuning: how the peak of a response depends on what is shown; predicted, and measured beside it or over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from stcnn.viz.theme import LIGHT, SEQUENTIAL, Margins, Theme, colours, legend_right, panels, themed

Array = NDArray[np.floating]


@dataclass(frozen=True)
class TuningCurve:
    """Peaks along one stimulus parameter.

    Args:
        x: values of the parameter, ``(n,)``.
        predicted: peak dF/F, ``(n,)``.
        measured: mean measured peak, ``(n,)``, if there is one.
        spread: half the interval of the measured mean, ``(n,)``, if known.
    """

    x: Array
    predicted: Array
    measured: Array | None = None
    spread: Array | None = None


def tuning_curves(
    curves: Mapping[str, TuningCurve],
    xlabel: str,
    *,
    log: bool = False,
    ylabel: str = "peak dF/F",
    theme: Theme = LIGHT,
) -> Figure:
    """Draw one curve per cell type, predictions as lines, measurements as points with their interval.

    Args:
        curves: cell type to its curve.
        xlabel: the parameter with its unit, such as ``"speed (deg/s)"``.
        log: whether the parameter is spaced logarithmically.
        ylabel: the response with its unit.
        theme: light or dark.
    """
    with themed(theme):
        figure, ((axes,),) = panels(1, 1, (3.0, 2.1), Margins(right=0.9))
        for (name, curve), colour in zip(curves.items(), colours(list(curves)).values(), strict=True):
            axes.plot(curve.x, curve.predicted, color=colour, label=name)
            if curve.measured is not None:
                axes.errorbar(curve.x, curve.measured, curve.spread, color=colour, fmt="o", ms=3.5, lw=0.8)
        if log:
            axes.set_xscale("log")
            shown = np.unique(np.concatenate([curve.x for curve in curves.values()]))
            axes.set_xticks(shown, [f"{value:g}" for value in shown])
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set(xlabel=xlabel, ylabel=ylabel)
        legend_right(axes)
    return figure


def tuning_panels(curves: Mapping[str, tuple[bool, Mapping[str, TuningCurve]]], theme: Theme = LIGHT) -> Figure:
    """Draw predicted tuning to several parameters, a panel for each; the panels share one scale.

    Args:
        curves: the parameter with its unit to whether it is spaced logarithmically, and cell type to curve.
        theme: light or dark.
    """
    names = list(dict.fromkeys(name for _, of_types in curves.values() for name in of_types))
    with themed(theme):
        figure, (row,) = panels(1, len(curves), (1.55, 1.45), Margins(right=0.9, across=0.25, down=0.6), sharey=True)
        for axes, (xlabel, (log, of_types)) in zip(row, curves.items(), strict=True):
            for name, curve in of_types.items():
                axes.plot(curve.x, curve.predicted, color=colours(names)[name], label=name, marker="o", ms=2.5)
            if log:
                axes.set_xscale("log")
            shown = next(iter(of_types.values())).x
            axes.set_xticks(shown, [f"{value:g}" for value in shown], fontsize=6, rotation=90 if len(shown) > 6 else 0)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlabel(xlabel, fontsize=7)
        row[0].set_ylabel("peak response above grey")
        legend_right(row[-1])
    return figure


def size_tuning(
    maps: Mapping[str, Array], heights_deg: Sequence[float], widths_deg: Sequence[float], theme: Theme = LIGHT
) -> Figure:
    """Draw peaks by height and width of a rectangle, one map per panel, each on its own scale from zero.

    Args:
        maps: name of the panel to peaks ``(height, width)``, smallest height first.
        heights_deg: heights.
        widths_deg: widths along the motion.
        theme: light or dark.
    """
    n_columns = min(5, len(maps))
    n_rows = -(-len(maps) // n_columns)
    with themed(theme):
        figure, grid = panels(n_rows, n_columns, (1.45, 1.45), Margins(right=0.45, across=0.75, down=0.65))
        for axes, (name, peaks) in zip(grid.ravel(), maps.items(), strict=False):
            _size_map(figure, axes, peaks)
            axes.set_title(name)
            axes.set_xticks(range(len(widths_deg)), [f"{w:g}" for w in widths_deg])
            axes.set_yticks(range(len(heights_deg)), [f"{h:g}" for h in heights_deg])
            axes.tick_params(labelsize=7, length=0)
        for axes in grid.ravel()[len(maps) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("height (°)")
        for axes in grid[-1]:
            axes.set_xlabel("width (°)")
    return figure


def _size_map(figure: Figure, axes: Axes, peaks: Array) -> None:
    picture = axes.imshow(peaks, origin="lower", cmap=SEQUENTIAL, vmin=0, vmax=float(np.nanmax(peaks)) or 1.0)
    scale = axes.inset_axes((1.05, 0, 0.05, 1))
    figure.colorbar(picture, cax=scale)
    scale.tick_params(labelsize=6, length=2)


def stimulus_peaks(peaks: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Draw what each cell type prefers: peaks to every stimulus, neurons as points and their mean as a bar.

    Args:
        peaks: ``cell_type``, ``neuron``, ``stimulus``, ``dff`` (peak dF/F).
        theme: light or dark.
    """
    names, stimuli = (list(dict.fromkeys(peaks[column])) for column in ("cell_type", "stimulus"))
    with themed(theme):
        margins = Margins(left=0.35 + 0.06 * max(map(len, stimuli)), across=0.2, top=0.25, bottom=0.45)
        size_in = (1.6, max(0.8, 0.15 * len(stimuli)))
        figure, (row,) = panels(1, len(names), size_in, margins, sharey=True)
        for axes, (name, colour) in zip(row, colours(names).items(), strict=True):
            mine = peaks[peaks.cell_type == name]
            mean = mine.groupby("stimulus").dff.mean().reindex(stimuli)
            axes.barh(range(len(stimuli)), mean, color=colour, alpha=0.45, height=0.75)
            axes.plot(mine.dff, mine.stimulus.map(stimuli.index), "o", color=theme.ink, ms=2, alpha=0.6)
            axes.set(title=name, xlabel="peak dF/F", ylim=(len(stimuli) - 0.5, -0.5))
        row[0].set_yticks(range(len(stimuli)), stimuli, fontsize=7)
    return figure


def peak_agreement(peaks: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Draw predicted against measured peaks, a point per stimulus, a panel per cell type.

    Args:
        peaks: ``cell_type``, ``stimulus``, ``measured``, ``low``, ``high`` (interval of the measured mean) and
            ``predicted``, in dF/F.
        theme: light or dark.
    """
    names = list(dict.fromkeys(peaks.cell_type))
    with themed(theme):
        figure, (row,) = panels(1, len(names), (1.75, 1.75))
        for axes, (name, colour) in zip(row, colours(names).items(), strict=True):
            mine = peaks[peaks.cell_type == name]
            error = np.array([mine.measured - mine.low, mine.high - mine.measured])
            axes.errorbar(mine.measured, mine.predicted, xerr=error, fmt="o", color=colour, ms=3.5, lw=0.7)
            top = 1.08 * float(np.nanmax(mine[["high", "predicted"]].to_numpy()))
            low = min(0.0, float(np.nanmin(mine[["low", "predicted"]].to_numpy())))
            axes.plot([low, top], [low, top], color=theme.ink, lw=0.6, ls=":")
            r = mine.measured.corr(mine.predicted) if len(mine) > 2 else np.nan
            axes.set(xlim=(low, top), ylim=(low, top), aspect="equal", xlabel="measured peak dF/F")
            axes.set_title(f"{name}, {len(mine)} stimuli, r = {r:.2f}", fontsize=8)
            axes.set_ylabel("predicted peak dF/F" if name == names[0] else "")
    return figure
