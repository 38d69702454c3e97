"""Movies of movies: stimuli with the traces growing beneath them, and feature maps while a stimulus runs.

The figure is drawn twice, without and with its traces. A frame is the first with the second uncovered up to the
present time and the pictures put in, so that it costs a few copies of memory whatever the figure holds.

Axes: T frame, Y row, X column, C channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stcnn.errors import FileError
from stcnn.viz.theme import DIVERGING, LIGHT, Theme, colours, themed

Picture = NDArray[np.uint8]
PICTURE_IN = 1.5
"""Height of the picture of a panel, inches."""
TRACE_IN = 0.9
DPI = 100


@dataclass(frozen=True)
class Panel:
    """A running picture with traces beneath it.

    Args:
        title: above the picture.
        pictures: ``(T, Y, X)``: uint8 grey, or ``(T, Y, X, 3)`` uint8 colour (see :func:`coloured_maps`).
        rate_hz: pictures per second.
        start_s: time of the first picture.
        traces: name to time (s) and value, ``(S,)`` each; a trace named ``measured`` is drawn in ink.
    """

    title: str
    pictures: Picture
    rate_hz: float
    start_s: float = 0.0
    traces: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """Time at which the last picture ends."""
        return self.start_s + len(self.pictures) / self.rate_hz


def grey_pictures(luminance: NDArray[np.floating]) -> Picture:
    """Turn luminance 0..1 ``(T, Y, X)`` into 8-bit pictures."""
    return np.round(np.clip(luminance, 0, 1) * 255).astype(np.uint8)


def coloured_maps(maps: NDArray[np.floating], n_columns: int = 5) -> Picture:
    """Lay the channels of feature maps ``(T, Y, X, C)`` side by side, zero pale, each channel on its own scale.

    Returns:
        Pictures ``(T, Y', X', 3)``.
    """
    frames, rows, columns, channels = maps.shape
    n_rows = -(-channels // n_columns)
    canvas = np.full((frames, n_rows * (rows + 1) - 1, n_columns * (columns + 1) - 1, 3), 255, np.uint8)
    colour = np.round(colormaps[DIVERGING](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)
    for c in range(channels):
        limit = float(np.abs(maps[..., c]).max()) or 1.0
        codes = np.round((maps[..., c] / limit + 1) * 127.5).astype(np.uint8)
        y, x = (c // n_columns) * (rows + 1), (c % n_columns) * (columns + 1)
        canvas[:, y : y + rows, x : x + columns] = colour[codes]
    return canvas


@dataclass(frozen=True)
class Clock:
    """Frames of the animation.

    Args:
        fps: frames per second of the file.
        speed: seconds of the stimulus per second of the animation; below one is slow motion.
    """

    fps: float = 30.0
    speed: float = 1.0

    def times_s(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Return the time of the stimulus at each frame, ``(F,)``."""
        return np.arange(start_s, end_s, self.speed / self.fps)


def animate(
    panels: Sequence[Panel], clock: Clock | None = None, *, n_columns: int = 4, theme: Theme = LIGHT
) -> Iterator[Picture]:
    """Yield the frames of an animation, colour ``(H, W, 3)`` with even sides.

    Args:
        panels: what runs, in a grid row by row; all traces share one scale, all panels one time.
        clock: frame rate and speed; by default 30 frames per second in real time.
        n_columns: panels in a row.
        theme: light or dark.
    """
    clock = clock or Clock()
    start_s, end_s = min(p.start_s for p in panels), max(p.end_s for p in panels)
    stage = _Stage(panels, min(n_columns, len(panels)), (start_s, end_s), theme)
    for time_s in clock.times_s(start_s, end_s):
        yield stage.frame(float(time_s))


