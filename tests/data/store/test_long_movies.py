"""Pieces of a long movie are read from a store when they are needed, and memory does not grow with its length."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from stcnn.data import BatchingConfig, Dataset, Recording, loader
from stcnn.data.store import movies as stored_movies
from stcnn.data.store.movies import StoredFrames
from stcnn.data.store.reader import open_store
from stcnn.data.store.writer import write_store
from stcnn.errors import FileError
from stcnn.movie import FramesOnDemand, Movie, is_read_later

RATE_HZ = 20.0
PIECES = BatchingConfig(kind="movies", batch_size=1, piece_s=5.0, pre_grey_s=0.5, loss_start_s=0.0)


@pytest.fixture(autouse=True)
def all_movies_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_movies, "HELD_BYTES", 0)


def recorded(n_frames: int, shape_px: tuple[int, int] = (6, 7), *, coded: bool = True) -> Dataset:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (n_frames, *shape_px), np.uint8)
    movie = Movie(frames if coded else rng.random(frames.shape, np.float32), RATE_HZ, background=0.5)
    time_s = np.arange(0.1, n_frames / RATE_HZ - 0.2, 0.1)
    trace = rng.normal(size=len(time_s)).astype(np.float32)
    return Dataset.of({"noise": movie}, [Recording("lc11", "0", "noise", trace, time_s, 10.0, exposure_s=0.05)])


@pytest.mark.parametrize("coded", [True, False])
def test_frames_of_a_long_movie_are_those_that_were_written(tmp_path: Path, coded: bool):
    data = recorded(300, coded=coded)
    opened = open_store(write_store(data, tmp_path / "set.zarr"))
    movie = opened.movies["noise"]
    written = data.movies["noise"].frames.astype(np.uint8 if coded else np.float16)
    assert is_read_later(movie.frames)
    assert (movie.n_frames, movie.shape_px, movie.frames.nbytes) == (300, (6, 7), written.size * (1 if coded else 4))
    for which in (slice(0, 10), slice(130, 207), slice(-5, None), slice(50, 40), slice(0, 300, 3), 17, -1, [5, 3]):
        assert np.array_equal(movie.frames[which], written[which])
    assert np.array_equal(np.asarray(movie.frames), written)
    assert np.array_equal(np.stack(list(movie.frames)), written)
    again = pickle.loads(pickle.dumps(movie))  # noqa: S301 - our own
    assert np.array_equal(again.contrast(slice(70, 80)), movie.contrast()[70:80])


def test_pieces_are_those_of_the_movie_in_memory_and_each_frame_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = recorded(1000)
    opened = open_store(write_store(data, tmp_path / "set.zarr"))
    read: list[range] = []
    whole = StoredFrames.__call__

    def noted(self: StoredFrames, first: int, last: int) -> np.ndarray:
        read.append(range(first, last))
        return whole(self, first, last)

    monkeypatch.setattr(StoredFrames, "__call__", noted)
    for stored, held in zip(loader(opened, PIECES), loader(data, PIECES), strict=True):
        assert np.array_equal(stored.codes, held.codes)
        assert np.array_equal(stored.target, held.target)
        assert stored.n_grey == held.n_grey
    frames = [number for part in read for number in part]
    assert len(frames) == len(set(frames))
    assert set(frames) >= set(range(990))
    assert max(map(len, read)) <= 5.0 * RATE_HZ


def test_memory_does_not_grow_with_the_length_of_a_movie(tmp_path: Path):
    peaks = []
    for n_frames in (1000, 6000):
        path = write_store(recorded(n_frames, (40, 40)), tmp_path / f"{n_frames}.zarr")
        for _ in range(2):  # the first opens what stays open
            opened = open_store(path)
            tracemalloc.start()
            n_pieces = sum(1 for _ in loader(opened, PIECES))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert n_pieces >= n_frames / RATE_HZ / 5
    assert peaks[3] < 1.3 * peaks[1]
    assert peaks[3] < 6000 * 1600 / 4


def test_a_code_without_a_level_is_refused_when_it_is_read(tmp_path: Path):
    data = recorded(200)
    path = write_store(data, tmp_path / "set.zarr")
    frames: object = open_store(path).movies["noise"].frames
    assert isinstance(frames, FramesOnDemand)
    assert isinstance(frames.read, StoredFrames)
    frames.read.levels = [0.0, 1.0]
    with pytest.raises(FileError, match="levels"):
        frames[0:10]
