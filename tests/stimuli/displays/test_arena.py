"""Arenas: radii and frames of the arena tools' references, conventions of columns, ray casting, and their files."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stcnn.errors import FileError
from stcnn.stimuli.displays import Arena, read_arena
from stcnn.stimuli.patterns import Generation
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.scenes import Grating

RINGS: dict[str, dict[str, Any]] = {
    "G6_2x10": {"generation": "G6", "num_rows": 2, "num_cols": 10},
    "G6_2x8of10": {"generation": "G6", "num_rows": 2, "num_cols": 10, "columns_installed": range(1, 9)},
    "G4_4x12": {"generation": "G4", "num_rows": 4, "num_cols": 12},
    "G4_3x12of18": {"generation": "G4", "num_rows": 3, "num_cols": 18, "columns_installed": range(12)}
    | {"angle_offset_deg": -60},
}
SQUARE = {"waveform": "square", "wavelength_deg": 18.0}
WAVES: dict[str, dict[str, Any]] = {
    "grating_rotation": SQUARE | {"motion": "rotation"},
    "grating_expansion": {"motion": "expansion", "waveform": "square", "wavelength_deg": 45.0},
    "grating_translation": {"motion": "translation", "waveform": "square", "wavelength_deg": np.degrees(0.5)},
    "sine_rotation": {"motion": "rotation", "waveform": "sine", "wavelength_deg": 18.0},
    "grating_offset_pole": SQUARE | {"motion": "rotation", "pole_deg": (45.0, 0.0)},
    "grating_25pct_duty": SQUARE | {"motion": "rotation", "duty": 0.25},
    "offon": {"waveform": "square", "duty": 0.0},
    "edge": {"waveform": "square", "duty": 0.0, "wavelength_deg": 360.0},
}
REFERENCE = {
    "G6_2x10": (296763482, 2161700680, 3541048433, 2968583367, 961515643, 413123733, 1246488676, 1246488676),
    "G6_2x8of10": (3895774203, 3763473755, 2228820832, 987718421, 235730993, 2594096632, 32707403, 32707403),
    "G4_4x12": (3739775651, 3892292034, 1250338352, 3970043697, 3346397541, 4259188633, 2317716204, 2317716204),
    "G4_3x12of18": (2622475501, 2211228983, 3542149189, 1339903298, 2092415822, 2670615666, 3422052625, 3422052625),
}
"""CRC-32 of the reference frames in 16 levels, rows from the bottom: comprehensive_pattern_reference.json of
reiserlab/webDisplayTools (from MATLAB, 2026-02-01). The six cases of spherical_pattern_reference.json are the first six
of G6_2x10 again."""


@pytest.mark.parametrize("ring", list(RINGS))
def test_frames_are_those_of_the_arena_tools_to_the_bit(ring: str) -> None:
    vectors = Arena(surface="cylinder", **RINGS[ring]).geometry().directions
    for (name, wave), expected in zip(WAVES.items(), REFERENCE[ring], strict=True):
        shown = Grating(**({"pole_deg": (0.0, 0.0)} | wave)).wave(vectors, 0.0)
        levels = np.floor((shown + 1) / 2 * 15 + 0.5).astype(np.uint8)
        assert zlib.crc32(np.ascontiguousarray(levels[::-1]).tobytes()) == expected, name


@pytest.mark.parametrize(
    ("generation", "num_cols", "inner_mm", "outer_mm", "deg_per_px"),
    [
        ("G3", 12, 59.712812921102042, 77.712812921102042, 3.75),
        ("G3", 24, 121.53206580360242, 139.53206580360242, 1.875),
        ("G4", 12, 75.480727583080551, 93.480727583080551, 1.875),
        ("G4", 18, 114.70167480176816, 132.70167480176815, 1.25),
        ("G4.1", 12, 74.641016151377542, 80.991016151377536, 1.875),
        ("G4.1", 18, 113.42563639235418, 119.77563639235417, 1.25),
        ("G6", 8, 54.802647865869261, 58.252647865869264, 2.25),
        ("G6", 10, 69.863416293878245, 73.313416293878262, 1.8),
        ("G6", 12, 84.717553331813519, 88.16755333181352, 1.5),
        ("G6", 18, 128.73809730532201, 132.188097305322, 1.0),
    ],
)
def test_sizes_are_those_of_the_arena_tools(
    generation: Generation, num_cols: int, inner_mm: float, outer_mm: float, deg_per_px: float
) -> None:
    arena = Arena(generation=generation, num_rows=2, num_cols=num_cols)
    # reference_data.json of reiserlab/webDisplayTools (from MATLAB, 2026-01-16).
    assert arena.inner_radius_mm == pytest.approx(inner_mm, rel=1e-14)
    assert arena.outer_radius_mm == pytest.approx(outer_mm, rel=1e-14)
    assert arena.deg_per_px == pytest.approx(deg_per_px, rel=1e-14)
    assert arena.azimuth_coverage_deg == 360


def test_columns_go_from_behind_over_the_left() -> None:
    full = Arena(**RINGS["G6_2x10"])
    assert full.panel_azimuth_deg()[[0, 1, 9]].tolist() == pytest.approx([-162, -126, 162])
    azimuth_deg = full.geometry().azimuth_deg
    assert (np.diff(azimuth_deg, axis=1) > 0).all()
    assert (full.geometry().elevation_deg[0] > 0).all()
    part = Arena(**RINGS["G4_3x12of18"])
    assert part.panel_azimuth_deg()[[0, -1]].tolist() == pytest.approx([-110, 110])
    behind = Arena(generation="G4.1", num_rows=2, num_cols=12, angle_offset_deg=15)
    assert behind.panel_azimuth_deg()[0] == pytest.approx(-180)
    mirror = Arena(**RINGS["G6_2x10"], column_order="ccw").geometry()
    np.testing.assert_allclose(mirror.azimuth_deg, -azimuth_deg, atol=1e-12)
    flipped = Arena(**RINGS["G6_2x10"], orientation="flipped").geometry()
    np.testing.assert_allclose(flipped.directions, full.geometry().directions[::-1, ::-1], atol=1e-12)
    tilted = Arena(**RINGS["G6_2x10"], pitch_deg=30).geometry()
    ahead = tilted.directions[19:21, 99:101].mean(axis=(0, 1))
    assert directions.elevation_deg(ahead) == pytest.approx(30, abs=1e-9)


def test_pixels_are_where_rays_from_the_eye_hit_panels() -> None:
    arena = Arena(generation="G4", num_rows=3, num_cols=6, columns_installed=(0, 1, 2, 4), angle_offset_deg=12)
    eye_mm = np.array([4.0, -6.0, 9.0])
    display = arena.geometry().seen_from((4.0, -6.0, 9.0))
    n_rays = 1_000_000
    rays = directions.normalised(np.random.default_rng(0).normal(size=(n_rays, 3)))
    hits = np.zeros(arena.shape_px)
    px_mm = 40.45 / 16
    for number, azimuth in enumerate(np.radians(arena.panel_azimuth_deg())):
        outward = np.array([np.sin(azimuth), np.cos(azimuth), 0.0])
        across = np.array([np.cos(azimuth), -np.sin(azimuth), 0.0])
        towards = rays @ outward
        distance_mm = (arena.inner_radius_mm - eye_mm @ outward) / np.where(towards > 0, towards, np.nan)
        at_mm = eye_mm + rays * distance_mm[:, None]
        column = np.floor(at_mm @ across / px_mm + 8)
        row = np.floor(24 - at_mm[:, 2] / px_mm)
        inside = (column >= 0) & (column < 16) & (row >= 0) & (row < 48)
        np.add.at(hits, (row[inside].astype(int), column[inside].astype(int) + 16 * number), 1)
    expected = display.solid_angle_sr / (4 * np.pi) * n_rays
    deviation = (hits - expected) / np.sqrt(expected)
    assert np.abs(deviation).max() < 5
    assert deviation.std() == pytest.approx(1, abs=0.1)
    assert hits.sum() == pytest.approx(expected.sum(), rel=3e-3)


def test_a_cylinder_has_the_solid_angles_of_its_height() -> None:
    arena = Arena(**RINGS["G4_4x12"], surface="cylinder")
    display = arena.geometry()
    top = np.pi * 4 / 12
    assert display.solid_angle_sr.sum() == pytest.approx(4 * np.pi * top / np.hypot(1, top), rel=1e-12)
    panels = Arena(**RINGS["G4_4x12"]).geometry()
    assert panels.coverage == pytest.approx(display.coverage, rel=0.02)


RIG = """
format_version: "1.0"
name: "a rig"
arena: {arena}
controller: {{host: "10.0.0.1", port: 62222}}
"""
ARENA = """
format_version: "1.0"
name: "partial"
arena:
  generation: "G6"
  num_rows: 2
  num_cols: 10
  columns_installed: [1, 2, 3, 4, 5, 6, 7, 8]  # 0 and 9 are missing
  orientation: "normal"
  column_order: "cw"
  angle_offset_deg: 0
