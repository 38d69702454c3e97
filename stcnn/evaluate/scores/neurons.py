"""Scores of each neuron by itself, averaged, and what noise allows them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Moments, Values


@metric("neuron_correlation", "fisher")
def neuron_correlation(drawn: Drawn) -> Values:
    """Mean over neurons of the correlation with the mean of their trials."""
    return _mean_of_neurons(drawn, drawn.responses.trial_mean, drawn.n_trials > 1, _correlation)


@metric("neuron_ceiling", "plain")
def neuron_ceiling(drawn: Drawn) -> Values:
    """What the noise-free responses of each neuron would have there."""
    return _mean_of_neurons(drawn, drawn.responses.trial_mean, drawn.n_kept > 1, _ceiling)


@metric("neuron_single_trial_correlation", "fisher")
def neuron_single_trial_correlation(drawn: Drawn) -> Values:
    """Mean over neurons of the correlation with their single trials."""
    return _mean_of_neurons(drawn, drawn.responses.single_trials, drawn.n_kept > 0, _correlation)


@metric("neuron_single_trial_ceiling", "plain")
def neuron_single_trial_ceiling(drawn: Drawn) -> Values:
    """What the noise-free responses of each neuron would have there."""
    return _mean_of_neurons(drawn, drawn.responses.single_trials, drawn.n_repeats > 1, _ceiling)


def _correlation(sums: Moments) -> Values:
    """The correlation; zero where the prediction is constant.

    A model that says nothing of a neuron must not gain by it: left out, its mean would be over other neurons than that
    of another model.
    """
    return np.where(sums.says_nothing(), 0.0, sums.correlation())


def _ceiling(sums: Moments) -> Values:
    """Root of the share of variance that is signal; zero where the trials show no response in common.

    Unlike :meth:`Moments.ceiling` it keeps neurons without signal, so that a mean over neurons is over the same ones
    as that of the correlation.
    """
    return np.asarray(np.sqrt(sums.explainable().clip(0, 1)))


def _mean_of_neurons(
    drawn: Drawn, sums: Moments, which: NDArray[np.bool_], value: Callable[[Moments], Values]
) -> Values:
    """Mean over neurons of a value of the joined responses of each, ``(D,)``; neurons without one are left out.

    Args:
        drawn: responses of a group.
        sums: of all responses.
        which: responses of the group that count, ``(R,)``.
        value: of the sums of neurons ``(N,)``.
    """
    group = drawn.group
    nothing = np.full(len(drawn.counts), np.nan)
    neuron = pd.factorize(drawn.table.neuron.to_numpy(object)[which])[0]
    if group.unit == "stimulus" or not len(neuron):
        return nothing
    unit = group.units[which][np.unique(neuron, return_index=True)[1]]  # of each neuron
    found = value(sums.take(group.rows[which]).weighted(np.eye(len(unit))[neuron].T))
    of_unit = np.eye(group.n_units)[unit].T * np.isfinite(found)
    with np.errstate(invalid="ignore"):
        return np.asarray(drawn.counts @ (of_unit @ np.nan_to_num(found)) / (drawn.counts @ of_unit.sum(1)))
