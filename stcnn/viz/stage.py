"""The stage of an animation: a figure with a place for every panel, drawn twice, without and with its traces.

A frame is the first with the second uncovered up to the present time and the pictures put in, so that it costs a few
copies of memory whatever the figure holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stcnn.viz.film import Picture
from stcnn.viz.panel import Panel
from stcnn.viz.theme import Theme, colours, themed


@dataclass(frozen=True)
class Look:
    """How large things are.

    Args:
        picture_in: height of the picture of a panel, inches.
        trace_in: height of its traces, inches.
        gap_in: between a row of panels and the title of the next.
        dpi: pixels per inch.
    """

    picture_in: float = 1.5
    trace_in: float = 0.9
    gap_in: float = 0.5
    dpi: int = 100


DENSE = Look(picture_in=0.85, trace_in=0.5, gap_in=0.24)
"""For more panels than :data:`MANY`."""
MANY = 20
TIMELINE_IN = 0.12
"""Height of what shows the time where no panel has traces."""


class Box(NamedTuple):
    """A rectangle of the frame, in pixels."""

    top: int
    bottom: int
    left: int
    right: int


class Stage:
    """Frames of panels that run together.

    Args:
        panels: what runs, row by row; all traces share one scale and one time.
        n_columns: panels in a row.
        look: how large things are.
        theme: light or dark.
    """

    def __init__(self, panels: Sequence[Panel], n_columns: int, look: Look, theme: Theme) -> None:
        self.span_s = min(p.start_s for p in panels), max(p.end_s for p in panels)
        with themed(theme):
            figure, cells = _layout(panels, n_columns, look, self.span_s)
            colour_of = _colours(panels, theme)
            _name_traces(figure, colour_of)
            canvas = FigureCanvasAgg(figure)
            self.empty = _rendered(canvas)
            self.trace_boxes = [_box(traces, canvas) for _, traces in cells]
            self.spots = [_Spot(p, _box(place, canvas)) for p, (place, _) in zip(panels, cells, strict=True)]
            for panel, (_, traces) in zip(panels, cells, strict=True):
                _draw_traces(panel, traces, colour_of)
            self.full = _rendered(canvas)
        self.ink = np.array([int(theme.ink[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)

    def frame(self, time_s: float) -> Picture:
        """Return the frame ``(H, W, 3)`` at a time of the stimulus."""
        image = self.empty.copy()
        first_s, last_s = self.span_s
        for spot, (top, bottom, left, right) in zip(self.spots, self.trace_boxes, strict=True):
            now = left + round((time_s - first_s) / (last_s - first_s) * (right - left))
            now = min(max(now, left), right - 1)
            image[top:bottom, left:now] = self.full[top:bottom, left:now]
            image[top:bottom, now] = self.ink
            spot.put(image, time_s)
        return image


class _Spot:
    """The place of a panel's pictures, which are enlarged to it by repeating pixels."""

    def __init__(self, panel: Panel, box: Box) -> None:
        self.panel = panel
        rows, columns = panel.pictures.shape[1:3]
        room_y = box.bottom - box.top
        room_x = box.right - box.left
        scale = min(room_y / rows, room_x / columns)
        height = max(1, int(rows * scale))
        width = max(1, int(columns * scale))
        self.y = np.arange(height) * rows // height
        self.x = np.arange(width) * columns // width
        self.top = box.top + (room_y - height) // 2
        self.left = box.left + (room_x - width) // 2

    def put(self, image: Picture, time_s: float) -> None:
        enlarged = self.panel.picture(time_s)[self.y[:, None], self.x]
        place = image[self.top : self.top + len(self.y), self.left : self.left + len(self.x)]
        place[:] = enlarged if enlarged.ndim == 3 else enlarged[..., None]


