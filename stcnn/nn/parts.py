"""Parts of a network that freezing may know: those that are computed, and the neurons and pixels they are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor, nn

from stcnn.nn.calcium import Calcium
from stcnn.nn.core import Core
from stcnn.nn.eye import Eye
from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.population import Population
from stcnn.nn.readout.readouts import Readouts


class Parts(Protocol):
    """The parts of a network; :class:`stcnn.nn.model.STCNN` is one."""

    eye: Eye
    hidden: HiddenStack | Core
    readouts: Readouts
    calcium: Calcium
    population: Population
    deg_per_px: float
    """Resolution of the movies unless a call says otherwise."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield every parameter."""

    def buffers(self) -> Iterator[Tensor]:
        """Yield every buffer."""
