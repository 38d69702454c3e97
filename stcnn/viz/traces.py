"""Measured and predicted traces: single recordings, and neurons of a cell type laid out by the stimulus table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stcnn.viz.theme import LIGHT, Margins, Theme, colours, legend_right, panels, themed

Trace = NDArray[np.floating]
Z95 = 1.96
"""Standard errors to either side of a mean that hold the middle 95 % of a normal distribution."""


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
        margins = Margins(left=1.0, top=0.75, across=0.25, down=0.6)
        figure, grid = panels(len(traces), n_columns, (1.9, 1.2), margins, sharey="row")
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
        figure.align_ylabels(grid[:, 0])
        figure.suptitle(f"Held-out recordings: measured (grey) and predicted (colour); {subtitle}", fontsize=10)
        figure.texts[-1].set_y(1 - 0.08 / figure.get_figheight())
    return figure


@dataclass(frozen=True)
class StimulusResponse:
    """Traces of the neurons of a cell type while one stimulus was shown, and the model's.

    Args:
        title: the stimulus.
        time_s: ``(T,)``, zero at stimulus onset.
        predicted: dF/F of the average neuron, ``(T,)``; None where there is no model.
        measured: dF/F of each neuron, ``(N, T)``, NaN where a neuron was not recorded; None where nothing was.
    """

    title: str
    time_s: Trace
    predicted: Trace | None = None
    measured: Trace | None = None


class Interval(NamedTuple):
    """A mean over neurons and its 95 % interval, each ``(T,)``."""

    mean: Trace
    low: Trace
    high: Trace


def mean_interval(measured: Trace) -> Interval:
    """Return the mean over neurons ``(N, T)`` and 1.96 standard errors to either side; none for a single neuron."""
    n = np.isfinite(measured).sum(0)
    mean = np.nansum(measured, 0) / np.maximum(n, 1)
    spread = np.sqrt(np.nansum((measured - mean) ** 2, 0) / np.maximum(n - 1, 1) / np.maximum(n, 1))
    half = np.where(n > 1, Z95 * spread, 0.0)
    return Interval(mean, mean - half, mean + half)


def draw_response(axes: Axes, response: StimulusResponse, colour: str, theme: Theme = LIGHT) -> None:
    """Draw one stimulus into axes: neurons thin, their mean with its interval, the prediction bold."""
    time_s = response.time_s
    if response.measured is not None:
        axes.plot(time_s, response.measured.T, color=theme.ink, lw=0.4, alpha=0.5, label="_neuron")
        interval = mean_interval(response.measured)
        axes.fill_between(time_s, interval.low, interval.high, color=theme.ink, alpha=0.2, lw=0)
        axes.plot(time_s, interval.mean, color=theme.ink, lw=1.1, label="measured, mean of neurons")
    if response.predicted is not None:
        axes.plot(time_s, response.predicted, color=colour, lw=1.8, label="predicted")
    axes.axvline(0, color=theme.faint, lw=0.8, zorder=0)


def response_grid(
    rows: Mapping[str, Sequence[StimulusResponse | None]],
    colour: str,
    *,
    columns: Sequence[str] = (),
    heading: str = "",
    theme: Theme = LIGHT,
) -> Figure:
    """Draw responses as the stimulus table has them, all on one scale.

    Args:
        rows: name of each row of the table (top first) to its responses from left to right; None leaves a gap.
        colour: of the predictions; that of the cell type.
        columns: label of each column of the table; by default each panel has its stimulus above it.
        heading: what the grid shows.
        theme: light or dark.
    """
    n_columns = max(map(len, rows.values()))
    with themed(theme):
        margins = Margins(left=0.85, top=0.6, bottom=0.6, across=0.12, down=0.12 if columns else 0.28)
        figure, grid = panels(len(rows), n_columns, (1.05, 0.7), margins, sharex=True, sharey=True)
        width, height = figure.get_size_inches()
        for line, (name, responses) in zip(grid, rows.items(), strict=True):
            for axes, response in zip(line, [*responses, *[None] * (n_columns - len(responses))], strict=True):
                if response is None:
                    axes.set_visible(False)
                    continue
                draw_response(axes, response, colour, theme)
                if not columns:
                    axes.set_title(response.title, fontsize=7, pad=2)
            line[0].set_ylabel(name, fontsize=8)
            line[0].tick_params(labelsize=7)
        for axes, label in zip(grid[0], columns, strict=False):
            axes.set_title(label, fontsize=8, pad=2)
        for axes in grid[-1]:
            axes.tick_params(labelsize=7)
        figure.supxlabel("time from stimulus onset (s)", fontsize=9, y=0.12 / height)
        figure.supylabel("dF/F", fontsize=9, x=0.12 / width)
        figure.suptitle(heading, fontsize=10, y=1 - 0.1 / height, va="top")
    return figure


def prediction_overview(
    responses: pd.DataFrame,
    rows: Mapping[str, Sequence[str]] | None = None,
    columns: Sequence[str] = (),
    theme: Theme = LIGHT,
) -> Figure:
    """Draw predicted dF/F, a panel per stimulus, a line per cell type, all on one scale.

    Args:
        responses: ``stimulus``, ``cell_type``, ``time_s``, ``dff``; where there is ``dff_spread``, it is drawn as a
            band to either side.
        rows: label of each row of the stimulus table (top first) to its stimuli; by default they follow each other.
        columns: label of each column of the stimulus table; by default each panel has its stimulus above it.
        theme: light or dark.
    """
    stimuli = list(dict.fromkeys(responses.stimulus))
    if rows is None:
        across = 7 if len(stimuli) > 12 else 4
        rows = {str(i): stimuli[i : i + across] for i in range(0, len(stimuli), across)}
    n_columns = max(map(len, rows.values()))
    dense = len(stimuli) > 12
    colour_of = colours(list(dict.fromkeys(responses.cell_type)))
    left_in = 0.65 + (0.05 * max(map(len, rows)) if columns else 0)
    with themed(theme):
        more_in = 0.14 if any(":" in stimulus for stimulus in stimuli) and not columns else 0.0
        margins = Margins(left_in, 0.8, top=0.3 + more_in, across=0.12, down=0.12 if columns else 0.32 + more_in)
        figure, grid = panels(
            len(rows), n_columns, (1.05, 0.7) if dense else (1.7, 1.1), margins, sharex=True, sharey=True
        )
        for line, (label, names) in zip(grid, rows.items(), strict=True):
            for axes, stimulus in zip(line, names, strict=False):
                _draw_predictions(axes, responses[responses.stimulus == stimulus], colour_of, theme)
                if not columns:
                    axes.set_title(_in_lines(stimulus), fontsize=7, pad=2)
            for axes in line[len(names) :]:
                axes.set_visible(False)
            line[0].set_ylabel(f"{label}\ndF/F" if columns else "dF/F", fontsize=8)
        for axes, label in zip(grid[0], columns, strict=False):
            axes.set_title(label, fontsize=8)
        for column in range(n_columns):
            lowest = next(axes for axes in grid[::-1, column] if axes.get_visible())
            lowest.set_xlabel("time (s)", fontsize=8)
            lowest.tick_params(labelbottom=True)
        legend_right(grid[0, max(i for i in range(n_columns) if grid[0, i].get_visible())])
    return figure


def _in_lines(stimulus: str) -> str:
    """Kind and arguments of a stimulus below each other, long ones cut."""
    return "\n".join(line if len(line) < 30 else f"{line[:28]}…" for line in stimulus.split(":", 1))


def _draw_predictions(axes: Axes, responses: pd.DataFrame, colour_of: Mapping[str, str], theme: Theme) -> None:
    for name, colour in colour_of.items():
        mine = responses[responses.cell_type == name]
        axes.plot(mine.time_s, mine.dff, color=colour, label=name)
        if "dff_spread" in mine:
            low = mine.dff - mine.dff_spread
            high = mine.dff + mine.dff_spread
            axes.fill_between(mine.time_s, low, high, color=colour, alpha=0.25, lw=0)
    axes.axvline(0, color=theme.faint, lw=0.8, zorder=0)
