"""Evaluation in compiled code, a clip or a single frame at a time; numbers as of :mod:`stcnn.nn.inference.folded`.

The code is ``csrc/network.cpp`` with ``blocks.cpp`` (clips) or ``frame.cpp`` (single frames) for each layer. It is made
from the folded network, so weights are folded in one place only, and both forms continue each other's state.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.filters.exponential import Integrator
from stcnn.nn.filters.stateful import State
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.indicator import Indicator
from stcnn.nn.inference.native_clip import Form
from stcnn.nn.inference.native_clips import Clips, LiveClips, frozen_geometry
from stcnn.nn.kernels.native.compile import NetworkCode, NotCompiled, libraries, library
from stcnn.nn.kernels.native.filter_state import FilterState
from stcnn.nn.kernels.native.pointers import PointerOwner

BLOCKS_AT_ONCE = 32
"""Blocks of a clip whose contrast is made at a time: 14 MB in the published size."""


def why_no_native_evaluation(folded: Folded) -> str | None:
    """Return why the native core cannot evaluate this network; None if it can, except that it may not compile."""
    if folded.core is not None:
        return "its core is not made of hidden layers"
    if odd := [layer.norm for layer in folded.layers if layer.norm is not None]:
        return f"a hidden layer has a normalisation of its own, {type(odd[0]).__name__}"
    filters = [filter for filter in folded.filters.values() if isinstance(filter, Integrator)]
    if len(filters) < len(folded.filters):
        return "a filter is not exponential, or has few taps"
    tensors = [folded.readouts.weights, *[layer.kernel for layer in folded.layers]]
    tensors += [tensor for filter in filters for tensor in (filter.leak, filter.offset)]
    if not all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors):
        return "it computes in float32 on the CPU"
    if not all(bool(t.isfinite().all()) for t in tensors):
        return "a parameter is not finite"
    if any(k % 2 == 0 for layer in folded.layers for k in layer.kernel.shape[2:]):
        return "the width of a kernel is even"
    if not all(layer.convolution.keeps_size for layer in folded.layers):
        return "a hidden layer has a stride or a padding, so that maps differ in size"
    activations = [layer.activation for layer in folded.layers] + [folded.readouts.activation]
    if curved := [activation.name for activation in activations if activation.curved]:
        return f"the activation {curved[0]} is more than a slope"
    if folded.layers[0].activation.slope != 1:
        return "an activation stands in front of the first layer"
    return None


def products_per_frame(folded: Folded) -> int:
    """Multiplications of the hidden layers for one frame of one clip, in the direct form."""
    return sum(layer.kernel.numel() * layer.shape[0] * layer.shape[1] for layer in folded.layers)


class NativeEvaluation:
    """A folded network in compiled code, and the state of its clips; used as :class:`Folded` is.

    Args:
        folded: the network with its weights, and where it stands now.

    Raises:
        NotCompiled: the compiled core cannot run this network.
    """

    def __init__(self, folded: Folded) -> None:
        if reason := why_no_native_evaluation(folded):
            raise NotCompiled(reason)
        self.folded = folded
        self.clips = folded.clips
        self._code = library(NetworkCode())
        pointer = ctypes.c_void_p
        integer = ctypes.c_int32
        self._code.step.argtypes = [pointer, integer, pointer, integer, ctypes.c_float, pointer, pointer]
        self._code.evaluate.argtypes = [pointer, pointer, integer, integer]
        self.lanes = int(self._code.lanes())
        self.chunk = BLOCKS_AT_ONCE * self.lanes
        """Number of frames that are best computed together."""
        self._owner = PointerOwner()
        self.states: dict[str, FilterState] = {}
        for name, filter in folded.filters.items():
            assert isinstance(filter, Integrator)
            self.states[name] = FilterState(filter, self.lanes if name.startswith("hidden") else 1, self._owner)
        self.indicator: Indicator | None = None
        self.calcium: FilterState | None = None
        """State of the indicator, for :meth:`step`."""
        self._clips: dict[tuple[int, ...], Clips] = {}
        self._live: dict[tuple[int, ...], LiveClips] = {}
        self.load_state(folded.state())

    # ---- state, as Folded has it

    def state(self) -> State:
        """Return a copy of the state by the name of the filter."""
        return {f"{name}.{key}": rows for name, own in self.states.items() for key, rows in own.state().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what :meth:`state` or that of :class:`Folded` returned; the state of one clip serves all."""
        for name, own in self.states.items():
            own.load({k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")})

    def reset(self) -> None:
        """Forget all frames."""
        self.folded.reset()
        self.load_state(self.folded.state())

    def settle(self) -> Tensor:
        """Go where grey without end leads; return the steady voltage ``(B, 1, N)``."""
        voltage = self.folded.settle()
        self.load_state(self.folded.state())
        return voltage

    def indicate(self, indicator: Indicator) -> bool:
        """Go from voltage to calcium with this in :meth:`step`; False if that cannot be. Compiles what is missing.

        Raises:
            NotCompiled: a parameter is not finite, or see :func:`~stcnn.nn.kernels.native.compile.libraries`.
        """
        if not isinstance(indicator.filter, Integrator) or indicator.rectifier not in ("elu", "softplus"):
            return False
        if not indicator.filters_each_type_once:
            return False
        if not all(bool(t.isfinite().all()) for t in (indicator.filter.leak, indicator.gain, indicator.offset)):
            raise NotCompiled("a parameter of the indicator is not finite")
        self.compile("frame")
        self.indicator = indicator
        self.calcium = FilterState(indicator.filter, 1, self._owner)
        self._live.clear()
        return True

    def compile(self, form: Form) -> None:
        """Compile what is missing.

        Raises:
            NotCompiled: see :func:`~stcnn.nn.kernels.native.compile.libraries`.
        """
        libraries(frozen_geometry(layer, form) for layer in self.folded.layers)

    # ---- frames

    def push(self, contrast: Tensor) -> Tensor:
        """Advance by frames of contrast ``(B, T, Y, X)``; return voltages ``(B, T, N)``.

        Raises:
            ShapeError: the number of clips or of axes is wrong, or the contrast is not finite. In the latter case all
                frames so far are forgotten.
        """
        if contrast.dim() != 4 or contrast.shape[0] != self.clips or not contrast.numel():
            raise ShapeError(
                f"the contrast has shape {tuple(contrast.shape)}",
                expected=f"(B, T, Y, X) with B = {self.clips} clips and at least one frame",
            )
        pictures = [clip.to("cpu", torch.float32).contiguous() for clip in contrast.detach()]
        return self._evaluate(pictures, contrast.shape[1], (contrast.shape[2], contrast.shape[3]))

    def push_grey(self, n_frames: int) -> Tensor:
        """Advance by grey frames; return voltages ``(B, T, N)``."""
        if n_frames < 0:
            raise ValueError(f"{n_frames} frames")
        eye = self.folded.eye
        shape_px = eye.eye.picture_px(eye.deg_per_px)
        return self._evaluate([None] * self.clips, n_frames, shape_px)

    def step(self, frames: NDArray[Any], grey: float) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Show one frame to each clip; return voltage ``(B, N)`` and calcium ``(B, M)``, or None if it is refused.

        Args:
            frames: ``(B, Y, X)``: 8-bit codes, or float32 luminance 0..1.
            grey: luminance of grey.

        Raises:
            ShapeError: an array of another shape or type.
        """
        if frames.ndim != 3 or len(frames) != self.clips or not (frames.dtype == np.uint8 or frames.dtype.kind == "f"):
            raise ShapeError(
                f"frames of shape {frames.shape} and type {frames.dtype}",
                expected=f"({self.clips}, Y, X), uint8 or floats",
            )
        clips = self.live_clips(frames.shape[1:])
        shown = clips.frames[frames.dtype.kind == "f"]
        np.copyto(shown.array, frames)
        if self._code.step(clips.addresses, self.clips, shown.address, shown.kind, grey, *clips.answers):
            return None
        return clips.voltage.copy(), clips.calcium.copy()

    def _evaluate(self, pictures: list[Tensor] | list[None], frames: int, shape: tuple[int, int]) -> Tensor:
        """Clip by clip on a thread each; threads that are left over deal the blocks of a clip among themselves."""
        voltage = torch.empty(self.clips, frames, self.states["readouts"].channels)
        threads = torch.get_num_threads()
        alone = self.clips - self.clips % threads
        shared = threads // max(1, self.clips - alone)
        for own in self.states.values():
            own.done.zero_()
        clips = self.clips_in_blocks(shape)
        faults: list[int] = []
        with ThreadPoolExecutor(threads) as pool:
            for group, workers in ((range(alone), 1), (range(alone, self.clips), shared)):
                calls = [
                    clips.run_arguments(b, i, workers, pictures[b], voltage[b]) for b in group for i in range(workers)
                ]
                faults += pool.map(lambda call: self._code.evaluate(*call), calls)
        if any(faults):
            self.reset()
            raise ShapeError("the contrast has values that are not finite", expected="numbers around zero, grey")
        return voltage

    def clips_in_blocks(self, shape_px: tuple[int, ...]) -> Clips:
        """Return all clips for pictures of one size; compiles what is missing.

        Raises:
            NotCompiled: see :func:`~stcnn.nn.kernels.native.compile.libraries`.
        """
        if shape_px not in self._clips:
            self._clips[shape_px] = Clips(self.folded, self.states, "blocks", shape_px)
        return self._clips[shape_px]

    def live_clips(self, shape_px: tuple[int, ...]) -> LiveClips:
        """Return all clips for single frames of one size; compiles what is missing."""
        if shape_px not in self._live:
            assert self.indicator is not None
            assert self.calcium is not None
            clips = Clips(self.folded, self.states, "frame", shape_px)
            self._live[shape_px] = LiveClips(clips, shape_px, self.indicator, self.calcium)
        return self._live[shape_px]
