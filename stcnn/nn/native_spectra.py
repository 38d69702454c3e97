"""Spectra of kernels as the compiled code reads them (``stcnn/native/plane.h``), made and read back with torch."""

from __future__ import annotations

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
        self.ny, self.nx = ny, nx
        real = range(ny // 2 + 1)
        slots = [(ky, kx) for kx in range(nx // 2 + 1) for ky in (real if kx in (0, nx // 2) else range(ny))]
        self.ky, self.kx = torch.tensor(slots).T
        """Frequency of each slot: all of the half spectrum but the halves that are conjugate to others."""
        single = torch.isin(self.kx, torch.tensor([0, nx // 2])) & torch.isin(self.ky, torch.tensor([0, ny // 2]))
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
        down, right = (s - k // 2 for s, k in zip(shift, kernel.shape[2:], strict=True))
        grid = kernel.new_zeros(*kernel.shape[:2], self.ny, self.nx, dtype=torch.float64)
        grid[:, :, : kernel.shape[2], : kernel.shape[3]] = kernel
        return torch.fft.rfft2(grid.roll((down, right), (2, 3)))[:, :, self.ky, self.kx] * self.share

    def kernel(self, conjugate: Tensor, k_y: int, k_x: int) -> Tensor:
        """Return the kernel ``(O, C, kY, kX)`` of the conjugate of a spectrum ``(O, C, F)``, without those factors."""
        half = conjugate.new_zeros(*conjugate.shape[:2], self.ny, self.nx // 2 + 1)
        half[:, :, -self.ky % self.ny, self.kx] = conjugate.conj()  # for the columns of real numbers
        half[:, :, self.ky, self.kx] = conjugate
        return torch.fft.irfft2(half, (self.ny, self.nx)).roll((k_y // 2, k_x // 2), (2, 3))[:, :, :k_y, :k_x]


def in_three(w: Tensor) -> Tensor:
    """Return a spectrum ``(O, C, F)`` as ``(F, 3, O, C)``, for three real products (``products.h``)."""
    return torch.stack([w.real, w.real + w.imag, w.imag - w.real]).permute(3, 0, 1, 2).float().contiguous()


def in_rows(w: Tensor, lanes: int) -> Tensor:
    """Return a spectrum ``(O, C, F)`` as ``frame.cpp`` reads it, flat.

    The real and imaginary parts to all outputs are a row of 2 O numbers. At each frequency stand first, of every input,
    the whole vectors of its row, then the rest of them in groups of four; all is filled up to whole vectors.
    """
    rows = torch.cat([w.real, w.imag]).permute(2, 1, 0).float()
    whole = rows.shape[2] // lanes * lanes
    rest = F.pad(rows[..., whole:], (0, -(rows.shape[2] - whole) % 4))
    flat = torch.cat([rows[..., :whole].flatten(1), rest.flatten(1)], 1)
    return F.pad(flat, (0, -flat.shape[1] % lanes)).flatten()