"""


def test_files_of_arenas_and_of_rigs_are_read(tmp_path: Path) -> None:
    (tmp_path / "arenas").mkdir()
    (tmp_path / "rigs").mkdir()
    (tmp_path / "arenas" / "partial.yaml").write_text(ARENA)
    expected = Arena(**RINGS["G6_2x8of10"])
    assert read_arena(tmp_path / "arenas" / "partial.yaml") == expected
    rig = tmp_path / "rigs" / "rig.yaml"
    for name in ("../arenas/partial.yaml", "partial"):
        rig.write_text(RIG.format(arena=name))
        assert read_arena(rig) == expected
    assert read_arena(rig, pitch_deg=10.0).pitch_deg == 10
    all_columns = ARENA.replace("[1, 2, 3, 4, 5, 6, 7, 8]", "null")
    (tmp_path / "arenas" / "partial.yaml").write_text(all_columns)
    assert len(read_arena(rig).installed) == 10
    rig.write_text(RIG.format(arena="G6_9x9"))
    with pytest.raises(FileError, match=r"names the arena 'G6_9x9', of which there is no file G6_9x9.yaml"):
        read_arena(rig)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("G6", "G5", r"arena.generation='G5'"),
        ("num_cols", "num_columns", "the key 'arena.num_columns'"),
        ("[1, 2,", "[1, 1,", "describes no arena, expected .*different numbers from 0 to 9"),
        ("  num_rows: 2\n", "", "has no key 'arena.num_rows'"),
        ("8]", "10]", "different numbers from 0 to 9"),
        ("arena:\n", "display:\n", "has no key 'arena'"),
    ],
)
def test_what_is_no_arena_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    (tmp_path / "arena.yaml").write_text(ARENA.replace(old, new))
    with pytest.raises(FileError, match=sentence):
        read_arena(tmp_path / "arena.yaml")
