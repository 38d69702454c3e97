"""Structs of one clip for compiled evaluation (``csrc/network.cpp``), built from a folded network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import CDLL, c_int64, c_void_p, cast
from typing import Literal

import torch
from torch import Tensor

from stcnn.nn.inference.folded import Folded, FoldedLayer
from stcnn.nn.inference.indicator import Indicator
from stcnn.nn.kernels.native.compile import FrozenGeometry
from stcnn.nn.kernels.native.evaluation_structs import Calcium, Clip, Readouts
from stcnn.nn.kernels.native.evaluation_structs import FoldedLayer as FoldedLayerStruct
from stcnn.nn.kernels.native.eye import Optics
from stcnn.nn.kernels.native.filter_state import FilterState, whole_vectors
from stcnn.nn.kernels.native.pointers import PointerOwner
from stcnn.nn.kernels.native.spectra import for_row_products, for_three_products, grid

Form = Literal["blocks", "frame"]
"""Blocks of LANES frames, or one frame at a time: a vector holds frames, or channels."""


class ClipBuilder:
    """Builder of clips, with all that they have in common.

    Args:
        folded: the network.
        form: the form its layers are compiled in.
        shape_px: rows and columns of the pictures.
        codes: geometry of each layer.
        compiled: the library of each layer.
    """

    def __init__(
        self,
        folded: Folded,
        form: Form,
        shape_px: tuple[int, ...],
        codes: Sequence[FrozenGeometry],
        compiled: Sequence[CDLL],
    ) -> None:
        self.folded = folded
        self.form = form
        self.lanes = int(compiled[0].lanes())
        self.owner = PointerOwner()
        functions = [cast(getattr(library, form), c_void_p).value or 0 for library in compiled]
        self._functions = self.owner.pointers(functions)
        workspace_bytes = max(_workspace_size(library) for library in compiled) if form == "frame" else 0
        self._workspace = self.owner.workspace(-(-workspace_bytes // 4))
        spectra = [self._spectrum(layer, code) for layer, code in zip(folded.layers, codes, strict=True)]
        self._weights = [self.owner.constant(spectrum) for spectrum in spectra]
        sampling = folded.eye.sampling(torch.Size(shape_px), folded.readouts.weights)
        self._optics = Optics(sampling.down, sampling.across, self.lanes, self.owner)
        self._padded = [self.lanes, *[whole_vectors(len(layer.kernel), self.lanes) for layer in folded.layers]]
        """Numbers per point of the eye's map and of each layer's."""

    def build(self, b: int, states: Mapping[str, FilterState]) -> Clip:
        """Return the clip ``b`` with its ``states`` by the name of the filter."""
        layers = self.folded.layers
        frozen = [self._folded_layer(i, b, states[f"hidden.{i}"]) for i in range(len(layers))]
        clip = Clip(
            eye=self._optics.eye(states["eye"].row_filter(b)),
            readouts=self._readouts(b, states["readouts"]),
            layers=len(layers),
            padded_eye=self.lanes,
            layer=self._functions,
            frozen=self.owner.pointers([self.owner.struct(layer) for layer in frozen]),
        )
        if self.form == "frame":
            shapes = [self.folded.eye.shape, *[layer.shape for layer in layers]]
            sizes = [rows * columns * n for (rows, columns), n in zip(shapes, self._padded, strict=True)]
            clip.map = self.owner.workspace(max(sizes))
        return clip

    def indicate(self, clip: Clip, b: int, indicator: Indicator, state: FilterState) -> None:
        """Give the clip its indicator."""
        types = torch.as_tensor(range(state.channels))[indicator.types]
        clip.calcium = Calcium(
            neurons=len(indicator.gain),
            softplus=indicator.rectifier == "softplus",
            type=self.owner.constant(types, torch.int32),
            gain=self.owner.constant(indicator.gain),
            offset=self.owner.constant(indicator.offset),
            filter=state.row_filter(b),
        )
        clip.filtered = self.owner.workspace(state.channels)

    def _spectrum(self, layer: FoldedLayer, code: FrozenGeometry) -> Tensor:
        leak = layer.filter.leak.double()  # type: ignore[attr-defined]
        shift = (
            layer.makes.top + code.out_rows // 2 - layer.reads.top - code.rows // 2,
            layer.makes.left + code.out_columns // 2 - layer.reads.left - code.columns // 2,
        )
        w = grid(code.ny, code.nx).spectrum(leak.view(-1, 1, 1, 1) * layer.kernel, shift)
        return for_three_products(w) if self.form == "blocks" else for_row_products(w, self.lanes)

    def _folded_layer(self, i: int, b: int, state: FilterState) -> FoldedLayerStruct:
        layer = self.folded.layers[i]
        owner = self.owner
        activations = [each.activation for each in self.folded.layers] + [self.folded.readouts.activation]
        above = activations[i + 1]
        spare = torch.zeros(whole_vectors(state.channels, self.lanes) - state.channels)
        return FoldedLayerStruct(
            weights=self._weights[i],
            bias=owner.constant(torch.cat([state.leak * layer.filter.offset, spare])),
            leak=owner.constant(torch.cat([state.leak, spare])),
            last=owner.memory(state.last[b]),
            slope=above.slope,
            past=state.truncation_buffer(b),
            done=owner.memory(state.done[b : b + 1], torch.int64),
            space=self._workspace,
        )

    def _readouts(self, b: int, state: FilterState) -> Readouts:
        """Return readouts; weights are ``(points, types)`` for maps in blocks, ``(types, points)`` for a frame."""
        readouts = self.folded.readouts
        types = state.channels
        channels = len(self.folded.layers[-1].kernel)
        weights = readouts.weights.T.reshape(types, -1, channels)
        if self.form == "blocks":
            weights = weights.permute(2, 1, 0)
        else:
            padding = weights.new_zeros(*weights.shape[:2], self._padded[-1] - channels)
            weights = torch.cat([weights, padding], 2)
        return Readouts(
            types=types,
            points=weights.numel() // types,
            weights=self.owner.constant(weights),
            offset=self.owner.constant(readouts.filter.offset),
            filter=state.row_filter(b),
        )


def _workspace_size(library: CDLL) -> int:
    library.workspace_size.restype = c_int64
    return int(library.workspace_size())
