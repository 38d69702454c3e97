"""Patterns for an arena, and what it shows of them when positions move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import ShapeError
from stcnn.stimuli.displays import Arena
from stcnn.stimuli.displays.playing import moved, pattern_for, played
from stcnn.stimuli.displays.showing import shown
from stcnn.stimuli.patterns import Generation, Pattern, decode_pattern, encode_pattern
from stcnn.stimuli.sphere.scenes import Grating

ARENA = Arena(generation="G6", num_rows=1, num_cols=10, columns_installed=(3, 4, 5, 6))


def test_a_scene_becomes_a_file_for_the_rig_and_comes_back() -> None:
    grating = Grating(wavelength_deg=36, frequency_hz=1.0, background=0.5)
    luminance = shown(ARENA.geometry(), grating, np.arange(20) / 20)
    pattern = decode_pattern(encode_pattern(pattern_for(ARENA, luminance)))
    assert (pattern.generation, pattern.n_levels) == ("G6", 16)
    np.testing.assert_allclose(played(ARENA, pattern, np.arange(20)), luminance, atol=0.5001 / 15)
    # A cycle in 20 frames: position 5 is a quarter of it, and after the last frame comes the first again.
    np.testing.assert_allclose(played(ARENA, pattern, [5, 25, -15]), luminance[[5, 5, 5]], atol=0.5001 / 15)


def test_positions_along_y_choose_rows_of_frames_and_levels_may_be_measured() -> None:
    codes = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 20, 80), np.uint8)
    pattern = pattern_for(ARENA, codes / 15.0)._replace(n_y=2)
    assert played(ARENA, pattern, [0, 1, 2, 2], [0, 0, 0, 1])[:, 0, 0] * 15 == pytest.approx([0, 1, 2, 5])
    measured = tuple(float(level**2) for level in range(16))
    assert played(ARENA, pattern, [2], 1, measured)[0, 0, 0] == pytest.approx(25 / 225)
    binary = pattern_for(ARENA, (codes > 2).astype(float))
    assert binary.n_levels == 2


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.sampled_from([7.5, 30, 60, 90, 144, 180, 240, 500]),
    st.sampled_from(["G3", "G4", "G6"]),
)
def test_a_pattern_and_its_function_show_every_frame_when_it_is_due(
    shown_as: list[int], rate_hz: float, generation: Generation
) -> None:
    codes = np.array(shown_as, np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    pattern, function = moved(Pattern(codes, 16, generation), rate_hz)
    assert len(pattern.codes) == len(set(shown_as))
    assert function.rate_hz == (500 if generation == "G4" else rate_hz)
    ticks = np.floor(np.arange(len(codes)) / rate_hz * function.rate_hz + 1e-6).astype(int)
    np.testing.assert_array_equal(pattern.codes[function.positions[ticks]], codes)


def test_frames_faster_than_the_panels_are_refused() -> None:
    with pytest.raises(ShapeError, match="600 frames per second are more than panels show of 16 levels"):
        moved(Pattern(np.zeros((2, 16, 16), np.uint8), 16, "G4"), 600)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="frames of 40 x 80 pixels, expected 20 x 80, the pixels of the arena"):
        pattern_for(ARENA, np.zeros((1, 40, 80)))
    with pytest.raises(ShapeError, match="no luminance"):
        pattern_for(ARENA, np.full((1, 20, 80), 2.0))
    with pytest.raises(ShapeError, match="positions of a pattern are not whole"):
        played(ARENA, pattern_for(ARENA, np.zeros((2, 20, 80))), [0.5])
