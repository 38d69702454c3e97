"""Builds the structs of one clip for the compiled evaluation (``csrc/network.cpp``) from a folded network."""

from __future__ import annotations

from ctypes import CDLL, c_int64, c_void_p, cast
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from stcnn.nn.kernels.native.compile import FrozenGeometry
from stcnn.nn.kernels.native.eye import Optics
from stcnn.nn.kernels.native.interface import Calcium, Clip, Frozen, Keeper, Readouts
from stcnn.nn.kernels.native.spectra import grid, in_rows, in_three

if TYPE_CHECKING:
    from stcnn.nn.inference.folded import Folded, FoldedLayer
    from stcnn.nn.inference.stream import Indicator
    from stcnn.nn.kernels.native.filter_state import Memory

Form = Literal["blocks", "frame"]
"""Blocks of LANES frames, or one frame at a time: a vector holds frames, or channels."""


class ClipBuilder:
    """What all clips have in common.

    Args:
        folded: the network.
        form: the form its layers are compiled in.
        shape: rows and columns of the pictures.
        codes: geometry of each layer.
        compiled: the library of each layer.
    """

    def __init__(
        self, folded: Folded, form: Form, shape: tuple[int, ...], codes: list[FrozenGeometry], compiled: list[CDLL]
    ) -> None:
        self.folded, self.form, self.shape = folded, form, shape
        self.lanes = int(compiled[0].lanes())
        self.keeper = Keeper()
        self._functions = self.keeper.pointers(
            [cast(getattr(library, form), c_void_p).value or 0 for library in compiled]
        )
        bytes_of_room = max(_room_size(library) for library in compiled) if form == "frame" else 0
        self._room = self.keeper.scratch(-(-bytes_of_room // 4))
        layers = list(zip(folded.layers, codes, strict=True))
        self._weights = [self.keeper.at(self._spectrum(layer, code)) for layer, code in layers]
        rows, columns = folded.eye.matrices(torch.Size(shape), folded.readouts.weights)
        self._optics = Optics(rows, columns.T, self.lanes, self.keeper)
        self._padded = [self.lanes, *[self.whole(len(layer.kernel)) for layer in folded.layers]]

    def whole(self, n: int) -> int:
        """``n`` filled up to whole vectors."""
        return -(-n // self.lanes) * self.lanes

    def build(self, b: int, memory: dict[str, Memory]) -> Clip:
        """Return the clip ``b`` with its ``memory`` by the name of the filter."""
        layers = self.folded.layers
        frozen = [self._frozen(i, b, memory[f"hidden.{i}"]) for i in range(len(layers))]
        clip = Clip(
            self._optics.eye(memory["eye"].row_filter(b)), self._readouts(b, memory["readouts"]), Calcium(),
            len(layers), self.lanes, self._functions,
            self.keeper.pointers([self.keeper.struct(f) for f in frozen]),
        )  # fmt: skip
        if self.form == "frame":
            places = [self.folded.eye.shape, *[layer.shape for layer in layers]]
            largest = max(rows * columns * n for (rows, columns), n in zip(places, self._padded, strict=True))
            clip.map = self.keeper.scratch(largest)
        return clip

    def indicate(self, clip: Clip, b: int, indicator: Indicator, memory: Memory) -> None:
        """Give the clip its indicator."""
        types = torch.as_tensor(range(memory.channels))[indicator.types]
        clip.calcium = Calcium(
            len(indicator.gain), indicator.rectifier == "softplus", self.keeper.at(types, torch.int32),
            self.keeper.at(indicator.gain), self.keeper.at(indicator.offset), memory.row_filter(b),
        )  # fmt: skip
        clip.filtered = self.keeper.scratch(memory.channels)

    def _spectrum(self, layer: FoldedLayer, code: FrozenGeometry) -> Tensor:
        leak = layer.filter.scan.leak[: len(layer.kernel)].double()  # type: ignore[attr-defined]
        shift = (
            layer.makes.top + code.out_rows // 2 - layer.reads.top - code.rows // 2,
            layer.makes.left + code.out_columns // 2 - layer.reads.left - code.columns // 2,
        )
        w = grid(code.ny, code.nx).spectrum(leak.view(-1, 1, 1, 1) * layer.kernel, shift)
        return in_three(w) if self.form == "blocks" else in_rows(w, self.lanes)

    def _frozen(self, i: int, b: int, memory: Memory) -> Frozen:
        layer, keeper = self.folded.layers[i], self.keeper
        spare = torch.zeros(self.whole(memory.channels) - memory.channels)
        bias = torch.cat([memory.leak * layer.filter.offset, spare])
        above = [*self.folded.layers, self.folded.readouts][i + 1].activation.slope
        return Frozen(
            self._weights[i], keeper.at(bias), keeper.at(torch.cat([memory.leak, spare])),
            keeper.memory(memory.last[b]), above, memory.past(b), keeper.memory(memory.done[b : b + 1], torch.int64),
            self._room,
        )  # fmt: skip

    def _readouts(self, b: int, memory: Memory) -> Readouts:
        """Weights ``(points, types)`` of maps in blocks, ``(types, points)`` of maps of a frame."""
        readouts, layer = self.folded.readouts, self.folded.layers[-1]
        types, channels = memory.channels, len(layer.kernel)
        weights = readouts.weights.T.reshape(types, -1, channels)
        if self.form == "blocks":
            weights = weights.permute(2, 1, 0)
        else:
            weights = torch.cat([weights, weights.new_zeros(*weights.shape[:2], self._padded[-1] - channels)], 2)
        points = weights.numel() // types
        offset = readouts.filter.offset
        return Readouts(types, points, self.keeper.at(weights), self.keeper.at(offset), memory.row_filter(b))


def _room_size(library: CDLL) -> int:
    library.room_size.restype = c_int64
    return int(library.room_size())
