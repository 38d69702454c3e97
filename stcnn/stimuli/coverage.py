"""How much of each pixel a shape covers, exactly: the antialiasing of every object.

The covered fraction of a pixel is the mixed difference, over its four corners, of ``G(x, y)``: the area of the
shape left of ``x`` and below ``y``. For discs and polygons ``G`` has a closed form, so no supersampling is needed,
and the fractions of all pixels sum to the visible area of the shape to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stcnn.stimuli.screen import Array, Screen

Coverage = NDArray[np.float32]

CHUNK = 16
"""Frames worked on at a time, so that temporary arrays stay in the cache."""

FLAT = 1e-7
"""Slopes below this are level, and edges narrower than this (degrees) upright: no pixel can show the difference."""


def disc_coverage(screen: Screen, azimuth_deg: ArrayLike, elevation_deg: ArrayLike, size_deg: ArrayLike) -> Coverage:
    """Fraction of each pixel inside a disc.

    Args:
        screen: the pixels.
        azimuth_deg: centre of the disc, ``(T,)`` or one number.
        elevation_deg: centre of the disc, likewise.
        size_deg: diameter, likewise; not negative.

    Returns:
        ``(T, Y, X)``, 0..1.
    """
    azimuth, elevation, size = _time_courses(azimuth_deg, elevation_deg, size_deg)
    radius = size / 2
    bounds = azimuth - radius, azimuth + radius, elevation - radius, elevation + radius

    def area(frames: slice, x_edges: Array, y_edges: Array) -> Array:
        return _disc_area(x_edges - azimuth[frames, None], y_edges - elevation[frames, None], radius[frames, None])

    return _pixel_fractions(screen, bounds, area)


def dots_coverage(screen: Screen, azimuth_deg: Array, elevation_deg: Array, size_deg: float) -> Coverage:
    """Fraction of each pixel inside at least one of many discs (where discs overlap in a pixel: as if independent).

    Args:
        screen: the pixels.
        azimuth_deg: centres, ``(T, discs)``.
        elevation_deg: likewise.
        size_deg: diameter of all of them.

    Returns:
        ``(T, Y, X)``, 0..1.
    """
    span = int(np.ceil(size_deg / screen.deg_per_px)) + 1  # pixels in a row that a disc can touch
    reach = span * screen.deg_per_px  # a disc further out is moved to where its window is just outside
    x = np.clip(azimuth_deg, screen.x_edges_deg[0] - reach, screen.x_edges_deg[-1] + reach).ravel()
    y = np.clip(elevation_deg, screen.y_edges_deg[-1] - reach, screen.y_edges_deg[0] + reach).ravel()
    column = np.floor((x - size_deg / 2 - screen.x_edges_deg[0]) / screen.deg_per_px).astype(int)
    row = np.floor((screen.y_edges_deg[0] - y - size_deg / 2) / screen.deg_per_px).astype(int)
    corner = np.arange(span + 1) * screen.deg_per_px
    x_edges = screen.x_edges_deg[0] + column[:, None] * screen.deg_per_px + corner - x[:, None]
    y_edges = screen.y_edges_deg[0] - row[:, None] * screen.deg_per_px - corner - y[:, None]
    strips = np.diff(_disc_area(x_edges, y_edges, np.full((len(x), 1), size_deg / 2)), axis=2)
    covered = (strips[:, :-1] - strips[:, 1:]) / screen.deg_per_px**2

    n_frames, n_dots = azimuth_deg.shape
    margin = 2 * span + 1
    free = np.ones((n_frames, screen.shape_px[0] + 2 * margin, screen.shape_px[1] + 2 * margin), np.float32)
    frame = np.repeat(np.arange(n_frames), n_dots)[:, None, None]
    rows = (row[:, None] + np.arange(span) + margin)[:, :, None]
    columns = (column[:, None] + np.arange(span) + margin)[:, None, :]
    np.multiply.at(free, (frame, rows, columns), np.clip(1 - covered, 0, 1).astype(np.float32))
    return 1 - free[:, margin:-margin, margin:-margin]


def polygon_coverage(screen: Screen, azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> Coverage:
    """Fraction of each pixel inside a simple polygon.

    Args:
        screen: the pixels.
        azimuth_deg: corners in counter-clockwise order (as seen on the screen), ``(T, corners)``.
        elevation_deg: likewise.

    Returns:
        ``(T, Y, X)``, 0..1.
    """
    x, y = np.broadcast_arrays(np.atleast_2d(azimuth_deg), np.atleast_2d(elevation_deg))
    ends = [(x[:, k], y[:, k], np.roll(x, -1, 1)[:, k], np.roll(y, -1, 1)[:, k]) for k in range(x.shape[1])]
    sloped = [edge for edge in ends if (np.abs(edge[2] - edge[0]) > FLAT).any()]

    def area(frames: slice, x_edges: Array, y_edges: Array) -> Array:
        total = np.zeros((1, len(y_edges), len(x_edges)))
        for edge in sloped:
            x0, y0, x1, y1 = (end[frames, None] for end in edge)
            total = total + _area_above((x0, y0), (x1, y1), x_edges, y_edges)
        return total

    return _pixel_fractions(screen, (x.min(1), x.max(1), y.min(1), y.max(1)), area)


def rectangle_coverage(
    screen: Screen,
    centre_deg: tuple[ArrayLike, ArrayLike],
    sides_deg: tuple[ArrayLike, ArrayLike],
    direction_deg: float,
) -> Coverage:
    """Fraction of each pixel inside a rectangle.

    Args:
        screen: the pixels.
        centre_deg: azimuth and elevation of its centre, each ``(T,)`` or one number.
        sides_deg: its width along and its height across ``direction_deg``, likewise.
        direction_deg: 0 is rightward, 90 upward.

    Returns:
        ``(T, Y, X)``, 0..1.
    """
    azimuth, elevation, width, height = _time_courses(*centre_deg, *sides_deg)
    cosine, sine = direction(direction_deg)
    if cosine == 0 or sine == 0:
        width, height = (width, height) if sine == 0 else (height, width)
        columns = _interval_coverage(screen.x_edges_deg, azimuth, width)
        rows = _interval_coverage(-screen.y_edges_deg, -elevation, height)
        return rows[:, :, None] * columns[:, None, :]
    along = np.array([-1, 1, 1, -1]) / 2
    across = np.array([-1, -1, 1, 1]) / 2
    u = width[:, None] * along
    v = height[:, None] * across
    x = azimuth[:, None] + u * cosine - v * sine
    y = elevation[:, None] + u * sine + v * cosine
    return polygon_coverage(screen, x, y)


def overlaps(pixel_edges_deg: Array, part_edges_deg: Array) -> Array:
    """Fraction of each pixel of a line taken by each of several adjacent parts, ``(pixels, parts)``; borders rising."""
    low = np.maximum(pixel_edges_deg[:-1, None], part_edges_deg[:-1])
    high = np.minimum(pixel_edges_deg[1:, None], part_edges_deg[1:])
    return np.maximum(high - low, 0) / np.diff(pixel_edges_deg)[:, None]


def direction(direction_deg: float) -> tuple[float, float]:
    """Unit vector (azimuth, elevation) of a direction, exact for multiples of 90 degrees."""
    angle = np.radians(direction_deg % 360)
    cosine = float(np.cos(angle))
    sine = float(np.sin(angle))
    return (0.0 if abs(cosine) < FLAT else cosine), (0.0 if abs(sine) < FLAT else sine)


def _time_courses(*values: ArrayLike) -> list[Array]:
    """Bring numbers and ``(T,)`` arrays to one length."""
    return np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, float)) for value in values))  # type: ignore[return-value]


def _interval_coverage(edges_deg: Array, centre_deg: Array, length_deg: Array) -> Coverage:
    """Fraction of each pixel of a line, ``(T, N)``, inside an interval; ``edges_deg`` rising, ``(N + 1,)``."""
    inside = np.clip(edges_deg - centre_deg[:, None], -length_deg[:, None] / 2, length_deg[:, None] / 2)
    return (np.diff(inside, axis=1) / np.diff(edges_deg)).astype(np.float32)


def _pixel_fractions(
    screen: Screen, bounds: tuple[Array, Array, Array, Array], area: Callable[[slice, Array, Array], Array]
) -> Coverage:
    """Difference the area at the pixel corners within the bounds of the shape (left, right, bottom, top; (T,) each)."""
    n_frames = len(bounds[0])
    fractions = np.zeros((n_frames, *screen.shape_px), np.float32)
    for first in range(0, n_frames, CHUNK):
        frames = slice(first, min(first + CHUNK, n_frames))
        left, right, bottom, top = (bound[frames] for bound in bounds)
        columns = _pixels_between(screen.x_edges_deg, left.min(), right.max())
        rows = _pixels_between(-screen.y_edges_deg, -top.max(), -bottom.min())
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        corners_x = screen.x_edges_deg[columns.start : columns.stop + 1]
        corners_y = screen.y_edges_deg[rows.start : rows.stop + 1]
        strips = np.diff(area(frames, corners_x, corners_y), axis=2)
        fractions[frames, rows, columns] = (strips[:, :-1] - strips[:, 1:]) / screen.deg_per_px**2  # rows run down
    return np.clip(fractions, 0, 1, out=fractions)


def _pixels_between(edges_deg: Array, low_deg: float, high_deg: float) -> slice:
    """Pixels of a line (borders rising) that an interval touches."""
    first = int(np.searchsorted(edges_deg, low_deg, side="right")) - 1
    stop = int(np.searchsorted(edges_deg, high_deg, side="left"))
    return slice(max(first, 0), min(stop, len(edges_deg) - 1))


def _disc_area(x: Array, y: Array, radius: Array) -> Array:
    """Area of a disc around the origin left of ``x`` (T, X) and below ``y`` (T, Y), as ``(T, Y, X)``.

    A column at ``u`` runs from ``-h(u)`` to ``min(y, h(u))`` with ``h(u) = sqrt(r^2 - u^2)``. Its length is
    integrated over ``u`` with the primitive ``F`` of ``h``, which is monotone: ``F(min(a, b)) = min(F(a), F(b))``,
    so that roots and arcsines are only taken of rows and columns.
    """
    x = np.clip(x, -radius, radius)
    y = np.clip(y, -radius, radius)
    width = np.sqrt(np.maximum(radius**2 - y**2, 0))  # the level y cuts the circle at +-width
    primitive_x = _circle_primitive(x, radius)[:, None, :]
    primitive_w = _circle_primitive(width, radius)[:, :, None]
    whole = _circle_primitive(radius, radius)[:, :, None]
    level = y[:, :, None]
    width = width[:, :, None]
    x = x[:, None, :]
    middle = level * (np.clip(x, -width, width) + width)
    flanks = np.minimum(primitive_x, -primitive_w) + np.maximum(primitive_x, primitive_w) + (whole - primitive_w)
    area: Array = primitive_x + whole + middle + np.sign(level) * flanks
    return area


def _circle_primitive(u: Array, radius: Array) -> Array:
    """Integral of ``sqrt(r^2 - u^2)`` from 0 to ``u``."""
    ratio = np.divide(u, radius, out=np.zeros(np.broadcast_shapes(u.shape, radius.shape)), where=radius > 0)
    ratio = np.clip(ratio, -1, 1)
    integral: Array = radius**2 / 2 * (ratio * np.sqrt(1 - ratio**2) + np.arcsin(ratio))
    return integral


def _area_above(start: tuple[Array, Array], stop: tuple[Array, Array], x: Array, y: Array) -> Array:
    """Signed area between a polygon edge ``v(u)`` and the level ``y`` above it, left of ``x``: ``(T, Y, X)``.

    Summed over the edges of a counter-clockwise polygon it is the area left of ``x`` and below ``y`` (Green), up to a
    term that does not depend on ``x``. With slope ``m``, ``max(y - v, 0)`` has the primitive ``-max(y - v, 0)^2 / 2m``.
    """
    (x0, y0) = start
    (x1, y1) = stop
    upright = np.abs(x1 - x0) < FLAT
    slope = np.where(upright, 0, (y1 - y0) / np.where(upright, 1, x1 - x0))
    reached = np.clip(x, np.minimum(x0, x1), np.maximum(x0, x1))
    level = y0 + slope * (reached - x0)
    height = np.maximum(y[None, :, None] - level[:, None, :], 0)
    flat = np.abs(slope) < FLAT
    area: Array = -(height**2) / (2 * np.where(flat, 1, slope))[:, :, None]
    if flat.any():
        area = np.where(flat[:, :, None], height * reached[:, None, :], area)
    area *= np.sign(x1 - x0)[:, :, None]
    return area
