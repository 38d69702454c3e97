"""Where neurons sit in the visual field."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stcnn.viz.theme import LIGHT, Margins, Theme, colours, panels, themed

LEARNED = ("azimuth_deg", "elevation_deg")
RECORDED = ("recorded_azimuth_deg", "recorded_elevation_deg")
MARGIN_DEG = 4.0
INNERMOST_PT, RING_PT, RING_LINE_PT = 3.5, 3.2, 1.2
"""Diameter of the marker of the first cell type, by how much that of each further one is larger, and its line."""


def visual_field(places: pd.DataFrame, picture_deg: tuple[float, float], theme: Theme = LIGHT) -> Figure:
    """Draw a map of the receptive fields of all neurons as the fly sees them, in degrees from the middle of the movie.

    Neurons of one animal are often recorded at one place. Where two cell types share one, each type has a ring of its
    own size around the place, the first a dot, and none hides another.

    Args:
        places: ``cell_type``, ``azimuth_deg``, ``elevation_deg``; where places are learned, also
            ``recorded_azimuth_deg`` and ``recorded_elevation_deg``, from which a line is drawn; and of ensembles
            ``azimuth_low_deg``, ``azimuth_high_deg``, ``elevation_low_deg``, ``elevation_high_deg``.
        picture_deg: height and width of the movies, whose edge is drawn.
        theme: light or dark.
    """
    height_deg, width_deg = picture_deg
    across_deg = 2 * max(width_deg / 2, places[LEARNED[0]].abs().max()) + 2 * MARGIN_DEG
    down_deg = 2 * max(height_deg / 2, places[LEARNED[1]].abs().max()) + 2 * MARGIN_DEG
    names = list(dict.fromkeys(places.cell_type))
    moved = RECORDED[0] in places
    with themed(theme):
        figure, ((axes,),) = panels(1, 1, (3.2, 3.2 * down_deg / across_deg), Margins(right=1.4, top=0.15))
        edge = Rectangle((-width_deg / 2, -height_deg / 2), width_deg, height_deg, fill=False, ec=theme.faint, lw=0.8)
        axes.add_patch(edge)
        axes.axhline(0, color=theme.faint, lw=0.5, zorder=0)
        axes.axvline(0, color=theme.faint, lw=0.5, zorder=0)
        shared = places[["cell_type", *LEARNED]].round(1).drop_duplicates().duplicated([*LEARNED]).any()
        rings = {
            name: _ring(number if shared else 0, colour) for number, (name, colour) in enumerate(colours(names).items())
        }
        for name, colour in colours(names).items():
            mine = places[places.cell_type == name]
            x, y = (mine[column].to_numpy() for column in LEARNED)
            if moved:
                x0, y0 = (mine[column].to_numpy() for column in RECORDED)
                axes.plot([x0, x], [y0, y], color=colour, lw=0.7, alpha=0.6)
                axes.plot(x0, y0, "o", mfc="none", mec=colour, ms=3.5, mew=0.7, alpha=0.6)
            if "azimuth_low_deg" in places:
                axes.hlines(y, mine.azimuth_low_deg, mine.azimuth_high_deg, color=colour, lw=0.7, alpha=0.6)
                axes.vlines(x, mine.elevation_low_deg, mine.elevation_high_deg, color=colour, lw=0.7, alpha=0.6)
            axes.plot(x, y, ls="", label=name, **rings[name])
        handles = [Line2D([], [], ls="", label=name, **ring) for name, ring in rings.items()]
        if moved:
            handles.append(Line2D([], [], color=theme.ink, marker="o", mfc="none", ls="", ms=4, label="as recorded"))
        largest_pt = max(ring["ms"] for ring in rings.values())
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1), labelspacing=max(0.5, largest_pt / 30))
        axes.set(xlim=(-across_deg / 2, across_deg / 2), ylim=(-down_deg / 2, down_deg / 2))
        axes.set(xlabel="azimuth, deg", ylabel="elevation, deg", aspect="equal")
    return figure


def _ring(number: int, colour: str) -> dict[str, Any]:
    """Marker of a cell type: a dot, or a ring around those of the types before."""
    look = {"marker": "o", "ms": INNERMOST_PT + RING_PT * number, "mec": colour, "mew": RING_LINE_PT if number else 0}
    return look | {"mfc": "none" if number else colour}
