"""The structs of ``stcnn/native/frozen.h`` and ``network.cpp`` as Python fills them; names and order as there."""

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
        tensor = tensor.detach().to("cpu", dtype).contiguous()
        self._kept.append(tensor)
        return tensor.data_ptr()

    def memory(self, tensor: Tensor) -> int:
        """Address of memory that is written to."""
        if not tensor.is_contiguous() or tensor.device.type != "cpu":
            raise ValueError(f"memory of strides {tensor.stride()} on {tensor.device}")
        self._kept.append(tensor)
        return tensor.data_ptr()

    def struct(self, struct: ctypes.Structure) -> int:
        """Address of a struct."""
        self._kept.append(struct)
        return ctypes.addressof(struct)

    def pointers(self, addresses: list[int]) -> int:
        """Address of an array of addresses."""
        array = (ctypes.c_void_p * len(addresses))(*addresses)
        self._kept.append(array)
        return ctypes.addressof(array)
