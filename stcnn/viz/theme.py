"""One look for all figures: colours that colour-blind readers can tell apart, quiet axes, light or dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
"""Categories, in the order in which they are best told apart (Okabe & Ito 2008, Color Universal Design; yellow and
black left out: one is too pale for lines, the other means measured data)."""


DIVERGING = "RdBu_r"
"""Signed values: red above zero, blue below, pale at zero."""
SEQUENTIAL = "cividis"
"""Unsigned values; made for colour-blind readers (Nuñez, Anderton & Renslow 2018)."""


@dataclass(frozen=True)
class Theme:
    """Colours that change between light and dark.

    Args:
        paper: background.
        ink: text, axes and measured data.
        faint: grid lines and shading.
    """

    paper: str
    ink: str
    faint: str


LIGHT = Theme(paper="#FFFFFF", ink="#262626", faint="#D9D9D9")
DARK = Theme(paper="#14171A", ink="#E6E6E6", faint="#3A4046")


@contextmanager
def themed(theme: Theme = LIGHT) -> Iterator[Theme]:
    """Draw everything inside the block in one look."""
    look: dict[Any, Any] = {
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "grid.color": theme.faint,
        "axes.prop_cycle": cycler(color=PALETTE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "font.size": 9,
        "lines.linewidth": 1.4,
        "figure.dpi": 100,
        "savefig.dpi": 160,
        "svg.fonttype": "none",
    }
    with matplotlib.rc_context(look):
        yield theme


def colours(names: Sequence[str]) -> dict[str, str]:
    """Give each name its colour; beyond the palette they repeat."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


@dataclass(frozen=True)
class Margins:
    """Inches around and between panels; fixed, because letting matplotlib find them takes longer than the drawing.

    Args:
        left: of the first column, for its labels.
        right: of the last column, for legends.
        top: for titles.
        bottom: for the labels of the last row.
        across: between columns.
        down: between rows.
    """

    left: float = 0.65
    right: float = 0.12
    top: float = 0.3
    bottom: float = 0.5
    across: float = 0.6
    down: float = 0.75


def panels(
    n_rows: int, n_columns: int, size_in: tuple[float, float], margins: Margins | None = None, **shared: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """Return a figure with panels of a size in inches, and their axes as an array ``(n_rows, n_columns)``.

    Args:
        n_rows: rows of panels.
        n_columns: columns of panels.
        size_in: width and height of a panel.
        margins: around and between them.
        shared: ``sharex`` and ``sharey`` of :meth:`matplotlib.figure.Figure.subplots`.
    """
    space = margins or Margins()
    (width_in, height_in) = size_in
    full_width = space.left + n_columns * width_in + (n_columns - 1) * space.across + space.right
    full_height = space.bottom + n_rows * height_in + (n_rows - 1) * space.down + space.top
    figure = Figure(figsize=(full_width, full_height))
    grid = figure.subplots(n_rows, n_columns, squeeze=False, **shared)
    figure.subplots_adjust(
        left=space.left / full_width,
        right=1 - space.right / full_width,
        bottom=space.bottom / full_height,
        top=1 - space.top / full_height,
        wspace=space.across / width_in,
        hspace=space.down / height_in,
    )
    return figure, grid


def legend_right(axes: Axes) -> None:
    """Put the legend to the right of the axes, where it hides no data."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
