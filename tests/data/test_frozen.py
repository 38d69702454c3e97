"""What a long movie shows again is found by its content, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from stcnn.data.frozen import LEAST_MOVIE_S, LEAST_S, repeats_in
from stcnn.movie import Movie

RATE_HZ = 20.0
STRETCH = 200


def noise(n_frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n_frames, 2, 3), np.uint8)


def test_stretches_that_are_equal_frame_by_frame_are_found_whole():
    frames = noise(4000)
    first_frames = (300, 1200, 1400, 3800)
    for first in first_frames:
        frames[first : first + STRETCH] = noise(STRETCH, 1)
    (found,) = repeats_in(Movie(frames, RATE_HZ))
    assert found == (first_frames, STRETCH)


def test_two_stretches_are_told_apart():
    frames = noise(3000)
    for seed, first in ((1, 100), (2, 600), (1, 1100), (2, 2400)):
        frames[first : first + STRETCH] = noise(STRETCH, seed)
    assert repeats_in(Movie(frames, RATE_HZ)) == [((100, 1100), STRETCH), ((600, 2400), STRETCH)]


@pytest.mark.parametrize("what", ["noise", "grey", "flicker", "short movie", "one pixel off"])
def test_nothing_else_is_a_repeat(what: str):
    frames = noise(2000)
    if what == "grey":
        frames[500:1500] = 128
    if what == "flicker":
        frames[500:1500] = noise(10, 1)[np.arange(1000) % 10]
    if what == "one pixel off":
        frames[100:180] = frames[600:680]
        frames[140, 0, 0] ^= 1
    if what == "short movie":
        frames = np.concatenate([frames[:200]] * 2)
        assert len(frames) < LEAST_MOVIE_S * RATE_HZ
        assert len(frames) > 2 * LEAST_S * RATE_HZ
    assert repeats_in(Movie(frames, RATE_HZ)) == []
