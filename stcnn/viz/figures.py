"""Figures of a training: results in, figure out. Every axis has its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stcnn.viz.theme import LIGHT, Theme, colours, legend_right, themed


def loss_history(losses: pd.DataFrame, scores: pd.DataFrame, finished_epoch: int, theme: Theme = LIGHT) -> Figure:
    """Draw how training loss, held-out loss and held-out correlation went, one colour per cell type.

    Args:
        losses: training loss of each step: ``epoch``, ``step``, ``cell_type``, ``loss``.
        scores: per epoch: ``epoch``, ``cell_type``, ``loss``, ``correlation`` (the last two of held-out recordings).
        finished_epoch: the epoch that was kept; marked.
        theme: light or dark.
    """
    names = sorted(set(losses.cell_type) | set(scores.cell_type))
    steps_per_epoch = losses.step.max() / losses.epoch.max() if len(losses) else 1
    with themed(theme):
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        training, held_out, correlation = figure.subplots(1, 3)
        for name, colour in colours(names).items():
            raw = losses[losses.cell_type == name]
            smooth = raw.loss.rolling(max(1, len(raw) // 40), center=True, min_periods=1).median()
            training.plot(raw.step / steps_per_epoch, raw.loss, color=colour, alpha=0.25, lw=0.6)
            training.plot(raw.step / steps_per_epoch, smooth, color=colour)
            mine = scores[scores.cell_type == name]
            held_out.plot(mine.epoch, mine.loss, color=colour)
            correlation.plot(mine.epoch, mine.correlation, color=colour, label=name)
        training.set(title="training", ylabel="mean squared error (dF/F)²", yscale="log")
        held_out.set(title="held out", ylabel="mean squared error (dF/F)²", yscale="log")
        correlation.set(title="held out", ylabel="correlation", ylim=(min(0, correlation.get_ylim()[0]), 1))
        for axes in (training, held_out, correlation):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y", lw=0.5)
        for axes in (held_out, correlation):
            axes.axvline(finished_epoch, color=theme.ink, lw=0.8, ls=":")
        kept = {"ha": "right", "va": "top", "rotation": "vertical", "fontsize": 7}
        held_out.text(finished_epoch, 1, "kept ", transform=held_out.get_xaxis_transform(), **kept)
        legend_right(correlation)
    return figure


@dataclass(frozen=True)
class TracePair:
    """A measured trace and its prediction.

    Args:
        title: neuron, stimulus, correlation.
        time_s: time of each sample, zero at stimulus onset, ``(T,)``.
        measured: dF/F, ``(T,)``.
        predicted: dF/F, ``(T,)``.
    """

    title: str
    time_s: NDArray[np.floating]
    measured: NDArray[np.floating]
    predicted: NDArray[np.floating]


def prediction_grid(traces: Mapping[str, Sequence[TracePair]], subtitle: str, theme: Theme = LIGHT) -> Figure:
    """Draw measured and predicted traces, one row per cell type, all of a row on one scale.

    Args:
        traces: cell type to the traces of its row.
        subtitle: how the traces were chosen.
        theme: light or dark.
    """
    n_columns = max(map(len, traces.values()))
    with themed(theme):
        figure = Figure(figsize=(2.3 * n_columns + 0.6, 1.75 * len(traces) + 0.8), layout="constrained")
        grid = figure.subplots(len(traces), n_columns, squeeze=False, sharey="row")
        for row, (cell_type, colour) in zip(grid, colours(list(traces)).items(), strict=True):
            pairs = traces[cell_type]
            for axes, pair in zip(row, pairs, strict=False):
                axes.plot(pair.time_s, pair.measured, color=theme.ink, alpha=0.55, lw=0.9)
                axes.plot(pair.time_s, pair.predicted, color=colour, lw=1.6)
                axes.axvline(0, color=theme.faint, lw=0.8, zorder=0)
                axes.set_title(pair.title, fontsize=7)
            for axes in row[len(pairs) :]:
                axes.set_visible(False)
            row[0].set_ylabel(f"{cell_type}\ndF/F")
        for axes in grid[-1]:
            axes.set_xlabel("time from onset (s)")
        figure.suptitle(f"Held-out recordings: measured (grey) and predicted (colour); {subtitle}", fontsize=10)
    return figure
