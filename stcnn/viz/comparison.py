"""Comparison of models: how well each does, and by how much it differs from the one that is asked about."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stcnn.viz.theme import LIGHT, Margins, Theme, colours, panels, themed

ROW_IN = 0.3
"""Height of a row in inches."""


def comparison_figure(table: pd.DataFrame, score: str, theme: Theme = LIGHT) -> Figure:
    """Draw a score of every model, best on top, and its paired difference to a reference.

    The mean of the cell types has a large mark and its 95 % interval; small marks are the cell types.

    The noise ceiling, where repeats tell it, is the uppermost row.

    Args:
        table: as :func:`stcnn.baselines.comparison_table.comparison_table` makes it, the reference first.
        score: the score that is drawn.
        theme: light or dark.
    """
    whole, types = _split(table)
    reference = table.model.iloc[0]
    ceilings = _ceilings(table, score)
    order = whole.sort_values(score, na_position="first").model.tolist()
    names = list(types.cell_type.unique())
    n_rows = len(order) + (ceilings is not None)
    with themed(theme):
        margins = Margins(left=0.25 + 0.068 * max(map(len, order)), right=1.35, top=0.1, bottom=0.5, across=0.25)
        figure, ((scores, differences),) = panels(1, 2, (2.9, ROW_IN * n_rows), margins, sharey=True)
        for axes, suffix in ((scores, ""), (differences, "_difference")):
            for name, colour in colours(names).items():
                mine = types[types.cell_type == name]
                y = mine.model.map(order.index)
                axes.plot(mine[score + suffix], y, "o", ms=3.5, color=colour, alpha=0.8, label=name)
            _with_interval(axes, whole, score + suffix, order, theme)
            axes.grid(axis="x", lw=0.5)
            axes.set_axisbelow(True)
        if ceilings is not None:
            for name, colour in colours(names).items():
                scores.plot(ceilings[name], len(order), "|", ms=8, mew=1.5, color=colour)
            scores.plot(ceilings.iloc[-1], len(order), "|", ms=12, mew=2, color=theme.ink)
        labels = [*order, *(["noise ceiling"] if ceilings is not None else [])]
        scores.set_yticks(range(len(labels)), labels)
        scores.set(xlabel=score.replace("_", " "), ylim=(-0.6, n_rows - 0.4))
        differences.axvline(0, color=theme.ink, lw=0.8)
        differences.set(xlabel=f"difference to {reference}")
        differences.tick_params(left=False)
        differences.legend(loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.2)
    return figure


def _split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that average the cell types (or of the only one), and those of single types."""
    last = table.cell_type.iloc[-1]
    return table[table.cell_type == last], table[table.cell_type != last]


def _ceilings(table: pd.DataFrame, score: str) -> pd.Series | None:
    """Cell type to the score that its noise allows; a property of the recordings, the same for all models."""
    name = score.removesuffix("_correlation") + "_ceiling"
    if name not in table or table[name].isna().all():
        return None
    return table[table.model == table.model.iloc[0]].set_index("cell_type")[name]


def _with_interval(axes: Axes, whole: pd.DataFrame, column: str, order: list[str], theme: Theme) -> None:
    reach = np.array([whole[column] - whole[f"{column}_low"], whole[f"{column}_high"] - whole[column]])
    y = whole.model.map(order.index)
    label = whole.cell_type.iloc[0]
    axes.errorbar(whole[column], y, xerr=reach, fmt="o", ms=6, lw=1.4, color=theme.ink, label=label, zorder=3)
