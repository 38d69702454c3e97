"""Launches of the Triton kernels on rows of maps, and whether they can run here.

Convention: rows are ``(T, lanes)`` with ``lanes = B Y X C``; per channel is ``(C,)``; everything lies contiguous on one
device. On a GPU the kernels are compiled; with ``TRITON_INTERPRET=1``, set before Triton is imported, they run line by
line on the CPU, which is for tests.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stcnn.nn.windows import Window

BATCH = 16
"""Rows a thread asks for before it uses the first: enough requests under way to hide the latency of memory."""
LANES = 128
"""Lanes of a program, one per thread: four warps, so that few clips still make many programs."""
INTERPRETED_BATCH = 4
INTERPRETED_LANES = 4096
"""The same for the interpreter, which takes as long for many lanes as for few and computes rows behind the last."""
PIECE = 8
"""Batches of frames that one program of a plain sum walks through."""


@cache
def why_unavailable() -> str | None:
    """Return why the kernels cannot run here; None if they can."""
    if find_spec("triton") is None:
        return "Triton is not installed (pip install triton; it exists for Linux)"
    try:
        if interpreted():
            return None
    except Exception as error:  # an installation of Triton that is broken or too old raises anything
        return f"Triton does not work here: {error}"
    return None if torch.cuda.is_available() else "PyTorch finds no GPU"


def interpreted() -> bool:
    """Tell whether the kernels run in Triton's interpreter on the CPU."""
    from stcnn.nn.kernels.triton.kernels import INTERPRETED

    return INTERPRETED


def runs_in_triton(rows: Tensor) -> bool:
    """Tell whether recurrences over these rows go to the kernels: those on a GPU, where there is Triton."""
    return rows.is_cuda and why_unavailable() is None