class _Stage:
    """The figure without and with its traces, and where in it things lie."""

    def __init__(self, panels: Sequence[Panel], n_columns: int, span_s: tuple[float, float], theme: Theme) -> None:
        self.panels = panels
        with themed(theme):
            figure, cells = _layout(panels, n_columns, span_s, theme)
            canvas = FigureCanvasAgg(figure)
            self.empty = _rendered(canvas)
            self.boxes = [(_box(pictures, canvas), _box(traces, canvas), traces) for pictures, traces in cells]
            _draw_traces(panels, [traces for _, traces in cells], theme)
            self.full = _rendered(canvas)
            ink = [int(theme.ink[i : i + 2], 16) for i in (1, 3, 5)]
        self.ink = np.array(ink, np.uint8)
        self.scaled = [_Scaled(panel, box) for panel, (box, _, _) in zip(panels, self.boxes, strict=True)]

    def frame(self, time_s: float) -> Picture:
        """The frame at a time of the stimulus."""
        image = self.empty.copy()
        for scaled, (_, (top, bottom, left, right), axes) in zip(self.scaled, self.boxes, strict=True):
            low, high = axes.get_xlim()
            now = left + round((time_s - low) / (high - low) * (right - left))
            now = min(max(now, left), right - 1)
            image[top:bottom, left:now] = self.full[top:bottom, left:now]
            image[top:bottom, now] = self.ink
            scaled.put(image, time_s)
        return image


class _Scaled:
    """The pictures of a panel, enlarged to their place by repeating pixels."""

    def __init__(self, panel: Panel, box: tuple[int, int, int, int]) -> None:
        self.panel, (top, bottom, left, right) = panel, box
        rows, columns = panel.pictures.shape[1:3]
        scale = min((bottom - top) / rows, (right - left) / columns)
        height, width = max(1, int(rows * scale)), max(1, int(columns * scale))
        self.y, self.x = np.arange(height) * rows // height, np.arange(width) * columns // width
        self.top, self.left = top + (bottom - top - height) // 2, left + (right - left - width) // 2

    def put(self, image: Picture, time_s: float) -> None:
        """Put the picture at a time into a frame; before the first and after the last it stays."""
        number = int((time_s - self.panel.start_s) * self.panel.rate_hz + 1e-6)
        picture = self.panel.pictures[min(max(number, 0), len(self.panel.pictures) - 1)]
        place = image[self.top : self.top + len(self.y), self.left : self.left + len(self.x)]
        enlarged = picture[self.y[:, None], self.x]
        place[:] = enlarged if enlarged.ndim == 3 else enlarged[..., None]


def _layout(
    panels: Sequence[Panel], n_columns: int, span_s: tuple[float, float], theme: Theme
) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure with a place for pictures above an empty trace, for every panel."""
    n_rows = -(-len(panels) // n_columns)
    aspect = max(p.pictures.shape[2] / p.pictures.shape[1] for p in panels)
    width_in = n_columns * max(PICTURE_IN * aspect, 1.5) + 0.7
    height_in = n_rows * (PICTURE_IN + TRACE_IN + 0.55) + 0.4
    figure = Figure(figsize=(2 * round(width_in * DPI / 2) / DPI, 2 * round(height_in * DPI / 2) / DPI), dpi=DPI)
    top_in = 0.45 if any(panel.traces for panel in panels) else 0.25
    sides = {"left": 0.6 / width_in, "right": 1 - 0.1 / width_in, "top": 1 - top_in / height_in}
    outer = figure.add_gridspec(n_rows, n_columns, **sides, bottom=0.45 / height_in, hspace=0.32, wspace=0.12)
    cells = []
    for i, panel in enumerate(panels):
        inner = outer[i // n_columns, i % n_columns].subgridspec(
            2, 1, height_ratios=[PICTURE_IN, TRACE_IN], hspace=0.08
        )
        pictures, traces = figure.add_subplot(inner[0]), figure.add_subplot(inner[1])
        pictures.set_axis_off()
        pictures.set_title(panel.title, fontsize=8, pad=3)
        traces.set(xlim=span_s, ylim=_limits(panels))
        traces.tick_params(labelsize=7)
        if not panel.traces:
            traces.set_yticks([])
        if i % n_columns:
            traces.set_yticklabels([])
        if i < len(panels) - n_columns:
            traces.set_xticklabels([])
        cells.append((pictures, traces))
    figure.supxlabel("time from stimulus onset (s)", fontsize=8, y=0.06 / height_in)
    names = list(dict.fromkeys(name for panel in panels for name in panel.traces))
    right = 1 - 0.1 / width_in
    for name, colour in reversed(_colours(names, theme).items()):
        figure.text(right, 1 - 0.13 / height_in, name, color=colour, ha="right", va="center", fontsize=7)
        right -= (0.12 + 0.07 * len(name)) / width_in
    for _, traces in cells[::n_columns]:
        traces.set_ylabel("dF/F" if names else "", fontsize=8)
    return figure, cells


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    values = [value for panel in panels for _, value in panel.traces.values()]
    if not values:
        return 0.0, 1.0
    low, high = min(float(np.nanmin(v)) for v in values), max(float(np.nanmax(v)) for v in values)
    margin = 0.08 * (high - low) or 0.5
    return low - margin, high + margin


def _colours(names: Sequence[str], theme: Theme) -> dict[str, str]:
    return {**{name: theme.ink for name in names}, **colours([name for name in names if name != "measured"])}


def _draw_traces(panels: Sequence[Panel], cells: Sequence[Axes], theme: Theme) -> None:
    colour_of = _colours(list(dict.fromkeys(name for panel in panels for name in panel.traces)), theme)
    for panel, axes in zip(panels, cells, strict=True):
        for name, (time_s, value) in panel.traces.items():
            measured = name == "measured"
            axes.plot(time_s, value, color=colour_of[name], lw=0.9 if measured else 1.6, alpha=0.6 if measured else 1)


def _rendered(canvas: FigureCanvasAgg) -> Picture:
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _box(axes: Axes, canvas: FigureCanvasAgg) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of axes in pixels of the rendered picture."""
    _, height = canvas.get_width_height()
    box = axes.get_window_extent()
    return height - round(box.y1), height - round(box.y0), round(box.x0) + 1, round(box.x1)


