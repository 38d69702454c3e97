"""Neurons whose tuning is known by construction: what they answer is a formula of the stimulus, not of its pixels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stcnn.experiments.physiology.subject import Answer
from stcnn.movie import Movie

Strength = Callable[[Mapping[str, Any]], float]


class PlantedNeurons:
    """One cell type per formula: a brief response whose height follows from the arguments of the stimulus.

    Args:
        strengths: cell type to the height of its response, from kind and arguments of the stimulus.
        members: factor of every member of an ensemble.
    """

    def __init__(self, strengths: Mapping[str, Strength], members: Sequence[float] = (1.0,)) -> None:
        self.strengths = strengths
        self.members = members

    @property
    def cell_types(self) -> Sequence[str]:
        return tuple(self.strengths)

    @property
    def n_members(self) -> int:
        return len(self.members)

    def answer(self, movie: Movie) -> Answer:
        time_s = movie.time_s
        bump = np.where(time_s >= 0, np.sin(np.pi * np.clip(time_s / time_s[-1], 0, 1)), 0.0)
        bump /= bump.max()
        heights = np.array([strength(movie.parameters) for strength in self.strengths.values()])
        traces = np.multiply.outer(np.array(self.members), np.multiply.outer(heights, bump))
        return Answer(time_s, 0.1 + traces, traces)


class LoomWatcher:
    """A neuron that fires from a delay after something is at least so wide.

    Args:
        threshold_deg: the width.
        delay_s: the delay.
    """

    cell_types = ("watcher",)
    n_members = 1

    def __init__(self, threshold_deg: float, delay_s: float) -> None:
        self.threshold_deg = threshold_deg
        self.delay_s = delay_s

    def answer(self, movie: Movie) -> Answer:
        size_deg = np.nan_to_num(
            np.asarray(movie.track["size_deg"]) if "size_deg" in movie.track else np.zeros(movie.n_frames)
        )
        before_s = movie.time_s - self.delay_s
        seen = np.interp(before_s, movie.time_s, size_deg)
        fires = (seen >= self.threshold_deg).astype(float)[None, None]
        return Answer(movie.time_s, fires, fires)
