"""Evaluation in compiled code, a clip or a single frame at a time; numbers as of :mod:`stcnn.nn.inference.folded`.

The code is ``csrc/network.cpp`` with ``blocks.cpp`` (clips) or ``frame.cpp`` (single frames) for each layer. It
is made from the folded network, so weights are folded in one place only, and both forms continue each other's state.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.inference.folded import Folded, FoldedLayer
from stcnn.nn.inference.native_clip import ClipBuilder, Form
from stcnn.nn.kernels.native.compile import FrozenGeometry, NetworkCode, NotCompiled, libraries, library
from stcnn.nn.kernels.native.filter_state import Memory
from stcnn.nn.kernels.native.interface import Clip, Keeper, Passage, address_of
from stcnn.nn.stateful import Integrator, State

if TYPE_CHECKING:
    from stcnn.nn.inference.stream import Indicator

_pointer, _int = ctypes.c_void_p, ctypes.c_int32

BLOCKS_AT_ONCE = 32
"""Blocks of a clip whose contrast is made at a time: 14 MB in the published size."""


def unfit_for_native_evaluation(folded: Folded) -> str:
    """Say why the native core cannot evaluate this network; empty if it can, except that it may not compile."""
    filters = [filter for filter in folded.filters.values() if isinstance(filter, Integrator)]
    if len(filters) < len(folded.filters):
        return "a filter is not exponential, or has few taps"
    tensors = [folded.readouts.weights, *[layer.kernel for layer in folded.layers]]
    tensors += [tensor for filter in filters for tensor in (filter.scan.leak, filter.offset)]
    if not all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors):
        return "it computes in float32 on the CPU"
    if not all(bool(t.isfinite().all()) for t in tensors):
        return "a parameter is not finite"
    if any(k % 2 == 0 for layer in folded.layers for k in layer.kernel.shape[2:]):
        return "the width of a kernel is even"
    if not all(layer.convolution.keeps_size for layer in folded.layers):
        return "a hidden layer has a stride or a padding, so that maps differ in size"
    if curved := [part.activation.name for part in (*folded.layers, folded.readouts) if part.activation.curved]:
        return f"the activation {curved[0]} is more than a slope"
    if folded.layers[0].activation.slope != 1:
        return "an activation stands in front of the first layer"
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
        f"{form}.cpp",
        bottom - top,
        right - left,
        bottom_ - top_,
        right_ - left_,
        ny + ny % 2,
        nx + nx % 2,
        inputs,
        outputs,
    )


class NativeEvaluation:
    """A folded network in compiled code, and the state of its clips; used as :class:`Folded` is.

    Args:
        folded: the network with its weights, and where it stands now.

    Raises:
        NotCompiled: the compiled core cannot run this network.
    """

    def __init__(self, folded: Folded) -> None:
        if reason := unfit_for_native_evaluation(folded):
            raise NotCompiled(reason)
        self.folded, self.clips = folded, folded.clips
        self._code = library(NetworkCode())
        self._code.step.argtypes = [_pointer, _int, _pointer, _int, ctypes.c_float, _pointer, _pointer]
        self._code.evaluate.argtypes = [_pointer, _pointer, _int, _int]
        self.lanes = int(self._code.lanes())
        self.chunk = BLOCKS_AT_ONCE * self.lanes
        """Number of frames that are best computed together."""
        self._keeper = Keeper()
        self.memory: dict[str, Memory] = {}
        for name, filter in folded.filters.items():
            assert isinstance(filter, Integrator)
            self.memory[name] = Memory(filter, self.lanes if name.startswith("hidden") else 1, self._keeper)
        self.indicator: Indicator | None = None
        self.calcium: Memory | None = None
        """State of the indicator, for :meth:`step`."""
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

    def indicate(self, indicator: Indicator) -> bool:
        """Go from voltage to calcium with this in :meth:`step`; False if that cannot be. Compiles what is missing.

        Raises:
            NotCompiled: a parameter is not finite, or see :func:`~stcnn.nn.kernels.native.compile.libraries`.
        """
        if not isinstance(indicator.filter, Integrator) or indicator.rectifier not in ("elu", "softplus"):
            return False
        if not all(bool(t.isfinite().all()) for t in (indicator.filter.scan.leak, indicator.gain, indicator.offset)):
            raise NotCompiled("a parameter of the indicator is not finite")
        self.compile("frame")
        self.indicator, self.calcium = indicator, Memory(indicator.filter, 1, self._keeper)
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
        return self._evaluate([None] * self.clips, n_frames, (1, 1))

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
        clips = self.clips_for("frame", frames.shape[1:])
        shown = clips.frames[frames.dtype.kind == "f"]
        np.copyto(shown.array, frames)
        if self._code.step(clips.addresses, self.clips, shown.address, shown.kind, grey, *clips.answers):
            return None
        return clips.voltage.copy(), clips.calcium.copy()

    def _evaluate(self, pictures: list[Tensor] | list[None], frames: int, shape: tuple[int, int]) -> Tensor:
        """Clip by clip on a thread each; threads that are left over deal the blocks of a clip among themselves."""
        voltage = torch.empty(self.clips, frames, self.memory["readouts"].channels)
        threads = torch.get_num_threads()
        alone = self.clips - self.clips % threads
        shared = threads // max(1, self.clips - alone)
        for memory in self.memory.values():
            memory.done.zero_()
        clips = self.clips_for("blocks", shape)
        faults: list[int] = []
        with ThreadPoolExecutor(threads) as pool:
            for group, workers in ((range(alone), 1), (range(alone, self.clips), shared)):
                calls = [clips.passage(b, i, workers, pictures[b], voltage[b]) for b in group for i in range(workers)]
                faults += pool.map(lambda call: self._code.evaluate(*call), calls)
        if any(faults):
            self.reset()
            raise ShapeError("the contrast has values that are not finite", expected="numbers around zero, grey")
        return voltage

    def clips_for(self, form: Form, shape: tuple[int, ...]) -> Clips:
        """Return all clips for pictures of one shape; compiles what is missing.

        Raises:
            NotCompiled: see :func:`~stcnn.nn.kernels.native.compile.libraries`.
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
        self._network, self._shape = network, shape
        self._builder = ClipBuilder(network.folded, form, shape, codes, [found[code] for code in codes])
        self._workers: dict[tuple[int, int], tuple[Clip, int]] = {}
        if form == "frame":
            self._room_for_frames(network.clips, shape)

    def _room_for_frames(self, clips: int, shape: tuple[int, ...]) -> None:
        """Everything that a step needs, ready made."""
        network = self._network
        assert network.indicator is not None
        assert network.calcium is not None
        each = [self._worker(b, 0)[0] for b in range(clips)]
        for b, clip in enumerate(each):
            self._builder.indicate(clip, b, network.indicator, network.calcium)
        keeper, kinds = self._builder.keeper, enumerate((torch.uint8, torch.float32))
        shown = [(kind, dtype, torch.empty(clips, *shape, dtype=dtype)) for kind, dtype in kinds]
        self.frames = [Picture(array.numpy(), keeper.memory(array, dtype), kind) for kind, dtype, array in shown]
        self.addresses = keeper.pointers([keeper.struct(clip) for clip in each])
        answers = torch.empty(clips, each[0].readouts.types), torch.empty(clips, each[0].calcium.neurons)
        self.answers = tuple(map(keeper.memory, answers))
        self.voltage, self.calcium = (answer.numpy() for answer in answers)

    def _worker(self, b: int, i: int) -> tuple[Clip, int]:
        """Clip ``b`` with room of its own for the ``i``-th thread that works on it, and room for its maps."""
        if (b, i) not in self._workers:
            layers = self._network.folded.layers
            largest = max(self._network.memory["eye"].places, *(math.prod((*r.shape, len(r.kernel))) for r in layers))
            room = self._builder.keeper.scratch(largest * self._network.lanes)
            self._workers[b, i] = self._builder.build(b, self._network.memory), room
        return self._workers[b, i]

    def passage(self, b: int, i: int, workers: int, contrast: Tensor | None, voltage: Tensor) -> tuple[object, ...]:
        """Return the arguments of ``evaluate`` for the ``i``-th thread that works on clip ``b``."""
        clip, room = self._worker(b, i)
        memory, frames = self._network.memory, len(voltage)
        passage = Passage(
            None if contrast is None else address_of(contrast, (frames, *self._shape)), frames,
            address_of(voltage, (frames, clip.readouts.types)), room,
            *(address_of(memory[name].done[b : b + 1], (1,), torch.int64) for name in ("eye", "readouts")),
        )  # fmt: skip
        return ctypes.byref(clip), ctypes.byref(passage), i, workers
