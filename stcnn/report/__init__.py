"""Report of a finished training: ``report.html``, two pictures, and a summary for the terminal."""

from __future__ import annotations

import traceback

import pandas as pd
from matplotlib.figure import Figure

from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.errors import FileError
from stcnn.nn.bounds import Bounds
from stcnn.report.findings import find as find
from stcnn.report.measured import measured_responses as measured_responses
from stcnn.report.page import render
from stcnn.report.pictures import trace_pairs as trace_pairs
from stcnn.report.text import aligned
from stcnn.run_folder import Run
from stcnn.shortage import machine_error
from stcnn.viz.history import loss_history
from stcnn.viz.traces import prediction_grid
from stcnn.writing import atomic_write


def write_report(run: Run, dataset: Dataset, batching: BatchingConfig, bounds: Bounds | None = None) -> str:
    """Write ``report.html``, ``loss.png`` and ``predictions.png`` into the run folder.

    Args:
        run: a finished run.
        dataset: the recordings it was trained on.
        batching: padding and scored window, as in training.
        bounds: bounds of the parameters, as in training.

    Returns:
        The summary for the terminal; its last line is the path of the report.
    """
    epoch = run.finished_epoch()
    scores = run.scores()
    _save(run, "loss.png", loss_history(run.losses(), scores, epoch))
    findings = find(run, dataset, batching)
    pairs = trace_pairs(findings)
    if pairs:
        _save(run, "predictions.png", prediction_grid(pairs, "from the worst to the best of each cell type"))
    page = render(findings, bounds or Bounds())
    with atomic_write(run.path / "report.html") as draft:
        draft.write_text(page, encoding="utf-8")
    kept = scores[scores.epoch == epoch]
    return f"{_table(kept)}\nEpoch {epoch} of {scores.epoch.max()} was kept.\n{run.path / 'report.html'}"


def report_or_reason(run: Run, dataset: Dataset, batching: BatchingConfig, bounds: Bounds) -> str:
    """Write the report at the end of a training, whose result a fault in the report must not hide.

    Returns:
        As :func:`write_report`; after a fault, whose traceback is printed, how to try again.

    Raises:
        FileError: the report cannot be written, as on a full disk.
    """
    try:
        return write_report(run, dataset, batching, bounds)
    except Exception as error:
        fault = error if isinstance(error, FileError) else machine_error(error)
        if fault is not None:
            found = f"the training is finished, but its report failed: {fault.found}"
            raise FileError(found, remedy=f"{fault.remedy}; then try again: stcnn report {run.path}") from error
        traceback.print_exc()
        return f"The training is finished, but its report failed. Try again: stcnn report {run.path}"


def _table(scores: pd.DataFrame) -> str:
    rows = [["cell type", "neurons", "recordings", "held-out loss", "held-out correlation"]]
    for name, scored in scores.set_index("cell_type").iterrows():
        numbers = [f"{scored[key]:g}" for key in ("n_neurons", "n_recordings")]
        rows.append([str(name), *numbers, f"{scored['loss']:.4g}", f"{scored['correlation']:.3f}"])
    return aligned(rows)


def _save(run: Run, name: str, figure: Figure) -> None:
    with atomic_write(run.path / name) as draft:
        figure.savefig(draft)
