"""From a data set to batches: which recordings share a clip, which clips a batch, and the padding of both.

Two kinds, one path: ``presentations`` shares a clip between all recordings made while the same movie was shown at
the same place and puts clips of similar length into a batch; ``recordings`` is the published way, where every
recording has its own clip and all are padded to the longest of the set. Movies stay 8-bit; a clip is cut, shifted
and padded with grey when its batch is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from stcnn.data.dataset import Batch, Dataset, Recording
from stcnn.errors import DataError, RateError
from stcnn.movie import Movie

PAD_SAMPLES = 18
"""Samples at either end of a trace whose mean continues it (published: 0.1 s at 180 Hz)."""

POOL_BATCHES = 32
"""A shuffled epoch is cut into pools of this many batches, and clips are sorted by length within a pool."""


class BatchingConfig(BaseModel):
    """How recordings are grouped into batches, and which samples are scored.

    The published values are ``kind="recordings"``, 20 recordings, 2 s (360 frames at 180 Hz) of grey, and a loss
    from -0.5 s to the last but one sample.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["presentations", "recordings"] = "presentations"
    batch_size: int = Field(default=8, ge=1)
    """Clips (presentations) or recordings in a batch."""
    pre_grey_s: float = Field(default=2.0, ge=0)
    """Grey shown to the network before the first sample of a trace; rounded to the nearest frame."""
    loss_start_s: float = -0.5
    """Time after stimulus onset from which on the prediction is scored."""


@dataclass(frozen=True)
class Clip:
    """One pass through the network: a movie at one place, and the recordings it answers for.

    ``first_frame`` counts from the frame of stimulus onset; ``items`` are indices into the data set.
    """

    stimulus: str
    shift_px: tuple[int, int]
    items: tuple[int, ...]
    first_frame: int
    n_frames: int


def plan_clips(dataset: Dataset, config: BatchingConfig) -> list[Clip]:
    """Assign every recording to a clip.

    Raises:
        RateError: a recording was sampled at another rate than its movie.
        DataError: a recording ends before ``loss_start_s``, so that nothing of it would be scored.
    """
    table, rate_hz = dataset.table, dataset.rate_hz
    _require_scorable(dataset, config)
    n_grey = round(config.pre_grey_s * rate_hz)
    first = np.rint(table.start_s.to_numpy() * rate_hz).astype(int) - n_grey
    last = first + n_grey + table.n_samples.to_numpy()
    keys = list(zip(table.stimulus, table.azi_shift_px, table.ele_shift_px, strict=True))
    if config.kind == "recordings":
        longest = int((last - first).max())
        return [Clip(k[0], (int(k[1]), int(k[2])), (i,), int(first[i]), longest) for i, k in enumerate(keys)]
    shared: dict[tuple[str, int, int], list[int]] = {}
    for item, key in enumerate(keys):
        shared.setdefault(key, []).append(item)
    extents = {key: (int(first[items].min()), int(last[items].max())) for key, items in shared.items()}
    return [
        Clip(k[0], (int(k[1]), int(k[2])), tuple(items), extents[k][0], extents[k][1] - extents[k][0])
        for k, items in shared.items()
    ]


def _require_scorable(dataset: Dataset, config: BatchingConfig) -> None:
    table = dataset.table
    for row in table[table.rate_hz != dataset.rate_hz].head(1).itertuples():
        raise RateError(
            f"recording of neuron '{row.neuron}' ({row.cell_type}, stimulus '{row.stimulus}') was sampled at "
            f"{row.rate_hz:g} Hz while its movie runs at {dataset.rate_hz:g} Hz",
            expected="one rate for both",
        )
    too_short = table.start_s + (table.n_samples - 1) / table.rate_hz <= config.loss_start_s
    for row in table[too_short].head(1).itertuples():
        raise DataError(
            f"trace of neuron '{row.neuron}' ({row.cell_type}, stimulus '{row.stimulus}') ends at {row.end_s:.3g} s",
            expected=f"samples after loss_start_s = {config.loss_start_s:g} s",
            remedy="lower loss_start_s or leave the recording out",
        )


class BatchOrder(Sampler[list[int]]):
    """Which clips form each batch of an epoch; the same seed and epoch always give the same batches.

    Args:
        n_frames: length of each clip.
        batch_size: clips per batch.
        seed: seed of the order.
        shuffle: new order each epoch, else shortest clips first (or as they are, where all have one length).
    """

    def __init__(self, n_frames: Sequence[int], batch_size: int, *, seed: int, shuffle: bool) -> None:
        self.n_frames, self.batch_size = np.asarray(n_frames), batch_size
        self.seed, self.shuffle, self.epoch = seed, shuffle, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self.n_frames) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.n_frames)) if self.shuffle else np.arange(len(self.n_frames))
        pool = POOL_BATCHES * self.batch_size if self.shuffle else len(order)
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        by_length = np.concatenate([p[np.argsort(self.n_frames[p], kind="stable")] for p in pools])
        batches = [by_length[s : s + self.batch_size].tolist() for s in range(0, len(order), self.batch_size)]
        if self.shuffle:
            rng.shuffle(batches)
        yield from batches


