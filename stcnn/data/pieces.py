"""Pieces of clips that are too long to pass through the network at once: their order, their frames and their samples.

The pieces of some clips follow each other, so that each can start from the state that the one before left. Which clips
go together does not change from epoch to epoch, so that all epochs have as many pieces; their order does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.data.batch_order import BatchOrder, EpochOrder

Traces = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]
"""Target and weight ``(R, S)`` and exposure ``(2, R, S)`` in frames, or None where samples are frames."""


class Piece(NamedTuple):
    """One piece of the clips of a batch."""

    clips: tuple[int, ...]
    number: int
    n_pieces: int

    def frames(self, length: int) -> range:
        """Return its frames, of clips of this length; all pieces are as long, but for one frame."""
        return range(self.number * length // self.n_pieces, (self.number + 1) * length // self.n_pieces)


def piece_frames(piece_s: float, rate_hz: float) -> int:
    """Return the frames of the longest piece."""
    return max(1, round(piece_s * rate_hz))


class PieceOrder(EpochOrder[Piece]):
    """Pieces of the batches of an epoch, one batch after the other.

    Args:
        order: of the clips.
        piece_s: length of the longest piece.
    """

    def __init__(self, order: BatchOrder, piece_s: float) -> None:
        super().__init__(order.seed, order.shuffle)
        self.batches = []
        """For each batch its clips, and how many pieces they are cut into."""
        for clips in order.by_length():
            longest = piece_frames(piece_s, float(order.rate_hz[clips[0]]))
            self.batches.append((tuple(clips), math.ceil(int(order.n_frames[clips].max()) / longest)))

    def __len__(self) -> int:
        return sum(n_pieces for _, n_pieces in self.batches)

    def __iter__(self) -> Iterator[Piece]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.batches)) if self.shuffle else np.arange(len(self.batches))
        pieces = [Piece(clips, k, n) for clips, n in (self.batches[b] for b in order) for k in range(n)]
        yield from pieces[self.first :]


def samples_of_piece(traces: Traces, frames: range, length: int) -> tuple[int, Traces]:
    """Return the samples of whole clips that are scored in a piece, and the number of the first of them.

    A sample belongs to the piece in which its exposure ends; one that ends behind the last frame, to the last piece.

    Args:
        traces: of the whole clips.
        frames: of the piece.
        length: of the clips.

    Returns:
        Columns of ``traces``, in which samples of other pieces have no weight; exposures count from the first frame of
        the piece and may begin before it.
    """
    target, weight, exposure = traces
    if exposure is None:
        return frames.start, (target[:, frames.start : frames.stop], weight[:, frames.start : frames.stop], None)
    last_frame = np.ceil(exposure[1])
    is_mine = (last_frame >= frames.start) | (frames.start == 0)
    if frames.stop < length:
        is_mine &= last_frame < frames.stop
    scored = np.flatnonzero((is_mine & (weight > 0)).any(0))
    columns = slice(int(scored[0]), int(scored[-1]) + 1) if len(scored) else slice(0, 1)
    mine = np.where(is_mine[:, columns], weight[:, columns], 0).astype(np.float32)
    return columns.start, (target[:, columns], mine, exposure[:, :, columns] - np.float32(frames.start))
