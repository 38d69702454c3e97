"""The bench on which a subject is examined: it renders stimuli, shows each once, and reads peaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from stcnn.experiments.physiology.curves import PEAK, Axis, Curve, Map
from stcnn.experiments.physiology.held_out import HeldOut
from stcnn.experiments.physiology.limits import why_not
from stcnn.experiments.physiology.objects import LOOM, disc, rectangle, square
from stcnn.experiments.physiology.subject import Answer, AnswersTogether, Subject, Values
from stcnn.experiments.physiology.tuning_numbers import LEAST_SHARE
from stcnn.experiments.responses import between_grey
from stcnn.movie import Movie
from stcnn.stimuli import Screen, render

BEFORE_S = 0.5
AFTER_S = 1.0
"""Grey around each stimulus: the response before it is the reference, and its peak may come after it."""
AT_ONCE = 16
"""Movies that are held in memory at a time."""
Stimulus = Mapping[str, Any]
Read = Callable[[Answer], Values]
"""From an answer to one number per member and cell type, ``(M, N)``."""


def rise(traces: Values) -> Values:
    """Return the largest value of traces ``(..., T)`` less the first, which is that in grey; never below zero."""
    return np.asarray(traces.max(-1) - traces[..., 0])


def peak_dff(answer: Answer) -> Values:
    """Return the peak of dF/F above grey, ``(M, N)``."""
    return rise(answer.dff)


def _key(stimulus: Stimulus) -> str:
    return repr(sorted(stimulus.items()))


@dataclass
class Bench:
    """A subject in front of a screen.

    Args:
        subject: what is asked.
        screen: size, resolution, frame rate and grey of the recordings that it knows.
        held_out: recordings on which lesions are judged; None where there are none.
        centre_px: how far right and up of the middle of the screen everything is shown, where the subject looks there.
    """

    subject: Subject
    screen: Screen
    held_out: HeldOut | None = None
    centre_px: tuple[int, int] = (0, 0)
    _answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def cell_types(self) -> Sequence[str]:
        """Names of the cell types."""
        return self.subject.cell_types

    @property
    def shape(self) -> tuple[int, int]:
        """Number of members and of cell types."""
        return self.subject.n_members, len(self.cell_types)

    @cached_property
    def reference(self) -> Values:
        """Largest peak of each cell type to squares of three sizes, a bar, a line and a looming disc, ``(M, N)``."""
        battery = [square(4.5), square(15), square(30), rectangle(4.5, 60), rectangle(30, 2), disc(LOOM)]
        shown = [each for each in battery if why_not(self.screen, each) is None]
        return self.read(shown).max(-1) if shown else np.zeros(self.shape)

    def where_it_responds(self, number: Values, responses: Values) -> Values:
        """Return a number ``(M, N)`` where a cell type responds at all to what it sums up ``(M, N, V)``, else NaN.

        A response of zero, or below :data:`LEAST_SHARE` of the :attr:`reference`, is none.
        """
        largest = responses.max(-1, initial=0)
        return np.where((largest > 0) & (largest >= LEAST_SHARE * self.reference), number, np.nan)

    def answer(self, stimulus: Stimulus) -> Answer:
        """Return the answers to a stimulus between grey; asked twice, it is shown once.

        Args:
            stimulus: kind and arguments, as :func:`stcnn.stimuli.render` takes them.
        """
        key = _key(stimulus)
        if key not in self._answers:
            self._answers[key] = self.show(render(self.screen, dict(stimulus)))
        return self._answers[key]

    def ask(self, stimuli: Sequence[Stimulus]) -> None:
        """Show stimuli that were not shown before, several at a time where the subject can answer so."""
        if not isinstance(self.subject, AnswersTogether):
            return
        new = {_key(stimulus): stimulus for stimulus in stimuli if _key(stimulus) not in self._answers}
        keys = list(new)
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            movies = [self._between_grey(render(self.screen, dict(new[key]))) for key in some]
            self._answers |= zip(some, self.subject.answers(movies), strict=True)

    def show(self, movie: Movie) -> Answer:
        """Return the answers to a movie between grey; they are not kept."""
        return self.subject.answer(self._between_grey(movie))

    def _between_grey(self, movie: Movie) -> Movie:
        return between_grey(self._centred(movie), BEFORE_S, AFTER_S, coded=False)

    def _centred(self, movie: Movie) -> Movie:
        """Return a movie with its middle at :attr:`centre_px`; grey enters, what leaves the field is cut off."""
        if self.centre_px == (0, 0):
            return movie
        (right, up) = self.centre_px
        rows, columns = movie.shape_px
        luminance = np.full_like(movie.luminance(), movie.background)
        to, of = (
            tuple(slice(max(0, sign * by), n + min(0, sign * by)) for by, n in ((-up, rows), (right, columns)))
            for sign in (1, -1)
        )
        luminance[:, *to] = movie.luminance()[:, *of]
        return replace(movie, frames=luminance, levels=None).coded()

    def read(self, stimuli: Sequence[Stimulus], read: Read = peak_dff) -> Values:
        """Return one number of the answer to each stimulus, ``(M, N, V)``."""
        self.ask(stimuli)
        return np.stack([read(self.answer(stimulus)) for stimulus in stimuli], -1)

    def curve(
        self, axis: Axis, stimulus_at: Callable[[float], Stimulus], series: str = "", read: Read = peak_dff
    ) -> tuple[Curve, list[str]]:
        """Show a stimulus at each value of a parameter.

        Args:
            axis: what is varied.
            stimulus_at: kind and arguments at a value.
            series: which of several curves it is.
            read: what of the answer counts.

        Returns:
            The curve without what the screen cannot show, and a sentence for each value left out.
        """
        shown, stimuli, left_out = [], [], []
        for value in axis.values.tolist():
            stimulus = stimulus_at(value)
            reason = why_not(self.screen, stimulus)
            if reason is None:
                shown.append(value)
                stimuli.append(stimulus)
            else:
                left_out.append(f"{axis.title} of {value:g} {axis.unit}".rstrip() + f": {reason}.")
        there = Axis(axis.name, axis.title, axis.unit, np.array(shown), axis.log)
        found = self.read(stimuli, read) if stimuli else np.empty((*self.shape, 0))
        return Curve(series, there, found, PEAK, stimuli), left_out

    def map(
        self, across: Axis, up: Axis, stimulus_at: Callable[[float, float], Stimulus], series: str = ""
    ) -> tuple[Map, list[str]]:
        """Show a stimulus at each pair of values of two parameters.

        Args:
            across: horizontal axis.
            up: vertical axis.
            stimulus_at: kind and arguments at a value across and one up.
            series: which of several maps it is.

        Returns:
            The map, NaN at what the screen cannot show, and sentences about that.
        """
        values = np.full((*self.shape, len(up.values), len(across.values)), np.nan)
        reasons: dict[str, list[str]] = {}
        shown: list[list[Stimulus | None]] = [[None] * len(across.values) for _ in up.values]
        for row, y in enumerate(up.values.tolist()):
            for column, x in enumerate(across.values.tolist()):
                stimulus = stimulus_at(x, y)
                reason = why_not(self.screen, stimulus)
                if reason is None:
                    shown[row][column] = stimulus
                    values[:, :, row, column] = peak_dff(self.answer(stimulus))
                else:
                    reasons.setdefault(reason, []).append(f"{x:g} {across.unit} with {y:g} {up.unit}")
        left_out = [f"{across.title} and {up.title} of {', '.join(which)}: {why}." for why, which in reasons.items()]
        return Map(series, across, up, values, PEAK, shown), left_out
