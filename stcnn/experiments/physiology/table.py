"""All findings as one long table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stcnn.experiments.physiology.curves import PEAK, Curve, Map, Number, Result, mean_and_half_width
from stcnn.experiments.physiology.recorded import Recorded

COLUMNS = (
    *("analysis", "cell_type", "quantity", "unit", "series", "x", "x_value", "y", "y_value"),
    *("value", "low", "high", "n_members", "measured", "measured_low", "measured_high", "n_neurons"),
)


def physiology_table(
    results: Sequence[Result], cell_types: Sequence[str], recorded: Recorded | None = None
) -> pd.DataFrame:
    """Return findings as a table, a row per point of a curve, cell of a map, and number.

    Args:
        results: of the analyses.
        cell_types: in the order of the results.
        recorded: recordings, whose responses to the same stimuli stand beside the predicted peaks.

    Returns:
        ``analysis``, ``cell_type``, ``quantity`` (a response, or the name of a number), ``unit``, ``series``, ``x`` and
        ``y`` (names of the varied parameters, units at their ends) with ``x_value`` and ``y_value``, ``value`` (mean
        over members), ``low`` and ``high`` (95 % interval of that mean by Student's t; empty for a single model),
        ``n_members``; ``measured`` (mean over neurons), ``measured_low`` and ``measured_high`` (its 95 % interval) and
        ``n_neurons`` where the stimulus was recorded.
    """
    rows = [row for result in results for row in _rows(result, cell_types, recorded)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(result: Result, cell_types: Sequence[str], recorded: Recorded | None) -> Iterator[dict[str, object]]:
    for curve in result.curves:
        for row in _of_curve(curve, cell_types, recorded):
            yield {"analysis": result.analysis, **row}
    for found in result.maps:
        for row in _of_map(found, cell_types, recorded):
            yield {"analysis": result.analysis, **row}
    for number in result.numbers:
        for row in _of_number(number, cell_types):
            yield {"analysis": result.analysis, **row}


def _of_curve(curve: Curve, cell_types: Sequence[str], recorded: Recorded | None) -> Iterator[dict[str, object]]:
    mean, half = mean_and_half_width(curve.values)
    about = {**_quantity(curve.response), "series": curve.series, "x": curve.axis.name, "n_members": len(curve.values)}
    for i, name in enumerate(cell_types):
        for v, x in enumerate(curve.axis.values.tolist()):
            measured = _measured(recorded, curve.response, curve.stimuli[v] if curve.stimuli else None, name)
            yield {"cell_type": name, **about, "x_value": x, **_interval(mean[i, v], half[i, v]), **measured}


def _of_map(found: Map, cell_types: Sequence[str], recorded: Recorded | None) -> Iterator[dict[str, object]]:
    mean, half = mean_and_half_width(found.values)
    axes = {"x": found.across.name, "y": found.up.name}
    about = {**_quantity(found.response), "series": found.series, **axes, "n_members": len(found.values)}
    for i, v, w in np.ndindex(mean.shape):
        if np.isfinite(mean[i, v, w]):
            at = {"x_value": float(found.across.values[w]), "y_value": float(found.up.values[v])}
            stimulus = found.stimuli[v][w] if found.stimuli else None
            measured = _measured(recorded, found.response, stimulus, cell_types[i])
            yield {"cell_type": cell_types[i], **about, **at, **_interval(mean[i, v, w], half[i, v, w]), **measured}


def _of_number(number: Number, cell_types: Sequence[str]) -> Iterator[dict[str, object]]:
    half = number.half_width
    about = {"quantity": number.name, "unit": number.unit, "n_members": len(number.values)}
    for i, name in enumerate(cell_types):
        yield {"cell_type": name, **about, **_interval(number.mean[i], half[i])}


def _quantity(response: str) -> dict[str, object]:
    """Return what a response is, and its unit, which stands in parentheses behind it unless it is dF/F."""
    name, _, unit = response.partition(" (")
    return {"quantity": name, "unit": unit.rstrip(")") or "dF/F"}


def _interval(value: Any, half: Any) -> dict[str, float]:  # noqa: ANN401 - a number of numpy
    return {"value": float(value), "low": float(value - half), "high": float(value + half)}


def _measured(
    recorded: Recorded | None, response: str, stimulus: Mapping[str, Any] | None, cell_type: str
) -> dict[str, float]:
    """Return what was recorded of a stimulus, of which only peaks are comparable; nothing where there is none."""
    if recorded is None or stimulus is None or response != PEAK:
        return {}
    found = recorded.peak(stimulus, cell_type)
    if found is None:
        return {}
    ends = {"measured_low": found.mean - found.half_width, "measured_high": found.mean + found.half_width}
    return {"measured": found.mean, **ends, "n_neurons": found.n_neurons}
