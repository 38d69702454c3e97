"""LED arenas: panels in a ring, as the YAML files of the arena tools describe them.

Sources: utils/load_arena_config.m, utils/design_arena.m and patternTools/arena_coordinates.m of
reiserlab/maDisplayTools, and js/arena-calculations.js of reiserlab/webDisplayTools (2026) for sizes and conventions.

Column 0 of panels begins behind the fly. Clockwise columns follow from there over the left, ahead and the right, as
seen from above; counter-clockwise ones are the mirror image. The offset turns the ring counter-clockwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from stcnn.errors import FileError
from stcnn.reading import read_yaml
from stcnn.stimuli.displays.display import Display, between
from stcnn.stimuli.patterns import PANEL_PX, Generation
from stcnn.stimuli.sphere.directions import Floats
from stcnn.validation import Config, Fault, validated

WHAT = "the YAML file of an arena or a rig"


class Panel(NamedTuple):
    """Size of a square panel."""

    width_mm: float
    depth_mm: float


PANELS: dict[Generation, Panel] = {
    "G3": Panel(32, 18),
    "G4": Panel(40.45, 18),
    "G4.1": Panel(40, 6.35),
    "G6": Panel(45.4, 3.45),
}
Count = Annotated[int, Field(gt=0, le=255)]
Column = Annotated[int, Field(ge=0, le=254)]


class Arena(Config):
    """A ring of panels around the fly; the first keys are those of the arena tools."""

    kind: Literal["arena"] = "arena"
    generation: Generation
    """Kind of panels."""
    num_rows: Count
    """Rows of panels."""
    num_cols: Annotated[int, Field(ge=3, le=255)]
    """Columns of panels of the whole ring."""
    columns_installed: tuple[Column, ...] | None = None
    """Which of them are there, from 0; by default all."""
    orientation: Literal["normal", "flipped"] = "normal"
    """Whether the arena hangs upside down, turned around the line ahead."""
    column_order: Literal["cw", "ccw"] = "cw"
    """How columns follow each other, seen from above."""
    angle_offset_deg: float = 0.0
    """How far the ring is turned counter-clockwise, seen from above."""
    surface: Literal["panels", "cylinder"] = "panels"
    """Whether panels are flat, as they are, or bent to a cylinder of the same pixels around, as patterns are often
    drawn for."""
    pitch_deg: float = 0.0
    """How far the arena ahead of the fly is turned up."""

    @model_validator(mode="after")
    def _columns_are_of_the_ring(self) -> Self:
        columns = self.installed
        if not columns or max(columns) >= self.num_cols or len(set(columns)) < len(columns):
            raise ValueError(f"columns_installed are different numbers from 0 to {self.num_cols - 1}")
        return self

    @property
    def installed(self) -> tuple[int, ...]:
        """Columns of panels that are there, in the order of patterns."""
        return tuple(range(self.num_cols)) if self.columns_installed is None else self.columns_installed

    @property
    def shape_px(self) -> tuple[int, int]:
        """Rows and columns of pixels of a pattern."""
        side = PANEL_PX[self.generation]
        return self.num_rows * side, len(self.installed) * side

    @property
    def inner_radius_mm(self) -> float:
        """From the middle to the middle of a panel's face."""
        return PANELS[self.generation].width_mm / (2 * math.tan(math.pi / self.num_cols))

    @property
    def outer_radius_mm(self) -> float:
        """From the middle to the middle of a panel's back."""
        return self.inner_radius_mm + PANELS[self.generation].depth_mm

    @property
    def deg_per_px(self) -> float:
        """Azimuth from a pixel to the next, on average."""
        return 360 / (self.num_cols * PANEL_PX[self.generation])

    @property
    def azimuth_coverage_deg(self) -> float:
        """Azimuth that panels fill."""
        return 360 * len(self.installed) / self.num_cols

    def panel_azimuth_deg(self) -> Floats:
        """Return the azimuth of the middle of each column of panels that is there."""
        per_panel_deg = 360 / self.num_cols
        from_behind_deg = per_panel_deg * (np.array(self.installed) + 0.5)
        clockwise = self.column_order == "cw"
        behind_deg = (-180 + from_behind_deg) if clockwise else (180 - from_behind_deg)
        return behind_deg - self.angle_offset_deg

    def geometry(self) -> Display:
        """Return its pixels around a fly in the middle: in millimetres, or on a cylinder of radius 1."""
        display = self._cylinder() if self.surface == "cylinder" else self._panels()
        return display.turned(pitch_deg=self.pitch_deg, roll_deg=180.0 if self.orientation == "flipped" else 0.0)

    def _panels(self) -> Display:
        """Return pixels on flat panels."""
        width_mm = PANELS[self.generation].width_mm
        up_mm = (self.num_rows / 2 - np.arange(self.shape_px[0] + 1) / PANEL_PX[self.generation]) * width_mm
        azimuth = np.radians(self.panel_azimuth_deg())[:, None]
        across_mm = self._across_panel() * width_mm
        x = self.inner_radius_mm * np.sin(azimuth) + across_mm * np.cos(azimuth)
        y = self.inner_radius_mm * np.cos(azimuth) - across_mm * np.sin(azimuth)
        return Display(between(_points(x[:, :-1], y[:, :-1], up_mm), _points(x[:, 1:], y[:, 1:], up_mm)))

    def _cylinder(self) -> Display:
        """Return pixels on a cylinder of radius 1, as high as they are wide along it.

        Their solid angles are azimuth times the rise of the sine of elevation.
        """
        per_panel = 2 * math.pi / self.num_cols
        up = (self.num_rows / 2 - np.arange(self.shape_px[0] + 1) / PANEL_PX[self.generation]) * per_panel
        azimuth = np.radians(self.panel_azimuth_deg())[:, None] + self._across_panel() * per_panel
        left, right = azimuth[:, :-1], azimuth[:, 1:]
        middle = (left + right) / 2
        sine = up / np.hypot(1, up)
        size_sr = per_panel / PANEL_PX[self.generation] * (sine[:-1] - sine[1:])[:, None]
        return Display(
            between(_points(np.sin(left), np.cos(left), up), _points(np.sin(right), np.cos(right), up)),
            np.broadcast_to(size_sr, self.shape_px),
            _points(np.sin(middle), np.cos(middle), (up[:-1] + up[1:]) / 2),
        )

    def _across_panel(self) -> Floats:
        """Return the edges of pixels across a panel, from its middle in widths of a panel, rightwards where cw."""
        side = PANEL_PX[self.generation]
        across = np.arange(side + 1) / side - 0.5
        return across if self.column_order == "cw" else -across


