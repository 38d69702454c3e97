"""The audit as one HTML page that needs nothing else: flags, neurons, and pictures of responses and repeats."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stcnn.data.arrival import stimulus_changes
from stcnn.data.checks import Audit, repeats
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import rows_by

STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ddd}
.red{color:#b00020;font-weight:600}.amber{color:#9a6700;font-weight:600}.green{color:#1a7f37}img{max-width:100%}"""
SHOWN_FLAGS, SHOWN_NEURONS = 500, 60


def write_page(found: Audit, data: Dataset, path: str | Path) -> Path:
    """Write the page.

    Args:
        found: the result of :func:`stcnn.data.checks.audit`.
        data: the data set that was checked.
        path: of the page, by custom ``.html``.
    """
    path = Path(path)
    flags = "".join(
        f"<tr><td class={f.colour}>{f.colour}</td><td>{f.check}</td>"
        f"<td>{html.escape(f.what)}</td><td>{html.escape(f.reason)}</td></tr>"
        for f in found.worst_first()[:SHOWN_FLAGS]
    )
    pictures = "".join(f"<h2>{html.escape(t)}</h2>{_picture(_responses(data, t))}" for t in data.cell_types)
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Check of the recordings</title><style>{STYLE}</style>"
        f"<h1>Check of the recordings: <span class={found.colour}>{found.colour}</span></h1>"
        f"<p>{len(data)} recordings of {len(found.neurons)} neurons, {len(found.flags)} flags.</p>"
        f"<table><tr><th></th><th>check</th><th>what</th><th>why</th></tr>{flags}</table>"
        f"<h1>Neurons</h1>{_picture(_neurons(found))}<h1>Responses</h1>{pictures}</html>"
    )
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path


def _picture(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", bbox_inches="tight")
    return f'<img alt="" src="data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}">'


def _neurons(found: Audit) -> Figure:
    """How well the repeats of each neuron agree, by cell type."""
    figure = Figure(figsize=(9, 2.6))
    axes = figure.subplots()
    types = list(found.neurons.cell_type.unique())
    for place, cell_type in enumerate(types):
        rows = found.neurons[found.neurons.cell_type == cell_type]
        spread = np.linspace(-0.25, 0.25, len(rows)) if len(rows) > 1 else np.zeros(1)
        colours = rows.colour.map({"green": "#1a7f37", "amber": "#d4a017", "red": "#b00020"})
        axes.scatter(place + spread, rows.reliability, c=colours, s=12, linewidths=0)
    axes.set_xticks(range(len(types)), types)
    axes.set_ylabel("correlation\nbetween repeats")
    axes.axhline(0, color="0.7", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _responses(data: Dataset, cell_type: str, n_stimuli: int = 6) -> Figure:
    """Mean responses of the neurons to the first stimuli (grey), their mean (black), and the stimulus change below."""
    rows = data.table[data.table.cell_type == cell_type].reset_index()
    stimuli = list(rows.stimulus.unique())[:n_stimuli]
    figure = Figure(figsize=(2.2 * len(stimuli), 2.8))
    grid = figure.subplots(2, len(stimuli), sharey="row", squeeze=False, height_ratios=(3, 1))
    for column, stimulus in enumerate(stimuli):
        shown = rows[rows.stimulus == stimulus]
        of_neuron = list(rows_by(shown.reset_index(drop=True), "neuron").values())[:SHOWN_NEURONS]
        means = [
            (first.time_s, trials.mean(0))
            for numbers in of_neuron
            for first, trials in repeats([data.recordings[int(shown["index"].iloc[i])] for i in numbers])
        ]
        top, bottom = grid[:, column]
        if means:
            clock = means[0][0]
            curves = np.stack([np.interp(clock, time_s, mean) for time_s, mean in means])
            top.plot(clock, curves.T, color="0.75", linewidth=0.5)
            top.plot(clock, curves.mean(0), color="0.1", linewidth=1.5)
        (change,) = stimulus_changes(data.movies[stimulus], [(0, 0)])
        bottom.plot(change.time_s, change.darkening, color="0.1", label="darkening")
        bottom.plot(change.time_s, change.brightening, color="0.65", label="brightening")
        bottom.set_xlim(top.get_xlim())
        bottom.set_yticks([])
        top.set_title(stimulus, fontsize=9)
        top.axvline(0, color="0.8", linewidth=0.8, zorder=0)
        for axes in (top, bottom):
            axes.spines[["top", "right"]].set_visible(False)
    grid[0, 0].set_ylabel("dF/F")
    grid[1, 0].legend(fontsize=6, frameon=False, loc="upper right")
    figure.supxlabel("time after stimulus onset (s)", fontsize=9)
    return figure
