"""Directions: azimuth and elevation and back, turns, angles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.stimuli.sphere import directions


@given(st.floats(-179, 179), st.floats(-89, 89))
def test_angles_come_back(azimuth_deg: float, elevation_deg: float) -> None:
    vector = directions.unit(azimuth_deg, elevation_deg)
    assert directions.azimuth_deg(vector) == pytest.approx(azimuth_deg, abs=1e-10)
    assert directions.elevation_deg(vector) == pytest.approx(elevation_deg, abs=1e-10)
    axes = directions.around((azimuth_deg, elevation_deg))
    np.testing.assert_allclose(np.stack(axes) @ np.stack(axes).T, np.eye(3), atol=1e-12)
    assert axes.up[2] >= 0


def test_turns_go_right_and_up() -> None:
    ahead = np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(directions.turned(ahead, yaw_deg=90), [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(directions.turned(ahead, pitch_deg=90), [0, 0, 1], atol=1e-15)
    up = np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(directions.turned(up, roll_deg=90), [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(directions.turned(ahead, 30, 20, 50), directions.unit(30, 20), atol=1e-15)


def test_small_and_wide_angles_are_exact() -> None:
    ahead = directions.unit(0, 0)
    for angle_deg in (1e-6, 1.0, 90.0, 179.999999):
        assert directions.angle_deg(directions.unit(angle_deg, 0), ahead) == pytest.approx(angle_deg, rel=1e-9)