def _layout(
    panels: Sequence[Panel], n_columns: int, look: Look, span_s: tuple[float, float]
) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure with a place for pictures above an empty trace, for every panel."""
    n_rows = -(-len(panels) // n_columns)
    aspect = max(p.pictures.shape[2] / p.pictures.shape[1] for p in panels)
    gap_in = look.gap_in
    named = any(panel.traces for panel in panels)
    trace_in = look.trace_in if named else TIMELINE_IN
    top_in = (0.25 if named else 0.05) + (0.2 if any(panel.title for panel in panels) else 0.0)
    column_in = look.picture_in * aspect
    width_in = n_columns * column_in + (n_columns - 1) * 0.1 + 0.75
    row_in = look.picture_in + trace_in + 0.05
    height_in = n_rows * row_in + (n_rows - 1) * gap_in + top_in + 0.45
    even = [2 * round(side_in * look.dpi / 2) / look.dpi for side_in in (width_in, height_in)]  # H.264 wants even sides
    figure = Figure(figsize=(even[0], even[1]), dpi=look.dpi)
    sides = {"left": 0.62 / width_in, "right": 1 - 0.13 / width_in, "bottom": 0.45 / height_in}
    spaces = {"hspace": gap_in / row_in, "wspace": 0.1 / column_in}
    outer = figure.add_gridspec(n_rows, n_columns, top=1 - top_in / height_in, **sides, **spaces)
    cells = []
    for i, panel in enumerate(panels):
        inner = outer[i // n_columns, i % n_columns].subgridspec(
            2, 1, height_ratios=[look.picture_in, trace_in], hspace=0.05
        )
        pictures = figure.add_subplot(inner[0])
        traces = figure.add_subplot(inner[1])
        pictures.set_axis_off()
        pictures.set_title(panel.title, fontsize=8 if look.picture_in > 1 else 6.5, pad=2)
        traces.set(xlim=span_s, ylim=_limits(panels))
        traces.tick_params(labelsize=7)
        traces.tick_params(labelleft=not i % n_columns, labelbottom=i >= len(panels) - n_columns)
        if not panel.traces:
            traces.set_yticks([])
        elif not i % n_columns:
            traces.set_ylabel("dF/F", fontsize=8)
        cells.append((pictures, traces))
    figure.supxlabel("time from stimulus onset (s)", fontsize=8, y=0.06 / height_in)
    return figure, cells


def _name_traces(figure: Figure, colour_of: dict[str, str]) -> None:
    """Write the names of traces in their colours, in the upper right corner."""
    width_in, height_in = figure.get_size_inches()
    right = 1 - 0.13 / width_in
    for name, colour in reversed(colour_of.items()):
        figure.text(right, 1 - 0.13 / height_in, name, color=colour, ha="right", va="center", fontsize=7)
        right -= (0.12 + 0.07 * len(name)) / width_in


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    values = [value for panel in panels for _, value in panel.traces.values()]
    if not values:
        return 0.0, 1.0
    low = min(float(np.nanmin(v)) for v in values)
    high = max(float(np.nanmax(v)) for v in values)
    margin = 0.08 * (high - low) or 0.5
    return low - margin, high + margin


def _colours(panels: Sequence[Panel], theme: Theme) -> dict[str, str]:
    """Colours of all traces by name: measured in ink, then those that panels choose, then those of the theme."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.traces))
    chosen = {name: colour for panel in panels for name, colour in panel.colours.items()}
    others = colours([name for name in names if name != "measured"])
    return {name: theme.ink if name == "measured" else chosen.get(name, others[name]) for name in names}


def _draw_traces(panel: Panel, axes: Axes, colour_of: dict[str, str]) -> None:
    for name, (time_s, value) in panel.traces.items():
        measured = name == "measured"
        axes.plot(time_s, value, color=colour_of[name], lw=0.9 if measured else 1.6, alpha=0.6 if measured else 1)


def _rendered(canvas: FigureCanvasAgg) -> Picture:
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _box(axes: Axes, canvas: FigureCanvasAgg) -> Box:
    """Where axes lie in the rendered picture."""
    _, height = canvas.get_width_height()
    box = axes.get_window_extent()
    return Box(height - round(box.y1), height - round(box.y0), round(box.x0) + 1, round(box.x1))
