"""A border of the background is the same stimulus: pixels, codes, splits, and what cannot be put in the middle."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data import Dataset
from stcnn.data.borders import bordered, with_border
from stcnn.data.pooling import pool
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.data.splitting.splits import split_recordings
from stcnn.errors import ShapeError
from stcnn.movie import FramesOnDemand, Movie
from tests.data.test_pooling import slow
from tests.support import made_up_data

LEVELS: dict[str, np.ndarray | None] = {
    "with a code of the background": np.array([0, 0.498, 1], np.float32),
    "without": np.array([0, 0.25, 1], np.float32),
    "all taken": np.linspace(0, 1, 256, dtype=np.float32),
    "none": None,
}


def movie(levels: np.ndarray | None) -> Movie:
    rng = np.random.default_rng(1)
    if levels is None:
        return Movie(rng.random((6, 3, 5), np.float32), 60.0)
    return Movie(rng.integers(0, len(levels), (6, 3, 5)).astype(np.uint8), 60.0, levels=levels)


@given(levels=st.sampled_from(list(LEVELS)), rows=st.integers(0, 4), columns=st.integers(0, 4), later=st.booleans())
def test_the_middle_is_the_movie_and_the_border_exactly_grey(levels: str, rows: int, columns: int, later: bool):
    own = movie(LEVELS[levels])
    read: Any = FramesOnDemand((6, 3, 5), own.frames.dtype, Read(own)) if later else own.frames
    made = bordered(replace(own, frames=read), (3 + 2 * rows, 5 + 2 * columns))
    found = pickle.loads(pickle.dumps(made))  # noqa: S301 - made here
    expected = np.pad(own.contrast(), ((0, 0), (rows, rows), (columns, columns)))
    assert np.array_equal(found.contrast(), expected)
    assert np.array_equal(found.contrast(slice(2, 4)), expected[2:4])
    assert found.shape_px == expected.shape[1:]
    assert (found.levels is None) == (levels in ("all taken", "none"))
    assert (found.rate_hz, found.background, found.onset_s) == (own.rate_hz, own.background, own.onset_s)


class Read:
    """Frames of a movie, read later."""

    def __init__(self, own: Movie) -> None:
        self.own = own

    def __call__(self, first: int, last: int) -> np.ndarray:
        return self.own.frames[first:last]


@pytest.mark.parametrize("shape_px", [(2, 5), (4, 5), (3, 8)])
def test_pictures_that_would_not_lie_in_the_middle_are_refused(shape_px: tuple[int, int]):
    with pytest.raises(
        ShapeError, match=r"3 x 5 px are to be put in the middle of .* as wide on one side as on the other"
    ):
        bordered(movie(None), shape_px)


@pytest.fixture(scope="module")
def sets() -> dict[str, Dataset]:
    data = slow()
    rows, columns = data.shape_px
    larger = {
        name: replace(each, frames=np.pad(each.frames, ((0, 0), (6, 6), (0, 0)), mode="edge"))
        for name, each in data.movies.items()
    }
    assert larger["loom"].shape_px == (rows + 12, columns)
    return {"fast": made_up_data.dataset(neurons_per_type=3), "slow": Dataset.of(larger, list(data.recordings))}


def test_a_pool_has_the_largest_pictures_and_says_whose_were_smaller(sets: dict[str, Dataset]):
    rows, columns = sets["fast"].shape_px
    pooled = pool(sets)
    assert pooled.shape_px == (rows + 12, columns) == sets["slow"].shape_px
    for name, each in sets["fast"].movies.items():
        found = pooled.movies[f"fast_{name}"].contrast()
        assert np.array_equal(found[:, 6:-6], each.contrast())
        assert not found[:, :6].any()
        assert not found[:, -6:].any()
    said = f"fast: pictures of {rows} x {columns} px have a border of their background, to {rows + 12} x {columns} px."
    assert said in pooled.notes
    assert not any(note.startswith("slow:") and "border" in note for note in pooled.notes)


@pytest.mark.parametrize("kind", ["stimulus", "stimulus_x_neuron"])
@pytest.mark.parametrize("shifted", ["together", "apart"])
def test_splits_look_at_pictures_without_the_border(sets: dict[str, Dataset], kind: str, shifted: str):
    data = with_cut_copy(sets["fast"])
    config = SplitConfig(kind=kind, shifted_movies=shifted, validation=0.3, test=0.3)
    rows, columns = data.shape_px
    assert split_recordings(with_border(data, (rows + 8, columns + 2)), config) == split_recordings(data, config)


def with_cut_copy(data: Dataset) -> Dataset:
    """The same with each movie a second time, moved so that a part of it is cut off."""
    copies = {f"{name}_copy": replace(each, frames=moved(each)) for name, each in data.movies.items()}
    more = [replace(r, stimulus=f"{r.stimulus}_copy", trace=r.trace * 0.5) for r in data.recordings]
    return Dataset.of({**data.movies, **copies}, [*data.recordings, *more])


def moved(each: Movie) -> np.ndarray:
    rows = each.shape_px[0] // 3
    grey = np.flatnonzero(each.levels == np.float32(each.background))[0] if each.levels is not None else each.background
    return np.pad(each.frames[:, rows:], ((0, 0), (0, rows), (0, 0)), constant_values=grey)
