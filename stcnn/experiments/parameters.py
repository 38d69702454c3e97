"""Which fitted numbers one may trust: those on which trainings from different seeds agree.

Only quantities that mean the same in every training are compared: those of a cell type or a neuron by its name. The
channels of a hidden layer can be exchanged without changing any prediction, so channel K of one training is not channel
K of another; of a layer only the order statistics of its channels are compared. A neuron's gain can be traded for the
weights of its readout, so gains are given relative to the mean of the cell type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch.nn import functional as F

from stcnn.metrics import reach_of_another
from stcnn.nn.bounds import Bounds
from stcnn.nn.core import Core
from stcnn.nn.filters import PARAMETERS
from stcnn.nn.filters.kind import Interval
from stcnn.nn.model import STCNN

AS_WIDE = 0.5
"""A quantity whose spread over trained models exceeds this share of the spread they started with is not identified."""
RANKS = {"s": ("shortest", "median", "longest"), "": ("lowest", "median", "highest")}
"""Order statistics of durations and of numbers."""
ON_BOUND = 1e-3
"""Relative distance to a bound within which a value counts as on it."""


class Quantity(NamedTuple):
    """One number of a model that means the same in all trainings.

    Args:
        quantity: what it is.
        of: the cell type, the neuron (``TYPE/NEURON``) or the layer.
        unit: of the value; empty for a ratio.
        matched: how it is found again in another training: by ``name``, or by ``rank`` among exchangeable channels.
        value: the number.
        on_bound: whether it sits on a bound of the training.
    """

    quantity: str
    of: str
    unit: str
    matched: str
    value: float
    on_bound: bool = False

    @property
    def positive(self) -> bool:
        """Whether it is positive by its nature, so that ratios count and not differences."""
        return self.unit in ("s", "deg", "")


def quantities(model: STCNN, bounds: Bounds) -> Iterator[Quantity]:
    """Read off a model what can be compared with another training of the same recipe.

    Args:
        model: the model.
        bounds: of its parameters, as in training.
    """
    for i, layer in enumerate(model.hidden):
        for name, values in layer.filter.constants.items():
            parameter = PARAMETERS[name]
            quantiles = np.quantile(np.sort(values.detach().double().numpy()), (0, 0.5, 1))
            for rank, value in zip(RANKS["s" if parameter.unit == "s" else ""], quantiles, strict=True):
                bound = _touches(value, bounds.of_filter(name))
                title = f"{rank} {parameter.title}"
                yield Quantity(title, f"hidden layer {i + 1}", parameter.unit, "rank", float(value), bound)
    if isinstance(model.hidden, Core):
        for found in model.hidden.quantities():
            yield Quantity(found.title, found.of, found.unit, "name", found.value)
    for name, readout in zip(model.cell_types, model.readouts.each, strict=True):
        for constant, values in readout.filter.constants.items():
            parameter = PARAMETERS[constant]
            bound = _touches(values.item(), bounds.of_filter(constant))
            yield Quantity(f"readout {parameter.title}", name, parameter.unit, "name", values.item(), bound)
        yield Quantity("resting voltage", name, "1", "name", readout.bias.item())
    yield from _calcium(model, bounds)


def _calcium(model: STCNN, bounds: Bounds) -> Iterator[Quantity]:
    for name, tau_s, limits in _indicators(model, bounds):
        yield Quantity("calcium time constant", name, "s", "name", tau_s, _touches(tau_s, limits))
    for name, neurons in zip(model.cell_types, model.calcium.each, strict=True):
        gains = F.softplus(neurons.gain.detach().double())
        for neuron, gain, offset in zip(
            model.population.neurons[name], gains / gains.mean(), neurons.offset.tolist(), strict=True
        ):
            if len(gains) > 1:
                yield Quantity("relative gain", f"{name}/{neuron}", "", "name", float(gain))
            yield Quantity("offset", f"{name}/{neuron}", "dF/F", "name", offset)


def _indicators(model: STCNN, bounds: Bounds) -> Iterator[tuple[str, float, Interval]]:
    """Yield what each trained time constant of an indicator is of, its value in seconds, and its bounds."""
    config = model.calcium.config
    if config.kind == "none" or "tau_s" not in config.filter.PARAMETERS:
        return
    if config.tau == "per_indicator":
        taus = model.calcium.indicator_tau_s.tolist()
        for name, tau_s, instant in zip(model.calcium.indicators, taus, model.calcium.is_instant, strict=True):
            if not instant:
                yield name, tau_s, bounds.calcium_indicator_tau_s
        return
    shared = config.tau == "global"
    limits = bounds.calcium_tau_s if shared else bounds.calcium_type_tau_s
    taus = model.calcium.time_constants().tolist()
    for name, tau_s in zip(["all cell types"] if shared else model.cell_types, taus, strict=False):
        yield name, tau_s, limits


def _touches(value: float, limits: Interval) -> bool:
    return any(limit is not None and abs(value - limit) <= ON_BOUND * abs(limit) for limit in limits)


def parameter_table(
    after: Sequence[Iterable[Quantity]], before: Sequence[Iterable[Quantity]], regressed: bool = False
) -> pd.DataFrame:
    """Compare what trainings from different seeds arrived at.

    Args:
        after: quantities of the finished models, at least two.
        before: those of the same models before their first step.
        regressed: whether gains and offsets were found by regression, which does not know where they started.

    Returns:
        One row per quantity: ``quantity``, ``of``, ``unit``, ``matched``, ``value`` (mean over models, geometric for
        positive quantities), ``low`` and ``high`` (95 % interval for one more training, Student's t), ``n_models``,
        ``n_on_bound``, ``narrowed_to`` (spread over models as a share of that before training; NaN where all started
        alike, or fewer than two had a value) and ``caution``: why not to trust it, empty where nothing speaks against.
    """
    starts = _by_name(before)
    return pd.DataFrame(
        [_judged(mine, starts[key], regressed and _is_of_neuron(mine[0].of)) for key, mine in _by_name(after).items()]
    )


def _by_name(models: Sequence[Iterable[Quantity]]) -> dict[tuple[str, str], list[Quantity]]:
    found: dict[tuple[str, str], list[Quantity]] = defaultdict(list)
    for each in models:
        for quantity in each:
            found[quantity.quantity, quantity.of].append(quantity)
    return found


def _judged(after: list[Quantity], before: list[Quantity], regressed: bool) -> dict[str, object]:
    first = after[0]
    n = len(after)
    values, starts = (np.array([q.value for q in each]) for each in (after, before))
    by_ratio = first.positive and bool((values > 0).all())
    forth, back = (np.log, np.exp) if by_ratio else (np.asarray, np.asarray)
    usable = starts > 0 if by_ratio else np.isfinite(starts)
    values, starts = forth(values), forth(starts[usable])
    spread = values.std(ddof=1)
    start_spread = starts.std(ddof=1) if len(starts) > 1 else np.nan
    reach = reach_of_another(values)
    narrowed = float(spread / start_spread) if start_spread > 1e-9 else float("nan")
    n_on_bound = sum(q.on_bound for q in after)
    low = values.mean() - reach
    high = values.mean() + reach
    caution = ""
    if not np.isfinite(values).all():
        caution = "not defined in every model"
    elif n_on_bound:
        caution = f"on a bound in {n_on_bound} of {n} models"
    elif regressed:
        caution = ""
    elif len(starts) < 2:
        caution = "nothing to compare with: before training fewer than two models had it"
    elif narrowed > AS_WIDE:
        caution = "not identified: the models differ about as much as before training"
    elif np.isnan(narrowed) and low <= starts.mean() <= high:
        caution = "not told from the value it started with"
    return {
        **{name: getattr(first, name) for name in ("quantity", "of", "unit", "matched")},
        **{"value": float(back(values.mean())), "low": float(back(low)), "high": float(back(high))},
        **{"n_models": n, "n_on_bound": n_on_bound, "narrowed_to": narrowed, "caution": caution},
    }


def per_neuron(table: pd.DataFrame) -> pd.Series:
    """Which rows of a table are about single neurons."""
    return table.of.map(_is_of_neuron)


def _is_of_neuron(of: str) -> bool:
    return "/" in of
