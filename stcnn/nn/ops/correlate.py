"""Spatial correlation over columns, directly or by Fourier transform; both exact, whichever is faster for the width.

Convention: pictures are ``(n, C, Y, X)``, channels last in memory; weights ``(O, C, kY, kX)`` with odd widths; the
output has the size of the input, and beyond the edge of the lattice the input is zero:

    y[n, o, p] = sum_c sum_d w[o, c, d] x[n, c, p + d - h],   h = (k - 1) / 2 along each axis.

On a circular grid of at least ``size + h`` points the wrapped part meets only zeros, so that the Fourier form needs no
more padding than that: ``Y = X conj(W)``, ``dX = G W``, ``dW = sum_n conj(G) X``, each read at its offset.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FOURIER_WIDTH = 9
"""Kernels wider than this go through the Fourier transform (``benchmarks/spatial.py``: at 7 columns the direct form of
oneDNN wins, from 11 on the transform does, and the direct adjoint falls off by another factor of eight at 15)."""


def use_fourier(weight: Tensor) -> bool:
    """Tell whether the Fourier form is the faster one for this kernel."""
    return max(weight.shape[2:]) > FOURIER_WIDTH


def correlate(x: Tensor, weight: Tensor) -> Tensor:
    """Correlate pictures ``(n, C, Y, X)`` with ``weight`` ``(O, C, kY, kX)``; differentiable."""
    h = (weight.shape[2] // 2, weight.shape[3] // 2)
    if not use_fourier(weight):
        return F.conv2d(x, weight.contiguous(memory_format=torch.channels_last), padding=h)
    grid = _grid(x, weight)
    product = torch.einsum("ncyx,ocyx->noyx", _spectrum(x, grid), _spectrum(weight, grid).conj())
    return _read(product, grid, h, x.shape[2:])


def correlate_adjoint(g: Tensor, x: Tensor, weight: Tensor, wants_input: bool = True) -> tuple[Tensor | None, Tensor]:
    """Return ``dL/dx`` (None unless wanted) and ``dL/dweight`` from ``g = dL/dy``."""
    h = (weight.shape[2] // 2, weight.shape[3] // 2)
    if not use_fourier(weight):
        weight = weight.contiguous(memory_format=torch.channels_last)
        dx, dw, _ = torch.ops.aten.convolution_backward(
            g, x, weight, None, [1, 1], h, [1, 1], False, [0, 0], 1, [wants_input, True, False]
        )
        return dx, dw
    grid = _grid(x, weight)
    spectrum = _spectrum(g, grid)
    dw = _read(torch.einsum("noyx,ncyx->ocyx", spectrum.conj(), _spectrum(x, grid)), grid, h, weight.shape[2:])
    if not wants_input:
        return None, dw
    product = torch.einsum("noyx,ocyx->ncyx", spectrum, _spectrum(weight, grid))
    return _read(product, grid, (-h[0], -h[1]), x.shape[2:]), dw


def _grid(x: Tensor, weight: Tensor) -> tuple[int, int]:
    """Size of the circular grid: at least ``size + h`` and the kernel, even so that the half spectrum is compact."""
    rows, columns = (max(size + k // 2, k) for size, k in zip(x.shape[2:], weight.shape[2:], strict=True))
    return rows + rows % 2, columns + columns % 2


def _spectrum(x: Tensor, grid: tuple[int, int]) -> Tensor:
    return torch.fft.rfft2(x.float() if x.dtype in (torch.bfloat16, torch.float16) else x, grid)


def _read(spectrum: Tensor, grid: tuple[int, int], offset: tuple[int, int], size: torch.Size) -> Tensor:
    """Transform back and read ``size`` points from ``-offset`` on."""
    y = torch.roll(torch.fft.irfft2(spectrum, grid), offset, (-2, -1))
    return y[..., : size[0], : size[1]].contiguous(memory_format=torch.channels_last)
