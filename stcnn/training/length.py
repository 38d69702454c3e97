"""How long a training is, in optimiser steps, and how its steps are divided into epochs.

A training goes through the recordings in one pass after the other. An *epoch* is what lies between two validations,
each with a checkpoint: with ``training.epochs`` one pass, with ``training.steps`` a number of steps that may be part of
a pass or several. Data sets of six and of six thousand movies are trained equally long and looked at as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from stcnn.training.recipe import TrainingConfig

LEAST_STEPS = 600
"""Steps of a training of no given length. Below some hundred a network has hardly left its first weights: six stimuli
reached a correlation of 0.69 after 40 steps and 0.99 after 400."""
LEAST_PASSES = 5
"""Passes over the recordings of such a training."""
N_EPOCHS = 20
"""Epochs into which steps are divided."""


@dataclass(frozen=True)
class Length:
    """Length of a training.

    Args:
        n_steps: of the whole training.
        epoch_steps: of an epoch; the last one may be shorter.
        pass_steps: of a pass over the recordings, that is batches.
    """

    n_steps: int
    epoch_steps: int
    pass_steps: int

    @property
    def n_epochs(self) -> int:
        """Number of epochs."""
        return ceil(self.n_steps / self.epoch_steps)

    @property
    def n_passes(self) -> float:
        """Number of passes over the recordings."""
        return self.n_steps / self.pass_steps

    def steps_of(self, epoch: int) -> range:
        """Return the numbers of the steps of an epoch, both from zero; none after the last epoch."""
        first = min(self.n_steps, epoch * self.epoch_steps)
        return range(first, min(self.n_steps, first + self.epoch_steps))


def length_of(config: TrainingConfig, pass_steps: int) -> Length:
    """Return the length of a training.

    Args:
        config: ``epochs`` if given, else ``steps``, else at least :data:`LEAST_STEPS` and :data:`LEAST_PASSES`.
        pass_steps: batches of a pass over the recordings.
    """
    if config.epochs is not None:
        return Length(config.epochs * pass_steps, pass_steps, pass_steps)
    n_steps = config.steps or max(LEAST_STEPS, LEAST_PASSES * pass_steps)
    return Length(n_steps, min(n_steps, config.validate_every or ceil(n_steps / N_EPOCHS)), pass_steps)
