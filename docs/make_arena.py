"""The picture of docs/stimuli.md of an arena around the fly: the columns of its eyes, what is shown, what they see.

python docs/make_arena.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from stcnn.nn.lattices.hexagonal import HexagonalLattice
from stcnn.stimuli.displays import Arena, Display, Optics
from stcnn.stimuli.displays.showing import shown
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats
from stcnn.stimuli.sphere.scenes import Grating, LoomingDisc, Scene
from stcnn.viz.theme import PALETTE, themed

TARGET = Path(__file__).parent / "images" / "arena.png"
ARENA = Arena(generation="G6", num_rows=3, num_cols=18, columns_installed=tuple(range(12)), angle_offset_deg=-60)
SCENES: dict[str, Scene] = {
    "a disc of 40°, 60° to the right": LoomingDisc(centre_deg=(60, 0), start_deg=40, background=0.5),
    "a grating of 30° around an axis at 45°": Grating(pole_deg=(0, 45), wavelength_deg=30, waveform="square"),
}
SPACING_DEG = 5.0
EYE_DEG = (75.0, 5.0)
"""Where the middle of the right eye looks."""


def right_eye() -> Floats:
    """Where columns look: a flat hexagonal lattice, laid around the middle of the eye at true distances from there."""
    places = HexagonalLattice().positions_deg((35, 35), (SPACING_DEG, SPACING_DEG), (0, 0)).reshape(-1, 2).numpy()
    distance_deg = np.hypot(*places.T)
    near = places[distance_deg < 85]
    angle = np.radians(distance_deg[distance_deg < 85])[:, None]
    axes = directions.around(EYE_DEG)
    sideways = near / np.maximum(np.hypot(*near.T), 1e-9)[:, None] @ np.stack([axes.right, axes.up])
    return np.asarray(np.cos(angle) * axes.pole + np.sin(angle) * sideways)


def mollweide(vectors: Floats) -> Floats:
    """Return places on an equal-area map of all directions, 4 wide and 2 high (Snyder 1987, USGS 1395, page 251)."""
    latitude = np.radians(directions.elevation_deg(vectors))
    angle = latitude * 0.9
    for _ in range(30):
        error = 2 * angle + np.sin(2 * angle) - np.pi * np.sin(latitude)
        angle = angle - error / np.maximum(2 + 2 * np.cos(2 * angle), 1e-9)
    across = directions.azimuth_deg(vectors) / 90 * np.cos(angle)
    return np.stack([across, np.sin(angle)], -1)


def empty_map(ax: Axes, title: str) -> None:
    """Draw the grid of a map: lines every 45 degrees."""
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.set_xlim(-2.05, 2.05)
    ax.set_ylim(-1.22, 1.05)
    line = np.linspace(-1, 1, 91)
    for azimuth_deg in (-179.99, -135, -90, -45, 0, 45, 90, 135, 179.99):
        ax.plot(*mollweide(directions.unit(azimuth_deg, 90 * line)).T, color="0.6", linewidth=0.4, zorder=0)
    for elevation_deg in (-45, 0, 45):
        ax.plot(*mollweide(directions.unit(179.99 * line, elevation_deg)).T, color="0.6", linewidth=0.4, zorder=0)
    for azimuth_deg, name in ((-90, "left"), (0, "ahead"), (90, "right")):
        ax.text(azimuth_deg / 90, -1.03, name, fontsize=7, ha="center", va="top", color="0.35")


def draw_display(ax: Axes, display: Display, luminance: NDArray[np.float32]) -> None:
    """Draw every pixel with its corners."""
    corners = mollweide(display.corner_directions.reshape(-1, 4, 3))
    pixels = PolyCollection(list(corners), array=luminance.ravel(), cmap="gray", clim=(0, 1), antialiased=False)
    ax.add_collection(pixels)


def draw_columns(ax: Axes, columns: Floats, **look: Any) -> None:
    """Draw a dot for every column."""
    ax.scatter(*mollweide(columns).T, **{"linewidths": 0, **look})


def main() -> None:
    display = ARENA.geometry()
    right = right_eye()
    left = right * [-1, 1, 1]
    eyes = np.concatenate([right, left])
    optics = Optics.of(display, eyes, 5.0)
    on_arena = optics.outside < 0.5
    with themed():
        figure, axes = plt.subplots(3, 2, figsize=(9.5, 7.4), layout="constrained")
    empty_map(axes[0, 0], "an arena: 3 rows, 12 of 18 columns of G6 panels")
    panels = (np.indices(display.shape_px) // 20).sum(axis=0) % 2
    draw_display(axes[0, 0], display, 0.6 + 0.2 * panels.astype(np.float32))
    empty_map(axes[0, 1], "columns of two eyes; dark: they see the arena")
    for eye, colour in ((right, PALETTE[0]), (left, PALETTE[1])):
        seen = Optics.of(display, eye, 5.0).outside < 0.5
        draw_columns(axes[0, 1], eye[seen], s=5, color=colour)
        draw_columns(axes[0, 1], eye[~seen], s=5, color=colour, alpha=0.25)
    for row, (name, scene) in enumerate(SCENES.items(), start=1):
        luminance = shown(display, scene, 0.0)
        empty_map(axes[row, 0], f"{name}, as the arena shows it")
        draw_display(axes[row, 0], display, luminance[0])
        empty_map(axes[row, 1], "as columns of an acceptance angle of 5° see it")
        light = optics.see(luminance, surround=0.5)[0]
        order = np.argsort(on_arena)
        look = {
            "c": light[order],
            "cmap": "gray",
            "vmin": 0,
            "vmax": 1,
            "s": 9,
            "edgecolors": "0.5",
            "linewidths": 0.15,
        }
        draw_columns(axes[row, 1], eyes[order], **look)
    figure.savefig(TARGET, dpi=90)


if __name__ == "__main__":
    main()
