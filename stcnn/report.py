"""What a finished training leaves for the eye: figures in the run folder and a short summary."""

from __future__ import annotations

import pandas as pd
import torch
from matplotlib.figure import Figure

from stcnn.data.batching import BatchingConfig
from stcnn.data.clocks import sampled_at_frames
from stcnn.data.dataset import Dataset
from stcnn.data.splits import Split
from stcnn.evaluate import Predictions, predict
from stcnn.metrics import correlation
from stcnn.runs import Run, whole_file
from stcnn.viz.history import loss_history
from stcnn.viz.traces import TracePair, prediction_grid

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Which held-out recordings of a cell type are drawn, ranked by their correlation."""


def write_report(run: Run, dataset: Dataset, batching: BatchingConfig) -> str:
    """Draw ``loss.png`` and ``predictions.png`` into the run folder and return the summary for the terminal.

    Args:
        run: a finished run.
        dataset: the recordings it was trained on.
        batching: padding and scored window, as in training.
    """
    epoch, scores = run.finished_epoch(), run.scores()
    _save(run, "loss.png", loss_history(run.losses(), scores, epoch))
    held_out = dataset.subset(Split.from_json(run.split(), dataset).validation)
    shown = "loss.png"
    if len(held_out):
        pairs = trace_pairs(held_out, predict(run.model(), held_out, batching))
        _save(run, "predictions.png", prediction_grid(pairs, "from the worst to the best of each cell type"))
        shown = "predictions.png"
    kept = scores[scores.epoch == epoch]
    return f"{_table(kept)}\nEpoch {epoch} of {scores.epoch.max()} was kept.\nLook at {run.path / shown}"


def trace_pairs(dataset: Dataset, predictions: Predictions) -> dict[str, list[TracePair]]:
    """Choose recordings of each cell type from the worst to the best predicted, and cut them to the scored samples.

    Args:
        dataset: the recordings.
        predictions: their predictions; ``item`` counts in ``dataset``.
    """
    r = correlation(predictions.prediction, predictions.target, predictions.weight)
    chosen = {}
    for index, cell_type in enumerate(dataset.cell_types):
        mine = torch.nonzero((predictions.cell_type == index) & r.isfinite()).flatten()
        ranked = mine[r[mine].argsort()]
        places = sorted({round(q * (len(ranked) - 1)) for q in QUANTILES} if len(ranked) else ())
        if places:
            chosen[cell_type] = [_pair(dataset, predictions, int(ranked[p]), float(r[ranked[p]])) for p in places]
    return chosen


def _pair(dataset: Dataset, predictions: Predictions, row: int, r: float) -> TracePair:
    item = int(predictions.item[row])
    recording = dataset.recordings[item]
    scored = (predictions.weight[row] > 0).numpy()
    if sampled_at_frames(dataset.table)[item]:  # then the samples lie somewhere in the clip, all but the last scored
        last = len(recording.time_s) - 1
        time_s = recording.time_s[last - int(scored.sum()) : last]
    else:
        time_s = recording.time_s[scored[: len(recording.time_s)]]
    target, prediction = predictions.target[row].numpy()[scored], predictions.prediction[row].numpy()[scored]
    return TracePair(f"{recording.neuron}, {recording.stimulus}\nr = {r:.2f}", time_s, target, prediction)


def _table(scores: pd.DataFrame) -> str:
    rows = [["cell type", "neurons", "recordings", "held-out loss", "held-out correlation"]]
    for name, scored in scores.dropna(subset="loss").set_index("cell_type").iterrows():
        numbers = [f"{scored[key]:g}" for key in ("n_neurons", "n_recordings")]
        rows.append([str(name), *numbers, f"{scored['loss']:.4g}", f"{scored['correlation']:.3f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _save(run: Run, name: str, figure: Figure) -> None:
    with whole_file(run.path / name) as draft:
        figure.savefig(draft)
