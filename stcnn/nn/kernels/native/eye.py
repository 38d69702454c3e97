"""The eye in compiled code (``csrc/eye.h``), for evaluation and in front of hidden layers that train there."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from stcnn.nn.eye import EYE_FRAMES, Eye, Frames
from stcnn.nn.kernels.native.compile import NetworkCode, NotCompiled, library
from stcnn.nn.kernels.native.filter_state import Memory
from stcnn.nn.kernels.native.interface import Band, Filter, Keeper, View, address_of
from stcnn.nn.kernels.native.interface import Eye as EyeStruct
from stcnn.nn.stack.native import WORTH_COMPILING, threads
from stcnn.nn.stack.native_backward import Each
from stcnn.nn.stateful import Integrator, exponential
from stcnn.nn.temporal import exponential_gain

if TYPE_CHECKING:
    from stcnn.nn.hidden_stack import HiddenStack

BLIND = 1e-9
"""What a pixel far from a column contributes, relative to the middle, may be left out below this (float32: 6e-8)."""


@runtime_checkable
class CodedFrames(Frames, Protocol):
    """Frames that stand in memory as 8-bit codes, unless ``levels`` is None."""

    codes: Tensor
    """uint8 ``(B, T, Y, X)``."""
    levels: Tensor | None
    """Contrast of each code, ``(B, 256)``."""


class Optics:
    """The two matrices of an eye, and structs of eyes that share them.

    Args:
        down: what each row of columns sees of each row of pixels, ``(Yc, Y)``, with the gain of the filter.
        across: the same along the other axis, ``(Xc, X)``.
        lanes: numbers of a vector.
        keeper: keeps alive what structs point to.
    """

    def __init__(self, down: Tensor, across: Tensor, lanes: int, keeper: Keeper) -> None:
        self.lanes, self._keeper = lanes, keeper
        self._down, self._across = self._band(down), self._band(across)

    def eye(self, filter: Filter) -> EyeStruct:
        """Return an eye with room of its own."""
        down, across, scratch = self._down, self._across, self._keeper.scratch
        width, strip_rows = (-(-n // self.lanes) * self.lanes for n in (across.size, down.rows))
        return EyeStruct(
            down, across, scratch(down.size, width), scratch(2, strip_rows, width), scratch(self.lanes, filter.size),
            filter, width, strip_rows,
        )  # fmt: skip

    def _band(self, matrix: Tensor) -> Band:
        """A matrix whose rows are zero but for a stretch."""
        felt = matrix.abs() > BLIND * matrix.abs().amax()
        first = felt.int().argmax(1)
        last = matrix.shape[1] - felt.flip(1).int().argmax(1)
        last = torch.where(felt.any(1), last, first)
        keeper = self._keeper
        return Band(keeper.at(matrix), keeper.at(first, torch.int32), keeper.at(last, torch.int32), *matrix.shape)


def see(eye: Eye, frames: Frames, rate_hz: float, deg_per_px: float, start: int, hidden: HiddenStack) -> Tensor:
    """Return what ``eye.see`` does; in compiled code where ``hidden`` would run there and the eye can.

    That is where it is worth it for the hidden layers: what is compiled for the eye alone takes a second.
    """
    if hidden.compute in ("auto", "native"):
        one = frames.contrast(start, start + 1)
        rows, columns = eye.config.lattice
        maps = (frames.n_frames - start) * one.shape[0] * rows * columns
        products = maps * sum(layer.weight.numel() for layer in hidden)
        if hidden.compute == "native" or products >= WORTH_COMPILING:
            with suppress(NotCompiled):
                return NativeEye(eye, one, rate_hz, deg_per_px).see(frames, start)
    return eye.see(frames, rate_hz, deg_per_px, start)


class NativeEye:
    """An eye in compiled code, at the beginning of some clips.

    Args:
        eye: the eye.
        like: contrast like that of the clips, ``(B, any, Y, X)``.
        rate_hz: frames per second.
        deg_per_px: degrees per pixel.

    Raises:
        NotCompiled: the compiled core cannot run it; the message says why.
    """

    def __init__(self, eye: Eye, like: Tensor, rate_hz: float, deg_per_px: float) -> None:
        if any(t.dtype != torch.float32 or t.device.type != "cpu" for t in (like, eye.tau_s)):
            raise NotCompiled("it computes in float32 on the CPU")
        if torch.is_autocast_enabled("cpu"):
            raise NotCompiled("it does not compute in mixed precision")
        if like.requires_grad and torch.is_grad_enabled():
            raise NotCompiled("the contrast needs a gradient")
        config, self.clips, self.shape_px = eye.config, like.shape[0], (like.shape[2], like.shape[3])
        self.lattice = config.lattice
        places = self.lattice[0] * self.lattice[1]
        filter = exponential(
            eye.tau_s, 1 / rate_hz, config.filter.kernel_s, torch.zeros_like(eye.tau_s), places=places, clips=self.clips
        )
        if not isinstance(filter, Integrator):
            raise NotCompiled("its kernel has few taps")
        tau_s = eye.tau_s.double()
        down, across = eye.sampling(self.shape_px, deg_per_px, tau_s)
        down = down * exponential_gain(tau_s, 1 / rate_hz, config.filter)
        if not all(bool(t.isfinite().all()) for t in (down, across, filter.scan.leak, filter.cut)):
            raise NotCompiled("a parameter is not finite")
        self._code = library(NetworkCode())
        self._code.see.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._keeper = Keeper()
        memory = Memory(filter, 1, self._keeper)
        optics = Optics(down, across, int(self._code.lanes()), self._keeper)
        self._eyes = [optics.eye(memory.row_filter(b)) for b in range(self.clips)]

    def see(self, frames: Frames, start: int) -> Tensor:
        """Return photoreceptor maps ``(T - start, B, Yc, Xc)``; as :meth:`stcnn.nn.eye.Eye.see`, once.

        Clips run side by side. Codes are looked up pixel by pixel, other movies expanded to contrast in pieces.

        Raises:
            NotCompiled: the contrast is not finite.
        """
        seen = torch.empty(frames.n_frames - start, self.clips, *self.lattice)
        with threads() as each:
            if isinstance(frames, CodedFrames) and frames.levels is not None:
                self._look(frames.codes[:, start:], frames.levels, seen, each)
            else:
                for first in range(start, frames.n_frames, EYE_FRAMES):
                    part = seen[first - start :][:EYE_FRAMES]
                    self._look(frames.contrast(first, first + len(part)), None, part, each)
        return seen

    def _look(self, pixels: Tensor, levels: Tensor | None, seen: Tensor, each: Each) -> None:
        """Show each clip the next frames ``(B, T, Y, X)``, codes into ``levels`` or contrast, and fill ``seen``."""
        frames, kind = len(seen), torch.float32 if levels is None else torch.uint8

        def clip(b: int) -> None:
            shown = pixels[b].contiguous()
            view = View(
                address_of(shown, (frames, *self.shape_px), kind),
                None if levels is None else address_of(levels[b], (256,)),
                frames, address_of(seen, (frames, self.clips, *self.lattice)), b, self.clips,
            )  # fmt: skip
            strange = levels is not None and not levels[b].isfinite().all()
            if strange or self._code.see(ctypes.byref(self._eyes[b]), ctypes.byref(view)):
                raise NotCompiled("the contrast is not finite")

        each(clip, range(self.clips))
