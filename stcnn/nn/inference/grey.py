"""Evaluation of whole clips; the grey frames they start with are computed once per set of weights.

The state after N grey frames is the transient state, not the steady one: the two differ by ``exp(-N dt/tau)``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.filters.stateful import State
from stcnn.nn.frames import EYE_FRAMES, Frames
from stcnn.nn.inference.evaluator import Evaluator, evaluator
from stcnn.nn.inference.weights_watch import WeightsWatch
from stcnn.nn.parts import Parts

REMEMBERED = 8
"""Lengths of grey that are remembered at a time."""


class Grey(NamedTuple):
    """A clip of grey frames and what it leaves behind."""

    voltage: Tensor
    """``(1, N_frames, N)``."""
    state: State


class GreyStates:
    """Answers and states of a model after N grey frames, remembered until one of its weights changes."""

    def __init__(self) -> None:
        self._watch = WeightsWatch()
        self._known: dict[tuple[float, int], Grey] = {}

    def __reduce__(self) -> tuple[type[GreyStates], tuple[()]]:
        """Copies of a model, on disk or in memory, start with nothing remembered."""
        return GreyStates, ()

    def after(self, model: Parts, n_frames: int, rate_hz: float, folded: Evaluator | None = None) -> Grey:
        """Return the answer to ``n_frames`` of grey after nothing at all.

        Args:
            model: the network.
            n_frames: number of grey frames.
            rate_hz: frames per second.
            folded: one clip of the network that may be taken for it, before its first frame; None folds one.
        """
        if self._watch.has_changed(model):
            self._known.clear()
        key = (rate_hz, n_frames)
        if key not in self._known:
            if len(self._known) == REMEMBERED:
                self._known.pop(next(iter(self._known)))
            folded = evaluator(model, rate_hz) if folded is None else folded
            self._known[key] = Grey(folded.push_grey(n_frames), folded.state())
        return self._known[key]


def evaluate(model: Parts, grey_states: GreyStates, frames: Frames, rate_hz: float, n_grey: int = 0) -> Tensor:
    """Return voltages ``(B, T, N)`` of a model in evaluation mode, without gradients.

    Args:
        model: the network.
        grey_states: what it does after grey frames.
        frames: the clips, which expand themselves to contrast piece by piece.
        rate_hz: frames per second.
        n_grey: number of leading frames that are grey in all clips.
    """
    clips = frames.contrast(0, 1).shape[0]
    folded = evaluator(model, rate_hz, clips)
    voltages = []
    if n_grey:
        grey = grey_states.after(model, n_grey, rate_hz)
        folded.load_state(grey.state)
        voltages.append(grey.voltage.expand(clips, -1, -1))
    step = max(EYE_FRAMES, folded.chunk)
    for start in range(n_grey, frames.n_frames, step):
        voltages.append(folded.push(frames.contrast(start, min(start + step, frames.n_frames))))
    return torch.cat(voltages, 1)
