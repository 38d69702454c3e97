"""The figures of a report and its animations."""

from __future__ import annotations

import base64
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from stcnn.experiments import receptive_fields
from stcnn.nn.bounds import Bounds
from stcnn.report.findings import Findings, FittedTrace, peaks_by_stimulus
from stcnn.report.learned import KERNEL_RATE_HZ, impulse_responses, parameter_values, spatial_weights
from stcnn.report.svg import Picture, inline_svg
from stcnn.viz import weights
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.history import loss_history
from stcnn.viz.panel import Panel, grey_pictures
from stcnn.viz.scores import calibration, neuron_scores
from stcnn.viz.tuning import peak_agreement

Drawn = dict[str, tuple[Figure, str]]
"""Name of a place in the page to the figure there and what it shows, in words."""


class Animation(NamedTuple):
    """A film on the page.

    Args:
        title: what it shows.
        data: mp4 as a data URL.
    """

    title: str
    data: str


def pictures(findings: Findings, bounds: Bounds) -> dict[str, Picture]:
    """Draw all figures of a report."""
    drawn = _of_the_fit(findings) | _of_the_network(findings, bounds)
    return {name: inline_svg(figure, name, alt) for name, (figure, alt) in drawn.items()}


def _of_the_fit(findings: Findings) -> Drawn:
    run = findings.run
    drawn: Drawn = {
        "history": (
            loss_history(run.losses(), run.scores(), run.finished_epoch()),
            "Training loss, held-out loss and held-out correlation of each cell type by epoch; numbers in scores.csv.",
        ),
        "peaks": (
            peak_agreement(peaks_by_stimulus(findings.traces)),
            "Predicted against measured peak of each stimulus, for each cell type.",
        ),
    }
    held_out = findings.held_out
    if held_out:
        drawn["scores"] = (
            neuron_scores(findings.neurons, _references(findings)),
            "Held-out correlation of every neuron and mean of each cell type; the tables have the numbers.",
        )
        measured, predicted = (np.concatenate([getattr(t, s) for t in held_out]) for s in ("measured", "predicted"))
        drawn["calibration"] = (
            calibration(predicted, measured),
            "Measured dF/F by predicted dF/F, in ten equal shares of all held-out samples.",
        )
    return drawn


def _of_the_network(findings: Findings, bounds: Bounds) -> Drawn:
    model, rate_hz = findings.model, findings.dataset.rate_hz
    drawn: Drawn = {
        name: (weights.weight_grid(layer), f"Grid of spatial weights, {layer.title}.")
        for name, layer in spatial_weights(model).items()
    }
    kernels = weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ)
    drawn["kernels"] = (kernels, "Impulse responses of all temporal filters, by layer.")
    histograms = weights.parameter_histograms(parameter_values(model, findings.run.model(0), bounds))
    drawn["parameters"] = (histograms, "Histograms of time constants, weights, biases, gains and offsets, with bounds.")
    fields = receptive_fields(model, rate_hz, shape_px=findings.dataset.shape_px, lags_s=0.6)
    drawn["fields"] = (
        weights.receptive_fields(fields, rate_hz, model.deg_per_px),
        "Linear receptive field of each cell type around grey: map, azimuth by lag, and time course.",
    )
    return drawn


def _references(findings: Findings) -> pd.DataFrame:
    table = findings.cell_types().assign(reference="mean of other neurons", correlation=lambda t: t.others)
    return table.loc[table.correlation.notna(), ["cell_type", "reference", "correlation"]]


def animations(findings: Findings) -> list[Animation]:
    """Film the best and the worst held-out prediction, at half speed."""
    ranked = sorted((t for t in findings.held_out if np.isfinite(t.correlation)), key=lambda t: t.correlation)
    chosen = {"Worst prediction": ranked[0], "Best prediction": ranked[-1]} if len(ranked) > 1 else {}
    return [
        Animation(f"{rank}: {trace.cell_type}, neuron {trace.neuron}, {trace.stimulus}", _film(findings, trace))
        for rank, trace in reversed(chosen.items())
    ]


def _film(findings: Findings, trace: FittedTrace) -> str:
    movie = findings.dataset.movies[trace.stimulus]
    traces = {"measured": (trace.time_s, trace.measured), "predicted": (trace.time_s, trace.predicted)}
    title = f"r = {trace.correlation:.2f}"
    panel = Panel(title, grey_pictures(movie.luminance()), movie.rate_hz, -movie.onset_s, traces)
    with TemporaryDirectory() as folder:
        path = write_animation(Path(folder) / "film.mp4", [panel], Clock(speed=0.5))
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
