"""One compiled hidden layer as Python sees it: arguments are checked, spectra made and read.

The compiled code is ``csrc/layer.cpp``, where the formulas stand.

Convention: maps of a span of frames are blocks, ``(B, blocks, C, Y, X, LANES)``: lane j of block n is frame
``n LANES + j``. All are float32 and contiguous.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from stcnn.nn.kernels.native import training_structs
from stcnn.nn.kernels.native.compile import Geometry
from stcnn.nn.kernels.native.layer_args import BackwardArgs, Input, Maps, PlacedArgs, ReadoutAdjointArgs, ReadoutArgs
from stcnn.nn.kernels.native.pointers import address_of
from stcnn.nn.kernels.native.spectra import for_three_products, grid


class NativeLayer:
    """The compiled layer of one geometry.

    Args:
        geometry: its sizes.
        library: the compiled code, of :func:`stcnn.nn.kernels.native.compile.libraries`.
    """

    def __init__(self, geometry: Geometry, library: ctypes.CDLL) -> None:
        self.geometry = geometry
        self._library = library
        self.lanes = int(library.lanes())
        self.grid = grid(geometry.ny, geometry.nx)
        self.chunks = -(-len(self.grid) // self.lanes)
        """Groups of LANES slots."""
        names = ("forward", "backward", "read_maps", "adjoint_of_reading", "read_places", "adjoint_of_places")
        for function in (getattr(library, name) for name in names):
            function.argtypes = [ctypes.c_void_p]
            function.restype = None

    def spectrum(self, kernel: Tensor) -> Tensor:
        """Return the spectrum ``(F, 3, O, C)``, as the compiled code reads it, of a kernel ``(O, C, kY, kX)``."""
        return for_three_products(self.grid.spectrum(kernel))

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
        outputs = self.geometry.outputs
        blocks, last_frames = self._blocks(frames)
        call = training_structs.Forward(
            blocks=blocks,
            last_frames=last_frames,
            input=self._input(read, frames),
            output=self._maps(written, frames, outputs),
            weights=self._weights(weights),
            decay=_address(decay, (outputs,), torch.float64),
            sums=_address(sums, (2, outputs), torch.float64),
        )
        self._library.forward(ctypes.byref(call))

    def backward(
        self, frames: int, read: Input, written: Maps, weights: Tensor, decay: Tensor, args: BackwardArgs
    ) -> None:
        """Run one clip backwards; see ``struct Backward``."""
        below = args.dz_below is not None
        if (args.p is None) != (written.tail_weight is None) or (below and read.scale is None):
            raise ValueError("p belongs to finite kernels, dz_below to normalised maps below")
        g = self.geometry
        outputs = (g.outputs,)
        lattice = (g.rows, g.columns)
        double = torch.float64
        blocks, last_frames = self._blocks(frames)
        later_blocks = 0 if args.later is None else args.later.shape[0]
        top, bottom, left, right = self._checked(args.window)
        call = training_structs.Backward(
            blocks=blocks,
            last_frames=last_frames,
            input=self._input(read, frames),
            output=self._maps(written, frames, g.outputs),
            weights=self._weights(weights),
            decay=_address(decay, outputs, double),
            normalisation=_address(args.normalisation, (4, *outputs)),
            dz=self._vectors(args.dz, blocks, *outputs, bottom - top, right - left),
            top=top,
            bottom=bottom,
            left=left,
            right=right,
            after=_address(args.after, (*outputs, *lattice)),
            p=self._vectors(args.p, blocks, *outputs, *lattice),
            later=self._vectors(args.later, later_blocks, *outputs, *lattice),
            later_blocks=later_blocks,
            d_weights=self._vectors(args.d_weights, *self.gradient_shape[:-1]),
            d_leak=_address(args.d_leak, outputs, double),
            d_tail_weight=_address(args.d_tail_weight, outputs, double),
            dz_below=self._vectors(args.dz_below, blocks, g.inputs, *lattice),
            mean_below=_address(args.mean_below, (g.inputs,), required=below),
            sums_below=_address(args.sums_below, (2, g.inputs), double, required=below),
        )
        self._library.backward(ctypes.byref(call))

    def read_maps(self, frames: int, maps: Maps, readouts: ReadoutArgs, drive: Tensor) -> None:
        """Fill ``drive`` ``(blocks, N, LANES)`` with what the readouts take; see ``struct Reading``."""
        self._library.read_maps(ctypes.byref(self._reading(frames, maps, readouts, drive)))

    def adjoint_of_reading(self, frames: int, maps: Maps, readouts: ReadoutArgs, args: ReadoutAdjointArgs) -> None:
        """Fill ``dz`` and add to ``d_weights`` and ``sums``; see ``struct Reading``."""
        outputs = self.geometry.outputs
        shape = tuple(readouts.weights.shape)
        call = self._reading(frames, maps, readouts, args.d)
        call.mean = _address(args.mean, (outputs,))
        call.sums = _address(args.sums, (2, outputs), torch.float64)
        call.dz = self._vectors(args.dz, call.blocks, *shape[:3])
        call.d_weights = self._vectors(args.d_weights, *shape)
        self._library.adjoint_of_reading(ctypes.byref(call))

    def _reading(self, frames: int, maps: Maps, readouts: ReadoutArgs, drive: Tensor) -> training_structs.Reading:
        """Return what both directions of reading have in common."""
        outputs = self.geometry.outputs
        types = readouts.weights.shape[-1]
        blocks, last_frames = self._blocks(frames)
        top, bottom, left, right = self._checked(readouts.window)
        return training_structs.Reading(
            blocks=blocks,
            last_frames=last_frames,
            output=self._maps(maps, frames, outputs),
            scale=_address(readouts.scale, (outputs,)),
            shift=_address(readouts.shift, (outputs,)),
            slope=readouts.slope,
            top=top,
            bottom=bottom,
            left=left,
            right=right,
            types=types,
            weights=_address(readouts.weights, (outputs, bottom - top, right - left, types)),
            drive=self._vectors(drive, blocks, types),
        )

    def read_places(self, frames: int, maps: Maps, placed: PlacedArgs, site: Tensor, drive: Tensor) -> None:
        """Fill ``drive`` ``(blocks, P, LANES)`` with what readers at the sites ``(P,)`` take; see ``places.h``."""
        self._library.read_places(ctypes.byref(self._placed(frames, maps, placed, site, drive)))

    def adjoint_of_places(
        self, frames: int, maps: Maps, placed: PlacedArgs, site: Tensor, args: ReadoutAdjointArgs
    ) -> None:
        """Fill ``dz`` and add to ``d_weights`` ``(N, O, h, w to whole vectors)`` and ``sums``; see ``places.h``."""
        outputs = self.geometry.outputs
        n_sites, _, rows, columns = placed.weights.shape
        top, bottom, left, right = placed.window
        call = self._placed(frames, maps, placed, site, args.d)
        call.mean = _address(args.mean, (outputs,))
        call.sums = _address(args.sums, (2, outputs), torch.float64)
        call.dz = self._vectors(args.dz, call.blocks, outputs, bottom - top, right - left)
        call.d_weights = _address(args.d_weights, (n_sites, outputs, rows, -(-columns // self.lanes) * self.lanes))
        self._library.adjoint_of_places(ctypes.byref(call))

    def _placed(
        self, frames: int, maps: Maps, placed: PlacedArgs, site: Tensor, drive: Tensor
    ) -> training_structs.PlacedReading:
        """Return what both directions of reading at places have in common."""
        outputs = self.geometry.outputs
        blocks, last_frames = self._blocks(frames)
        top, bottom, left, right = self._checked(placed.window)
        n_sites, _, rows, columns = placed.weights.shape
        corner = placed.places[:, :2]
        inside = placed.places[:, 2:]
        fits = (corner >= torch.tensor([top, left])).all() and (
            corner + torch.tensor([rows, columns]) <= torch.tensor([bottom, right])
        ).all()
        inner = (inside >= 0).all() and (inside <= torch.tensor([rows, rows, columns, columns])).all()
        if not fits or not inner or not ((site >= 0) & (site < n_sites)).all():
            raise ValueError("a place lies beyond the window that is read")
        return training_structs.PlacedReading(
            blocks=blocks,
            last_frames=last_frames,
            output=self._maps(maps, frames, outputs),
            scale=_address(placed.scale, (outputs,)),
            shift=_address(placed.shift, (outputs,)),
            slope=placed.slope,
            top=top,
            bottom=bottom,
            left=left,
            right=right,
            readers=len(site),
            rows=rows,
            columns=columns,
            site=_address(site, (len(site),), torch.int32),
            places=_address(placed.places, (n_sites, 6), torch.int32),
            weights=_address(placed.weights, (n_sites, outputs, rows, columns)),
            drive=self._vectors(drive, blocks, len(site)),
        )

    def _checked(self, window: tuple[int, ...]) -> tuple[int, ...]:
        """Return a window once it is known to lie on the lattice."""
        top, bottom, left, right = window
        g = self.geometry
        if not (0 <= top < bottom <= g.rows and 0 <= left < right <= g.columns):
            raise ValueError(f"window {window} is not on the lattice {g.rows} x {g.columns}")
        return window

    def _blocks(self, frames: int) -> tuple[int, int]:
        """Return the number of blocks of so many frames, and the frames of the last one."""
        if frames < 1:
            raise ValueError(f"{frames} frames")
        return -(-frames // self.lanes), (frames - 1) % self.lanes + 1

    def _weights(self, weights: Tensor) -> int | None:
        return _address(weights, (len(self.grid), 3, self.geometry.outputs, self.geometry.inputs))

    def _input(self, read: Input, frames: int) -> training_structs.Input:
        inputs = self.geometry.inputs
        return training_structs.Input(
            maps=self._maps(read.maps, frames, inputs),
            scale=_address(read.scale, (inputs,)),
            shift=_address(read.shift, (inputs,), required=read.scale is not None),
            slope=read.slope,
        )

    def _maps(self, maps: Maps, frames: int, channels: int) -> training_structs.Maps:
        block = (channels, self.geometry.rows, self.geometry.columns)
        earlier_blocks = 0 if maps.earlier is None else maps.earlier.shape[0]
        if maps.tail_weight is not None and not 0 < maps.taps < 2**30:
            raise ValueError(f"a kernel of {maps.taps} taps")
        return training_structs.Maps(
            v=self._vectors(maps.v, -(-frames // self.lanes), *block),
            earlier=self._vectors(maps.earlier, earlier_blocks, *block),
            tail_weight=_address(maps.tail_weight, (channels,)),
            earlier_blocks=earlier_blocks,
            taps=maps.taps,
        )

    def _vectors(self, tensor: Tensor | None, *shape: int) -> int | None:
        """Return the address of vectors of LANES numbers."""
        if tensor is None:
            return None
        return address_of(tensor, (*shape, self.lanes), alignment=4 * self.lanes)


def _address(
    tensor: Tensor | None,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    required: bool = False,
) -> int | None:
    """Return the address of a tensor, None where it is missing and may be."""
    if tensor is None:
        if required:
            raise ValueError(f"an array {shape} is missing")
        return None
    return address_of(tensor, shape, dtype)
