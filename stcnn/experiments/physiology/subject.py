"""What is asked: anything that answers movies, be it a model, an ensemble of them, or the truth of a simulation.

Axes: M member, N cell type, T frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.errors import DataError
from stcnn.experiments.receptive_field import receptive_fields
from stcnn.movie import Movie
from stcnn.nn.calcium import rectified
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen

Values = NDArray[np.float64]


class Answer(NamedTuple):
    """What the average neuron of each cell type answers to a movie.

    Args:
        time_s: of each frame, zero at stimulus onset, ``(T,)``.
        dff: dF/F, ``(M, N, T)``; one member unless it is an ensemble.
        activity: what drives the indicator, ``(M, N, T)``: the rectified voltage, which rises with the firing of the
            neuron and lacks the indicator's delay; each cell type in a unit of its own.
    """

    time_s: Values
    dff: Values
    activity: Values


class Subject(Protocol):
    """Whatever answers movies."""

    @property
    def cell_types(self) -> Sequence[str]:
        """Names of the cell types, in the order of the answers."""

    @property
    def n_members(self) -> int:
        """How many members answer, each for itself."""

    def answer(self, movie: Movie) -> Answer:
        """Return the answers to a movie that follows upon grey."""


class Models:
    """One model, or the members of an ensemble.

    Args:
        members: finished models of the same cell types and resolution.

    Raises:
        DataError: the members know other cell types than the first, or there are none.
    """

    def __init__(self, members: Sequence[STCNN]) -> None:
        if not members:
            raise DataError("there is no model to ask", expected="at least one")
        for member in members[1:]:
            if member.cell_types != members[0].cell_types:
                found = f"a member knows {', '.join(member.cell_types)}, the first {', '.join(members[0].cell_types)}"
                raise DataError(found, expected="members of the same cell types")
        self.members = members

    @property
    def cell_types(self) -> Sequence[str]:
        """Names of the cell types, in the order of the answers."""
        return self.members[0].cell_types

    @property
    def n_members(self) -> int:
        """Number of models."""
        return len(self.members)

    def gradients(self, screen: Screen, lags_s: float) -> Values:
        """Return the gradient of every member's voltage by contrast, ``(M, N, K, Y, X)``, lag 0 first.

        Args:
            screen: its size and frame rate.
            lags_s: how far back to look.
        """
        found = [
            receptive_fields(model, screen.rate_hz, shape_px=screen.shape_px, lags_s=lags_s) for model in self.members
        ]
        return np.stack([np.stack([fields[name] for name in self.cell_types]) for fields in found]).astype(float)

    def answer(self, movie: Movie) -> Answer:
        """Return the answers of every member to a movie, after two seconds of grey.

        Raises:
            ShapeError: the movie has another resolution than the models were trained on.
        """
        dff = []
        activity = []
        for model in self.members:
            found = model.respond(movie)
            voltage = torch.from_numpy(np.stack([found.voltage[name] for name in self.cell_types]))
            dff.append(np.stack([found.calcium[name] for name in self.cell_types]).astype(float))
            activity.append(rectified(voltage, model.calcium.config.rectifier).numpy().astype(float))
        return Answer(movie.time_s, np.stack(dff), np.stack(activity))
