"""Tuning curves of a model: the peak of its response along one parameter of a generated stimulus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.experiments.responses import between_grey
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen, load_protocol

BEFORE_S = 0.5
AFTER_S = 1.0
"""Grey around each stimulus: the response before it is the reference, and its peak may come after it."""


@dataclass(frozen=True)
class Sweep:
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


SWEEPS = (
    Sweep("size", "side_deg", "side of a dark square (°)", log=True),
    Sweep("speed", "speed_deg_s", "speed of a dark 10° square (°/s)", log=True, others={"polarity": "dark"}),
    Sweep("direction", "direction_deg", "direction of a dark 10° square (°)", others={"object": "square"}),
    Sweep("looming_rv", "r_over_v_s", "r/v of a dark looming disc (s)", log=True),
)
"""The sweeps of a report."""


@dataclass(frozen=True)
class Tuning:
    """Peaks of the average neuron of each cell type along one parameter.

    Args:
        sweep: what was varied.
        values: of the parameter, ``(V,)``.
        peaks: cell type to peak response above that to grey, ``(V,)``, in the unit of the recordings (dF/F).
    """

    sweep: Sweep
    values: NDArray[np.float64]
    peaks: Mapping[str, NDArray[np.float64]]


def tuning(model: STCNN, sweep: Sweep, screen: Screen) -> Tuning:
    """Show every stimulus of a sweep to a model.

    Args:
        model: the model.
        sweep: what is varied.
        screen: the screen that the model was trained on.

    Raises:
        ShapeError: the screen has another resolution than the model.
    """
    protocol = load_protocol(sweep.protocol)
    axes = protocol.axes
    for name, value in sweep.others.items():
        axes = axes[axes[name] == value]
    found = []
    for stimulus in axes.index:
        movie = between_grey(protocol.movie(stimulus, screen), BEFORE_S, AFTER_S)
        shown = model.respond(movie).calcium
        found.append([float(shown[name].max() - shown[name][0]) for name in model.cell_types])
    peaks = dict(zip(model.cell_types, np.array(found).T, strict=True))
    return Tuning(sweep, axes[sweep.parameter].to_numpy(float), peaks)
