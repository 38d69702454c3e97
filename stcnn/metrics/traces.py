"""How well a predicted trace matches a measured one; samples outside the scored window never count.

Axes: R recording, T time, G group of recordings (for instance all recordings of one neuron).
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_squared_error(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error of each recording over its scored samples.

    Args:
        prediction: ``(R, T)``, dF/F.
        target: ``(R, T)``, dF/F; may hold anything where ``weight`` is zero, NaN excepted.
        weight: ``(R, T)``, 1 where a sample is scored and 0 elsewhere.

    Returns:
        ``(R,)``, in units of dF/F squared; NaN for a recording without scored samples.
    """
    return (weight * (prediction - target).square()).sum(-1) / weight.sum(-1)


def correlation(prediction: Tensor, target: Tensor, weight: Tensor, group: Tensor | None = None) -> Tensor:
    """Pearson correlation over the scored samples of each group of recordings, their traces joined end to end.

    Joining all stimuli of a neuron counts the stimuli it does not answer to, which a mean over stimuli would not:
    there the trace of a silent stimulus is noise, and its own correlation says nothing.

    Args:
        prediction: ``(R, T)``, dF/F.
        target: ``(R, T)``, dF/F.
        weight: ``(R, T)``, 1 where a sample is scored and 0 elsewhere.
        group: ``(R,)`` group index of each recording, 0..G-1; None makes every recording a group of its own.

    Returns:
        ``(G,)`` float64 in -1..1; NaN where prediction or target is constant or nothing is scored.
    """
    group = torch.arange(len(target), device=target.device) if group is None else group
    n_groups = int(group.max()) + 1 if len(group) else 0
    weight = weight.double()

    def total(samples: Tensor) -> Tensor:
        sums = (weight * samples).sum(-1)
        return torch.zeros(n_groups, dtype=torch.float64, device=sums.device).index_add(0, group, sums)

    count = total(torch.ones_like(weight))

    def deviation(samples: Tensor) -> Tensor:
        samples = samples.double()
        deviations = samples - (total(samples) / count)[group, None]
        constant = total(deviations.square()) <= 1e-24 * total(samples.square())  # nothing but rounding
        return torch.where(constant[group, None], torch.nan, deviations)

    x = deviation(prediction)
    y = deviation(target)
    return (total(x * y) / (total(x * x) * total(y * y)).sqrt()).clamp(-1, 1)


def correlation_or_zero(prediction: Tensor, target: Tensor, weight: Tensor, group: Tensor | None = None) -> Tensor:
    """:func:`correlation`, zero where the prediction is constant and the target is not.

    For means over neurons: a model that says nothing of a neuron must not gain by it, as it would were the neuron left
    out. Arguments and shapes are those of :func:`correlation`.
    """
    varies = correlation(target, target, weight, group).isfinite()
    return torch.where(varies, correlation(prediction, target, weight, group).nan_to_num(), torch.nan)
