"""One compiled hidden layer as Python sees it: arguments are checked, spectra made and read.

The compiled code is ``csrc/layer.cpp``, where the formulas stand.

Convention: maps of a span of frames are blocks, ``(B, blocks, C, Y, X, LANES)``: lane j of block n is frame
``n LANES + j``. All are float32 and contiguous.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.kernels.native.compile import Geometry
from stcnn.nn.kernels.native.interface import address_of
from stcnn.nn.kernels.native.spectra import grid, in_three

_pointer, _int, _float = ctypes.c_void_p, ctypes.c_int32, ctypes.c_float


class _Maps(ctypes.Structure):
    _fields_ = (("v", _pointer), ("earlier", _pointer), ("rest", _pointer), ("earlier_blocks", _int), ("taps", _int))


class _Input(ctypes.Structure):
    _fields_ = (("maps", _Maps), ("scale", _pointer), ("shift", _pointer), ("slope", _float))


class _Forward(ctypes.Structure):
    _fields_ = (
        ("blocks", _int), ("last_frames", _int), ("input", _Input), ("output", _Maps),
        ("weights", _pointer), ("decay", _pointer), ("sums", _pointer),
    )  # fmt: skip


class _Backward(ctypes.Structure):
    _fields_ = (
        ("blocks", _int), ("last_frames", _int), ("input", _Input), ("output", _Maps),
        ("weights", _pointer), ("decay", _pointer), ("normalisation", _pointer),
        ("dz", _pointer), ("top", _int), ("bottom", _int), ("left", _int), ("right", _int),
        ("after", _pointer), ("p", _pointer), ("later", _pointer), ("later_blocks", _int),
        ("d_weights", _pointer), ("d_leak", _pointer), ("d_rest", _pointer),
        ("dz_below", _pointer), ("mean_below", _pointer), ("sums_below", _pointer),
    )  # fmt: skip


class _Reading(ctypes.Structure):
    _fields_ = (
        ("blocks", _int), ("last_frames", _int), ("output", _Maps),
        ("scale", _pointer), ("shift", _pointer), ("mean", _pointer), ("slope", _float),
        ("top", _int), ("bottom", _int), ("left", _int), ("right", _int), ("types", _int),
        ("weights", _pointer), ("drive", _pointer), ("dz", _pointer), ("d_weights", _pointer), ("sums", _pointer),
    )  # fmt: skip


class Maps(NamedTuple):
    """Integrators of one layer for one clip, and the filter behind them."""

    v: Tensor
    """``(blocks, C, Y, X, LANES)``."""
    earlier: Tensor | None
    """Blocks in front of these, ``(blocks, C, Y, X, LANES)``; None where time begins here."""
    rest: Tensor | None
    """``exp(-K dt/tau)``, ``(C,)``; None for endless kernels."""
    taps: int


class Input(NamedTuple):
    """What a layer reads: ``rectifier(scale y + shift)``, or plain maps where ``scale`` is None."""

    maps: Maps
    scale: Tensor | None
    shift: Tensor | None
    slope: float


class Readers(NamedTuple):
    """The readouts of a layer and its normalisation; names as in ``reading.h``."""

    window: tuple[int, ...]
    weights: Tensor
    """``(O, h, w, N)``."""
    slope: float
    scale: Tensor
    shift: Tensor


class ReadersAdjoint(NamedTuple):
    """What their backward pass reads and writes for one clip; names as in ``reading.h``."""

    d: Tensor
    """``(blocks, N, LANES)``."""
    mean: Tensor
    dz: Tensor
    """``(blocks, O, h, w, LANES)``."""
    d_weights: Tensor
    """``(O, h, w, N, LANES)``."""
    sums: Tensor


class Adjoint(NamedTuple):
    """What the backward pass of one clip reads and writes; names as in ``layer.cpp``."""

    normalisation: Tensor
    dz: Tensor
    """On ``window``."""
    window: tuple[int, ...]
    after: Tensor
    p: Tensor | None
    later: Tensor | None
    d_weights: Tensor
    d_leak: Tensor
    d_rest: Tensor
    dz_below: Tensor | None
    mean_below: Tensor | None
    sums_below: Tensor | None


class NativeLayer:
    """The compiled layer of one geometry.

    Args:
        geometry: its sizes.
        library: what :func:`stcnn.nn.kernels.native.compile.libraries` returned for it.
    """

    def __init__(self, geometry: Geometry, library: ctypes.CDLL) -> None:
        self.geometry, self._library = geometry, library
        self.lanes = int(library.lanes())
        self.grid = grid(geometry.ny, geometry.nx)
        self.chunks = -(-len(self.grid) // self.lanes)
        """Groups of LANES slots."""
        for function in (library.forward, library.backward, library.read_maps, library.adjoint_of_reading):
            function.argtypes, function.restype = [_pointer], None

    def spectrum(self, kernel: Tensor) -> Tensor:
        """Return the spectrum ``(F, 3, O, C)``, as the compiled code reads it, of a kernel ``(O, C, kY, kX)``."""
        return in_three(self.grid.spectrum(kernel))

    @property
    def gradient_shape(self) -> tuple[int, ...]:
        """Shape of the sums that the backward pass adds to."""
        return self.chunks, 3, self.geometry.outputs, self.geometry.inputs, self.lanes

    def kernel_gradient(self, d_weights: Tensor, kernel_shape: Sequence[int]) -> Tensor:
        """Return ``dL/dkernel`` ``(O, C, kY, kX)`` in float64 from the sums of the backward pass."""
        k0, k1, k2 = d_weights.double().permute(1, 2, 3, 0, 4).flatten(3)[..., : len(self.grid)]
        return self.grid.kernel(torch.complex(k0 - k2, k1 - k0), *kernel_shape[2:])

    def forward(
        self, frames: int, read: Input, written: Maps, weights: Tensor, decay: Tensor, sums: Tensor | None
    ) -> None:
        """Fill ``written.v`` and add to ``sums`` ``(2, O)``; see ``struct Forward``."""
        call = _Forward(
            *self._blocks(frames), self._input(read, frames), self._maps(written, frames, self.geometry.outputs),
            self._weights(weights), _at(decay, (self.geometry.outputs,), torch.float64),
            _at(sums, (2, self.geometry.outputs), torch.float64),
        )  # fmt: skip
        self._library.forward(ctypes.byref(call))

    def backward(
        self, frames: int, read: Input, written: Maps, weights: Tensor, decay: Tensor, adjoint: Adjoint
    ) -> None:
        """Run one clip backwards; see ``struct Backward``."""
        g, a, blocks = self.geometry, adjoint, -(-frames // self.lanes)
        self._check_window(a.window)
        top, bottom, left, right = a.window
        window, whole = (bottom - top, right - left), (g.rows, g.columns)
        later_blocks = 0 if a.later is None else a.later.shape[0]
        outputs, below, double = (g.outputs,), a.dz_below is not None, torch.float64
        if (a.p is None) != (written.rest is None) or (below and read.scale is None):
            raise ValueError("p belongs to finite kernels, dz_below to normalised maps below")
        call = _Backward(
            *self._blocks(frames), self._input(read, frames), self._maps(written, frames, g.outputs),
            self._weights(weights), _at(decay, outputs, double), _at(a.normalisation, (4, *outputs)),
            self._vectors(a.dz, blocks, *outputs, *window), top, bottom, left, right,
            _at(a.after, (*outputs, *whole)), self._vectors(a.p, blocks, *outputs, *whole),
            self._vectors(a.later, later_blocks, *outputs, *whole), later_blocks,
            self._vectors(a.d_weights, *self.gradient_shape[:-1]),
            _at(a.d_leak, outputs, double), _at(a.d_rest, outputs, double),
            self._vectors(a.dz_below, blocks, g.inputs, *whole), _at(a.mean_below, (g.inputs,), wanted=below),
            _at(a.sums_below, (2, g.inputs), double, wanted=below),
        )  # fmt: skip
        self._library.backward(ctypes.byref(call))

    def read_maps(self, frames: int, maps: Maps, readers: Readers, drive: Tensor) -> None:
        """Fill ``drive`` ``(blocks, N, LANES)`` with what the readouts take; see ``struct Reading``."""
        self._library.read_maps(ctypes.byref(self._reading(frames, maps, readers, drive)))

    def adjoint_of_reading(self, frames: int, maps: Maps, readers: Readers, adjoint: ReadersAdjoint) -> None:
        """Fill ``dz`` and add to ``d_weights`` and ``sums``; see ``struct Reading``."""
        call, outputs = self._reading(frames, maps, readers, adjoint.d), self.geometry.outputs
        blocks, shape = call.blocks, tuple(readers.weights.shape)
        call.mean, call.sums = _at(adjoint.mean, (outputs,)), _at(adjoint.sums, (2, outputs), torch.float64)
        call.dz = self._vectors(adjoint.dz, blocks, *shape[:3])
        call.d_weights = self._vectors(adjoint.d_weights, *shape)
        self._library.adjoint_of_reading(ctypes.byref(call))

    def _reading(self, frames: int, maps: Maps, readers: Readers, drive: Tensor) -> _Reading:
        """What both have in common."""
        self._check_window(readers.window)
        (top, bottom, left, right), outputs = readers.window, self.geometry.outputs
        blocks, last_frames = self._blocks(frames)
        types = readers.weights.shape[-1]
        weights = _at(readers.weights, (outputs, bottom - top, right - left, types))
        return _Reading(
            blocks, last_frames, self._maps(maps, frames, outputs),
            _at(readers.scale, (outputs,)), _at(readers.shift, (outputs,)), None, readers.slope,
            top, bottom, left, right, types, weights, self._vectors(drive, blocks, types),
        )  # fmt: skip

    def _check_window(self, window: tuple[int, ...]) -> None:
        (top, bottom, left, right), g = window, self.geometry
        if not (0 <= top < bottom <= g.rows and 0 <= left < right <= g.columns):
            raise ValueError(f"window {window} is not on the lattice {g.rows} x {g.columns}")

    def _blocks(self, frames: int) -> tuple[int, int]:
        """Number of blocks of so many frames, and frames of the last one."""
        if frames < 1:
            raise ValueError(f"{frames} frames")
        return -(-frames // self.lanes), (frames - 1) % self.lanes + 1

    def _weights(self, weights: Tensor) -> int | None:
        return _at(weights, (len(self.grid), 3, self.geometry.outputs, self.geometry.inputs))

    def _input(self, read: Input, frames: int) -> _Input:
        channels, given = (self.geometry.inputs,), read.scale is not None
        scale, shift = _at(read.scale, channels), _at(read.shift, channels, wanted=given)
        return _Input(self._maps(read.maps, frames, *channels), scale, shift, read.slope)

    def _maps(self, maps: Maps, frames: int, channels: int) -> _Maps:
        one = (channels, self.geometry.rows, self.geometry.columns)
        earlier_blocks = 0 if maps.earlier is None else maps.earlier.shape[0]
        if maps.rest is not None and not 0 < maps.taps < 2**30:
            raise ValueError(f"a kernel of {maps.taps} taps")
        return _Maps(
            self._vectors(maps.v, -(-frames // self.lanes), *one), self._vectors(maps.earlier, earlier_blocks, *one),
            _at(maps.rest, (channels,)), earlier_blocks, maps.taps,
        )  # fmt: skip

    def _vectors(self, tensor: Tensor | None, *shape: int) -> int | None:
        """Address of vectors of LANES numbers."""
        if tensor is None:
            return None
        return address_of(tensor, (*shape, self.lanes), alignment=4 * self.lanes)


def _at(
    tensor: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype = torch.float32, wanted: bool | None = None
) -> int | None:
    """Address of a tensor that may be missing."""
    if tensor is None:
        if wanted:
            raise ValueError(f"an array {shape} is missing")
        return None
    return address_of(tensor, shape, dtype)
