"""Batches of clips as one training step takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from stcnn.data.clocks import sample_prediction


@dataclass
class Batch:
    """Clips and the recordings made while they were shown, as one training step takes them.

    Args:
        codes: uint8 ``(B, T, Y, X)`` codes into ``levels``, or float32 contrast where a movie has more than 256
            grey values.
        levels: float32 ``(B, 256)``, contrast of each code; grey is exactly zero. None with float32 ``codes``.
        multiplicity: float32 ``(B,)``, how many recordings share each clip.
        n_grey: number of leading frames that are grey in every clip.
        clip: int64 ``(R,)``, the clip of each recording (index in B).
        cell_type: int64 ``(R,)``, index of its cell type.
        neuron: int64 ``(R,)``, index of its neuron within the cell type.
        target: float32 ``(R, S)``, dF/F; S is T where the traces were sampled at the movie frames.
        weight: float32 ``(R, S)``, 1 where the prediction is scored, else 0.
        rate_hz: frames per second.
        item: int64 ``(R,)``, index of the recording in the data set.
        exposure: float32 ``(2, R, S)``, start and end of the exposure of each sample in frames from the clip's first;
            None where the traces were sampled at the movie frames.
        place_deg: float32 ``(R, 2)``, azimuth and elevation of the neuron from the middle of its clip; None where the
            clips were shifted so that it sits there.
        piece: number of the piece of longer clips that this is; None where the clips are whole.
        first_sample: number of the first column of ``target`` among those of the whole clips.
    """

    codes: Tensor
    levels: Tensor | None
    multiplicity: Tensor
    n_grey: int
    clip: Tensor
    cell_type: Tensor
    neuron: Tensor
    target: Tensor
    weight: Tensor
    rate_hz: float
    item: Tensor
    exposure: Tensor | None = None
    place_deg: Tensor | None = None
    piece: int | None = None
    first_sample: int = 0

    def at_samples(self, prediction: Tensor, earlier: Tensor | None = None) -> Tensor:
        """Bring predictions ``(R, T)`` at the movie frames to the times of the target, ``(R, S)``.

        Args:
            prediction: at the frames of this batch.
            earlier: at those just before them, ``(R, any)``, where the clips go on; exposures may begin there.
        """
        if self.exposure is None:
            return prediction
        if earlier is None:
            return sample_prediction(prediction, self.exposure[0], self.exposure[1])
        start, stop = self.exposure + earlier.shape[1]
        return sample_prediction(torch.cat([earlier, prediction], 1), start, stop)

    @property
    def n_frames(self) -> int:
        """Number of frames T of every clip."""
        return int(self.codes.shape[1])

    def contrast(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Contrast (luminance minus background) of frames ``start..stop``, float32 ``(B, T, Y, X)``; grey is zero."""
        frames = self.codes[:, start:stop]
        if self.levels is None:
            return frames
        contrast = self.levels.new_empty(frames.shape)
        for codes, levels, out in zip(frames, self.levels, contrast, strict=True):
            torch.index_select(levels, 0, codes.flatten().int(), out=out.view(-1))
        return contrast

    def without_pictures(self) -> Batch:
        """The same recordings without the frames, whose memory is free once nobody else has them."""
        return replace(self, codes=self.codes[:0, :0].clone(), levels=None)

    def without_weight(self) -> Batch:
        """The same clips, none of whose samples is scored and none of which counts in statistics."""
        return replace(self, weight=torch.zeros_like(self.weight), multiplicity=torch.zeros_like(self.multiplicity))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which the copy to a GPU is faster."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {name: change(v) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **changed)
