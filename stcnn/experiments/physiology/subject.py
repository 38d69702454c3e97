"""What is asked: anything that answers movies, be it a model, an ensemble of them, or the truth of a simulation.

Axes: M member, N cell type, T frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.errors import DataError
from stcnn.experiments.receptive_field import receptive_fields
from stcnn.movie import Movie
from stcnn.nn.calcium import rectified
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen

Values = NDArray[np.float64]
MOST_CLIPS = 16
"""Movies that a model is shown at once."""
MOST_PIXELS = 2**24
"""Pixels of the frames that are shown at once: 64 MiB of contrast."""


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


@runtime_checkable
class AnswersTogether(Protocol):
    """A subject that answers several movies sooner at once than one after the other."""

    def answers(self, movies: Sequence[Movie]) -> list[Answer]:
        """Return the answers to movies of one size, rate and background, each of which follows upon grey."""


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

    def answers(self, movies: Sequence[Movie]) -> list[Answer]:
        """Return the answers to several movies of one size, rate and background, many at a time.

        They are those of :meth:`answer`, but for rounding: shorter movies are followed by grey until the longest of
        their group ends, of which nothing is returned.
        """
        found: dict[int, Answer] = {}
        order = sorted(range(len(movies)), key=lambda i: movies[i].n_frames)
        while order:
            pixels = movies[order[-1]].n_frames * int(np.prod(movies[order[-1]].shape_px))
            n_clips = max(1, min(MOST_CLIPS, MOST_PIXELS // pixels))
            group = order[-n_clips:]
            del order[-n_clips:]
            found |= dict(zip(group, self._together([movies[i] for i in group]), strict=True))
        return [found[i] for i in range(len(movies))]

    def _together(self, movies: Sequence[Movie]) -> list[Answer]:
        """Return the answers to a group of movies, the longest last."""
        if len(movies) == 1:
            return [self.answer(movies[0])]
        contrast = torch.zeros(len(movies), movies[-1].n_frames, *movies[-1].shape_px)
        for movie, clip in zip(movies, contrast, strict=True):
            clip[: movie.n_frames] = torch.from_numpy(movie.contrast())
        traces = [_traces(member, contrast, movies[-1]) for member in self.members]
        dff, activity = (np.stack(each, 1) for each in zip(*traces, strict=True))
        return [
            Answer(movie.time_s, dff[i, ..., : movie.n_frames], activity[i, ..., : movie.n_frames])
            for i, movie in enumerate(movies)
        ]


@torch.no_grad()
def _traces(member: STCNN, contrast: Tensor, like: Movie) -> tuple[Values, Values]:
    """Return dF/F and activity of a member after grey, ``(B, N, T)`` each, for contrast ``(B, T, Y, X)``."""
    fitting = member.for_picture(like.shape_px)
    stream = fitting.stream(clips=len(contrast), rate_hz=like.rate_hz)
    voltage, dff = stream.advance(contrast.to(member.calcium.tau_s))
    activity = rectified(voltage, member.calcium.config.rectifier)
    return tuple(each.transpose(1, 2).double().cpu().numpy() for each in (dff, activity))  # type: ignore[return-value]
