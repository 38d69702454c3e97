"""Figures of in-silico physiology: tuning curves and maps, a panel per cell type, recordings laid over predictions.

Axes: M member, V and W values of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from stcnn.metrics import half_of_mean
from stcnn.viz.theme import DIVERGING, LIGHT, PALETTE, SEQUENTIAL, Margins, Theme, panels, themed

Array = NDArray[np.floating]
MOST_ACROSS = 5
"""Panels side by side."""
LEAST_FOR_BAND = 3
"""Members from which on a band shows the interval of their mean; two have one that is wider than any axis."""
MARGIN = 1.15
"""Factor by which a logarithmic axis reaches beyond its values."""
MOST_MARKERS = 20
"""Values above which they are joined by a line alone."""


@dataclass(frozen=True)
class Line:
    """A predicted curve of one cell type.

    Args:
        series: its name in the legend; empty for a single one.
        x: values of the parameter, ``(V,)``.
        members: predictions of every member, ``(M, V)``.
        measured: mean measured response and half its interval, ``(V, 2)``, NaN where nothing was recorded; None where
            no stimulus was.
    """

    series: str
    x: Array
    members: Array
    measured: Array | None = None


@dataclass(frozen=True)
class Scale:
    """What the axes of all panels are.

    Args:
        xlabel: the parameter with its unit.
        ylabel: the response with its unit.
        log: whether the parameter is spaced logarithmically.
        ticks: where the horizontal axis is labelled; None leaves it to matplotlib.
    """

    xlabel: str
    ylabel: str
    log: bool = False
    ticks: Sequence[float] | None = None


def curves_by_type(lines: Mapping[str, Sequence[Line]], scale: Scale, theme: Theme = LIGHT) -> Figure:
    """Draw predicted curves, a panel per cell type with a scale of its own; thin lines are members of an ensemble.

    Args:
        lines: cell type to its curves.
        scale: of all panels.
        theme: light or dark.
    """
    n_columns = min(MOST_ACROSS, len(lines))
    n_rows = -(-len(lines) // n_columns)
    names = list(dict.fromkeys(line.series for of_type in lines.values() for line in of_type))
    colour_of = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}
    with themed(theme):
        right_in = 0.15 if names == [""] else 0.35 + 0.075 * max(map(len, names))
        margins = Margins(left=0.7, right=right_in, bottom=0.55, across=0.5, down=0.6)
        figure, grid = panels(n_rows, n_columns, (1.75, 1.35), margins)
        for axes, (cell_type, of_type) in zip(grid.ravel(), lines.items(), strict=False):
            for line in of_type:
                _draw_line(axes, line, colour_of[line.series], theme)
            _finish(axes, of_type, scale)
            axes.set_title(cell_type)
        for axes in grid.ravel()[len(lines) :]:
            axes.set_visible(False)
        _label(figure, grid, scale.xlabel, scale.ylabel)
        if names != [""]:
            grid[0, n_columns - 1].legend(
                loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, handlelength=1.2
            )
    return figure


def _draw_line(axes: Axes, line: Line, colour: str, theme: Theme) -> None:
    mean = line.members.mean(0)
    if len(line.members) > 1:
        axes.plot(line.x, line.members.T, color=colour, lw=0.5, alpha=0.5, label="_member")
    if len(line.members) >= LEAST_FOR_BAND:
        half = half_of_mean(line.members.astype(float))
        axes.fill_between(line.x, mean - half, mean + half, color=colour, alpha=0.2, lw=0)
    marker = "o" if len(line.x) <= MOST_MARKERS else ""
    axes.plot(line.x, mean, color=colour, marker=marker, ms=2.2, label=line.series or "_only")
    if line.measured is not None:
        there = np.isfinite(line.measured[:, 0])
        where, half = line.measured[there].T
        drawn = axes.errorbar(line.x[there], where, half, fmt="o", ms=4.5, lw=0.9, color=theme.ink, label="_measured")
        drawn.lines[0].set(markerfacecolor=colour, zorder=5)


def _finish(axes: Axes, lines: Sequence[Line], scale: Scale) -> None:
    if scale.log:
        axes.set_xscale("log")
    shown = np.concatenate([line.x for line in lines])
    if scale.log and len(shown) and shown.max() > shown.min():
        axes.set_xlim(shown.min() / MARGIN, shown.max() * MARGIN)
    if scale.ticks is not None:
        axes.set_xticks(scale.ticks, [f"{value:g}" for value in scale.ticks])
        axes.xaxis.set_minor_locator(NullLocator())
    known = np.concatenate([line.members[np.isfinite(line.members)] for line in lines])
    if not len(known) or known.max() <= 0:
        axes.text(0.5, 0.5, "no response", transform=axes.transAxes, ha="center", va="center", fontsize=8, alpha=0.6)
        axes.set_ylim(0, 1)
    elif known.min() >= 0:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=7)


def _label(figure: Figure, grid: NDArray[np.object_], xlabel: str, ylabel: str) -> None:
    """Write the labels of the axes once for all panels."""
    left, right = grid[-1, 0].get_position(), grid[0, -1].get_position()
    height_in = figure.get_figheight()
    figure.supxlabel(xlabel, fontsize=8, x=(left.x0 + right.x1) / 2, y=0.08 / height_in)
    figure.supylabel(ylabel, fontsize=8, y=(left.y0 + right.y1) / 2, x=0.08 / figure.get_figwidth())


@dataclass(frozen=True)
class Field:
    """A map of one cell type.

    Args:
        values: ``(V, W)``, first row lowest; NaN where there is nothing.
        outline: cells with a line around them, bool ``(V, W)``, or None.
    """

    values: Array
    outline: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class MapAxes:
    """Axes of a map.

    Args:
        xlabel: horizontal parameter with its unit.
        ylabel: vertical parameter with its unit.
        x: values of the horizontal parameter, ``(W,)``.
        y: values of the vertical parameter, ``(V,)``.
        scale: what the colours mean.
        signed: whether zero is pale, in the middle.
        heading: of the figure.
    """

    xlabel: str
    ylabel: str
    x: Sequence[float]
    y: Sequence[float]
    scale: str
    signed: bool = False
    heading: str = ""
    _most_ticks: int = field(default=8, repr=False)

    def ticks(self, values: Sequence[float]) -> tuple[list[int], list[str]]:
        """Return places and labels of at most eight ticks."""
        step = -(-len(values) // self._most_ticks)
        places = list(range(0, len(values), step))
        return places, [f"{values[place]:.3g}" for place in places]


def maps_by_type(fields: Mapping[str, Field], axes_of: MapAxes, theme: Theme = LIGHT) -> Figure:
    """Draw maps, a panel per cell type with a scale of its own.

    Args:
        fields: title of each panel, such as a cell type, to its map.
        axes_of: what they are drawn over.
        theme: light or dark.
    """
    n_columns = min(MOST_ACROSS, len(fields))
    n_rows = -(-len(fields) // n_columns)
    height_in = float(np.clip(1.5 * len(axes_of.y) / len(axes_of.x), 1.1, 2.0))
    with themed(theme):
        margins = Margins(
            left=0.75, right=0.75, across=0.85, bottom=0.55, down=0.55, top=0.55 if axes_of.heading else 0.3
        )
        figure, grid = panels(n_rows, n_columns, (1.5, height_in), margins)
        for axes, (title, found) in zip(grid.ravel(), fields.items(), strict=False):
            _draw_map(axes, found, axes_of, theme)
            axes.set_title(title)
        for axes in grid.ravel()[len(fields) :]:
            axes.set_visible(False)
        _label(figure, grid, axes_of.xlabel, axes_of.ylabel)
        if axes_of.heading:
            figure.text(
                margins.left / figure.get_figwidth(), 1 - 0.2 / figure.get_figheight(), axes_of.heading, va="bottom"
            )
        last = grid[0, -1] if n_rows > 1 or len(fields) == n_columns else grid[0, len(fields) - 1]
        last.text(1.42, 0.5, axes_of.scale, transform=last.transAxes, rotation=90, va="center", fontsize=7)
    return figure


def borders(cells: NDArray[np.bool_]) -> Array:
    """Return the sides of chosen cells ``(V, W)`` that other cells do not share, from point to point, ``(n, 2, 2)``."""
    around = np.pad(cells, 1)
    upright = np.argwhere(around[1:-1, 1:] != around[1:-1, :-1])
    level = np.argwhere(around[1:, 1:-1] != around[:-1, 1:-1])
    sides = [((x - 0.5, y - 0.5), (x - 0.5, y + 0.5)) for y, x in upright]
    sides += [((x - 0.5, y - 0.5), (x + 0.5, y - 0.5)) for y, x in level]
    return np.array(sides, float).reshape(-1, 2, 2)


def _draw_map(axes: Axes, found: Field, axes_of: MapAxes, theme: Theme) -> None:
    known = found.values[np.isfinite(found.values)]
    top = float(np.abs(known).max()) if len(known) and known.any() else 1.0
    picture = axes.imshow(
        found.values,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=DIVERGING if axes_of.signed else SEQUENTIAL,
        vmin=-top if axes_of.signed else 0,
        vmax=top,
    )
    axes.set_facecolor(theme.faint)
    axes.set_xticks(*axes_of.ticks(axes_of.x))
    axes.set_yticks(*axes_of.ticks(axes_of.y))
    axes.tick_params(labelsize=7, length=2)
    axes.spines[:].set_visible(False)
    if found.outline is not None and found.outline.any():
        axes.add_collection(LineCollection(list(borders(found.outline)), colors=theme.ink, linewidths=0.9))
    bar = axes.inset_axes((1.05, 0, 0.06, 1))
    axes.figure.colorbar(picture, cax=bar, ticks=MaxNLocator(4, symmetric=axes_of.signed))
    bar.tick_params(labelsize=6, length=2)
