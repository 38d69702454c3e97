"""Photoreceptor maps in front of hidden layers that train: in compiled code where those run there."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from stcnn.nn.eye import Eye
from stcnn.nn.filters.exponential import Integrator
from stcnn.nn.frames import EYE_FRAMES, Frames
from stcnn.nn.kernels.native.compile import NetworkCode, NotCompiled, library
from stcnn.nn.kernels.native.evaluation_structs import View
from stcnn.nn.kernels.native.eye import Optics
from stcnn.nn.kernels.native.filter_state import FilterState
from stcnn.nn.kernels.native.pointers import PointerOwner, address_of
from stcnn.nn.kernels.native.threads import ParallelFor, parallel_for


@runtime_checkable
class CodedFrames(Frames, Protocol):
    """Frames that stand in memory as 8-bit codes, unless ``levels`` is None."""

    codes: Tensor
    """uint8 ``(B, T, Y, X)``."""
    levels: Tensor | None
    """Contrast of each code, ``(B, 256)``."""


def sample_columns(
    eye: Eye, frames: Frames, rate_hz: float, deg_per_px: float, start: int = 0, *, compiled: bool = False
) -> Tensor:
    """Return photoreceptor maps ``(T - start, B, Yc, Xc)``, as :meth:`stcnn.nn.eye.Eye.sample_columns` does.

    Args:
        eye: the eye.
        frames: the movies of all clips.
        rate_hz: frames per second.
        deg_per_px: degrees per pixel.
        start: number of the first frame that is wanted.
        compiled: run in compiled code where this eye can. What is compiled for the eye alone takes a second, so it is
            worth it where the hidden layers run there too.
    """
    if compiled:
        with suppress(NotCompiled):
            like = frames.contrast(start, start + 1)
            return NativeEye(eye, like, rate_hz, deg_per_px).sample_columns(frames, start)
    return eye.sample_columns(frames, rate_hz, deg_per_px, start)


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
        config = eye.config
        self.clips = like.shape[0]
        self.shape_px = (like.shape[2], like.shape[3])
        self.lattice = config.lattice
        filter = config.filter.stateful(
            eye.constants(eye.tau_s),
            rate_hz,
            torch.zeros_like(eye.tau_s),
            places=self.lattice[0] * self.lattice[1],
            clips=self.clips,
        )
        if not isinstance(filter, Integrator):
            raise NotCompiled("its kernel is not exponential, or has few taps")
        exact = eye.tau_s.double()
        gain = config.filter.gain(eye.constants(exact), rate_hz)
        assert gain is not None
        sampling = eye.sampling(self.shape_px, deg_per_px, exact).times(gain)
        if not all(bool(t.isfinite().all()) for t in (sampling.down, sampling.across, filter.leak, filter.tail_weight)):
            raise NotCompiled("a parameter is not finite")
        self._code = library(NetworkCode())
        self._code.sample_clip.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        self._owner = PointerOwner()
        state = FilterState(filter, 1, self._owner)
        optics = Optics(sampling.down, sampling.across, int(self._code.lanes()), self._owner)
        self._eyes = [optics.eye(state.row_filter(b)) for b in range(self.clips)]

    def sample_columns(self, frames: Frames, start: int) -> Tensor:
        """Return photoreceptor maps ``(T - start, B, Yc, Xc)``; as :meth:`stcnn.nn.eye.Eye.sample_columns`, once.

        Clips run side by side. Codes are looked up pixel by pixel, other movies expanded to contrast in pieces.

        Raises:
            NotCompiled: the contrast is not finite.
        """
        seen = torch.empty(frames.n_frames - start, self.clips, *self.lattice)
        with parallel_for() as each:
            if isinstance(frames, CodedFrames) and frames.levels is not None:
                self._sample(frames.codes[:, start:], frames.levels, seen, each)
            else:
                for first in range(start, frames.n_frames, EYE_FRAMES):
                    part = seen[first - start :][:EYE_FRAMES]
                    self._sample(frames.contrast(first, first + len(part)), None, part, each)
        return seen

    def _sample(self, pixels: Tensor, levels: Tensor | None, seen: Tensor, each: ParallelFor) -> None:
        """Show each clip the next frames ``(B, T, Y, X)``, codes into ``levels`` or contrast, and fill ``seen``."""
        n_frames = len(seen)
        dtype = torch.float32 if levels is None else torch.uint8

        def clip(b: int) -> None:
            shown = pixels[b].contiguous()
            view = View(
                pixels=address_of(shown, (n_frames, *self.shape_px), dtype),
                levels=None if levels is None else address_of(levels[b], (256,)),
                frames=n_frames,
                seen=address_of(seen, (n_frames, self.clips, *self.lattice)),
                clip=b,
                clips=self.clips,
            )
            strange = levels is not None and not levels[b].isfinite().all()
            if strange or self._code.sample_clip(ctypes.byref(self._eyes[b]), ctypes.byref(view)):
                raise NotCompiled("the contrast is not finite")

        each(clip, range(self.clips))
