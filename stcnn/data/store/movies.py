"""The movies of a store: short ones are read whole, of long ones the frames that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stcnn.data.store.opened import RESTORE, Opened
from stcnn.movie import FramesOnDemand, Movie
from stcnn.reading import reading, require_room, require_stored

HELD_BYTES = 64e6
"""Movies up to this size are read whole; of longer ones frames are read when a clip is made of them."""


class StoredMovies(Opened):
    """Reads the movies of a store."""

    def __init__(self, path: Path, infos: Mapping[str, Mapping[str, Any]], deg_per_px: float) -> None:
        super().__init__(path)
        self.infos = infos
        self.deg_per_px = deg_per_px

    def __call__(self, name: str) -> Movie:
        """Read one movie.

        Raises:
            FileError: the file is damaged.
        """
        info = self.infos[name]
        frames = self._frames(info)
        track = self.array(info["array"]).attrs.get("track", {})
        assert isinstance(track, Mapping)
        return Movie(
            frames=frames,
            rate_hz=info["rate_hz"],
            deg_per_px=self.deg_per_px,
            background=info["background"],
            onset_s=info["onset_s"],
            levels=None if info["levels"] is None else np.array(info["levels"], np.float32),
            parameters=info["parameters"],
            track={key: np.array(values) for key, values in track.items()},
        )

    def _frames(self, info: Mapping[str, Any]) -> NDArray[Any]:
        """All frames of a movie; of a long one, frames that are read when asked for."""
        coded = info["levels"] is not None
        array = self.array(info["array"])
        if array.nbytes <= HELD_BYTES:
            whole = self.read(info["array"])
            return whole if coded else whole.astype(np.float32)
        require_stored(array.nbytes, array.nbytes_stored, str(self.path / info["array"]))
        n_frames, rows, columns = array.shape
        dtype = np.uint8 if coded else np.float32
        later = FramesOnDemand((n_frames, rows, columns), dtype, StoredFrames(self, info["array"], info["levels"]))
        return cast(NDArray[Any], later)


class StoredFrames:
    """Reads some frames of a movie of a store.

    Args:
        movies: the movies of the store.
        name: of the array.
        levels: luminance of each code; None where pixels are luminance.
    """

    def __init__(self, movies: StoredMovies, name: str, levels: Sequence[float] | None) -> None:
        self.movies = movies
        self.name = name
        self.levels = levels

    def __call__(self, first: int, last: int) -> NDArray[Any]:
        """Return frames from the first up to, not including, the last.

        Raises:
            FileError: the file is damaged.
        """
        with reading(where := self.movies.path / self.name, "an undamaged store", RESTORE):
            array = self.movies.array(self.name)
            require_room(array.nbytes // max(1, array.shape[0]) * (last - first), str(where))
            frames = np.asarray(array[first:last])
            if self.levels is None:
                return frames.astype(np.float32)
            if frames.size and int(frames.max()) >= len(self.levels):
                raise ValueError(f"code {int(frames.max())} of {len(self.levels)} levels")
            return frames
