"""The figures of a report and its animations."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import image
from matplotlib.figure import Figure

from stcnn.experiments import TUNING_AXES, receptive_fields, tuning
from stcnn.nn.bounds import Bounds
from stcnn.report.contact_sheet import strongest_frame
from stcnn.report.findings import Findings, FittedTrace, peaks_by_stimulus
from stcnn.report.learned import KERNEL_RATE_HZ, impulse_responses, parameter_values, spatial_weights
from stcnn.report.svg import Picture, inline_svg
from stcnn.stimuli import Screen
from stcnn.training.places import places_table
from stcnn.viz import weights
from stcnn.viz.animations import Clock, animate
from stcnn.viz.comparison import comparison_figure
from stcnn.viz.film import write_film
from stcnn.viz.history import loss_history
from stcnn.viz.panel import Panel, grey_pictures
from stcnn.viz.scores import calibration, neuron_scores
from stcnn.viz.stage import Look
from stcnn.viz.theme import colours
from stcnn.viz.traces import TracePair, prediction_grid
from stcnn.viz.tuning import TuningCurve, peak_agreement, tuning_panels
from stcnn.viz.visual_field import LEARNED, visual_field

COMPARED_SCORE = "trial_mean_correlation"
SIGNAL_SHARE = 0.3
"""Share of the variance of a trace that is signal, below which it is no example of a good or a bad prediction."""
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Which held-out recordings of a cell type are drawn, ranked by their correlation."""

LOOK = Look(dpi=160)
"""Of the films."""

Drawn = dict[str, tuple[Figure, str]]
"""Name of a place in the page to the figure there and what it shows, in words."""


class Animation(NamedTuple):
    """A film on the page.

    Args:
        title: what it shows.
        data: mp4 as a data URL.
        poster: the frame that differs most from the first, with the whole traces, as a data URL.
    """

    title: str
    data: str
    poster: str


def pictures(findings: Findings, bounds: Bounds) -> dict[str, Picture]:
    """Draw all figures of a report."""
    drawn = _of_the_fit(findings) | _of_the_network(findings, bounds)
    return {name: inline_svg(figure, name, alt) for name, (figure, alt) in drawn.items()}


def _of_the_fit(findings: Findings) -> Drawn:
    run = findings.run
    held_out = findings.held_out
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
    if held_out:
        drawn["scores"] = (
            neuron_scores(findings.neurons, references(findings)),
            "Held-out correlation of every neuron and mean of each cell type; the tables have the numbers.",
        )
        measured, predicted = (np.concatenate([getattr(t, s) for t in held_out]) for s in ("measured", "predicted"))
        drawn["calibration"] = (
            calibration(predicted, measured),
            "Measured dF/F by predicted dF/F, in ten equal shares of all held-out samples.",
        )
        drawn["predictions"] = (
            prediction_grid(trace_pairs(findings), "from the worst to the best of each cell type"),
            "Held-out traces, measured and predicted, from the worst to the best of each cell type.",
        )
    places = places_of(findings)
    if places is not None:
        rows, columns = findings.dataset.shape_px
        deg_per_px = findings.dataset.deg_per_px
        drawn["places"] = (
            visual_field(places, (rows * deg_per_px, columns * deg_per_px)),
            "Map of the visual field with the place of every neuron. Where cell types share a place, as those of one "
            "animal often do, each has a ring of its own size around the dot of the first.",
        )
    compared = run.path / "comparison_validation" / "comparison.csv"
    if compared.is_file():
        table = findings.run.read_table("comparison_validation/comparison.csv")
        drawn["comparison"] = (
            comparison_figure(table, COMPARED_SCORE),
            "Simple models and this one on the same held-out recordings, best on top; numbers in comparison.csv.",
        )
    return drawn


def _of_the_network(findings: Findings, bounds: Bounds) -> Drawn:
    model = findings.model
    untrained = findings.untrained
    rate_hz = findings.dataset.rate_hz
    before = spatial_weights(untrained)
    after = spatial_weights(model)
    drawn: Drawn = {
        name: (
            weights.weight_change(before[name], layer),
            f"Grids of spatial weights, {layer.title}, untrained and trained.",
        )
        for name, layer in after.items()
    }
    kernels = weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ, impulse_responses(untrained))
    drawn["kernels"] = (kernels, "Impulse responses of all temporal filters, by layer.")
    histograms = weights.parameter_histograms(parameter_values(model, untrained, bounds))
    drawn["parameters"] = (histograms, "Histograms of weights, time constants, biases, gains and offsets, with bounds.")
    fields = receptive_fields(model, rate_hz, shape_px=findings.dataset.shape_px, lags_s=0.6)
    drawn["fields"] = (
        weights.receptive_fields(fields, rate_hz, model.deg_per_px),
        "Linear receptive field of each cell type around grey: map, azimuth by lag, and time course.",
    )
    return drawn | _tuning(findings)