class Maps(NamedTuple):
    """The integrators of one layer, and what makes them and reads them."""

    v: Tensor
    """``(T, lanes)``, float32 or float64."""
    clips: int
    """Number of clips B."""
    channels: int
    """Number of channels C."""
    leak: Tensor
    """``b``, ``(C,)``."""
    start: Tensor
    """Row before the first, ``(lanes,)`` or that of one clip for all, ``(lanes / B,)``."""
    earlier: Tensor | None = None
    """Rows ``(T0, lanes / B)`` of the one clip that all clips start with."""
    tail_weight: Tensor | None = None
    """``exp(-K dt/tau)``, ``(C,)``; None of an infinite kernel."""
    taps: int = 0
    """Number of samples K of a finite kernel."""

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes that every kernel asks for."""
        frames, lanes = self.v.shape
        earlier = 0 if self.earlier is None else len(self.earlier)
        return {
            "frames": frames, "lanes": lanes, "clip_lanes": lanes // self.clips, "channels": self.channels,
            "earlier_frames": earlier, "taps": self.taps,
        }  # fmt: skip

    @property
    def options(self) -> dict[str, Any]:
        """Constants that every kernel is compiled for."""
        finite = self.tail_weight is not None
        batch = INTERPRETED_BATCH if interpreted() else BATCH
        return {
            "FINITE": finite, "SHARED": finite and self.earlier is not None,
            "BATCH": min(batch, self.taps) if finite else batch, "LANES": lanes_per_program(),
        }  # fmt: skip


class Normalisation(NamedTuple):
    """Numbers that turn ``y`` into the input of the next layer, all ``(C,)``: ``leaky(scale y + shift)``."""

    scale: Tensor
    shift: Tensor
    mean: Tensor
    """Mean of ``y``, taken away where sums would cancel."""
    slope: float
    """Of the rectifier behind; 1 is none."""


class AdjointTerms(NamedTuple):
    """``g = scale dz + slopes (y - mean) + constants`` by clip and channel, ``(B, C)`` each."""

    slopes: Tensor
    constants: Tensor


class AdjointBoundary(NamedTuple):
    """Boundary behind the last frame of an adjoint."""

    after: Tensor
    """Row ``h`` behind the end, ``(lanes,)``; replaced by the first row."""
    later: Tensor | None = None
    """Rows ``h`` of the frames behind the end, for finite kernels."""


def integrate(u: Tensor, maps: Maps, moments: bool = False) -> Tensor:
    """Fill ``maps.v`` with ``v[t] = v[t-1] + b (u[t] - v[t-1])``.

    Args:
        u: drive ``(T, lanes)`` of any type.
        maps: where the integrators go.
        moments: whether sums are wanted.

    Returns:
        Sums of ``y`` and ``y^2`` over frames, ``(2, lanes)`` in float64; not filled unless wanted.
    """
    from stcnn.nn.kernels.triton.kernels import integrate as kernel

    v = maps.v
    sums = maps.v.new_empty(2, maps.v.shape[1], dtype=torch.float64)
    with _on_device(v):
        kernel[(_programs(v),)](
            u, v, maps.start, _or(maps.earlier, v), maps.leak, _or(maps.tail_weight, v), sums, **maps.sizes,
            start_lanes=maps.start.numel(), MOMENTS=moments, **maps.options,
        )  # fmt: skip
    return sums


def activate(maps: Maps, norm: Normalisation, dtype: torch.dtype, window: tuple[Window, int] | None = None) -> Tensor:
    """Return ``leaky(scale y + shift)`` as rows of ``dtype``: ``(T, lanes)``, or those of a window, ``(T, B h w C)``.

    Args:
        maps: the integrators.
        norm: scale, shift and rectifier.
        dtype: type of the result.
        window: part of the lattice that is wanted and the number of columns X of a row of the lattice; None is all.
    """
    from stcnn.nn.kernels.triton.kernels import activate as kernel

    v = maps.v
    (where, lanes) = _window(maps, window)
    x = v.new_empty(len(v), lanes, dtype=dtype)
    options = maps.options
    with _on_device(v):
        kernel[(_programs(v), -(-len(v) // options["BATCH"]))](
            v, x, _or(maps.earlier, v), norm.scale, norm.shift, _or(maps.tail_weight, v),
            **maps.sizes, slope=norm.slope,
            **where, x_lanes=lanes, WINDOW=window is not None, **options,
        )  # fmt: skip
    return x


def sum_adjoint(d: Tensor, maps: Maps, norm: Normalisation) -> Tensor:
    """Return the sums of ``dz`` and ``dz (y - mean)`` over frames, ``(2, lanes)`` in float64.

    ``d`` ``(T, lanes)`` is the gradient behind the rectifier, ``dz`` that in front of it.
    """
    from stcnn.nn.kernels.triton.kernels import sum_adjoint as kernel

    v = maps.v
    options = maps.options
    pieces = -(-len(d) // (options["BATCH"] * PIECE))
    sums = v.new_empty(pieces, 2, v.shape[1])
    with _on_device(v):
        kernel[(_programs(v), pieces)](
            d, v, _or(maps.earlier, v), norm.scale, norm.shift, norm.mean, _or(maps.tail_weight, v), sums, **maps.sizes,
            slope=norm.slope, BATCHES=PIECE, **options,
        )  # fmt: skip
    return sums.sum(0, dtype=torch.float64)


class Backward(NamedTuple):
    """Result of :func:`integrate_backward`."""

    du: Tensor
    """Gradient of the drive, ``(T, lanes)``."""
    h: Tensor
    """``h`` of all frames where the kernel is finite; not filled otherwise."""
    sums: Tensor
    """Sums over frames of ``du (v[t] - v[t-1])`` and, for finite kernels, of ``g v[t-K]``, ``(2, lanes)`` float64."""


def integrate_backward(
    d: Tensor,
    maps: Maps,
    behind: AdjointBoundary,
    norm: tuple[Normalisation, AdjointTerms] | None,
    dtype: torch.dtype,
    window: tuple[Window, int] | None = None,
) -> Backward:
    """Run the adjoint of rectifier, normalisation and integrator; the formulas stand at the kernel.

    Args:
        d: gradient behind the rectifier, ``(T, lanes)``, or ``(T, B h w C)`` on a window and zero around it.
        maps: the integrators of the forward pass.
        behind: what lies behind the last frame; its row is replaced by the one at the first frame.
        norm: normalisation and the terms of its adjoint; None where ``d`` is the gradient of ``y`` itself.
        dtype: type of the gradient of the drive.
        window: as in :func:`activate`.
    """
    from stcnn.nn.kernels.triton.kernels import integrate_backward as kernel

    v = maps.v
    (where, lanes) = _window(maps, window)
    du = v.new_empty(v.shape, dtype=dtype)
    sums = v.new_empty(2, v.shape[1], dtype=torch.float64)
    h = v.new_empty(v.shape if maps.tail_weight is not None else 0)
    later = 0 if behind.later is None else len(behind.later)
    given = (*norm[0][:3], *norm[1]) if norm else (v,) * 5
    with _on_device(v):
        kernel[(_programs(v),)](
            d, v, maps.start, _or(maps.earlier, v), du, h, _or(behind.later, v), behind.after, maps.leak,
            _or(maps.tail_weight, v), *given, sums, **maps.sizes, start_lanes=maps.start.numel(), later_frames=later,
            slope=norm[0].slope if norm else 1.0, **where, d_lanes=lanes,
            NORMALISED=norm is not None, WINDOW=window is not None, LATER=later > 0, **maps.options,
        )  # fmt: skip
    return Backward(du, h, sums)


def leaky_integral(x: Tensor, leak: Tensor, start: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``v[t] = v[t-1] + b (x[t] - v[t-1])`` of rows ``(T, N)``; ``leak`` and ``start`` are ``(N,)``.

    ``out`` may be ``x`` itself.
    """
    v = torch.empty_like(x) if out is None else out
    integrate(x, Maps(v, 1, len(leak), leak.contiguous(), start.contiguous()))
    return v


def leaky_integral_backward(g: Tensor, v: Tensor, leak: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``h`` (gradient of the input) and ``sum_t h[t] (v[t] - v[t-1])`` from ``g``, the gradient of ``v``."""
    maps = Maps(v, 1, len(leak), leak.contiguous(), start.contiguous())
    result = integrate_backward(g.contiguous(), maps, AdjointBoundary(torch.zeros_like(v[0])), None, v.dtype)
    return result.du, result.sums[0].to(v.dtype)


def lanes_per_program() -> int:
    """Lanes of one program."""
    return INTERPRETED_LANES if interpreted() else LANES


def _programs(v: Tensor) -> int:
    return -(-v.shape[1] // lanes_per_program())


def _window(maps: Maps, window: tuple[Window, int] | None) -> tuple[dict[str, int], int]:
    """Arguments of a kernel that say where a window lies, and the lanes of a row on it."""
    if window is None:
        return dict.fromkeys(("columns", "top", "left", "height", "width"), 0), maps.v.shape[1]
    (top, bottom, left, right), columns = window
    height = bottom - top
    width = right - left
    place = {"columns": columns, "top": top, "left": left, "height": height, "width": width}
    return place, maps.clips * height * width * maps.channels


def _or(tensor: Tensor | None, any_pointer: Tensor) -> Tensor:
    """Return the tensor, or anything that has an address where a kernel does not look."""
    return any_pointer if tensor is None else tensor


def _on_device(tensor: Tensor) -> AbstractContextManager[None]:
    """Triton launches on the current GPU, whichever its arguments lie on."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
