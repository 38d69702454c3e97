"""Makes the pictures of docs/gallery.md and docs/published.md: python docs/make_gallery.py RUN [PUBLISHED].

RUN is a finished run on simulated recordings ("-" for none); PUBLISHED a folder with the published checkpoints, of
which only weights and predictions are drawn, no recordings.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import stcnn
from stcnn.config import judge
from stcnn.experiments import between_grey, receptive_fields, respond
from stcnn.nn.bounds import Bounds
from stcnn.nn.model import STCNN
from stcnn.report.findings import Findings, find, peaks_by_stimulus
from stcnn.report.learned import KERNEL_RATE_HZ, impulse_responses, parameter_values, spatial_weights
from stcnn.stimuli import Screen, load_protocol
from stcnn.viz import history, scores, traces, tuning, weights
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.panel import Panel, coloured_maps, grey_pictures
from stcnn.viz.theme import DARK, colours

PICTURES = Path(__file__).parent / "gallery"
SIZES_DEG = [2, 4.5, 9, 15, 30, 45, 90]
LOOMING = {"321": "slow disc", "322": "fast disc", "325": "ring", "327": "receding", "329": "r/v 40 ms"}


def save(figure: Figure, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / f"{name}.png", dpi=110)


def draw_run(run: stcnn.runs.Run) -> None:
    config = judge(run.config())
    found = find(run, config.open_dataset(), config.batching)
    model, rate_hz = found.model, found.dataset.rate_hz
    save(history.loss_history(run.losses(), run.scores(), run.finished_epoch()), "losses")
    save(history.loss_history(run.losses(), run.scores(), run.finished_epoch(), DARK), "losses_dark")
    references = found.cell_types.assign(reference="mean of other neurons", correlation=lambda t: t.others)
    save(scores.neuron_scores(found.neurons, references), "scores")
    save(tuning.peak_agreement(peaks_by_stimulus(found.traces)), "peaks")
    save(traces.response_grid(*measured_grid(found)), "traces")
    save(weights.weight_grid(spatial_weights(model)["layer2"]), "weights")
    save(weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ), "kernels")
    save(weights.parameter_histograms(parameter_values(model, run.model(0), config.bounds)), "parameters")
    save(weights.receptive_fields(receptive_fields(model, rate_hz, lags_s=0.6), rate_hz, model.deg_per_px), "fields")
    films(model, rate_hz)


def measured_grid(found: Findings) -> tuple[dict[str, list[traces.StimulusResponse | None]], str]:
    """Every third stimulus of the first cell type: neurons, their mean, the prediction."""
    name = found.dataset.cell_types[0]
    mine = [trace for trace in found.traces if trace.cell_type == name]
    responses: list[traces.StimulusResponse | None] = []
    for stimulus in list(dict.fromkeys(trace.stimulus for trace in mine))[::3]:
        together = [trace for trace in mine if trace.stimulus == stimulus]
        measured = np.array([trace.measured for trace in together])
        predicted = np.mean([trace.predicted for trace in together], axis=0)
        responses.append(traces.StimulusResponse(stimulus[:16], together[0].time_s, predicted, measured))
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
    for name, layer in spatial_weights(model).items():
        if name in {"layer1", "layer2", "readouts"}:
            save(weights.weight_grid(layer), f"published_{name}")
    save(weights.weight_grid(spatial_weights(untrained)["layer1"]), "published_layer1_untrained")
    save(weights.parameter_histograms(parameter_values(model, untrained, Bounds())), "published_parameters")
    screen = Screen(rate_hz=180.0)
    sizes = respond(
        model, ((n, between_grey(m, 0.2, 1.0)) for n, m in load_protocol("klapoetke2022_size").movies(screen))
    )
    peaks = sizes.groupby(["cell_type", "stimulus"], sort=False).dff.agg(lambda dff: dff.max() - dff.iloc[0])
    maps = {name: peaks[name].to_numpy().reshape(7, 7) for name in model.cell_types}
    save(tuning.size_tuning(maps, SIZES_DEG, SIZES_DEG), "published_sizes")
    save(size_traces(sizes, "lc11" if "lc11" in model.cell_types else model.cell_types[0]), "published_size_traces")
    loom = load_protocol("klapoetke2022_looming")
    looming = respond(model, ((LOOMING[n], between_grey(loom.movie(n, screen), 0.3, 1.0)) for n in LOOMING))
    save(traces.prediction_overview(looming), "published_looming")


def size_traces(sizes: pd.DataFrame, cell_type: str) -> Figure:
    mine = {name: rows for name, rows in sizes[sizes.cell_type == cell_type].groupby("stimulus", sort=False)}
    grid = {}
    for row, height in reversed(list(enumerate(SIZES_DEG))):
        names = [str(5619 + 7 * row + column) for column in range(7)]
        grid[f"{height:g}° high"] = [
            traces.StimulusResponse(
                f"{width:g}° wide" if row == 6 else "", mine[n].time_s.to_numpy(), mine[n].dff.to_numpy()
            )
            for n, width in zip(names, SIZES_DEG, strict=True)
        ]
    return traces.response_grid(grid, colours([cell_type])[cell_type], heading=f"{cell_type}: rectangles at 100°/s")


if __name__ == "__main__":
    if sys.argv[1] != "-":
        draw_run(stcnn.open_run(sys.argv[1]))
    if len(sys.argv) > 2:
        draw_published(Path(sys.argv[2]))
