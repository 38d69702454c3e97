"""Models side by side on the same recordings: scores with intervals, and paired differences to one of them.

Axes: R response, D bootstrap sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.errors import DataError
from stcnn.evaluate import Evaluation, Predictions
from stcnn.evaluate.metric import METRICS
from stcnn.evaluate.responses import RESPONSE
from stcnn.evaluate.tables import ceilings
from stcnn.metrics.intervals import N_DRAWS, bootstrap_counts, interval
from stcnn.metrics.likelihoods import LIKELIHOODS, Likelihood

ALL_TYPES = "mean of types"
"""Name of the rows that average the cell types."""

Draws = dict[str, NDArray[np.float64]]
"""Score to its value on the recordings themselves and on each bootstrap sample, ``(1 + D,)``."""


def evaluation(
    predictions: Predictions,
    dataset: Dataset,
    families: Mapping[str, Sequence[str]] | None = None,
    likelihood: Likelihood = LIKELIHOODS["squared"],
) -> Evaluation:
    """Evaluate predictions in the order of the recordings, so that models with different batches can be paired."""
    order = predictions.item.argsort(stable=True)
    rows = Predictions(*(getattr(predictions, field.name)[order] for field in fields(Predictions)))
    return Evaluation.of(rows, dataset, families, likelihood)


def comparison_table(models: Mapping[str, Evaluation], reference: str, n_draws: int = N_DRAWS) -> pd.DataFrame:
    """Compare models on the same recordings.

    The same units are drawn for all models, so that a difference is freed of what neurons and stimuli have in common.
    The row :data:`ALL_TYPES` averages the cell types; where animals are the units, the same are drawn for all types.

    Args:
        models: name to evaluation, in the order of the rows.
        reference: name of the model that is subtracted from each.
        n_draws: number of bootstrap samples.

    Returns:
        One row per model and cell type: ``model``, ``cell_type``, ``n_neurons``, ``n_recordings``, ``unit``,
        ``n_units``; for each of :data:`~stcnn.evaluate.metric.METRICS` the score, its ``_low`` and ``_high``, its
        ``_difference`` to the reference and the ``_difference_low`` and ``_difference_high`` of that.

    Raises:
        DataError: the models were evaluated on different recordings.
    """
    models_so_far = ComparisonTable(n_draws)
    for name in (reference, *(name for name in models if name != reference)):
        models_so_far.add(name, models[name])
    return models_so_far.table(tuple(models))


class ComparisonTable:
    """Models on the same recordings, added one after the other; the first is the one that is subtracted from each.

    Args:
        n_draws: number of bootstrap samples.
    """

    def __init__(self, n_draws: int = N_DRAWS) -> None:
        self.n_draws = n_draws
        self._first: tuple[str, Evaluation] | None = None
        self._rows: dict[str, list[dict]] = {}
        self._reference: dict[str, Draws] = {}
        self._about: dict[str, dict] = {}

    def add(self, name: str, model: Evaluation) -> None:
        """Score a model.

        Raises:
            DataError: it was evaluated on other recordings than the first.
        """
        draws = None
        if self._first is None:
            self._first = name, model
            self._about = _about(model)
            self._reference = draws = _draws(model, self.n_draws)
        first_name, first = self._first
        if not model.table[RESPONSE].equals(first.table[RESPONSE]):
            raise DataError(
                f"'{name}' was evaluated on other recordings than '{first_name}'",
                expected="the same ones in the same order",
                remedy="compare runs of one data set and split",
            )
        draws = draws or _draws(model, self.n_draws)
        self._rows[name] = [
            {
                "model": name,
                **self._about[cell_type],
                **_row(mine, self._reference[cell_type], self._about[cell_type]["n_units"]),
            }
            for cell_type, mine in draws.items()
        ]

    def table(self, order: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of :func:`comparison_table`, models in an order, by default that in which they were added."""
        return pd.DataFrame([row for name in order or self._rows for row in self._rows[name]])

    def undefined(self, name: str, score: str) -> list[str]:
        """Cell types for which a score of a model is not defined although that of the first model is."""
        assert self._first is not None, "a model was added"
        pairs = zip(self._rows[name], self._rows[self._first[0]], strict=True)
        return [mine["cell_type"] for mine, first in pairs if np.isnan(mine[score]) and not np.isnan(first[score])]


def _draws(model: Evaluation, n_draws: int) -> dict[str, Draws]:
    """Scores of each cell type and of their mean, with bootstrap samples."""
    found: dict[str, Draws] = {}
    for number, group in enumerate(model.groups("cell_type")):
        seed = 0 if group.unit == "animal" else number
        counts = np.vstack([np.ones(group.n_units), bootstrap_counts(group.n_units, n_draws, seed)])
        found[group.names["cell_type"]] = model.scores(group, counts)
    if len(found) > 1:
        found[ALL_TYPES] = {score: np.mean([each[score] for each in found.values()], axis=0) for score in METRICS}
    return found


def _about(model: Evaluation) -> dict[str, dict]:
    """Subject of the rows of each cell type."""
    found: dict[str, dict] = {}
    for group in model.groups("cell_type"):
        mine = model.table.iloc[group.rows]
        counts = {"n_neurons": mine.neuron.nunique(), "n_recordings": len(mine)}
        found[group.names["cell_type"]] = {
            "cell_type": group.names["cell_type"],
            **counts,
            "unit": group.unit,
            "n_units": group.n_units,
        }
    if len(found) > 1:
        together = pd.DataFrame(found.values())
        found[ALL_TYPES] = {
            "cell_type": ALL_TYPES,
            "n_neurons": together.n_neurons.sum(),
            "n_recordings": together.n_recordings.sum(),
            "unit": " and ".join(together.unit.unique()),
            "n_units": int(together.n_units.min()),  # the fewest, which makes the interval no narrower than it is
        }
    return found


def _row(mine: Draws, reference: Draws, n_units: int) -> dict[str, float]:
    row: dict[str, float] = {}
    for score, metric in METRICS.items():
        value = mine[score]
        difference = mine[score] - reference[score]
        row[score] = value[0]
        row[f"{score}_low"], row[f"{score}_high"] = interval(float(value[0]), value[1:], n_units, metric.scale)
        row[f"{score}_difference"] = difference[0]
        ends = interval(float(difference[0]), difference[1:], n_units)
        row[f"{score}_difference_low"], row[f"{score}_difference_high"] = ends
    return row | ceilings(row)