def _points(x: Floats, y: Floats, up: Floats) -> Floats:
    """Return points ``(Y + 1, X, 3)`` over a ring."""
    grid = np.broadcast_arrays(x.ravel()[None], y.ravel()[None], up[:, None])
    return np.stack(grid, -1)


def read_arena(path: str | Path, **more: Any) -> Arena:
    """Read an arena from its YAML file, or from that of a rig which names one.

    Args:
        path: of the file.
        more: keys of :class:`Arena` that the files do not have, or replace theirs.

    Raises:
        FileError: there is no such file, it describes no arena, or the rig names an arena without a file.
    """
    path = Path(path)
    content = read_yaml(path, WHAT)
    named = content.get("arena")
    if isinstance(named, str):
        path = _file_of(named, path)
        content = read_yaml(path, WHAT)
        named = content.get("arena")
    if not isinstance(named, Mapping):
        raise FileError(f"{path} has no key 'arena' with keys below it", expected=WHAT)
    keys = dict(named)
    if "panels_installed" in keys:
        keys["columns_installed"] = keys.pop("panels_installed")

    def explained(fault: Fault) -> FileError:
        remedy = f"{fault.nearest(Arena)}" if fault.is_unknown else ""
        found = f"{path} has the key 'arena.{fault.key}'" if fault.is_unknown else _found(path, fault)
        return FileError(found, expected="" if fault.is_unknown else fault.rule, remedy=remedy)

    given = {name: value for name, value in keys.items() if value is not None}
    return validated(Arena, given | more, explained, unknown_first=True)


def _found(path: Path, fault: Fault) -> str:
    if fault.kind == "missing":
        return f"{path} has no key 'arena.{fault.key}'"
    return f"{path} has arena.{fault.key}={fault.value!r}" if fault.key else f"{path} describes no arena"


def _file_of(name: str, rig: Path) -> Path:
    """Return the file of an arena that a rig names by its path, or by its name in a folder of arenas beside its own."""
    if name.endswith((".yaml", ".yml")):
        return rig.parent / name
    for folder in (rig.parent, rig.parent / "arenas", rig.parent.parent / "arenas"):
        file = folder / f"{name}.yaml"
        if file.is_file():
            return file
    raise FileError(
        f"{rig} names the arena '{name}', of which there is no file {name}.yaml beside it or in a folder 'arenas'",
        remedy="give the file of the arena",
    )
