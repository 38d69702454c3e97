"""Figures of what is learned: spatial weights in degrees, kernels in milliseconds, parameters and their bounds.

Axes: O output channel, I input channel, Y row (top first), X column, K sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter
from numpy.typing import NDArray

from stcnn.viz.theme import DIVERGING, LIGHT, PALETTE, Margins, Theme, panels, themed

Array = NDArray[np.floating]


def tiled(weights: Array, gap: int = 1) -> Array:
    """Lay kernels ``(O, I, Y, X)`` side by side, outputs down and inputs across, with NaN between them."""
    n_out, n_in, height, width = weights.shape
    canvas = np.full((n_out * (height + gap) - gap, n_in * (width + gap) - gap), np.nan)
    for o, i in np.ndindex(n_out, n_in):
        y = o * (height + gap)
        x = i * (width + gap)
        canvas[y : y + height, x : x + width] = weights[o, i]
    return canvas


@dataclass(frozen=True)
class LayerWeights:
    """The spatial weights of one layer.

    Args:
        title: which layer.
        weights: ``(O, I, Y, X)``; NaN where a smaller window has no weight.
        outputs: names of the rows of tiles.
        spacing_deg: distance between neighbouring columns of the eye.
        limit: value at either end of the colour scale; None is the largest weight.
        cells: corners of every column of a tile in degrees, ``(Y, X, corners, 2)``, where columns are no squares.
    """

    title: str
    weights: Array
    outputs: Sequence[str]
    spacing_deg: float
    limit: float | None = None
    cells: Array | None = None


def weight_grid(layer: LayerWeights, theme: Theme = LIGHT) -> Figure:
    """Draw spatial weights: a row of tiles per output, a column per input channel, zero pale.

    A layer with a single input has its outputs side by side. The top of a tile is up.
    """
    return _weight_grids([layer], theme)


def weight_change(before: LayerWeights, after: LayerWeights, theme: Theme = LIGHT) -> Figure:
    """Draw spatial weights before and after training beside each other, on one scale."""
    named = [replace(before, title=f"{before.title}, untrained"), replace(after, title=f"{after.title}, trained")]
    return _weight_grids(named, theme)


def _weight_grids(layers: Sequence[LayerWeights], theme: Theme) -> Figure:
    outputs, inputs, height, width = layers[0].weights.shape
    n_rows, n_columns = (1, outputs) if inputs == 1 else (outputs, inputs)
    tile_in = 0.36 * max(1.0, width / 9)
    size_in = max(n_columns * tile_in, 2.2), n_rows * tile_in * height / width
    limit = layers[0].limit or max(float(np.nanmax(np.abs(layer.weights))) for layer in layers) or 1.0
    with themed(theme):
        margins = Margins(left=0.6, right=1.05, bottom=0.62, across=0.6)
        figure, (row,) = panels(1, len(layers), size_in, margins)
        for axes, layer in zip(row, layers, strict=True):
            picture = _draw_tiles(axes, layer, limit)
        bar_in = min(size_in[1], 1.6)
        scale = axes.inset_axes((1 + 0.12 / size_in[0], 0, 0.1 / size_in[0], bar_in / size_in[1]))
        bar = figure.colorbar(picture, cax=scale, ticks=MaxNLocator(5 if bar_in > 1 else 2, symmetric=True))
        bar.set_label("weight", fontsize=8)
        scale.tick_params(labelsize=7, length=2)
    return figure


def cell_tiles(weights: Array, cells: Array) -> tuple[list[Array], Array]:
    """Lay kernels ``(O, I, Y, X)`` side by side as :func:`tiled` does, each weight as the cell of its column.

    Args:
        weights: NaN where there is no column.
        cells: corners of every column of a tile in degrees, ``(Y, X, corners, 2)``.

    Returns:
        Corners of every weight that is there, in rows and columns of :func:`tiled`, and the weights.
    """
    height, width = weights.shape[2:]
    there = np.isfinite(weights[0, 0])
    found_deg = cells[there]
    low_deg = found_deg.min((0, 1))
    size_deg = found_deg.max((0, 1)) - low_deg
    scale = min((np.array([width, height])) / size_deg)
    middle_deg = low_deg + size_deg / 2
    polygons: list[Array] = []
    values: list[Array] = []
    for o, i in np.ndindex(weights.shape[:2]):
        middle = np.array([i * (width + 1) + (width - 1) / 2, o * (height + 1) + (height - 1) / 2])
        drawn = np.isfinite(weights[o, i])
        polygons.extend(middle + scale * (cells[drawn] - middle_deg) * np.array([1, -1]))
        values.append(weights[o, i][drawn])
    return polygons, np.concatenate(values)


def tile_size_deg(layer: LayerWeights) -> tuple[float, float]:
    """Return width and height of what the columns of a tile stand for."""
    height, width = layer.weights.shape[2:]
    if layer.cells is None:
        return width * layer.spacing_deg, height * layer.spacing_deg
    found_deg = layer.cells[np.isfinite(layer.weights).any((0, 1))]
    across_deg, high_deg = (found_deg.max((0, 1)) - found_deg.min((0, 1))).tolist()
    return across_deg, high_deg


def _draw_tiles(axes: Axes, layer: LayerWeights, limit: float) -> ScalarMappable:
    weights = layer.weights
    rows = list(layer.outputs)
    across = "input channel"
    if weights.shape[1] == 1:
        weights = weights.transpose(1, 0, 2, 3)
        rows = [""]
        across = "output channel"
    n_rows, n_columns, height, width = weights.shape
    columns = list(layer.outputs) if rows == [""] else [str(i + 1) for i in range(n_columns)]
    scale = Normalize(-limit, limit)
    if layer.cells is None:
        picture: ScalarMappable = axes.imshow(tiled(weights), DIVERGING, scale, aspect="auto", interpolation="none")
    else:
        polygons, values = cell_tiles(weights, layer.cells)
        picture = axes.add_collection(PolyCollection(polygons, array=values, cmap=DIVERGING, norm=scale))
        axes.set(xlim=(-0.5, n_columns * (width + 1) - 1.5), ylim=(n_rows * (height + 1) - 1.5, -0.5))
        axes.set_aspect("equal")
    axes.set_xticks((width + 1) * np.arange(n_columns) + (width - 1) / 2, columns)
    axes.set_yticks((height + 1) * np.arange(n_rows) + (height - 1) / 2, rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    across_deg, high_deg = tile_size_deg(layer)
    axes.set(title=layer.title, xlabel=f"{across}; tile {across_deg:.3g}° × {high_deg:.3g}°")
    axes.set_ylabel("output" if n_rows > 1 else "")
    return picture


def temporal_kernels(
    kernels: Mapping[str, Array],
    rate_hz: float,
    before: Mapping[str, Array] | None = None,
    theme: Theme = LIGHT,
) -> Figure:
    """Draw what each filter makes of an impulse, relative to its peak, one panel per layer, one line per channel.

    Args:
        kernels: name of the layer to its kernels, ``(K, C)``, in 1/s.
        rate_hz: samples per second of the kernels.
        before: the same before training, drawn pale.
        theme: light or dark.
    """
    with themed(theme):
        figure, (row,) = panels(1, len(kernels), (1.3, 1.4), Margins(across=0.2), sharey=True)
        for axes, (name, kernel) in zip(row, kernels.items(), strict=True):
            drawn = ([(before[name], theme.ink, 0.25)] if before else []) + [(kernel, PALETTE[0], 0.85)]
            for values, colour, alpha in drawn:
                time_ms = np.arange(len(values)) * 1000 / rate_hz
                axes.plot(time_ms, values / np.abs(values).max(0), color=colour, alpha=alpha, lw=0.9)
            axes.set(title=name, xlabel="time (ms)", ylim=(0, 1.02), xlim=(0, len(kernel) * 1000 / rate_hz))
        row[0].set_ylabel("impulse response / its peak")
    return figure


@dataclass(frozen=True)
class ParameterValues:
    """All values of one kind of parameter.

    Args:
        title: what it is.
        unit: unit of the values as they are drawn.
        values: ``(n,)``.
        bounds: lower and upper bound in that unit; None where there is none.
        log: whether the axis is logarithmic.
        initial: values before training, ``(n,)``, if known.
    """

    title: str
    unit: str
    values: Array
    bounds: tuple[float | None, float | None] = (None, None)
    log: bool = False
    initial: Array | None = None


def histogram_edges(parameter: ParameterValues, n_bins: int = 24) -> Array:
    """Return bin edges that hold the values, those before training and the bounds."""
    known = [parameter.values, *([] if parameter.initial is None else [parameter.initial])]
    inside = np.concatenate([*known, [b for b in parameter.bounds if b is not None]])
    low = float(inside.min())
    high = float(inside.max())
    if low == high:
        low, high = (low / 1.5, high * 1.5) if parameter.log else (low - 0.5, high + 0.5)
    return np.geomspace(low, high, n_bins + 1) if parameter.log else np.linspace(low, high, n_bins + 1)


def parameter_histograms(parameters: Sequence[ParameterValues], theme: Theme = LIGHT) -> Figure:
    """Draw how the values of each kind of parameter are spread, before training in outline, and their bounds."""
    n_columns = min(4, len(parameters))
    n_rows = -(-len(parameters) // n_columns)
    with themed(theme):
        figure, grid = panels(n_rows, n_columns, (1.8, 1.15))
        for axes, parameter in zip(grid.ravel(), parameters, strict=False):
            _histogram(axes, parameter, theme)
        for axes in grid.ravel()[len(parameters) :]:
            axes.set_visible(False)
    return figure


def _histogram(axes: Axes, parameter: ParameterValues, theme: Theme) -> None:
    edges = histogram_edges(parameter).tolist()
    axes.hist(parameter.values, edges, color=PALETTE[0], alpha=0.85)
    if parameter.initial is not None:
        axes.hist(parameter.initial, edges, histtype="step", color=theme.ink, lw=0.8)
    for bound in parameter.bounds:
        if bound is not None:
            axes.axvline(bound, color=PALETTE[1], ls="--", lw=1.2)
    if parameter.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(title=parameter.title, xlabel=parameter.unit, ylabel="count")


def receptive_fields(fields: Mapping[str, Array], rate_hz: float, deg_per_px: float, theme: Theme = LIGHT) -> Figure:
    """Draw spatiotemporal receptive fields: where, when, and how the two go together.

    Args:
        fields: cell type to change of the voltage by contrast at each lag and place, ``(K, Y, X)``, lag 0 first.
        rate_hz: samples per second.
        deg_per_px: degrees per pixel.
        theme: light or dark.
    """
    with themed(theme):
        figure, grid = panels(len(fields), 3, (1.5, 1.5), Margins(across=1.1, down=0.8, top=0.5))
        for row, (name, field) in zip(grid, fields.items(), strict=True):
            _receptive_field(row, name, field * 1e3, (rate_hz, deg_per_px))
        grid[0, 2].legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.05, 1.0), borderaxespad=0.1)
    return figure


def _receptive_field(row: NDArray[np.object_], name: str, field: Array, scale: tuple[float, float]) -> None:
    """Draw a map at the strongest lag, a slice azimuth by lag through the strongest row, and time courses."""
    rate_hz, deg_per_px = scale
    n_lags, rows, columns = field.shape
    lag, y, x = (int(i) for i in np.unravel_index(np.abs(field).argmax(), field.shape))
    half_x = columns * deg_per_px / 2
    half_y = rows * deg_per_px / 2
    last_ms = n_lags * 1000 / rate_hz
    limit = float(np.abs(field).max()) or 1.0
    look = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
    where, slice_, when = row
    picture = where.imshow(field[lag], extent=(-half_x, half_x, -half_y, half_y), **look)
    where.set(title=f"{name}, {lag * 1000 / rate_hz:.0f} ms before", xlabel="azimuth (°)", ylabel="elevation (°)")
    bar = where.inset_axes((1.05, 0, 0.05, 1))
    where.figure.colorbar(picture, cax=bar, ticks=MaxNLocator(4, symmetric=True))
    bar.tick_params(labelsize=6, length=2)
    slice_.imshow(field[:, y], extent=(-half_x, half_x, last_ms, 0), aspect="auto", **look)
    slice_.set(title=f"at {half_y - (y + 0.5) * deg_per_px:.0f}° elevation", xlabel="azimuth (°)", ylabel="lag (ms)")
    lags_ms = np.arange(n_lags) * 1000 / rate_hz
    when.plot(lags_ms, field[:, y, x], label="strongest pixel")
    when.plot(lags_ms, field.mean((1, 2)), label="mean of all pixels")
    when.axhline(0, color="0.5", lw=0.6)
    when.set(xlabel="lag (ms)", ylabel="10⁻³ voltage / contrast")
