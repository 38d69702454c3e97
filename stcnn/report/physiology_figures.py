"""The figures of in-silico physiology: what an analysis found, with the recordings of the same stimuli."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from stcnn.experiments.physiology.analyses import ANALYSES
from stcnn.experiments.physiology.curves import PEAK, Answered, Axis, Curve, Map, Result, TraceGrid
from stcnn.experiments.physiology.recorded import Measurement, Recorded
from stcnn.report.svg import Picture, inline_svg
from stcnn.viz.physiology import Field, Line, MapAxes, Scale, curves_by_type, maps_by_type
from stcnn.viz.theme import colours
from stcnn.viz.traces import StimulusResponse, response_grid

MOST_SAMPLES = 80
"""Of a trace in a grid."""


def figures(result: Result, cell_types: Sequence[str], recorded: Recorded | None) -> Iterator[Picture]:
    """Draw what an analysis found."""
    title = ANALYSES[result.analysis].title
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in result.curves:
        groups.setdefault((curve.response, curve.axis.title), []).append(curve)
    for number, ((response, what), curves) in enumerate(groups.items(), 1):
        lines = {name: [_line(curve, i, name, recorded) for curve in curves] for i, name in enumerate(cell_types)}
        alt = f"{title}: {response} by {what}, a panel for each cell type; numbers in physiology.csv."
        yield inline_svg(curves_by_type(lines, _scale(curves)), f"{result.analysis}-{number}", alt)
    for number, found in enumerate(result.maps, len(groups) + 1):
        yield inline_svg(
            _map_figure(found, cell_types), f"{result.analysis}-{number}", f"{title}: maps, {found.response}."
        )

    for grid in result.traces:
        for place, (name, colour) in enumerate(colours(cell_types).items()):
            figure = _trace_figure(grid, place, name, colour, recorded)
            key = f"{result.analysis}-{grid.title.lower().replace(' ', '_')}_{name}"
            yield inline_svg(
                figure, key, f"{grid.title}: predicted traces of {name}, with measured ones where there are."
            )


def _trace_figure(grid: TraceGrid, place: int, name: str, colour: str, recorded: Recorded | None) -> Figure:
    rows = {}
    for label, answers, stimuli in reversed(list(zip(grid.rows, grid.answers, grid.stimuli, strict=True))):
        rows[label] = [
            None if answer is None or stimulus is None else _response(answer, place, _traces(recorded, stimulus, name))
            for answer, stimulus in zip(answers, stimuli, strict=True)
        ]
    return response_grid(rows, colour, columns=grid.columns, heading=f"{grid.title}, {name}")


def _traces(recorded: Recorded | None, stimulus: Mapping[str, Any], name: str) -> Measurement | None:
    known = None if recorded is None else recorded.stimulus(stimulus)
    found = None if recorded is None or known is None else recorded.traces(known, name)
    return None if recorded is None or found is None else (found[0] + recorded.later_s(stimulus), found[1])


def _response(answer: Answered, place: int, measured: Measurement | None) -> StimulusResponse:
    """Return an answer above grey in at most :data:`MOST_SAMPLES` steps, with what was measured at the same times."""
    mean = answer.dff[:, place].mean(0) - answer.dff[:, place, 0].mean()
    step = -(-len(mean) // MOST_SAMPLES)
    time_s = answer.time_s[::step]
    if measured is None:
        return StimulusResponse("", time_s, mean[::step])
    at_s, traces = measured
    before = at_s < 0
    above = traces - (np.nanmean(traces[:, before], 1, keepdims=True) if before.any() else traces[:, :1])
    there = np.array([np.interp(time_s, at_s, trace, left=np.nan, right=np.nan) for trace in above])
    return StimulusResponse("", time_s, mean[::step], there)


def _line(curve: Curve, cell_type: int, name: str, recorded: Recorded | None) -> Line:
    measured = None
    if recorded is not None and curve.response == PEAK and curve.stimuli:
        peaks = recorded.peaks(curve.stimuli, name)
        if any(peaks):
            measured = np.array([(np.nan, np.nan) if each is None else each[:2] for each in peaks])
    return Line(curve.series, curve.axis.values, curve.values[:, cell_type], measured)


def _scale(curves: Sequence[Curve]) -> Scale:
    axis = curves[0].axis
    label = axis.label
    return Scale(label, curves[0].response, axis.log, _ticks(axis))


def _ticks(axis: Axis) -> list[float] | None:
    """Return which values of a logarithmic axis or of a circle are labelled, so that labels keep apart."""
    values = axis.values.tolist()
    if axis.unit == "°" and "direction" in axis.name:
        return values[::2]
    if not axis.log or len(values) < 2:
        return None
    chosen = values[:1]
    least = (values[-1] / values[0]) ** (1 / 5)
    for value in values[1:]:
        if value >= 0.99 * chosen[-1] * least:
            chosen.append(value)
    return chosen


def _map_figure(found: Map, cell_types: Sequence[str]) -> Figure:
    fields = {}
    for i, name in enumerate(cell_types):
        outline = None if found.outline is None else found.outline[i]
        fields[name] = Field(found.values[:, i].mean(0), outline)
    axes = MapAxes(
        *(found.across.label, found.up.label, found.across.values.tolist(), found.up.values.tolist()),
        *(found.response, found.signed, found.series[:1].upper() + found.series[1:]),
    )
    return maps_by_type(fields, axes)
