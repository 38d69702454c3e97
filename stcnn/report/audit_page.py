"""The audit as one HTML page that needs nothing else: flags, neurons, and pictures of responses and repeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stcnn.data.audit.arrival import stimulus_changes
from stcnn.data.audit.checks import AMBER, GREEN, RED, Audit, neurons_by_colour, repeats
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import rows_by
from stcnn.report.filled import filled, placed, write_page
from stcnn.report.mean_responses import shortened
from stcnn.report.svg import inline_svg
from stcnn.viz.theme import LIGHT, themed

SHOWN_FLAGS = 500
SHOWN_NEURONS = 60
SHOWN_STIMULI = 6
CURVES = {GREEN: "#8a8f94", AMBER: "#E69F00", RED: "#D55E00"}


def write_audit_page(found: Audit, data: Dataset, path: str | Path) -> Path:
    """Write the page.

    Args:
        found: the result of :func:`stcnn.data.audit.checks.audit`.
        data: the data set that was checked.
        path: of the page, by custom ``.html``.

    Raises:
        FileError: the page cannot be written.
    """
    with themed():
        drawings = {"neurons": (_neurons(found), "Correlation between the repeats of each neuron, by cell type.")}
        places = {f"responses-{number}": cell_type for number, cell_type in enumerate(data.cell_types)}
        for key, cell_type in places.items():
            drawings[key] = (_responses(data, found, cell_type), f"Mean responses of neurons of {cell_type}.")
        pictures = {key: inline_svg(figure, key, alt) for key, (figure, alt) in drawings.items()}
    page = filled(
        "audit.html",
        colour=found.colour,
        n_recordings=len(data),
        n_neurons=len(found.neurons),
        n_flags=len(found.flags),
        flags=found.worst_first()[:SHOWN_FLAGS],
        neurons=neurons_by_colour(found),
        pictures=placed(pictures),
        responses=places,
    )
    return write_page(page, Path(path))


def _neurons(found: Audit) -> Figure:
    """How well the repeats of each neuron agree, by cell type."""
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    axes = figure.subplots()
    types = list(found.neurons.cell_type.unique())
    for place, cell_type in enumerate(types):
        rows = found.neurons[found.neurons.cell_type == cell_type]
        spread = np.linspace(-0.25, 0.25, len(rows)) if len(rows) > 1 else np.zeros(1)
        axes.scatter(
            place + spread, rows.reliability, c=rows.colour.map(CURVES | {GREEN: "#1a7f37"}), s=12, linewidths=0
        )
    axes.set_xticks(range(len(types)), types, parse_math=False)
    axes.set_ylabel("correlation\nbetween repeats")
    axes.axhline(0, color=LIGHT.faint, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _responses(data: Dataset, found: Audit, cell_type: str) -> Figure:
    """Mean responses of the neurons to the stimuli that drive them most, flagged ones in colour, and their mean."""
    means = _mean_responses(data, cell_type)
    driven = sorted(means, key=lambda name: -float(np.ptp(means[name].mean)))[:SHOWN_STIMULI]
    audited = found.neurons[found.neurons.cell_type == cell_type]
    colour_of = dict(zip(audited.neuron, audited.colour, strict=True))
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    grid = figure.subplots(2, len(driven), sharey="row", sharex="col", squeeze=False, height_ratios=(3, 1))
    for column, stimulus in enumerate(driven):
        top, bottom = grid[:, column]
        shown = means[stimulus]
        for neuron, curve in zip(shown.neurons, shown.curves, strict=True):
            colour = colour_of[neuron]
            top.plot(shown.time_s, curve, color=CURVES[colour], linewidth=0.5 if colour == GREEN else 0.9)
        top.plot(shown.time_s, shown.mean, color=LIGHT.ink, linewidth=1.8)
        (change,) = stimulus_changes(data.movies[stimulus], [(0, 0)])
        bottom.plot(change.time_s, change.darkening, color=LIGHT.ink)
        bottom.plot(change.time_s, change.brightening, color="#8a8f94")
        bottom.set_xlim(shown.time_s[0], shown.time_s[-1])
        bottom.set_yticks([])
        top.set_title(shortened(stimulus), fontsize=8, parse_math=False)
        top.axvline(0, color=LIGHT.ink, linewidth=0.9, linestyle=":")
        for axes in (top, bottom):
            axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("dF/F")
    figure.supxlabel("time after stimulus onset (s)", fontsize=9)
    return figure


@dataclass
class _Means:
    """Mean responses to a stimulus of at most ``SHOWN_NEURONS`` neurons, ``(N, T)``."""

    time_s: NDArray[np.float64]
    neurons: list[str] = field(default_factory=list)
    curves: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over neurons, ``(T,)``."""
        return np.mean(self.curves, axis=0)


def _mean_responses(data: Dataset, cell_type: str) -> dict[str, _Means]:
    means: dict[str, _Means] = {}
    rows = data.table[data.table.cell_type == cell_type].reset_index()
    for (neuron,), places in list(rows_by(rows, "neuron").items())[:SHOWN_NEURONS]:
        for first, trials in repeats([data.recordings[int(rows["index"].iloc[i])] for i in places]):
            shown = means.setdefault(first.stimulus, _Means(first.time_s))
            shown.neurons.append(neuron)
            shown.curves.append(np.interp(shown.time_s, first.time_s, trials.mean(0)))
    return means
