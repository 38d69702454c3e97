"""In-silico physiology of a run: its models, on the screen of its recordings, beside what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.splits import Split
from stcnn.errors import ConfigError
from stcnn.experiments.physiology.analyses import ANALYSES, named
from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.held_out import HeldOut
from stcnn.experiments.physiology.recorded import Recorded
from stcnn.experiments.physiology.subject import Models
from stcnn.report.physiology import Examined, require_place, write_physiology
from stcnn.run_folder import Run
from stcnn.stimuli import Screen

FIELD_DEG = 83.0
"""Side of the published movies, for runs whose recordings are not at hand."""


def physiology_of_run(
    run: Run,
    recordings: Callable[[], Dataset | None],
    analyses: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    """Examine a run and write what was found; return the path of the page.

    Args:
        run: a finished run, or an ensemble.
        recordings: opens those it was trained on; None where they are not at hand.
        analyses: names; none is all.
        folder: where page, table and figures go.
        say: is told what is being measured.

    Raises:
        ConfigError: there is no analysis of that name, or the frame rate of the run is not known.
        FileError: the run is not finished, or the folder holds something else.
    """
    names = named(analyses)
    require_place(folder)
    models = run.models()
    dataset = recordings()
    screen = _screen(run, models[0].deg_per_px, dataset)
    split = None if dataset is None else Split.from_json(run.split(), dataset)
    bench = Bench(Models(models), screen, _held_out(run, dataset, split))
    results = []
    for name in names:
        say(ANALYSES[name].title)
        results.append(ANALYSES[name].measure(bench))
    say("page")
    rows, columns = screen.shape_px
    shown_on = f"{rows} × {columns} px of {screen.deg_per_px:g}° at {screen.rate_hz:g} frames per second"
    recorded = None if dataset is None or split is None else Recorded(dataset.subset(split.outside_test))
    found = Examined(run.path.name, bench.cell_types, results, len(models), shown_on, recorded)
    return write_physiology(found, folder)


def screen_of(dataset: Dataset) -> Screen:
    """Return the screen of recordings, with the grey that most of them have."""
    greys = [dataset.movies[name].background for name in dataset.table.stimulus.unique()]
    values, counts = np.unique(greys, return_counts=True)
    return Screen(
        shape_px=dataset.shape_px,
        deg_per_px=dataset.deg_per_px,
        rate_hz=dataset.rate_hz,
        background=float(values[counts.argmax()]),
    )


def _screen(run: Run, deg_per_px: float, dataset: Dataset | None) -> Screen:
    if dataset is not None:
        return screen_of(dataset)
    rate_hz = (run.config().get("dataset") or {}).get("rate_hz")
    if rate_hz is None:
        raise ConfigError(
            f"the run {run.path} does not say the frame rate of its movies, and its recordings are not at hand",
            remedy="bring the recordings back",
        )
    side_px = round(FIELD_DEG / deg_per_px)
    return Screen(shape_px=(side_px, side_px), deg_per_px=deg_per_px, rate_hz=float(rate_hz))


def _held_out(run: Run, dataset: Dataset | None, split: Split | None) -> HeldOut | None:
    """Return the validation set; None where the recordings are not at hand, or nothing was held out."""
    if dataset is None or split is None or not split.validation:
        return None
    batching = BatchingConfig(**(run.config().get("batching") or {}))
    return HeldOut(dataset.subset(split.validation), batching)
