"""Movies against presentations on t4_stripes in one run: held-out score, processor seconds; and with erased shifts.

    python benchmarks/kinds_of_batching.py --seeds 1

Each is a training of its own through ``python -m stcnn.train`` with the same seed and split; ``cpu_s`` are seconds of
the processor, start of Python, reading and the scores of the test set included, ``training_cpu_s`` those between the
first and the last score of the validation set. ``presentations`` has the recipe that this data set had before movies
became the default: eight passes, clips of eight. ``erased`` forgets every recorded shift and learns where each neuron
sits. Calls that are cut off go on where they were, and the table is written after every training.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd
import record
import watched

from stcnn.config import compose
from stcnn.data.dataset import Dataset
from stcnn.data.store.writer import write_store

FOLDER = record.ROOT / "recordings" / "kinds_of_batching"
ENGINE = ["training.compute=native", "training.device=cpu"]
KINDS = {
    "movies": ["dataset=t4_stripes"],
    "presentations": [
        *("dataset=t4_stripes", "batching.kind=presentations", "batching.batch_size=8", "training.steps=null"),
        *("training.epochs=8", "training.validate_every=null", "training.keep=best"),
    ],
    "erased": [
        *("model.readout.place=learned", "model.readout.place_start=searched", "model.readout.place_sd_deg=10"),
        *("training.steps=232", "training.validate_every=29", "training.patience=null"),
        *("training.learning_rate=1e-3", "batching.batch_size=2", "split.shifted_movies=apart"),
    ],
}


def erased(folder: Path) -> Path:
    """Return a store of the same recordings without any shift, made if it is not there."""
    path = folder / "t4_stripes_erased.zarr"
    if path.exists():
        return path
    data = compose(["dataset=t4_stripes"]).open_dataset()
    single = []
    for recording in data.recordings:
        still = replace(recording, shift_px=(0, 0), repeats=None)
        for trial, trace in zip(recording.trials, recording.repeats, strict=True):
            single.append(replace(still, trace=trace, trials=(trial,)))
    return write_store(Dataset.of(dict(data.movies), single, data.neurons), path)


def main() -> None:
    """Train each kind with each seed and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--for-s", type=float, default=1100.0, help="seconds on the clock of a training in this call")
    parser.add_argument("--also", nargs="*", default=[], help="further overrides of movies, KEY=VALUE")
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        for kind in given.kinds:
            overrides = [*KINDS[kind], *ENGINE, f"seed={seed}"]
            name = f"{kind}_{seed}"
            if kind == "erased":
                overrides = ["dataset=store", f"dataset.path={erased(given.folder)}", *overrides]
            if kind == "movies" and given.also:
                overrides += given.also
                name = f"movies_{seed}_{'_'.join(given.also).replace('/', '-')}"
            if (seen := watched.watch(overrides, given.folder, name, given.for_s)) is not None:
                rows.append(row_of(kind, seed, seen))
                record.write("kinds_of_batching", rows, also_for_movies=given.also)


def row_of(kind: str, seed: int, seen: watched.Watched) -> dict[str, object]:
    """Return correlations of the epoch that the run opens with, and of the last one, and what the training took."""
    last = int(seen.mean.index.max())
    kept = last if seen.kept is None else seen.kept
    per_type: pd.Series = seen.scores[seen.scores.epoch == kept].set_index("cell_type").correlation
    facts = {"kind": kind, "seed": seed, "finished": seen.finished, "epoch": kept, "mean": float(seen.mean[kept])}
    facts |= {"last_epoch": last, "last_mean": float(seen.mean[last])}
    at_s = seen.at_epoch_cpu_s
    times = {"cpu_s": seen.cpu_s, "training_cpu_s": at_s[max(at_s)] - at_s[min(at_s)], "peak_gb": seen.peak_gb}
    return facts | times | {str(k): float(v) for k, v in per_type.items()}


if __name__ == "__main__":
    main()
