"""From a data set to batches: which recordings share a clip, which clips a batch, and the padding of both.

Three kinds, one path: ``movies`` shares a clip between all recordings made while the same movie was shown, and each
neuron looks at it from where it sits; ``presentations`` shares a clip between those for which the movie lay at the same
place, shifted so that the neuron sits in its middle; ``recordings`` is the published way, where every recording has its
own clip and all are padded to the longest of the set. The first two put clips of similar length into a batch. Movies
stay 8-bit; a clip is cut, shifted and padded with grey when its batch is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from stcnn.data.batch import Batch
from stcnn.data.batch_order import BatchOrder
from stcnn.data.clocks import frame_extents, sampled_at_frames, traces_at_frames, traces_at_samples
from stcnn.data.dataset import Dataset
from stcnn.data.pictures import codes_with_grey, place
from stcnn.data.pieces import Piece, PieceOrder, Traces, piece_frames, samples_of_piece
from stcnn.errors import DataError
from stcnn.movie import PRE_GREY_S
from stcnn.reading import require_room
from stcnn.shortage import require_open_files
from stcnn.validation import Config


class BatchingConfig(Config):
    """How recordings are grouped into batches, and which samples are scored.

    Published: ``kind="recordings"``, 20 of them, 2 s of grey, a loss from -0.5 s to the last but one sample.
    """

    kind: Literal["movies", "presentations", "recordings"] = "movies"
    """Kind of batch: whole movies, each passed once for all neurons that saw it; presentations, a movie
    shifted to a receptive field, shared by all that was recorded during it; or single recordings, as published."""
    batch_size: int = Field(default=4, ge=1, le=1_000_000)
    """Clips (movies, presentations) or recordings in a batch."""
    pre_grey_s: float = Field(default=PRE_GREY_S, ge=0, le=60)
    """Grey shown to the network before the first sample of a trace; rounded to the nearest frame."""
    loss_start_s: float = -0.5
    """Time after stimulus onset from which on the prediction is scored."""
    piece_s: PositiveFloat | None = None
    """Length of the pieces in which long movies pass, each from the state that the piece before left; gradients end
    where a piece starts. None: whole movies. Only with ``kind: movies``."""
    repeats: dict[str, Annotated[int, Field(ge=1, le=10_000)]] = Field(default_factory=dict)
    """Patterns of movie names, such as ``edges_*``, to how often such a movie passes in a pass over the training set;
    others pass once. The first pattern that fits counts."""

    def times(self, stimulus: str) -> int:
        """Return how often a movie passes in a pass over the training set."""
        return next((n for pattern, n in self.repeats.items() if fnmatch(stimulus, pattern)), 1)

    @property
    def in_pieces(self) -> bool:
        """Whether movies pass in pieces."""
        return self.piece_s is not None and self.kind == "movies"

    @model_validator(mode="after")
    def _has_pieces_of_movies(self) -> Self:
        if self.piece_s is not None and self.kind != "movies":
            raise ValueError(f"piece_s is for kind 'movies', not '{self.kind}'; leave it out, or choose movies")
        return self


@dataclass(frozen=True)
class Clip:
    """One pass through the network: a movie at one place, and the recordings it answers for.

    With ``movies`` no picture is shifted: every recording has a place in it.

    ``first_frame`` counts from the frame of stimulus onset; ``items`` are indices into the data set.
    """

    stimulus: str
    shift_px: tuple[int, int]
    items: tuple[int, ...]
    first_frame: int
    n_frames: int
    rate_hz: float


def plan_clips(dataset: Dataset, config: BatchingConfig) -> list[Clip]:
    """Assign every recording to a clip.

    Raises:
        DataError: a recording ends before ``loss_start_s``, so that nothing of it would be scored.
    """
    table = dataset.table
    _require_scorable(table, config)
    first, last = frame_extents(table)
    first -= np.rint(config.pre_grey_s * table.movie_rate_hz.to_numpy()).astype(int)
    rate_hz = table.movie_rate_hz.tolist()
    shifts = zip(table.azi_shift_px.tolist(), table.ele_shift_px.tolist(), strict=True)
    keys = [
        (name, *((0, 0) if config.kind == "movies" else px)) for name, px in zip(table.stimulus, shifts, strict=True)
    ]
    if config.kind == "recordings":
        longest = int((last - first).max())
        return [Clip(k[0], k[1:], (i,), int(first[i]), longest, rate_hz[i]) for i, k in enumerate(keys)]
    shared: dict[tuple[str, int, int], list[int]] = {}
    for item, key in enumerate(keys):
        shared.setdefault(key, []).append(item)
    extents = {key: (int(first[items].min()), int(last[items].max())) for key, items in shared.items()}
    return [
        Clip(k[0], k[1:], tuple(items), extents[k][0], extents[k][1] - extents[k][0], rate_hz[items[0]])
        for k, items in shared.items()
    ]


def _require_scorable(table: pd.DataFrame, config: BatchingConfig) -> None:
    too_short = table.end_s <= config.loss_start_s
    for row in table[too_short].head(1).itertuples():
        raise DataError(
            f"trace of neuron '{row.neuron}' ({row.cell_type}, stimulus '{row.stimulus}') ends at {row.end_s:.3g} s",
            expected=f"samples after loss_start_s = {config.loss_start_s:g} s",
            remedy="lower loss_start_s or leave the recording out",
        )


def _require_room(dataset: Dataset, clips: Sequence[Clip], config: BatchingConfig) -> None:
    """Refuse a batch whose pictures this machine cannot hold.

    Raises:
        FileError: as :func:`stcnn.reading.require_room`.
    """
    longest = max(clip.n_frames for clip in clips)
    if config.in_pieces and config.piece_s is not None:
        longest = min(longest, piece_frames(config.piece_s, max(clip.rate_hz for clip in clips)))
    n_clips = min(config.batch_size, len(clips))
    n_bytes = 1 if all(movie.levels is not None for movie in dataset.movies.values()) else 4
    pictures = f"a batch of {n_clips} clips of up to {longest} frames of {'x'.join(map(str, dataset.shape_px))} pixels"
    require_room(n_clips * longest * math.prod(dataset.shape_px) * n_bytes, pictures, "batch (batch_size, pre_grey_s)")


class ClipBatches(TorchDataset[Batch]):
    """Makes the batch of a list of clips; indexed by such lists."""

    def __init__(self, dataset: Dataset, clips: Sequence[Clip], config: BatchingConfig) -> None:
        self.dataset = dataset
        self.clips = clips
        self.config = config
        self.type_index = {cell_type: i for i, cell_type in enumerate(dataset.cell_types)}
        self.neuron_index = {(t, uid): i for t, uids in dataset.neurons.items() for i, uid in enumerate(uids)}
        self.at_frames = bool(sampled_at_frames(dataset.table).all())
        self.share = slice(None)
        """Clips of every batch that are made here: those of one of several processes."""
        self._cached: tuple[tuple[int, ...], Traces] = ((), (np.empty(0, np.float32), np.empty(0, np.float32), None))
        """Traces of the clips whose pieces are being made."""

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, batch: list[int] | Piece) -> Batch:
        if isinstance(batch, Piece):
            return self._piece(batch)
        clips = [self.clips[i] for i in batch]
        length = max(clip.n_frames for clip in clips)
        mine = clips[self.share]
        if mine:
            return self._batch(mine, range(length), self._traces(mine, length))
        whole = self._batch(clips[:1], range(length), self._traces(clips[:1], length))
        return whole.without_weight()  # one of several processes has nothing to add, and goes along with the others

    def _piece(self, piece: Piece) -> Batch:
        """Return a piece of clips: its frames, and the samples whose exposure ends in it."""
        clips = [self.clips[i] for i in piece.clips]
        length = max(clip.n_frames for clip in clips)
        if self._cached[0] != piece.clips:
            self._cached = (piece.clips, self._traces(clips, length))
        frames = piece.frames(length)
        samples, traces = samples_of_piece(self._cached[1], frames, length)
        batch = self._batch(clips, frames, traces)
        return replace(batch, piece=piece.number, first_sample=samples, n_grey=0 if piece.number else batch.n_grey)

    def _traces(self, clips: Sequence[Clip], length: int) -> Traces:
        """Return target, weight and exposure of all recordings of some clips."""
        recordings = [self.dataset.recordings[item] for clip in clips for item in clip.items]
        first_frames = [clip.first_frame for clip in clips for _ in clip.items]
        rows = list(zip(recordings, first_frames, strict=True))
        if self.at_frames:
            return (*traces_at_frames(rows, length, self.config.loss_start_s), None)
        return traces_at_samples(rows, clips[0].rate_hz, self.config.loss_start_s)

    def _batch(self, clips: Sequence[Clip], frames: range, traces: Traces) -> Batch:
        codes, levels, n_grey = self._pictures(clips, frames)
        items = [item for clip in clips for item in clip.items]
        named = self.dataset.table.iloc[items]
        target, weight, exposure = traces
        return Batch(
            codes=codes,
            levels=levels,
            multiplicity=torch.tensor([len(clip.items) for clip in clips], dtype=torch.float32),
            n_grey=n_grey,
            clip=torch.tensor([i for i, clip in enumerate(clips) for _ in clip.items]),
            cell_type=torch.tensor([self.type_index[name] for name in named.cell_type]),
            neuron=torch.tensor([self.neuron_index[pair] for pair in zip(named.cell_type, named.neuron, strict=True)]),
            target=torch.from_numpy(target),
            weight=torch.from_numpy(weight),
            rate_hz=clips[0].rate_hz,
            item=torch.tensor(items),
            exposure=None if exposure is None else torch.from_numpy(exposure),
            place_deg=self._places(items) if self.config.kind == "movies" else None,
        )

    def _places(self, items: Sequence[int]) -> Tensor:
        return torch.from_numpy(recorded_places(self.dataset, items)).float()

    def _pictures(self, clips: Sequence[Clip], frames: range) -> tuple[Tensor, Tensor | None, int]:
        """Codes ``(B, T, Y, X)``, levels ``(B, 256)`` or None, and the number of frames that are grey in all clips."""
        movies = [self.dataset.movies[clip.stimulus] for clip in clips]
        levels = None
        greys: list[np.generic] = [np.float32(0)] * len(clips)
        if all(movie.levels is not None for movie in movies):
            coded = [codes_with_grey(movie) for movie in movies]
            greys = [grey for _, grey in coded]
            levels = torch.from_numpy(np.stack([table for table, _ in coded]))
        pictures = np.empty((len(clips), len(frames), *self.dataset.shape_px), greys[0].dtype)
        n_grey = len(frames)
        for out, clip, movie, grey in zip(pictures, clips, movies, greys, strict=True):
            out[:] = grey
            start = -round(movie.onset_s * movie.rate_hz) - clip.first_frame - frames.start
            shown = slice(max(0, -start), max(0, len(out) - start))
            part = movie.frames[shown] if levels is not None else movie.contrast(shown)
            place(out, part, max(0, start), clip.shift_px)
            n_grey = next((t for t in range(max(0, start), n_grey) if (out[t] != grey).any()), n_grey)
        return torch.from_numpy(pictures), levels, n_grey


def recorded_places(dataset: Dataset, items: Sequence[int] | None = None) -> NDArray[np.float64]:
    """Return azimuth and elevation in degrees of each recording's neuron, from the middle of the movie, ``(R, 2)``.

    A picture that was shifted to the left for a neuron has it right of its middle, one that was shifted down above.

    Args:
        dataset: the recordings.
        items: which of them; None is all.
    """
    columns = dataset.table[["azi_shift_px", "ele_shift_px"]]
    shift_px = columns.to_numpy() if items is None else columns.iloc[list(items)].to_numpy()
    return np.asarray(shift_px * dataset.deg_per_px, np.float64)


FILES_PER_WORKER = 64
"""Files that may be open at once for each worker: some ten tensors in each of its batches under way, and its pipes."""


def loader(
    dataset: Dataset,
    config: BatchingConfig,
    *,
    seed: int = 0,
    shuffle: bool = False,
    n_workers: int = 0,
    repeated: bool = False,
) -> DataLoader[Batch]:
    """A loader of :class:`Batch`; its ``sampler.set_epoch`` selects the order of a shuffled epoch.

    Args:
        dataset: the recordings to go through, each once.
        config: kind and size of the batches.
        seed: seed of the shuffled order.
        shuffle: a new order each epoch.
        n_workers: processes that prepare batches; 0 prepares them in the training process.
        repeated: let movies pass as often as the configuration says; else each passes once.

    Raises:
        DataError: as :func:`plan_clips`.
        MachineError: this process may not open the files by which so many workers hand over their tensors.
    """
    if n_workers:
        require_open_files(FILES_PER_WORKER * (1 + n_workers), f"n_workers={n_workers}")
    clips = plan_clips(dataset, config)
    _require_room(dataset, clips, config)
    if repeated:
        clips = [clip for clip in clips for _ in range(config.times(clip.stimulus))]
    n_frames = [clip.n_frames for clip in clips]
    rates_hz = [clip.rate_hz for clip in clips]
    order: BatchOrder | PieceOrder = BatchOrder(n_frames, rates_hz, config.batch_size, seed=seed, shuffle=shuffle)
    if isinstance(order, BatchOrder) and config.in_pieces and config.piece_s is not None:
        order = PieceOrder(order, config.piece_s)
    return DataLoader(
        ClipBatches(dataset, clips, config),
        sampler=order,
        batch_size=None,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
    )
