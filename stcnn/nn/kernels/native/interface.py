"""The C interface: every struct of ``csrc`` as Python fills it, names and order as there, and addresses of tensors.

The sizes of the structs are compared with those of a library when it is loaded (:func:`require_same_structs`); a test
compares the names of their fields with the headers.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

_pointer = ctypes.c_void_p
_int = ctypes.c_int32
_long = ctypes.c_int64
_float = ctypes.c_float


# ---- training of a layer: maps.h, forward.h, backward.h, reading.h, places.h


class Maps(ctypes.Structure):
    """Integrators of a layer for one clip."""

    _fields_ = (
        ("v", _pointer),
        ("earlier", _pointer),
        ("rest", _pointer),
        ("earlier_blocks", _int),
        ("taps", _int),
    )


class Input(ctypes.Structure):
    """What a layer reads."""

    _fields_ = (
        ("maps", Maps),
        ("scale", _pointer),
        ("shift", _pointer),
        ("slope", _float),
    )


class Forward(ctypes.Structure):
    """A forward pass of one clip."""

    _fields_ = (
        ("blocks", _int),
        ("last_frames", _int),
        ("input", Input),
        ("output", Maps),
        ("weights", _pointer),
        ("decay", _pointer),
        ("sums", _pointer),
    )


class Backward(ctypes.Structure):
    """A backward pass of one clip."""

    _fields_ = (
        ("blocks", _int),
        ("last_frames", _int),
        ("input", Input),
        ("output", Maps),
        ("weights", _pointer),
        ("decay", _pointer),
        ("normalisation", _pointer),
        ("dz", _pointer),
        ("top", _int),
        ("bottom", _int),
        ("left", _int),
        ("right", _int),
        ("after", _pointer),
        ("p", _pointer),
        ("later", _pointer),
        ("later_blocks", _int),
        ("d_weights", _pointer),
        ("d_leak", _pointer),
        ("d_rest", _pointer),
        ("dz_below", _pointer),
        ("mean_below", _pointer),
        ("sums_below", _pointer),
    )


class Reading(ctypes.Structure):
    """What the readouts take from one clip, or its adjoint."""

    _fields_ = (
        ("blocks", _int),
        ("last_frames", _int),
        ("output", Maps),
        ("scale", _pointer),
        ("shift", _pointer),
        ("mean", _pointer),
        ("slope", _float),
        ("top", _int),
        ("bottom", _int),
        ("left", _int),
        ("right", _int),
        ("types", _int),
        ("weights", _pointer),
        ("drive", _pointer),
        ("dz", _pointer),
        ("d_weights", _pointer),
        ("sums", _pointer),
    )


class Place(ctypes.Structure):
    """Where the weights of a site lie."""

    _fields_ = (
        ("row", _int),
        ("column", _int),
        ("top", _int),
        ("bottom", _int),
        ("left", _int),
        ("right", _int),
    )


class PlacedReading(ctypes.Structure):
    """What neurons take from one clip where they sit, or its adjoint."""

    _fields_ = (
        ("blocks", _int),
        ("last_frames", _int),
        ("output", Maps),
        ("scale", _pointer),
        ("shift", _pointer),
        ("mean", _pointer),
        ("slope", _float),
        ("top", _int),
        ("bottom", _int),
        ("left", _int),
        ("right", _int),
        ("readers", _int),
        ("rows", _int),
        ("columns", _int),
        ("site", _pointer),
        ("places", _pointer),
        ("weights", _pointer),
        ("drive", _pointer),
        ("dz", _pointer),
        ("d_weights", _pointer),
        ("sums", _pointer),
    )


# ---- evaluation of a layer: frozen.h


class TruncationBuffer(ctypes.Structure):
    """What a kernel that ends has still to take back."""

    _fields_ = (
        ("channels", _int),
        ("taps", _int),
        ("place", _pointer),
        ("channel", _pointer),
        ("rest", _pointer),
        ("start", _pointer),
        ("ring", _pointer),
    )


class FoldedLayer(ctypes.Structure):
    """A layer with normalisation, gain and bias folded into its weights."""

    _fields_ = (
        ("weights", _pointer),
        ("bias", _pointer),
        ("leak", _pointer),
        ("last", _pointer),
        ("slope", _float),
        ("past", TruncationBuffer),
        ("done", _pointer),
        ("space", _pointer),
    )


# ---- evaluation of a network: filter.h, eye.h, network.cpp


class Filter(ctypes.Structure):
    """The filter of a row."""

    _fields_ = (
        ("size", _int),
        ("truncated", _int),
        ("taps", _int),
        ("place", _pointer),
        ("leak", _pointer),
        ("last", _pointer),
        ("index", _pointer),
        ("rest", _pointer),
        ("start", _pointer),
        ("ring", _pointer),
    )


class Band(ctypes.Structure):
    """A matrix whose rows are zero but for a stretch."""

    _fields_ = (
        ("weights", _pointer),
        ("first", _pointer),
        ("last", _pointer),
        ("rows", _int),
        ("size", _int),
    )


class Eye(ctypes.Structure):
    """Optics and photoreceptors."""

    _fields_ = (
        ("down", Band),
        ("across", Band),
        ("picture", _pointer),
        ("strips", _pointer),
        ("seen", _pointer),
        ("filter", Filter),
        ("width", _int),
        ("strip_rows", _int),
    )


class View(ctypes.Structure):
    """Frames of one clip for its eye."""

    _fields_ = (
        ("pixels", _pointer),
        ("levels", _pointer),
        ("frames", _long),
        ("seen", _pointer),
        ("clip", _int),
        ("clips", _int),
    )


class Readouts(ctypes.Structure):
    """The readouts of all cell types."""

    _fields_ = (
        ("types", _int),
        ("points", _int),
        ("weights", _pointer),
        ("offset", _pointer),
        ("filter", Filter),
    )


class Calcium(ctypes.Structure):
    """The indicator and the neurons."""

    _fields_ = (
        ("neurons", _int),
        ("softplus", _int),
        ("type", _pointer),
        ("gain", _pointer),
        ("offset", _pointer),
        ("filter", Filter),
    )


class Clip(ctypes.Structure):
    """The network and the state of one clip."""

    _fields_ = (
        ("eye", Eye),
        ("readouts", Readouts),
        ("calcium", Calcium),
        ("layers", _int),
        ("padded_eye", _int),
        ("layer", _pointer),
        ("frozen", _pointer),
        ("map", _pointer),
        ("filtered", _pointer),
    )


class ClipRun(ctypes.Structure):
    """Frames of one clip on their way through."""

    _fields_ = (
        ("contrast", _pointer),
        ("frames", _long),
        ("voltage", _pointer),
        ("map", _pointer),
        ("seen", _pointer),
        ("read", _pointer),
    )


STRUCTS: dict[str, tuple[type[ctypes.Structure], ...]] = {
    "layer": (Maps, Input, Forward, Backward, Reading, Place, PlacedReading),
    "blocks": (TruncationBuffer, FoldedLayer),
    "frame": (TruncationBuffer, FoldedLayer),
    "network": (Filter, Band, Eye, View, Readouts, Calcium, Clip, ClipRun),
}
"""The structs of each source, in the order in which its ``SIZES`` names them."""


def require_same_structs(library: ctypes.CDLL, source: str) -> None:
    """Compare the structs of a library with ours.

    Args:
        library: the compiled code.
        source: the file it was compiled from, without its ending.

    Raises:
        RuntimeError: a struct has another size there; a fault of ours, or a library that is not ours.
    """
    structs = STRUCTS[source]
    expected = [*(ctypes.sizeof(struct) for struct in structs), -1]
    found = [int(library.struct_size(number)) for number in range(len(expected))]
    if found != expected:
        names = ", ".join(struct.__name__ for struct in structs)
        raise RuntimeError(f"{source}: structs {names} have {found} bytes in compiled code, {expected} in Python")


# ---- addresses


class PointerOwner:
    """Turns tensors and structs into addresses and keeps alive what they point to."""

    def __init__(self) -> None:
        self._kept: list[object] = []

    def constant(self, tensor: Tensor, dtype: torch.dtype = torch.float32) -> int:
        """Return the address of numbers that are only read: those of ``tensor``, or of a copy in this type."""
        return self.memory(tensor.detach().to("cpu", dtype).contiguous(), dtype)

    def memory(self, tensor: Tensor, dtype: torch.dtype = torch.float32) -> int:
        """Return the address of memory that is written to."""
        self._kept.append(tensor)
        return address_of(tensor, tuple(tensor.shape), dtype)

    def workspace(self, *shape: int) -> int:
        """Return the address of memory in which nothing may be read before it is written."""
        return self.memory(torch.empty(shape))

    def struct(self, struct: ctypes.Structure) -> int:
        """Return the address of a struct."""
        self._kept.append(struct)
        return ctypes.addressof(struct)

    def pointers(self, addresses: list[int]) -> int:
        """Return the address of an array of addresses."""
        array = (ctypes.c_void_p * len(addresses))(*addresses)
        self._kept.append(array)
        return ctypes.addressof(array)


def address_of(
    tensor: Tensor,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    alignment: int = 1,
) -> int:
    """Return the address of a tensor once it is what the compiled code takes it for.

    Args:
        tensor: what is handed over.
        shape: its shape.
        dtype: type of its numbers.
        alignment: its address is a multiple of so many bytes.

    Raises:
        ValueError: it is not; a fault of ours, what users give is judged before.
    """
    if tuple(tensor.shape) != shape or tensor.dtype != dtype or tensor.device.type != "cpu":
        raise ValueError(
            f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device} instead of {dtype} {shape} on the CPU"
        )
    if not tensor.is_contiguous():
        raise ValueError(f"strides {tensor.stride()} of an array {shape} that must be contiguous")
    if tensor.data_ptr() % alignment:
        raise ValueError(f"an array {shape} whose address is no multiple of {alignment} bytes")
    return tensor.data_ptr()