def write_animation(path: str | Path, frames: Iterable[Picture], fps: float = 30.0) -> Path:
    """Write frames ``(H, W, 3)`` as they come; the ending says whether mp4 (H.264) or gif.

    Returns:
        The path. The file appears whole or not at all.

    Raises:
        FileError: the ending is another, there is no frame, or the folder cannot be written to.
    """
    path = Path(path)
    if path.suffix not in {".mp4", ".gif"}:
        raise FileError(f"'{path}' ends in '{path.suffix}'", expected="an animation as .mp4 or .gif")
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        (_write_gif if path.suffix == ".gif" else _write_mp4)(part, iter(frames), fps)
        part.replace(path)
    except OSError as error:
        raise FileError(f"'{path}' cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _first(frames: Iterator[Picture]) -> Picture:
    try:
        return next(frames)
    except StopIteration:
        raise FileError("the animation has no frame", remedy="give at least one panel that lasts a frame") from None


def _write_mp4(path: Path, frames: Iterator[Picture], fps: float) -> None:
    picture: Picture | None = _first(frames)
    assert picture is not None
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": "23", "preset": "veryfast", "tune": "animation"}
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.height, stream.width = picture.shape[0], picture.shape[1]
        stream.pix_fmt = "yuv420p"
        while picture is not None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            picture = next(frames, None)
        container.mux(stream.encode())


def _write_gif(path: Path, frames: Iterator[Picture], fps: float) -> None:
    """Write a gif with a palette made for its pictures; it plays at the nearest rate that a gif can state."""
    picture: Picture | None = _first(frames)
    assert picture is not None
    height, width = picture.shape[:2]
    rate = Fraction(100, max(2, round(100 / fps)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=rate)
        stream.height, stream.width, stream.pix_fmt = height, width, "pal8"
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb24", width, height), time_base=1 / rate
        )
        split, palette, use = (
            graph.add("split"),
            graph.add("palettegen", "max_colors=128"),
            graph.add("paletteuse", "dither=none"),
        )
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(palette, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        number = 0
        while picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            graph.push(frame)
            number, picture = number + 1, next(frames, None)
        graph.push(None)
        for place in range(number):
            coloured = graph.pull()
            assert isinstance(coloured, av.VideoFrame)
            coloured.pts, coloured.time_base = place, 1 / rate
            container.mux(stream.encode(coloured))
        container.mux(stream.encode())
