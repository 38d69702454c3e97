"""Tuning curves of a model: the peak of its response along one parameter of a generated stimulus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.experiments.responses import between_grey, respond
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen, load_protocol

BEFORE_S = 0.5
AFTER_S = 1.0
"""Grey around each stimulus: the response before it is the reference, and its peak may come after it."""


@dataclass(frozen=True)
class TuningAxis:
    """A parameter that is varied, and the stimuli of a shipped protocol that vary it.

    Args:
        protocol: name of the protocol.
        parameter: the varied one, a key of ``vary``.
        title: what is shown, with the unit of the parameter.
        log: whether the values are spaced logarithmically.
        others: values of the other varied parameters.
    """

    protocol: str
    parameter: str
    title: str
    log: bool = False
    others: Mapping[str, Any] = field(default_factory=dict)


TUNING_AXES = (
    TuningAxis("size", "side_deg", "side of a dark square (°)", log=True),
    TuningAxis("speed", "speed_deg_s", "speed of a dark 10° square (°/s)", log=True, others={"polarity": "dark"}),
    TuningAxis("direction", "direction_deg", "direction of a dark 10° square (°)", others={"object": "square"}),
    TuningAxis("looming_rv", "r_over_v_s", "r/v of a dark looming disc (s)", log=True),
)
"""Parameters along which a report shows tuning."""


@dataclass(frozen=True)
class Tuning:
    """Peaks of the average neuron of each cell type along one parameter.

    Args:
        axis: what was varied.
        values: of the parameter, ``(V,)``.
        peaks: cell type to peak response above that to grey, ``(V,)``, in the unit of the recordings (dF/F).
    """

    axis: TuningAxis
    values: NDArray[np.float64]
    peaks: Mapping[str, NDArray[np.float64]]


def tuning(model: STCNN, axis: TuningAxis, screen: Screen) -> Tuning:
    """Show every stimulus along a parameter to a model.

    Args:
        model: the model.
        axis: what is varied.
        screen: the screen that the model was trained on.

    Raises:
        ShapeError: the screen has another resolution than the model.
    """
    protocol = load_protocol(axis.protocol)
    shown = protocol.axes
    for name, value in axis.others.items():
        shown = shown[shown[name] == value]
    movies = ((name, between_grey(protocol.movie(name, screen), BEFORE_S, AFTER_S)) for name in shown.index)
    traces = respond(model, movies).groupby(["cell_type", "stimulus"], sort=False).dff
    rise = traces.max() - traces.first()
    peaks = {name: rise[name].reindex(shown.index).to_numpy(float) for name in model.cell_types}
    return Tuning(axis, shown[axis.parameter].to_numpy(float), peaks)
