"""All clips of a network in compiled evaluation, for pictures of one size: their structs, and memory for the frames."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.nn.inference.folded import Folded, FoldedLayer
from stcnn.nn.inference.indicator import Indicator
from stcnn.nn.inference.native_clip import ClipBuilder, Form
from stcnn.nn.kernels.native.compile import FrozenGeometry, libraries
from stcnn.nn.kernels.native.evaluation_structs import Clip, ClipRun
from stcnn.nn.kernels.native.filter_state import FilterState
from stcnn.nn.kernels.native.pointers import address_of


def frozen_geometry(layer: FoldedLayer, form: Form) -> FrozenGeometry:
    """Return the geometry of a layer; its grid is just wide enough that nothing comes round to where it is wanted."""
    outputs, inputs, k_y, k_x = layer.kernel.shape
    reads = layer.reads
    makes = layer.makes
    down = max(reads.bottom - makes.top + k_y // 2, makes.bottom + k_y // 2 - reads.top, k_y)
    right = max(reads.right - makes.left + k_x // 2, makes.right + k_x // 2 - reads.left, k_x)
    return FrozenGeometry(
        source=f"{form}.cpp",
        rows=reads.bottom - reads.top,
        columns=reads.right - reads.left,
        out_rows=makes.bottom - makes.top,
        out_columns=makes.right - makes.left,
        ny=down + down % 2,
        nx=right + right % 2,
        inputs=inputs,
        outputs=outputs,
    )


class Clips:
    """The structs of all clips of a network in one form.

    Args:
        folded: the network.
        states: of its filters, by their names.
        form: see :data:`~stcnn.nn.inference.native_clip.Form`.
        shape_px: rows and columns of the pictures.

    Raises:
        NotCompiled: see :func:`~stcnn.nn.kernels.native.compile.libraries`.
    """

    def __init__(
        self, folded: Folded, states: Mapping[str, FilterState], form: Form, shape_px: tuple[int, ...]
    ) -> None:
        codes = [frozen_geometry(layer, form) for layer in folded.layers]
        found = libraries(codes)
        self.builder = ClipBuilder(folded, form, shape_px, codes, [found[code] for code in codes])
        self._folded = folded
        self._states = states
        self._shape_px = shape_px
        self._workers: dict[tuple[int, int], tuple[Clip, int]] = {}

    def worker(self, b: int, i: int) -> tuple[Clip, int]:
        """Return clip ``b`` with a workspace for the ``i``-th thread that works on it, and memory for its maps."""
        if (b, i) not in self._workers:
            sizes = [math.prod((*layer.shape, len(layer.kernel))) for layer in self._folded.layers]
            largest = max(self._states["eye"].places, *sizes)
            maps = self.builder.owner.workspace(largest * self.builder.lanes)
            self._workers[b, i] = self.builder.build(b, self._states), maps
        return self._workers[b, i]

    def run_arguments(
        self, b: int, i: int, workers: int, contrast: Tensor | None, voltage: Tensor
    ) -> tuple[object, ...]:
        """Return the arguments of ``evaluate`` for the ``i``-th of the threads that work on clip ``b``."""
        clip, maps = self.worker(b, i)
        n_frames = len(voltage)
        run = ClipRun(
            contrast=None if contrast is None else address_of(contrast, (n_frames, *self._shape_px)),
            frames=n_frames,
            voltage=address_of(voltage, (n_frames, clip.readouts.types)),
            map=maps,
            seen=address_of(self._states["eye"].done[b : b + 1], (1,), torch.int64),
            read=address_of(self._states["readouts"].done[b : b + 1], (1,), torch.int64),
        )
        return ctypes.byref(clip), ctypes.byref(run), i, workers


class FrameBuffer(NamedTuple):
    """Where frames are handed over."""

    array: NDArray[Any]
    address: int
    kind: int
    """Which ``Pixel`` of ``csrc/eye.h`` they are."""


class LiveClips:
    """All clips with their indicator, and everything that a step needs, ready made.

    Args:
        clips: the structs, in the form ``frame``.
        shape_px: rows and columns of the pictures.
        indicator: from voltage to calcium.
        calcium: its state.
    """

    def __init__(self, clips: Clips, shape_px: tuple[int, ...], indicator: Indicator, calcium: FilterState) -> None:
        self._clips = clips  # owns what the addresses lead to
        owner = clips.builder.owner
        each = [clips.worker(b, 0)[0] for b in range(calcium.clips)]
        for b, clip in enumerate(each):
            clips.builder.indicate(clip, b, indicator, calcium)
        self.frames: list[FrameBuffer] = []
        """For 8-bit codes, and for luminance."""
        for kind, dtype in enumerate((torch.uint8, torch.float32)):
            frames = torch.empty(calcium.clips, *shape_px, dtype=dtype)
            self.frames.append(FrameBuffer(frames.numpy(), owner.memory(frames, dtype), kind))
        self.addresses = owner.pointers([owner.struct(clip) for clip in each])
        voltage = torch.empty(calcium.clips, each[0].readouts.types)
        dff = torch.empty(calcium.clips, each[0].calcium.neurons)
        self.voltage = voltage.numpy()
        self.calcium = dff.numpy()
        self.answers = (owner.memory(voltage), owner.memory(dff))
