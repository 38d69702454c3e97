"""Structs of the eye in compiled code (``csrc/eye.h``)."""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.nn.kernels.native.evaluation_structs import Band, Eye, Filter
from stcnn.nn.kernels.native.filter_state import whole_vectors
from stcnn.nn.kernels.native.pointers import PointerOwner

NEGLIGIBLE = 1e-9
"""Contribution of a pixel far from a column, relative to the middle, below which it is left out (float32: 6e-8)."""


class Optics:
    """The two sampling matrices of an eye, and structs of eyes that share them.

    Args:
        down: what each row of columns sees of each row of pixels, ``(Yc, Y)``, with the gain of the filter; of lines
            of columns whose places are their own ``(Xc, Yc, Y)``.
        across: the same along the other axis, ``(Xc, X)``.
        lanes: numbers of a vector.
        owner: keeps alive what structs point to.
    """

    def __init__(self, down: Tensor, across: Tensor, lanes: int, owner: PointerOwner) -> None:
        self.lanes = lanes
        self._owner = owner
        self._lines = 1 if down.dim() == 2 else len(down)
        self._down = self._band(down.flatten(0, -2))
        self._across = self._band(across)

    def eye(self, filter: Filter) -> Eye:
        """Return an eye with a workspace of its own."""
        down = self._down
        across = self._across
        workspace = self._owner.workspace
        width = whole_vectors(across.size, self.lanes)
        strip_rows = whole_vectors(down.rows if self._lines == 1 else down.size, self.lanes)
        return Eye(
            down=down,
            across=across,
            picture=workspace(whole_vectors(down.size, self.lanes), width),
            strips=workspace(2, strip_rows, width),
            seen=workspace(self.lanes, filter.size),
            filter=filter,
            width=width,
            strip_rows=strip_rows,
            lines=self._lines,
        )

    def _band(self, matrix: Tensor) -> Band:
        """Return a matrix whose rows are zero but for a stretch."""
        contributes = matrix.abs() > NEGLIGIBLE * matrix.abs().amax()
        first = contributes.int().argmax(1)
        last = matrix.shape[1] - contributes.flip(1).int().argmax(1)
        last = torch.where(contributes.any(1), last, first)
        rows, size = matrix.shape
        return Band(
            weights=self._owner.constant(matrix),
            first=self._owner.constant(first, torch.int32),
            last=self._owner.constant(last, torch.int32),
            rows=rows,
            size=size,
        )
