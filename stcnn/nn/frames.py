"""Batches of movies that a network is shown, whole or of movies that are expanded to contrast piece by piece."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from stcnn.errors import DataError, RateError, ShapeError
from stcnn.movie import BACKGROUND, Movie

EYE_FRAMES = 64
"""Frames expanded to contrast at a time: a few megabytes."""


class Frames(Protocol):
    """A batch of movies that is expanded to contrast piece by piece; a batch of the data set is one."""

    @property
    def n_frames(self) -> int:
        """Number of frames T."""

    def contrast(self, start: int, stop: int) -> Tensor:
        """Contrast ``(B, stop - start, Y, X)`` of frames ``start..stop``."""


class Whole(NamedTuple):
    """Contrast that is already expanded."""

    whole: Tensor
    """``(B, T, Y, X)``."""

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return self.whole.shape[1]

    def contrast(self, start: int, stop: int) -> Tensor:
        """Contrast ``(B, stop - start, Y, X)``."""
        return self.whole[:, start:stop]


def as_source(frames: Tensor | Frames) -> Frames:
    """Return contrast ``(B, T, Y, X)`` as a batch, and a batch as it is; raises as :func:`as_clips`."""
    return as_clips(frames) if isinstance(frames, Tensor) else frames


def as_clips(contrast: Tensor) -> Whole:
    """Return contrast ``(B, T, Y, X)`` as a batch; raises ShapeError where it is none."""
    if contrast.dim() != 4 or not contrast.numel() or contrast.is_complex():
        raise ShapeError(
            f"the contrast is of type {contrast.dtype} and shape {tuple(contrast.shape)}",
            expected="real numbers (B, T, Y, X), at least one clip, frame and pixel",
        )
    return Whole(contrast)


def as_movie(frames: Movie | ArrayLike | Tensor, rate_hz: float | None, deg_per_px: float) -> Movie:
    """Return a movie from a movie or from luminance ``(T, Y, X)`` in 0..1 (uint8: 0..255)."""
    if isinstance(frames, Movie):
        return frames
    if rate_hz is None:
        raise RateError(
            "the frame rate of plain frames is not given",
            expected="frames per second",
            remedy="give rate_hz, or a stcnn.Movie, which knows it",
        )
    try:
        array = frames.detach().cpu().numpy() if isinstance(frames, Tensor) else np.asarray(frames)
    except ValueError as error:  # a list of frames of unequal size
        raise ShapeError(f"the frames are no array: {error}", expected="luminance (T, Y, X)") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"the frames are of type {array.dtype}", expected="numbers: luminance (T, Y, X) in 0..1")
    return Movie(array, rate_hz, deg_per_px=deg_per_px, background=BACKGROUND)
