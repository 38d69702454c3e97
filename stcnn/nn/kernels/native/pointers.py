"""Addresses of tensors and structs for compiled code, and what keeps alive what they point to."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor


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
