"""Makes the pictures of docs/gallery.md and docs/published.md: python docs/make_gallery.py RUN [PUBLISHED].

RUN is a finished run on simulated recordings ("-" for none); PUBLISHED a folder with the published checkpoints, of
which only weights and predictions are drawn, no recordings.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import image
from matplotlib.figure import Figure

import stcnn
from stcnn.config import validate
from stcnn.data import Dataset
from stcnn.experiments import between_grey, receptive_fields, respond
from stcnn.nn.bounds import Bounds
from stcnn.nn.model import STCNN
from stcnn.report.findings import Findings, find, peaks_by_stimulus
from stcnn.report.learned import KERNEL_RATE_HZ, impulse_responses, parameter_values, spatial_weights
from stcnn.report.pictures import references, trace_pairs
from stcnn.simulation import SimulatedDataConfig, simulated_dataset
from stcnn.stimuli import Screen, load_protocol
from stcnn.stimuli.table import stimulus_table
from stcnn.viz import history, scores, stimuli, traces, tuning, weights
from stcnn.viz.animations import Clock, animate, write_animation
from stcnn.viz.panel import Panel, coloured_maps, grey_pictures
from stcnn.viz.theme import DARK, colours

PICTURES = Path(__file__).parent / "gallery"
SIZES_DEG = [2, 4.5, 9, 15, 30, 45, 90]
LOOMING = {"321": "slow disc", "322": "fast disc", "325": "ring", "327": "receding", "329": "r/v 40 ms"}


def save(figure: Figure, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / f"{name}.png", dpi=110)


def draw_run(run: stcnn.run_folder.Run) -> None:
    config = validate(run.config())
    found = find(run, config.open_dataset(), config.batching)
    model, rate_hz = found.model, found.dataset.rate_hz
    save(history.loss_history(run.losses(), run.scores(), run.finished_epoch()), "losses")
    save(history.loss_history(run.losses(), run.scores(), run.finished_epoch(), DARK), "losses_dark")
    save(scores.neuron_scores(found.neurons, references(found)), "scores")
    measured, predicted = (np.concatenate([getattr(t, s) for t in found.held_out]) for s in ("measured", "predicted"))
    save(scores.calibration(predicted, measured), "calibration")
    save(traces.prediction_grid(trace_pairs(found), "from the worst to the best of each cell type"), "predictions")
    save(tuning.peak_agreement(peaks_by_stimulus(found.traces)), "peaks")
    save(traces.response_grid(*measured_grid(found)), "traces")
    untrained = run.model(0)
    before, after = spatial_weights(untrained), spatial_weights(model)
    save(weights.weight_change(before["layer2"], after["layer2"]), "weights")
    save(weights.weight_grid(after["readouts"]), "readouts")
    kernels = weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ, impulse_responses(untrained))
    save(kernels, "kernels")
    save(weights.parameter_histograms(parameter_values(model, untrained, config.bounds)), "parameters")
    save(weights.receptive_fields(receptive_fields(model, rate_hz, lags_s=0.6), rate_hz, model.deg_per_px), "fields")
    mixed = list(found.dataset.movies)
    save(stimuli.filmstrip({name: found.dataset.movies[name] for name in (mixed[3], mixed[17], mixed[-1])}), "stimuli")
    save(tuning.stimulus_peaks(peaks_of_neurons(found)), "stimulus_peaks")
    tune(model, found.dataset.cell_types, rate_hz)
    films(model, rate_hz)


def peaks_of_neurons(found: Findings) -> pd.DataFrame:
    rows = [(r.cell_type, r.neuron, r.stimulus, float(np.nanmax(r.trace))) for r in found.dataset.recordings]
    return pd.DataFrame(rows, columns=["cell_type", "neuron", "stimulus", "dff"])


def tune(model: STCNN, cell_types: Sequence[str], rate_hz: float) -> None:
    """Tuning of a model to stimuli it never saw, with that of simulated neurons laid over."""
    screen = Screen(rate_hz=rate_hz, deg_per_px=model.deg_per_px)
    series = {
        "speed": ("speed of a dark square of 10° (°/s)", True, lambda n: n.startswith("dark_")),
        "direction": ("direction of a dark bar (°)", False, lambda n: n.startswith("bar_")),
        "looming_rv": ("r/v of a looming disc (s)", True, lambda n: True),
    }
    for name, (label, log, wanted) in series.items():
        protocol = load_protocol(name)
        x = protocol.axes.iloc[:, -1][[wanted(stimulus) for stimulus in protocol.axes.index]]
        answers = respond(model, ((s, between_grey(protocol.movie(s, screen), 0.5, 1.0)) for s in x.index))
        truth = simulated_dataset(SimulatedDataConfig(stimuli=name, cell_types=tuple(cell_types), rate_hz=rate_hz))
        curves = {kind: curve(kind, x, answers, peaks_above_baseline(truth)) for kind in cell_types}
        save(tuning.tuning_curves(curves, label, log=log), f"tuning_{name}")


def curve(kind: str, x: pd.Series, answers: pd.DataFrame, measured: pd.DataFrame) -> tuning.TuningCurve:
    predicted = answers[answers.cell_type == kind].groupby("stimulus").dff.agg(lambda dff: dff.max() - dff.iloc[0])
    peaks = measured[measured.cell_type == kind].groupby("stimulus").dff
    mean, half = peaks.mean().loc[x.index], 1.96 * peaks.sem().loc[x.index]
    return tuning.TuningCurve(x.to_numpy(float), predicted.loc[x.index].to_numpy(), mean.to_numpy(), half.to_numpy())


def peaks_above_baseline(dataset: Dataset) -> pd.DataFrame:
    rows = [(r.cell_type, r.stimulus, r.trace.max() - r.trace[r.time_s < 0].mean()) for r in dataset.recordings]
    return pd.DataFrame(rows, columns=["cell_type", "stimulus", "dff"])


def measured_grid(found: Findings) -> tuple[dict[str, list[traces.StimulusResponse | None]], str]:
    """Every third stimulus of the first cell type: neurons, their mean, the prediction."""
    name = found.dataset.cell_types[0]
    mine = [trace for trace in found.traces if trace.cell_type == name]
    responses: list[traces.StimulusResponse | None] = []
    for stimulus in list(dict.fromkeys(trace.stimulus for trace in mine))[::3]:
        together = [trace for trace in mine if trace.stimulus == stimulus]
        measured = np.array([trace.measured for trace in together])
        predicted = np.mean([trace.predicted for trace in together], axis=0)
        responses.append(traces.StimulusResponse(stimulus[:20], together[0].time_s, predicted, measured))
    return {name: responses[:4], f"{name} ": responses[4:]}, colours(found.dataset.cell_types)[name]


def films(model: STCNN, rate_hz: float) -> None:
    protocol, screen = load_protocol("klapoetke2022_looming"), Screen(rate_hz=rate_hz, deg_per_px=model.deg_per_px)
    panels = []
    for name in ("322", "325", "327"):
        movie = between_grey(protocol.movie(name, screen), 0.3, 0.8)
        answers = model.predict(movie, start="steady")
        shown = {kind: (movie.time_s, dff) for kind, dff in answers.items()}
        panels.append(Panel(LOOMING[name], grey_pictures(movie.luminance()), rate_hz, float(movie.time_s[0]), shown))
    write_animation(PICTURES / "stimuli.gif", panels, Clock(15, 0.5))
    import torch

    movie = between_grey(protocol.movie("322", screen), 1.0, 0.4)
    with torch.no_grad():
        maps = model.maps(torch.from_numpy(movie.contrast())[None], rate_hz)["norm.1"][:, 0].numpy()
    onset = round(0.7 * rate_hz)
    panel = Panel("hidden layer 2", coloured_maps(maps[onset:] - maps[onset]), rate_hz, -0.3)
    write_animation(PICTURES / "maps.gif", [panel], Clock(12, 0.5))


def draw_published(folder: Path) -> None:
    model, untrained = stcnn.open_published(folder, 10), stcnn.open_published(folder, 0)
    before, after = spatial_weights(untrained), spatial_weights(model)
    for name, layer in after.items():
        save(weights.weight_change(before[name], layer), f"published_{name}")
    kernels = weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ, impulse_responses(untrained))
    save(kernels, "published_kernels")
    save(weights.parameter_histograms(parameter_values(model, untrained, Bounds())), "published_parameters")
    fields = receptive_fields(model, 180.0, lags_s=0.3)
    save(weights.receptive_fields(fields, 180.0, model.deg_per_px), "published_fields")
    print(published_numbers(model, untrained))
    screen = Screen(rate_hz=180.0)
    sizes = respond(
        model, ((n, between_grey(m, 0.2, 1.0)) for n, m in load_protocol("klapoetke2022_size").movies(screen))
    )
    peaks = sizes.groupby(["cell_type", "stimulus"], sort=False).dff.agg(lambda dff: dff.max() - dff.iloc[0])
    maps = {name: peaks[name].to_numpy().reshape(7, 7) for name in model.cell_types}
    save(tuning.size_tuning(maps, SIZES_DEG, SIZES_DEG), "published_sizes")
    loom = load_protocol("klapoetke2022_looming")
    looming = respond(model, ((LOOMING[n], between_grey(loom.movie(n, screen), 0.3, 1.0)) for n in LOOMING))
    save(traces.prediction_overview(looming), "published_looming")
    receptive_field_map(model)


def published_numbers(model: STCNN, untrained: STCNN) -> str:
    """The table of docs/published_network.md: weights and time constants of every layer, before and after training."""
    rows = ["| | weights | SD | largest | time constants (ms) | at 5 ms |", "|---|---|---|---|---|---|"]
    layers = [(f"layer {i}", [layer]) for i, layer in enumerate(model.hidden, 1)]
    layers += [(f"readout {n}", [r]) for n, r in zip(model.cell_types, model.readouts.each, strict=True)]
    first = [*([layer] for layer in untrained.hidden), *([readout] for readout in untrained.readouts.each)]
    for (name, after), before in zip(layers, first, strict=True):
        sd = [float(part[0].weight.detach().std()) for part in (before, after)]
        largest = [float(part[0].weight.detach().abs().max()) for part in (before, after)]
        tau_ms = [1000 * part[0].filter.tau_s.detach().numpy() for part in (before, after)]
        spans = [f"{tau.min():.0f}–{tau.max():.0f}" if tau.size > 1 else f"{tau.item():.0f}" for tau in tau_ms]
        at_bound = f"{int((tau_ms[1] < 5.01).sum())} of {tau_ms[1].size}"
        cells = [name, f"{after[0].weight.numel():,}", *(f"{a:.3f} → {b:.3f}" for a, b in (sd, largest))]
        rows.append("| " + " | ".join([*cells, " → ".join(spans), at_bound]) + " |")
    return "\n".join(rows)


def receptive_field_map(model: STCNN) -> None:
    """Protocol 48RRCC090 as a film, and its last frame as a picture."""
    protocol, screen, panels = load_protocol("klapoetke2022_receptive_field"), Screen(rate_hz=60.0), []
    table = stimulus_table(protocol)
    assert table is not None
    for name in table.stimuli:
        movie = between_grey(protocol.movie(name, screen), 0.2, 0.8)
        shown = {kind: (movie.time_s, dff) for kind, dff in model.predict(movie, start="steady").items()}
        panels.append(Panel("", grey_pictures(movie.luminance()), 60.0, float(movie.time_s[0]), shown))
    write_animation(PICTURES / "receptive_field_map.mp4", panels, Clock(20, 0.5), n_columns=len(table.columns))
    frames = list(animate(panels, Clock(10), n_columns=len(table.columns)))
    image.imsave(PICTURES / "receptive_field_map.png", frames[11])


if __name__ == "__main__":
    if sys.argv[1] != "-":
        draw_run(stcnn.open_run(sys.argv[1]))
    if len(sys.argv) > 2:
        draw_published(Path(sys.argv[2]))
