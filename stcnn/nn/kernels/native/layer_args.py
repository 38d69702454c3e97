"""Arguments of the compiled code of a layer: maps, readouts, places and gradients as tensors."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Maps(NamedTuple):
    """Integrators of one layer for one clip, and the filter behind them."""

    v: Tensor
    """``(blocks, C, Y, X, LANES)``."""
    earlier: Tensor | None
    """Blocks in front of these, ``(blocks, C, Y, X, LANES)``; None where time begins here."""
    tail_weight: Tensor | None
    """``exp(-K dt/tau)``, ``(C,)``; None for endless kernels."""
    taps: int


class Input(NamedTuple):
    """Input of a layer: ``rectifier(scale y + shift)``, or plain maps where ``scale`` is None."""

    maps: Maps
    scale: Tensor | None
    shift: Tensor | None
    slope: float


class ReadoutArgs(NamedTuple):
    """The readouts of a layer and its normalisation; names as in ``reading.h``."""

    window: tuple[int, ...]
    weights: Tensor
    """``(O, h, w, N)``."""
    slope: float
    scale: Tensor
    shift: Tensor


class ReadoutAdjointArgs(NamedTuple):
    """Arrays of the adjoint of reading, for one clip; names as in ``reading.h``."""

    d: Tensor
    """``(blocks, N, LANES)``."""
    mean: Tensor
    dz: Tensor
    """``(blocks, O, h, w, LANES)``."""
    d_weights: Tensor
    """``(O, h, w, N, LANES)``."""
    sums: Tensor


class PlacedArgs(NamedTuple):
    """Neurons that read a layer where they sit, and its normalisation; names as in ``places.h``."""

    window: tuple[int, ...]
    places: Tensor
    """int32 ``(N, 6)``: row and column where the weights begin, and what of them is not zero."""
    weights: Tensor
    """``(N, O, h, w)``."""
    slope: float
    scale: Tensor
    shift: Tensor


class BackwardArgs(NamedTuple):
    """Arrays of the backward pass of one clip; names as in ``backward.h``."""

    normalisation: Tensor
    dz: Tensor
    """On ``window``."""
    window: tuple[int, ...]
    after: Tensor
    p: Tensor | None
    later: Tensor | None
    d_weights: Tensor
    d_leak: Tensor
    d_tail_weight: Tensor
    dz_below: Tensor | None
    mean_below: Tensor | None
    sums_below: Tensor | None
