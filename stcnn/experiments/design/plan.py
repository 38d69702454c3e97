"""The order of stimuli that tells most: greedy, each choice with those before it taken in.

The stimulus of the highest worth per minute comes next, as long as it fits into what is left of the time. For
information, which is submodular, a greedy choice under a budget comes close to the best one (Krause & Guestrin 2005,
arXiv 1207.1394; Sviridenko 2004, doi 10.1016/S0167-6377(03)00062-2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stcnn.errors import ConfigError
from stcnn.experiments.design.candidates import Candidates
from stcnn.experiments.design.criteria import Criterion, worth_of
from stcnn.experiments.design.gaussian import Array, Gaussian, by_rank


class Rig(NamedTuple):
    """Limits of an experiment.

    Args:
        minutes: of recording.
        grey_s: grey after every stimulus, and before the first one.
        most_times: how often a stimulus may be shown.
    """

    minutes: float = 20.0
    grey_s: float = 1.0
    most_times: int = 10


class Presentation(NamedTuple):
    """A stimulus of the list.

    Args:
        stimulus: its name.
        onset_s: when its first frame is shown, from the start of the recording.
        duration_s: how long it lasts.
        gain: what it is worth after all before it, in the unit of the criterion.
    """

    stimulus: str
    onset_s: float
    duration_s: float
    gain: float


def plan(
    candidates: Candidates,
    criterion: Criterion,
    rig: Rig,
    seed: int = 0,
    known: Gaussian | None = None,
    aim: Candidates | None = None,
) -> list[Presentation]:
    """Choose stimuli until the time is over.

    Args:
        candidates: to choose from.
        criterion: what they are worth.
        rig: the limits.
        seed: of the order of stimuli that are worth the same.
        known: what is known before; it learns what is chosen. None is nothing but the prior.
        aim: stimuli that are to be predicted in the end, for a criterion that heeds them; None is the candidates.

    Raises:
        ConfigError: there is no time for a single stimulus.
    """
    known = known or Gaussian.prior(len(candidates.units), candidates.rows.shape[-1])
    cost_s = candidates.duration_s + rig.grey_s
    left_s = 60 * rig.minutes - rig.grey_s
    if not (cost_s <= left_s + 1e-9).any():
        shortest = int(np.argmin(cost_s))
        raise ConfigError(
            f"{rig.minutes:g} minutes are too short for any stimulus: '{candidates.names[shortest]}' takes "
            f"{cost_s[shortest]:.3g} s with the grey after it, and {rig.grey_s:g} s of grey come first",
            remedy="allow more minutes or less grey",
        )
    order = np.random.default_rng(seed).permutation(len(cost_s))
    times = np.zeros(len(cost_s), dtype=int)
    predicted = (aim or candidates).predicted
    groups = by_rank(candidates.rows)
    chosen: list[Presentation] = []
    onset_s = rig.grey_s
    while True:
        fits = (cost_s <= left_s + 1e-9) & (times < rig.most_times)
        if not fits.any():
            return chosen
        worth = worth_of(criterion, known, groups, predicted)
        best = _best(np.where(fits, worth / cost_s, -np.inf), order)
        name = candidates.names[best]
        chosen.append(Presentation(name, onset_s, float(candidates.duration_s[best]), float(worth[best])))
        known.learn(candidates.rows[best])
        times[best] += 1
        onset_s += float(cost_s[best])
        left_s -= float(cost_s[best])


def _best(worth: Array, order: np.ndarray) -> int:
    """Place of the highest worth, among equal ones the first in an order."""
    return int(order[np.argmax(worth[order])])
