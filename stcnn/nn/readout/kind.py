"""Kinds of readouts: how the spatial weights of a cell type are made of what is trained.

Whatever its kind, a readout is a weighted sum over channels and a window of places, so that engines, evaluation and
neurons that read between columns take all kinds alike. A kind says which parameters are trained and what weights they
make.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor

from stcnn.nn.kinds import KindOfPart


class Field(NamedTuple):
    """Channels of maps on a window of places, which a readout reads."""

    channels: int
    positions_deg: Tensor
    """Azimuth and elevation of every place from the middle of the window, float64 ``(h, w, 2)``."""
    mask: Tensor | None
    """Places that belong to the window, bool ``(h, w)``; None is all."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the weights."""
        rows, columns = self.positions_deg.shape[:2]
        return self.channels, rows, columns

    @property
    def n_inputs(self) -> int:
        """Number of weights that count."""
        rows, columns = self.positions_deg.shape[:2]
        return self.channels * (rows * columns if self.mask is None else int(self.mask.sum()))


class ReadoutKind(KindOfPart):
    """Configuration of a readout's weights, and how its kind makes them.

    A kind is a subclass with a ``kind`` of its own, in a file of this room that ``__init__`` imports.
    """

    POSITIVE: ClassVar[bool] = False
    """Whether no weight is ever negative; the last layer then starts with channels that stimuli drive upwards."""
    ALL: ClassVar[list[type[ReadoutKind]]] = []
    """Every kind that has been imported."""

    @abstractmethod
    def draw(self, field: Field, weight_init: float) -> dict[str, Tensor]:
        """Draw initial parameters by name.

        Args:
            field: what is read.
            weight_init: standard deviation of the initial weights times the square root of the number of inputs.
        """

    @abstractmethod
    def weights(self, parameters: Mapping[str, Tensor], field: Field) -> Tensor:
        """Return the weights ``(C, h, w)`` that parameters make; differentiable in them.

        Args:
            parameters: as of :meth:`draw`.
            field: what is read.
        """
