"""Evaluation in compiled code: the numbers of :class:`stcnn.nn.folded.Folded`, a clip or a single frame at a time.

The code is ``stcnn/native/network.cpp`` with ``blocks.cpp`` (clips) or ``frame.cpp`` (single frames) for each layer. It
is made from the folded network, so weights are folded in one place only, and both forms continue each other's state.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.folded import Folded, FoldedLayer
from stcnn.nn.native_clip import ClipBuilder, Form
from stcnn.nn.native_library import FrozenGeometry, NetworkCode, NotCompiled, libraries, library
from stcnn.nn.native_state import Memory
from stcnn.nn.native_structs import Clip, Keeper, Passage
from stcnn.nn.stateful import Integrator, State

if TYPE_CHECKING:
    from stcnn.nn.streaming import Indicator

_pointer, _int = ctypes.c_void_p, ctypes.c_int32

BLOCKS_AT_ONCE = 32
"""Blocks of a clip whose contrast is made at a time: 14 MB in the published size."""
BEHIND = 4
"""Blocks between the stages of a clip, as in ``network.cpp``."""


def unfit_for_native_evaluation(folded: Folded) -> str:
    """Say why the native core cannot evaluate this network; empty if it can, except that it may not compile."""
    if not all(isinstance(filter, Integrator) for filter in folded.filters.values()):
        return "a filter is not exponential, or has few taps"
    tensors = [folded.readouts.weights, *[layer.kernel for layer in folded.layers]]
    if not all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors):
        return "it computes in float32 on the CPU"
    if not all(bool(t.isfinite().all()) for t in tensors):
        return "a parameter is not finite"
    if any(k % 2 == 0 for layer in folded.layers for k in layer.kernel.shape[2:]):
        return "the width of a kernel is even"
    return ""


def products_per_frame(folded: Folded) -> int:
    """Multiplications of the hidden layers for one frame of one clip, in the direct form."""
    return sum(layer.kernel.numel() * layer.shape[0] * layer.shape[1] for layer in folded.layers)


def frozen_geometry(layer: FoldedLayer, form: Form) -> FrozenGeometry:
    """Return the geometry of a layer; its grid is just wide enough that nothing comes round to where it is wanted."""
    outputs, inputs, *kernel = layer.kernel.shape
    (top, bottom, left, right), (top_, bottom_, left_, right_) = layer.reads, layer.makes
    reach = [
        max(last - first_ + k // 2, last_ + k // 2 - first, k)
        for first, last, first_, last_, k in (
            (top, bottom, top_, bottom_, kernel[0]),
            (left, right, left_, right_, kernel[1]),
        )
    ]
    ny, nx = (n + n % 2 for n in reach)
    return FrozenGeometry(
        f"{form}.cpp", bottom - top, right - left, bottom_ - top_, right_ - left_, ny, nx, inputs, outputs
    )


class NativeEvaluation:
    """A folded network in compiled code, and the state of its clips; used as :class:`Folded` is.

    Args:
        folded: the network with its weights, and where it stands now.
        indicator: from voltage to calcium, for :meth:`step`.

    Raises:
        NotCompiled: the compiled core cannot run this network.
    """

    def __init__(self, folded: Folded, indicator: Indicator | None = None) -> None:
        if reason := unfit_for_native_evaluation(folded):
            raise NotCompiled(reason)
        self.folded, self.clips, self.indicator = folded, folded.clips, indicator
        self._code = library(NetworkCode())
        self._code.step.argtypes = [_pointer, _int, _pointer, _int, ctypes.c_float, _pointer, _pointer]
        self._code.evaluate.argtypes = [_pointer, _int, _int]
        self.lanes = int(self._code.lanes())
        self.chunk = BLOCKS_AT_ONCE * self.lanes
        """Number of frames that are best computed together."""
        self._keeper = Keeper()
        self.memory: dict[str, Memory] = {}
        for name, filter in folded.filters.items():
            assert isinstance(filter, Integrator)
            self.memory[name] = Memory(filter, self.lanes if name.startswith("hidden") else 1, self._keeper)
        self.calcium: Memory | None = None
        """State of the indicator."""
        if indicator is not None and isinstance(indicator.filter, Integrator):
            self.calcium = Memory(indicator.filter, 1, self._keeper)
        self._clips: dict[tuple[Form, tuple[int, ...]], Clips] = {}
        self.load_state(folded.state())

    # ---- state, as Folded has it

    def state(self) -> State:
        """Return a copy of the state by the name of the filter."""
        return {f"{name}.{key}": rows for name, memory in self.memory.items() for key, rows in memory.state().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what :meth:`state` or that of :class:`Folded` returned; the state of one clip serves all."""
        for name, memory in self.memory.items():
            memory.load({k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")})

    def reset(self) -> None:
        """Forget all frames."""
        self.folded.reset()
        self.load_state(self.folded.state())

    def settle(self) -> Tensor:
        """Go where grey without end leads; return the steady voltage ``(B, 1, N)``."""
        voltage = self.folded.settle()
        self.load_state(self.folded.state())
        return voltage

    # ---- frames

    def push(self, contrast: Tensor) -> Tensor:
        """Advance by frames of contrast ``(B, T, Y, X)``; return voltages ``(B, T, N)``.

        Raises:
            ShapeError: the number of clips or of axes is wrong, or the contrast is not finite.
        """
        if contrast.dim() != 4 or contrast.shape[0] != self.clips or not contrast.numel():
            raise ShapeError(
                f"the contrast has shape {tuple(contrast.shape)}",
                expected=f"(B, T, Y, X) with B = {self.clips} clips and at least one frame",
            )
        pictures = [clip.to("cpu", torch.float32).contiguous() for clip in contrast.detach()]
        return self._evaluate(pictures, contrast.shape[1], tuple(contrast.shape[2:]))

    def push_grey(self, n_frames: int) -> Tensor:
        """Advance by grey frames; return voltages ``(B, T, N)``."""
        return self._evaluate([None] * self.clips, n_frames, (1, 1))

    def step(self, frames: NDArray[Any], grey: float) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Show one frame to each clip; return voltage ``(B, N)`` and calcium ``(B, M)``, or None if it is refused.

        Args:
            frames: ``(B, Y, X)``: 8-bit codes, or float32 luminance 0..1.
            grey: luminance of grey.
        """
        clips = self.clips_for("frame", frames.shape[1:])
        shown = clips.frames[frames.dtype.kind == "f"]
        np.copyto(shown.array, frames)
        if self._code.step(clips.addresses, self.clips, shown.address, shown.kind, grey, *clips.answers):
            return None
        return clips.voltage.copy(), clips.calcium.copy()

    def _evaluate(self, pictures: list[Tensor] | list[None], frames: int, shape: tuple[int, int]) -> Tensor:
        clips = self.clips_for("blocks", shape).each
        voltage = torch.empty(self.clips, frames, len(self.folded.readouts.filter.offset))
        threads = torch.get_num_threads()
        alone = self.clips - self.clips % threads
        stages = max(1, threads // max(1, self.clips - alone))
        calls = [
            self._passage(clips[b], pictures[b], voltage[b], 1 if b < alone else stages) for b in range(self.clips)
        ]
        with ThreadPoolExecutor(threads) as pool:
            faults = list(
                pool.map(lambda call: self._code.evaluate(*call), [c for call in calls[:alone] for c in call])
            )
            faults += pool.map(lambda call: self._code.evaluate(*call), [c for call in calls[alone:] for c in call])
        if any(faults):
            raise ShapeError("the contrast has values that are not finite", expected="numbers around zero, grey")
        return voltage

    def _passage(
        self, clip: Clip, contrast: Tensor | None, voltage: Tensor, stages: int
    ) -> list[tuple[object, int, int]]:
        """Return the arguments of the calls that take one clip through its stages, side by side."""
        first = self._shares(stages)
        stages, size = len(first) - 1, self._largest * self.lanes
        room = [
            torch.tensor(first, dtype=torch.int32),
            torch.empty(stages, BEHIND, size),
            torch.zeros(stages, dtype=torch.int64),
        ]
        passage = Passage(
            ctypes.addressof(clip), None if contrast is None else contrast.data_ptr(), len(voltage), size,
            voltage.data_ptr(), *(r.data_ptr() for r in room),
        )  # fmt: skip
        passage.kept = room
        return [(ctypes.byref(passage), stage, stages) for stage in range(stages)]

    def _shares(self, stages: int) -> list[int]:
        """First step of each stage and the end, so that the longest stage is as short as it can be."""
        costs = [EYE_COST, *[cost(frozen_geometry(layer, "blocks")) for layer in self.folded.layers], 0]
        splits = combinations(range(1, len(costs) - 1), min(stages, len(costs) - 1) - 1)
        ends = [(0, *split, len(costs)) for split in splits]
        return list(min(ends, key=lambda end: max(sum(costs[a:b]) for a, b in pairwise(end))))

    @property
    def _largest(self) -> int:
        """Numbers of the largest map of a frame."""
        layers = self.folded.layers
        return max(
            self.folded.eye.shape[0] * self.folded.eye.shape[1],
            *[l.shape[0] * l.shape[1] * len(l.kernel) for l in layers],
        )

    def clips_for(self, form: Form, shape: tuple[int, ...]) -> Clips:
        """Return all clips for pictures of one shape; compiles what is missing.

        Raises:
            NotCompiled: see :func:`~stcnn.nn.native_library.libraries`.
        """
        if (form, shape) not in self._clips:
            self._clips[form, shape] = Clips(self, form, shape)
        return self._clips[form, shape]


class Picture(NamedTuple):
    """Where a frame is handed over."""

    array: NDArray[Any]
    address: int
    kind: int


class Clips:
    """The structs of all clips of a network in one form, for pictures of one shape."""

    def __init__(self, network: NativeEvaluation, form: Form, shape: tuple[int, ...]) -> None:
        codes = [frozen_geometry(layer, form) for layer in network.folded.layers]
        found = libraries(codes)
        functions = [ctypes.cast(getattr(found[code], form), ctypes.c_void_p).value or 0 for code in codes]
        self._builder = builder = ClipBuilder(network.folded, form, shape, codes, network.lanes)
        self.each = [builder.build(b, network.memory, functions) for b in range(network.clips)]
        if form == "frame" and network.indicator is not None and network.calcium is not None:
            for b, clip in enumerate(self.each):
                builder.indicate(clip, b, network.indicator, network.calcium)
            self._room_for_frames(network.clips, shape)

    def _room_for_frames(self, clips: int, shape: tuple[int, ...]) -> None:
        arrays = [np.zeros((clips, *shape), dtype) for dtype in (np.uint8, np.float32)]
        self.frames = [Picture(array, array.ctypes.data, kind) for kind, array in enumerate(arrays)]
        self.addresses = (ctypes.c_void_p * clips)(*map(ctypes.addressof, self.each))
        self.voltage = np.zeros((clips, self.each[0].readouts.types), np.float32)
        self.calcium = np.zeros((clips, self.each[0].calcium.neurons), np.float32)
        self.answers = self.voltage.ctypes.data, self.calcium.ctypes.data


EYE_COST = 70_000
"""Operations of the eye on a block, in vectors."""


def cost(geometry: FrozenGeometry) -> int:
    """Operations of one block of a layer, in vectors: transforms of all channels, and products at each frequency."""
    g = geometry
    lines = g.inputs * (g.rows + g.nx) + g.outputs * (g.out_rows + g.nx)
    return 7 * g.nx * lines + g.ny * (g.nx // 2) * (3 * g.inputs * g.outputs + 25)
