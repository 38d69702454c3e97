"""The answer to a movie: voltage and calcium of every cell type."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray
from torch import Tensor

Traces = dict[str, NDArray[Any]]


class NetworkOutput(NamedTuple):
    """Output of the network for every cell type, each ``(B, T, N)``."""

    voltage: Tensor
    calcium: Tensor
    """dF/F of the average neuron of each cell type."""


class Response(NamedTuple):
    """Voltage and dF/F of the average neuron by cell type, and the time of each frame; each array is ``(T,)``."""

    voltage: Traces
    calcium: Traces
    time_s: NDArray[Any]
    """Zero at stimulus onset."""
