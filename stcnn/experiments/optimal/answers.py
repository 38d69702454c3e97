"""Answers of several models to many stimuli at once, above their answer to grey.

Axes: M model, B stimulus, T frame, N cell type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.experiments.asked_models import AskedModels
from stcnn.movie import PRE_GREY_S, Movie
from stcnn.nn.inference.stream import Stream
from stcnn.stimuli import Screen

AFTER_S = 0.5
"""Grey after each stimulus in which its answer counts: an indicator peaks after the voltage."""
MOST_PIXELS = 2**24
"""Pixels of the frames that are shown at once: 64 MiB of contrast."""


class Answers(NamedTuple):
    """Rises of dF/F above grey.

    Args:
        rise: ``(M, B, T, N)``.
        scored: frames that count, from the first of a stimulus until :data:`AFTER_S` behind its last, ``(B, T)``.
    """

    rise: Tensor
    scored: Tensor

    def peak(self) -> Tensor:
        """The highest rise of the mean over models, dF/F, ``(B, N)``."""
        return self.rise.mean(0).masked_fill(~self.scored[..., None], -torch.inf).amax(1)

    def of(self, number: int) -> Answers:
        """Those to one stimulus."""
        return Answers(self.rise[:, number : number + 1], self.scored[number : number + 1])


class Presenter:
    """Models before a screen, which answer stimuli in compiled code, several at a time.

    Args:
        asked: the models.
        screen: on which stimuli are drawn.
        at: azimuth and elevation of the neurons' place in degrees; None is the middle.
    """

    def __init__(self, asked: AskedModels, screen: Screen, at: tuple[float, float] | None = None) -> None:
        self.screen = screen
        self.cell_types = asked.cell_types
        self._models = [model.at(at).for_picture(screen.shape_px, screen.deg_per_px) for model in asked.models]
        self._index = [[model.cell_types.index(name) for name in self.cell_types] for model in asked.models]
        self._streams: dict[int, list[tuple[Stream, Tensor]]] = {}

    @property
    def n_after(self) -> int:
        """Frames of grey after a stimulus in which its answer counts."""
        return round(AFTER_S * self.screen.rate_hz)

    @torch.no_grad()
    def answers(self, movies: Sequence[Movie]) -> list[Answers]:
        """Answer stimuli on this screen; of each its own answers, B is 1."""
        found: dict[int, Answers] = {}
        order = sorted(range(len(movies)), key=lambda i: movies[i].n_frames)
        while order:
            longest = movies[order[-1]].n_frames + self.n_after
            fitting = max(1, min(16, MOST_PIXELS // (longest * int(np.prod(self.screen.shape_px)))))
            n_clips = 2 ** (fitting.bit_length() - 1)  # few different numbers: each has streams of its own
            group = order[-n_clips:]
            del order[-n_clips:]
            together = self._together([movies[i] for i in group], longest, n_clips)
            found |= {i: together.of(place) for place, i in enumerate(group)}
        return [found[i] for i in range(len(movies))]

    def _together(self, movies: Sequence[Movie], n_frames: int, n_clips: int) -> Answers:
        contrast = torch.zeros(n_clips, n_frames, *self.screen.shape_px)
        scored = torch.zeros(len(movies), n_frames, dtype=torch.bool)
        for movie, clip, counts in zip(movies, contrast, scored, strict=False):
            clip[: movie.n_frames] = torch.from_numpy(movie.contrast())
            counts[: movie.n_frames + self.n_after] = True
        rises = []
        for (stream, rest), index in zip(self._fresh(n_clips), self._index, strict=True):
            _, dff = stream.advance(contrast)
            rises.append((dff[: len(movies)] - rest)[..., index])
        return Answers(torch.stack(rises), scored)

    def _fresh(self, n_clips: int) -> list[tuple[Stream, Tensor]]:
        """Streams of all models after grey, and what each answers to a frame more of it, ``(N,)``."""
        if n_clips not in self._streams:
            grey = torch.zeros(n_clips, 1, *self.screen.shape_px)
            options = {"clips": n_clips, "rate_hz": self.screen.rate_hz, "deg_per_px": self.screen.deg_per_px}
            made = [model.stream(None, **options) for model in self._models]
            self._streams[n_clips] = [(stream, stream.advance(grey)[1][0, 0].clone()) for stream in made]
        for stream, _ in self._streams[n_clips]:
            stream.reset()
        return self._streams[n_clips]

    def differentiable(self, contrast: Tensor) -> Answers:
        """Answer contrast ``(B, T, Y, X)``, of which every frame counts, so that gradients reach it."""
        n_grey = round(PRE_GREY_S * self.screen.rate_hz)
        before = contrast.new_zeros(len(contrast), n_grey, *contrast.shape[2:])
        after = contrast.new_zeros(len(contrast), self.n_after, *contrast.shape[2:])
        frames = torch.cat([before, contrast, after], 1)
        rises = []
        for model, index, (_, rest) in zip(self._models, self._index, self._fresh(1), strict=True):
            dff = model(frames, self.screen.rate_hz, n_grey=n_grey).calcium
            rises.append((dff[:, n_grey:] - rest)[..., index])
        rise = torch.stack(rises)
        return Answers(rise, torch.ones(rise.shape[1:3], dtype=torch.bool))


def traces_of(answers: Answers) -> NDArray[np.float32]:
    """Rises to one stimulus while they count, ``(M, T, N)``."""
    return np.asarray(answers.rise[:, 0][:, answers.scored[0]].detach().float().numpy())
