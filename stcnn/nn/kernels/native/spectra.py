"""Spectra of kernels in the layout that compiled code reads (``csrc/plane.h``), made and read back with torch."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


class Grid:
    """The circular grid of a correlation and the order of its frequencies.

    Args:
        ny: points along columns.
        nx: points along rows, of which the half spectrum is kept.
    """

    def __init__(self, ny: int, nx: int) -> None:
        self.ny = ny
        self.nx = nx
        real = range(ny // 2 + 1)
        slots = [(ky, kx) for kx in range(nx // 2 + 1) for ky in (real if kx in (0, nx // 2) else range(ny))]
        self.ky, self.kx = torch.tensor(slots).T
        """Frequency of each slot: all of the half spectrum but the halves that are conjugate to others."""
        single = torch.isin(self.kx, torch.tensor([0, nx // 2])) & torch.isin(self.ky, torch.tensor([0, ny // 2]))
        self._known: dict[tuple[tuple[int, int], tuple[int, int]], Tensor] = {}
        self.share = torch.where(single, 1.0, 2.0).double() / (ny * nx)
        """Factor of each slot in the inverse transform."""

    def __len__(self) -> int:
        return len(self.ky)

    def spectrum(self, kernel: Tensor, shift: tuple[int, int] = (0, 0)) -> Tensor:
        """Return the spectrum ``(O, C, F)`` of a kernel ``(O, C, kY, kX)`` with the factors of the inverse transform.

        Args:
            kernel: weights of the correlation.
            shift: rows and columns by which the middle of what is made lies behind the middle of what is read.
        """
        return kernel.flatten(2).to(torch.complex128) @ self._waves((kernel.shape[2], kernel.shape[3]), shift)

    def kernel(self, conjugate: Tensor, k_y: int, k_x: int) -> Tensor:
        """Return the kernel ``(O, C, kY, kX)`` of the conjugate of a spectrum ``(O, C, F)``, without those factors."""
        return (conjugate @ self._waves((k_y, k_x), (0, 0)).mH).real.unflatten(-1, (k_y, k_x))

    def _waves(self, size: tuple[int, int], shift: tuple[int, int]) -> Tensor:
        """Return what each tap of a kernel contributes to each slot, ``(kY kX, F)``; made once."""
        if (size, shift) not in self._known:
            dy, dx = (torch.arange(k)[:, None] - k // 2 + s for k, s in zip(size, shift, strict=True))
            down = (dy * self.ky % self.ny).double() / self.ny
            right = (dx * self.kx % self.nx).double() / self.nx
            angle = -2 * torch.pi * (down[:, None] + right)
            self._known[size, shift] = torch.polar(self.share.expand_as(angle), angle).flatten(0, 1)
        return self._known[size, shift]


@cache
def grid(ny: int, nx: int) -> Grid:
    """Return the grid of a size; made once."""
    return Grid(ny, nx)


def for_three_products(w: Tensor) -> Tensor:
    """Return a spectrum ``(O, C, F)`` as ``(F, 3, O, C)``, for three real products (``products.h``)."""
    return torch.stack([w.real, w.real + w.imag, w.imag - w.real]).permute(3, 0, 1, 2).float().contiguous()


def for_row_products(w: Tensor, lanes: int) -> Tensor:
    """Return a spectrum ``(O, C, F)`` as ``frame.cpp`` reads it, flat.

    The real and imaginary parts to all outputs are a row of 2 O numbers. At each frequency stand first, of every input,
    the whole vectors of its row, then the rest of them in groups of four; all is filled up to whole vectors.
    """
    rows = torch.cat([w.real, w.imag]).permute(2, 1, 0).float()
    whole = rows.shape[2] // lanes * lanes
    fours = F.pad(rows[..., whole:], (0, -(rows.shape[2] - whole) % 4))
    flat = torch.cat([rows[..., :whole].flatten(1), fours.flatten(1)], 1)
    return F.pad(flat, (0, -flat.shape[1] % lanes)).flatten()
