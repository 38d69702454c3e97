"""The audit as one HTML page that needs nothing else: flags, neurons, and pictures of responses and repeats."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stcnn.data.arrival import stimulus_changes
from stcnn.data.checks import AMBER, GREEN, RED, Audit, repeats
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import rows_by
from stcnn.writing import whole_file

STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ddd}
.red{color:#b00020;font-weight:600}.amber{color:#9a6700;font-weight:600}.green{color:#1a7f37}img{max-width:100%}"""
SHOWN_FLAGS, SHOWN_NEURONS, SHOWN_STIMULI = 500, 60, 6
CURVES = {GREEN: "0.75", AMBER: "#d4a017", RED: "#b00020"}


def write_page(found: Audit, data: Dataset, path: str | Path) -> Path:
    """Write the page.

    Args:
        found: the result of :func:`stcnn.data.checks.audit`.
        data: the data set that was checked.
        path: of the page, by custom ``.html``.

    Raises:
        FileError: the page cannot be written.
    """
    path = Path(path)
    flags = "".join(
        f"<tr><td class={f.colour}>{f.colour}</td><td>{f.check}</td>"
        f"<td>{html.escape(f.what)}</td><td>{html.escape(f.reason)}</td></tr>"
        for f in found.worst_first()[:SHOWN_FLAGS]
    )
    pictures = "".join(f"<h2>{html.escape(t)}</h2>{_picture(_responses(data, found, t))}" for t in data.cell_types)
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Check of the recordings</title><style>{STYLE}</style>"
        f"<h1>Check of the recordings: <span class={found.colour}>{found.colour}</span></h1>"
        f"<p>{len(data)} recordings of {len(found.neurons)} neurons, {len(found.flags)} flags.</p>"
        f"<table><tr><th></th><th>check</th><th>what</th><th>why</th></tr>{flags}</table>"
        f"<h1>Neurons</h1>{_table(found)}{_picture(_neurons(found))}<h1>Responses</h1>"
        "<p>Mean responses to the stimuli that drive the type most: a grey line for each neuron, amber or red where it "
        "is flagged, black their mean. Below, how much the middle of the picture darkens (black) and brightens (grey), "
        f"smoothed as an indicator would.</p>{pictures}</html>"
    )
    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
    return path


def _table(found: Audit) -> str:
    """Neurons by cell type and colour, with medians."""
    lines = ["<tr><th>cell type<th>green<th>amber<th>red<th>repeats correlate<th>follow<th>latency</tr>"]
    for cell_type, rows in found.neurons.groupby("cell_type", sort=False):
        counts = "".join(f"<td>{(rows.colour == colour).sum()}" for colour in (GREEN, AMBER, RED))
        latency = f"{rows.latency_s.median():.2f} s" if rows.latency_s.notna().any() else "unknown"
        reliability = f"{rows.reliability.median():.2f}" if rows.reliability.notna().any() else "unknown"
        name = html.escape(str(cell_type))
        lines.append(f"<tr><td>{name}{counts}<td>{reliability}<td>{rows.follows.mode()[0]}<td>{latency}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _picture(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", bbox_inches="tight")
    return f'<img alt="" src="data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}">'


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
    axes.set_xticks(range(len(types)), types)
    axes.set_ylabel("correlation\nbetween repeats")
    axes.axhline(0, color="0.7", linewidth=0.8)
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
        top.plot(shown.time_s, shown.mean, color="0.1", linewidth=1.5)
        (change,) = stimulus_changes(data.movies[stimulus], [(0, 0)])
        bottom.plot(change.time_s, change.darkening, color="0.1")
        bottom.plot(change.time_s, change.brightening, color="0.65")
        bottom.set_xlim(shown.time_s[0], shown.time_s[-1])
        bottom.set_yticks([])
        top.set_title(stimulus, fontsize=9)
        top.axvline(0, color="0.8", linewidth=0.8, zorder=0)
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