class ClipBatches(TorchDataset[Batch]):
    """Makes the batch of a list of clips; indexed by such lists."""

    def __init__(self, dataset: Dataset, clips: Sequence[Clip], config: BatchingConfig) -> None:
        self.dataset, self.clips, self.config = dataset, clips, config
        self.type_index = {cell_type: i for i, cell_type in enumerate(dataset.cell_types)}
        self.neuron_index = {(t, uid): i for t, uids in dataset.neurons.items() for i, uid in enumerate(uids)}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, indices: list[int]) -> Batch:
        clips = [self.clips[i] for i in indices]
        length = max(clip.n_frames for clip in clips)
        codes, levels, n_grey = self._pictures(clips, length)
        items = [item for clip in clips for item in clip.items]
        recordings = [self.dataset.recordings[item] for item in items]
        first_frames = [clip.first_frame for clip in clips for _ in clip.items]
        traces = [self._trace(r, first, length) for r, first in zip(recordings, first_frames, strict=True)]
        return Batch(
            codes=codes,
            levels=levels,
            multiplicity=torch.tensor([len(clip.items) for clip in clips], dtype=torch.float32),
            n_grey=n_grey,
            clip=torch.tensor([i for i, clip in enumerate(clips) for _ in clip.items]),
            cell_type=torch.tensor([self.type_index[r.cell_type] for r in recordings]),
            neuron=torch.tensor([self.neuron_index[r.cell_type, r.neuron] for r in recordings]),
            target=torch.from_numpy(np.stack([target for target, _ in traces])),
            weight=torch.from_numpy(np.stack([weight for _, weight in traces])),
            rate_hz=self.dataset.rate_hz,
            item=torch.tensor(items),
        )

    def _pictures(self, clips: Sequence[Clip], length: int) -> tuple[Tensor, Tensor | None, int]:
        """Codes ``(B, T, Y, X)``, levels ``(B, 256)`` or None, and the number of frames that are grey in all clips."""
        movies = [self.dataset.movies[clip.stimulus] for clip in clips]
        if any(movie.levels is None for movie in movies):
            sources: list[tuple[NDArray, np.generic]] = [(movie.contrast(), np.float32(0)) for movie in movies]
            levels = None
        else:
            coded = [codes_with_grey(movie) for movie in movies]
            sources = [(movie.frames, grey) for movie, (_, grey) in zip(movies, coded, strict=True)]
            levels = torch.from_numpy(np.stack([table for table, _ in coded]))
        pictures = np.empty((len(clips), length, *self.dataset.shape_px), sources[0][0].dtype)
        n_grey = length
        for out, clip, movie, (frames, grey) in zip(pictures, clips, movies, sources, strict=True):
            out[:] = grey
            start = -round(movie.onset_s * movie.rate_hz) - clip.first_frame
            _place(out, frames, start, clip.shift_px)
            n_grey = _leading_frames(out, grey, n_grey)
        return torch.from_numpy(pictures), levels, n_grey

    def _trace(self, recording: Recording, first_frame: int, length: int) -> tuple[NDArray, NDArray]:
        """The padded trace ``(T,)`` and its weight, 1 from ``loss_start_s`` to the last but one sample."""
        trace, rate_hz = np.asarray(recording.trace, np.float32), recording.rate_hz
        start_s = float(recording.time_s[0])
        before = round(start_s * rate_hz) - first_frame
        target = np.empty(length, np.float32)
        target[:before] = trace[:PAD_SAMPLES].mean()
        target[before : before + len(trace)] = trace
        target[before + len(trace) :] = (trace[-PAD_SAMPLES:-1] if len(trace) > 1 else trace).mean()
        weight = np.zeros(length, np.float32)
        unscored = max(0, int(np.ceil((self.config.loss_start_s - start_s) * rate_hz - 1e-3)))
        weight[before + unscored : before + len(trace) - 1] = 1
        return target, weight


def codes_with_grey(movie: Movie) -> tuple[NDArray[np.float32], np.uint8]:
    """Contrast of each code, float32 ``(256,)``, with one code that is exactly grey, and that code.

    A movie whose 256 codes are all taken and none of which is its background lends the nearest one: its contrast,
    at most half a grey level, becomes zero.
    """
    assert movie.levels is not None, "only a coded movie has codes"
    contrast = np.zeros(256, np.float32)
    contrast[: len(movie.levels)] = movie.levels - np.float32(movie.background)
    grey = int(np.abs(contrast).argmin())
    contrast[grey] = 0
    return contrast, np.uint8(grey)


def _place(out: NDArray, frames: NDArray, start: int, shift_px: tuple[int, int]) -> None:
    """Write the shifted movie ``(T, Y, X)`` into ``out`` from frame ``start`` on; what lies outside is cut off."""
    azi, ele = shift_px
    rows, columns = frames.shape[1:]
    t0, t1 = max(0, start), min(len(out), start + len(frames))
    y0, y1 = max(0, ele), min(rows, rows + ele)
    x0, x1 = max(0, -azi), min(columns, columns - azi)
    if t0 < t1 and y0 < y1 and x0 < x1:
        out[t0:t1, y0:y1, x0:x1] = frames[t0 - start : t1 - start, y0 - ele : y1 - ele, x0 + azi : x1 + azi]


def _leading_frames(frames: NDArray, grey: np.generic, at_most: int) -> int:
    """Number of leading frames, up to ``at_most``, in which every pixel is grey."""
    return next((t for t in range(at_most) if (frames[t] != grey).any()), at_most)


def loader(
    dataset: Dataset, config: BatchingConfig, *, seed: int = 0, shuffle: bool = False, n_workers: int = 0
) -> DataLoader[Batch]:
    """A loader of :class:`Batch`; its ``sampler.set_epoch`` selects the order of a shuffled epoch.

    Args:
        dataset: the recordings to go through, each once.
        config: kind and size of the batches.
        seed: seed of the shuffled order.
        shuffle: a new order each epoch.
        n_workers: processes that prepare batches; 0 prepares them in the training process.

    Raises:
        RateError, DataError: as :func:`plan_clips`.
    """
    clips = plan_clips(dataset, config)
    order = BatchOrder([clip.n_frames for clip in clips], config.batch_size, seed=seed, shuffle=shuffle)
    return DataLoader(
        ClipBatches(dataset, clips, config),
        sampler=order,
        batch_size=None,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
    )