def _tuning(findings: Findings) -> Drawn:
    """Predicted tuning to size, speed, direction and looming on the screen of the recordings."""
    dataset = findings.dataset
    grey = dataset.movies[dataset.table.stimulus.iloc[0]].background
    screen = Screen(shape_px=dataset.shape_px, deg_per_px=dataset.deg_per_px, rate_hz=dataset.rate_hz, background=grey)
    curves = {}
    for axis in TUNING_AXES:
        found = tuning(findings.model, axis, screen)
        of_types = {name: TuningCurve(found.values, peaks) for name, peaks in found.peaks.items()}
        curves[axis.title] = (axis.log, of_types)
    return {"tuning": (tuning_panels(curves), "Predicted peak response by " + ", ".join(curves) + ".")}


def places_of(findings: Findings) -> pd.DataFrame | None:
    """Return the places of all neurons (:func:`stcnn.training.places.places_table`); None where all are one.

    Where places are not learned, the columns of the recorded ones are left out.
    """
    table = places_table(findings.model, findings.dataset)
    if findings.model.config.readout.place == "learned":
        return table
    return table[["cell_type", "neuron", *LEARNED]] if table[list(LEARNED)].nunique().max() > 1 else None


def references(findings: Findings) -> pd.DataFrame:
    """Return what the mean of a cell type is compared with: ``cell_type``, ``reference``, ``correlation``."""
    table = findings.cell_types.assign(reference="mean of other neurons", correlation=findings.cell_types.others)
    return table[["cell_type", "reference", "correlation"]].dropna()


def trace_pairs(findings: Findings) -> dict[str, list[TracePair]]:
    """Choose held-out recordings of each cell type from the worst to the best predicted."""
    chosen: dict[str, list[TracePair]] = {}
    for cell_type in findings.dataset.cell_types:
        mine = [trace for trace in _with_signal(findings) if trace.cell_type == cell_type]
        ranked = sorted(mine, key=lambda trace: trace.correlation)
        places = sorted({round(q * (len(ranked) - 1)) for q in QUANTILES} if ranked else ())
        if places:
            chosen[cell_type] = [_pair(ranked[place]) for place in places]
    return chosen


def _with_signal(findings: Findings) -> list[FittedTrace]:
    """The held-out traces in which there is something to predict, as far as repeated trials tell.

    Of a trace that is nearly all noise, a good prediction looks as bad as a wrong one.
    """
    finite = [trace for trace in findings.held_out if np.isfinite(trace.correlation)]
    clear = [trace for trace in finite if not trace.signal_share < SIGNAL_SHARE]
    return clear if len(clear) > 1 else finite


def _pair(trace: FittedTrace) -> TracePair:
    title = f"{trace.neuron}, {trace.stimulus}\nr = {trace.correlation:.2f}"
    return TracePair(title, trace.time_s, trace.measured, trace.predicted)


def animations(findings: Findings) -> list[Animation]:
    """Film the best and the worst held-out prediction, at half speed."""
    ranked = sorted(_with_signal(findings), key=lambda trace: trace.correlation)
    chosen = {"Worst prediction": ranked[0], "Best prediction": ranked[-1]} if len(ranked) > 1 else {}
    return [
        Animation(f"{rank}: {trace.cell_type}, neuron {trace.neuron}, {trace.stimulus}", *_film(findings, trace))
        for rank, trace in reversed(chosen.items())
    ]


def _film(findings: Findings, trace: FittedTrace) -> tuple[str, str]:
    """A film and its poster, as data URLs."""
    movie = findings.dataset.movies[trace.stimulus]
    traces = {"measured": (trace.time_s, trace.measured), "predicted": (trace.time_s, trace.predicted)}
    colour = {"predicted": colours(findings.dataset.cell_types)[trace.cell_type]}
    pictures = grey_pictures(movie.luminance())
    start_s = -movie.onset_s
    panel = Panel(f"r = {trace.correlation:.2f}", pictures, movie.rate_hz, start_s, traces, colour)
    clock = Clock(speed=0.5)
    frames = list(animate([panel], clock, look=LOOK))
    strongest = np.broadcast_to(pictures[strongest_frame(movie)], pictures.shape)
    poster = io.BytesIO()
    image.imsave(poster, list(animate([replace(panel, pictures=strongest)], clock, look=LOOK))[-1], format="png")
    with TemporaryDirectory() as folder:
        film = write_film(Path(folder) / "film.mp4", frames, clock.fps).read_bytes()
    return _data_url("video/mp4", film), _data_url("image/png", poster.getvalue())


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
