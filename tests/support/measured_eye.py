"""A small measured eye: a table of columns in rings of six around a direction, each a little off its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stcnn.stimuli.sphere import directions

SPACING_DEG = 4.8


def write_columns(path: Path, middle_deg: tuple[float, float], rings: int, off_deg: float = 0.5, seed: int = 0) -> Path:
    """Write a table of columns.

    Args:
        path: of the CSV file.
        middle_deg: where the middle column looks.
        rings: of six, twelve ... columns around it.
        off_deg: standard deviation of what each looks beside its place, and a tenth of that of acceptance angles.
        seed: of that.
    """
    rng = np.random.default_rng(seed)
    axes = directions.around(middle_deg)
    lines = ["azimuth_deg,elevation_deg,acceptance_fwhm_deg,p,q"]
    for p in range(-rings, rings + 1):
        for q in range(-rings, rings + 1):
            if abs(p - q) > rings:
                continue
            # A step along p and q is a step up; one along q alone is up and left.
            right_deg, up_deg = np.array([(p - q) * np.sqrt(3) / 2, (p + q) / 2]) * SPACING_DEG
            right_deg, up_deg = np.array([right_deg, up_deg]) + off_deg * rng.normal(size=2)
            angle = np.radians(np.hypot(right_deg, up_deg))
            side = np.arctan2(up_deg, right_deg)
            vector = np.cos(angle) * axes.pole + np.sin(angle) * (np.cos(side) * axes.right + np.sin(side) * axes.up)
            azimuth, elevation = directions.azimuth_deg(vector), directions.elevation_deg(vector)
            fwhm_deg = 5 + off_deg / 10 * rng.normal()
            lines.append(f"{azimuth:.4f},{elevation:.4f},{fwhm_deg:.3f},{p},{q}")
    path.write_text("\n".join(lines))
    return path
