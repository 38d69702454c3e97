"""Values a training step in compiled code keeps between its two passes, and how layers and readouts find it there.

Convention: time is counted in blocks of LANES frames. Frames that all clips share and that fill no whole block are
given to each clip; their adjoint counts once, with the first clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.kernels.native.layer import NativeLayer
from stcnn.nn.kernels.native.layer_args import Input, Maps
from stcnn.nn.kernels.native.workspace import Workspace
from stcnn.nn.stack.algorithm import affine, n_values
from stcnn.nn.stack.problem import Clips, LayerTensors, Moments


@dataclass
class Span:
    """Consecutive frames of the same clips."""

    eye: Tensor
    """``(B, blocks, 1, Y, X, LANES)``."""
    weight: Tensor
    """Multiplicity of each clip, ``(B,)``."""
    frames: int


class Saved:
    """Input, integrators ``v`` and statistics of all layers.

    Args:
        layers: the hidden layers as tensors.
        native: the compiled code of each.
        clips: photoreceptor maps.
    """

    def __init__(self, layers: Sequence[LayerTensors], native: Sequence[NativeLayer], clips: Clips) -> None:
        self.layers = [_contiguous(layer) for layer in layers]
        self.native = native
        self.lanes = native[0].lanes
        self.n_shared = 0 if clips.prefix is None else clips.prefix.shape[0]
        """Frames that all clips share."""
        self.n_whole = self.n_shared - self.n_shared % self.lanes
        """Those of them that fill whole blocks and are computed once."""
        self.spans = self._spans(clips)
        self.start = None if clips.before is None else [self._block_of(state.last) for state in clips.before]
        """Integrators of all layers before the first frame, ``(B, 1, C, Y, X, LANES)``, in the last lane."""
        places = self.spans[0].eye.shape[3] * self.spans[0].eye.shape[4]
        own = float(sum(span.weight.sum() * span.frames for span in self.spans)) * places
        self.values = n_values(self.layers, own)
        """Values per channel behind the moments."""
        self.workspace = Workspace()
        self._adjoint_memory: dict[torch.Size, Tensor] = {}
        self.v: list[list[Tensor]] = []
        """Integrators by layer and span."""
        self.moments: list[Moments] = []
        self.decay = [1 - layer.leak.double() for layer in self.layers]
        self.spectra = [
            code.spectrum((layer.leak * layer.gain).double().view(-1, 1, 1, 1) * layer.weight)
            for code, layer in zip(native, self.layers, strict=True)
        ]

    def _spans(self, clips: Clips) -> list[Span]:
        maps = clips.maps.detach()
        n_clips = maps.shape[1]
        weight = clips.multiplicity.detach().double()
        if clips.prefix is not None:
            tail = clips.prefix[self.n_whole :].detach().expand(-1, n_clips, -1, -1)
            maps = torch.cat([tail, maps])
        spans = [Span(self.to_blocks(maps.unsqueeze(-1)), weight, maps.shape[0])]
        if clips.prefix is not None and self.n_whole:
            prefix = clips.prefix[: self.n_whole].detach().unsqueeze(-1)
            spans.insert(0, Span(self.to_blocks(prefix), weight.sum().reshape(1), self.n_whole))
        return spans

    def to_blocks(self, maps: Tensor) -> Tensor:
        """Arrange maps ``(T, B, Y, X, C)`` in blocks ``(B, blocks, C, Y, X, LANES)``, zero behind the last frame."""
        padded = F.pad(maps, (0, 0, 0, 0, 0, 0, 0, 0, 0, -maps.shape[0] % self.lanes))
        return padded.unflatten(0, (-1, self.lanes)).permute(2, 0, 5, 3, 4, 1).contiguous()

    def _block_of(self, integrators: Tensor) -> Tensor:
        """Return integrators ``(B, Y, X, C)`` as the block in front of the first."""
        block = integrators.detach().float().permute(0, 3, 1, 2)[:, None, ..., None]
        start = torch.empty(*block.shape[:-1], self.lanes)
        return start.copy_(block)

    def affine(self, i: int) -> tuple[Tensor, Tensor]:
        """Return scale and shift per channel of the normalisation of layer ``i``."""
        return affine(self.layers[i], self.moments[i])

    def maps(self, i: int, s: int, b: int) -> Maps:
        """Return the integrators of layer ``i`` for clip ``b`` of span ``s``."""
        layer = self.layers[i]
        earlier = self.v[i][s - 1][0] if s else None
        if s == 0 and self.start is not None:
            earlier = self.start[i][b]
        return Maps(self.v[i][s][b], earlier, layer.tail_weight, layer.taps)

    def input(self, i: int, s: int, b: int) -> Input:
        """Return what layer ``i`` reads of clip ``b`` of span ``s``."""
        if i == 0:
            return Input(Maps(self.spans[s].eye[b], None, None, 0), None, None, 1.0)
        return Input(self.maps(i - 1, s, b), *self.affine(i - 1), self.layers[i].slope)

    def adjoint_memory(self, shape: torch.Size) -> Tensor:
        """Return memory for ``p`` of a layer with a finite kernel; one layer after another takes the same."""
        if shape not in self._adjoint_memory:
            self._adjoint_memory[shape] = self.workspace.empty(*shape)
        return self._adjoint_memory[shape]


def _contiguous(layer: LayerTensors) -> LayerTensors:
    tensors = (t.contiguous() if isinstance(t, Tensor) else t for t in layer.detached())
    return LayerTensors(*tensors)  # type: ignore[arg-type]
