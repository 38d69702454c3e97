"""Where neurons sit in the visual field."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from stcnn.viz.theme import LIGHT, Margins, Theme, colours, panels, themed

LEARNED = ("azimuth_deg", "elevation_deg")
RECORDED = ("recorded_azimuth_deg", "recorded_elevation_deg")
MARGIN_DEG = 4.0


def visual_field(places: pd.DataFrame, picture_deg: tuple[float, float], theme: Theme = LIGHT) -> Figure:
    """Draw a map of the receptive fields of all neurons as the fly sees them, in degrees from the middle of the movie.

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
            axes.plot(x, y, "o", color=colour, ms=3.5, mew=0)
        handles = [
            Line2D([], [], color=colour, marker="o", ls="", ms=4, label=n) for n, colour in colours(names).items()
        ]
        if moved:
            handles.append(Line2D([], [], color=theme.ink, marker="o", mfc="none", ls="", ms=4, label="as recorded"))
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1, 1))
        axes.set(xlim=(-across_deg / 2, across_deg / 2), ylim=(-down_deg / 2, down_deg / 2))
        axes.set(xlabel="azimuth, deg", ylabel="elevation, deg", aspect="equal")
    return figure
