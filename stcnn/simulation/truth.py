"""The truth of a simulation as one that answers any movie: the average neuron of each cell type, without noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.movie import Movie
from stcnn.simulation.detectors import cell_type
from stcnn.simulation.indicator import find_indicator, fluorescence
from stcnn.simulation.population import Neuron
from stcnn.simulation.recordings import SimulatedDataConfig, voltages


class TrueAnswer(NamedTuple):
    """What the detectors themselves answer.

    Args:
        time_s: of each frame, zero at stimulus onset, ``(T,)``.
        dff: noise-free dF/F of a neuron of gain one and offset zero, ``(1, N, T)``.
        activity: its voltage, rectified, in units of dF/F, ``(1, N, T)``.
    """

    time_s: NDArray[np.float64]
    dff: NDArray[np.float64]
    activity: NDArray[np.float64]


class Truth:
    """The neurons of a simulation as they are, in the middle of the field, for in-silico physiology.

    Args:
        config: of the simulation: cell types, early stage and indicator.

    Raises:
        ConfigError: an unknown cell type or indicator.
    """

    n_members = 1

    def __init__(self, config: SimulatedDataConfig) -> None:
        self.config = config
        self.types = {name: cell_type(name) for name in config.cell_types}
        self.indicator = find_indicator(config.indicator)
        middle: dict[str, Any] = {"position_deg": (0.0, 0.0), "shift_px": (0, 0), "gain": 1.0, "offset_dff": 0.0}
        self.neurons = [Neuron(name, name, "", noise_dff=0.0, **middle) for name in self.types]

    @property
    def cell_types(self) -> Sequence[str]:
        """Names of the cell types, in the order of the answers."""
        return tuple(self.types)

    def answer(self, movie: Movie) -> TrueAnswer:
        """Return what the neurons answer to a movie that follows upon grey."""
        activity = voltages(movie, self.types, self.neurons, self.config.early)
        dff = fluorescence(activity.T, self.indicator, movie.rate_hz).T
        return TrueAnswer(movie.time_s, dff[None], activity[None])
