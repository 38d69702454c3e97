"""The structs of ``csrc`` as Python fills them; names and order as there."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

_pointer, _int, _long = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64


class Past(ctypes.Structure):
    """What a kernel that ends has still to take back."""

    _fields_ = (
        ("channels", _int), ("taps", _int), ("place", _pointer), ("channel", _pointer),
        ("rest", _pointer), ("start", _pointer), ("ring", _pointer),
    )  # fmt: skip


class Frozen(ctypes.Structure):
    """A layer."""

    _fields_ = (
        ("weights", _pointer), ("bias", _pointer), ("leak", _pointer), ("last", _pointer),
        ("slope", ctypes.c_float), ("past", Past), ("done", _pointer), ("room", _pointer),
    )  # fmt: skip


class Filter(ctypes.Structure):
    """The filter of a row."""

    _fields_ = (
        ("size", _int), ("late", _int), ("taps", _int), ("place", _pointer), ("leak", _pointer), ("last", _pointer),
        ("index", _pointer), ("rest", _pointer), ("start", _pointer), ("ring", _pointer),
    )  # fmt: skip


class Band(ctypes.Structure):
    """A matrix whose rows are zero but for a stretch."""

    _fields_ = (("weights", _pointer), ("first", _pointer), ("last", _pointer), ("rows", _int), ("size", _int))


class Eye(ctypes.Structure):
    """Optics and photoreceptors."""

    _fields_ = (
        ("down", Band), ("across", Band), ("picture", _pointer), ("strips", _pointer), ("seen", _pointer),
        ("filter", Filter), ("width", _int), ("strip_rows", _int),
    )  # fmt: skip


class View(ctypes.Structure):
    """Frames of one clip for its eye."""

    _fields_ = (
        ("pixels", _pointer), ("levels", _pointer), ("frames", _long), ("seen", _pointer),
        ("clip", _int), ("clips", _int),
    )  # fmt: skip


class Readouts(ctypes.Structure):
    """The readouts of all cell types."""

    _fields_ = (("types", _int), ("points", _int), ("weights", _pointer), ("offset", _pointer), ("filter", Filter))


class Calcium(ctypes.Structure):
    """The indicator and the neurons."""

    _fields_ = (
        ("neurons", _int), ("softplus", _int), ("type", _pointer), ("gain", _pointer), ("offset", _pointer),
        ("filter", Filter),
    )  # fmt: skip


class Clip(ctypes.Structure):
    """The network and the state of one clip."""

    _fields_ = (
        ("eye", Eye), ("readouts", Readouts), ("calcium", Calcium), ("layers", _int), ("padded_eye", _int),
        ("layer", _pointer), ("frozen", _pointer), ("map", _pointer), ("filtered", _pointer),
    )  # fmt: skip


class Passage(ctypes.Structure):
    """Frames of one clip on their way through."""

    _fields_ = (
        ("contrast", _pointer), ("frames", _long), ("voltage", _pointer), ("map", _pointer),
        ("seen", _pointer), ("read", _pointer),
    )  # fmt: skip


class Keeper:
    """Turns tensors and structs into addresses and keeps alive what they point to."""

    def __init__(self) -> None:
        self._kept: list[object] = []

    def at(self, tensor: Tensor, dtype: torch.dtype = torch.float32) -> int:
        """Address of a copy of ``tensor`` (or of itself, where it is what is wanted)."""
        return self.memory(tensor.detach().to("cpu", dtype).contiguous(), dtype)

    def memory(self, tensor: Tensor, dtype: torch.dtype = torch.float32) -> int:
        """Address of memory that is written to."""
        self._kept.append(tensor)
        return address_of(tensor, tuple(tensor.shape), dtype)

    def scratch(self, *shape: int) -> int:
        """Address of memory in which nothing stands that may be read before it is written."""
        return self.memory(torch.empty(shape))

    def struct(self, struct: ctypes.Structure) -> int:
        """Address of a struct."""
        self._kept.append(struct)
        return ctypes.addressof(struct)

    def pointers(self, addresses: list[int]) -> int:
        """Address of an array of addresses."""
        array = (ctypes.c_void_p * len(addresses))(*addresses)
        self._kept.append(array)
        return ctypes.addressof(array)


def address_of(tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32, alignment: int = 1) -> int:
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
