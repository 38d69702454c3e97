"""One whole training of a simulated set of the published size: 66 neurons of five types, 250 movies, 14,303 recordings.

    python benchmarks/published_size.py make                    makes the store, about a minute
    python benchmarks/published_size.py train --for-s 1000      trains, or goes on where the call before stopped

Movies are drawn from the protocols of ``stcnn.stimuli``, each 9 s, the first 2 s of them grey; 2 s more are put before
them in training. They are drawn at 60 Hz and shown at 180 Hz, each frame three times, and traces are interpolated, as
the published ones were: a clip has the 1,980 frames of a published one. Every call of ``train`` adds its
processor seconds (of all threads), its peak memory and the scores so far to the table; one that is cut off loses an
epoch at most.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import record
import watched
from record import CELL_TYPES, RATE_HZ

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.data.store.writer import write_store
from stcnn.movie import Movie
from stcnn.simulation import SimulatedDataConfig, simulate
from stcnn.simulation.early import EarlyStage
from stcnn.stimuli import Screen, load_protocol, render

FOLDER = record.ROOT / "recordings"
N_MOVIES, N_RECORDINGS, BEFORE_S, SHOWN_S, DRAWN_HZ = 250, 14_303, 2.0, 7.0, 60.0
PROTOCOLS = (
    *("mixed", "size", "aspect", "speed", "direction", "contrast", "flicker", "looming_rv", "turner2022"),
    *("klapoetke2022_size", "klapoetke2022_bar_width", "klapoetke2022_looming", "klapoetke2022_speed"),
    *("temporal_spatial_frequency", "receptive_field"),
)
RECIPE = [
    *("training.compute=native", "training.device=cpu", "batching.batch_size=2"),
    *("training.steps=600", "training.validate_every=120"),
]
NEAR = 0.01
"""A score so far below the final one has reached it."""


def stimuli() -> dict[str, dict]:
    """Return 250 stimuli of all protocols in turn, each followed by grey until it lasts seven seconds."""
    screen = Screen(shape_px=(83, 83), deg_per_px=1.0, rate_hz=DRAWN_HZ)
    chosen: dict[str, dict] = {}
    for name, stimulus in _in_turn([list(_timed(protocol)) for protocol in PROTOCOLS]):
        rest_s = SHOWN_S - render(screen, stimulus).n_frames / DRAWN_HZ
        if rest_s >= 0 and len(chosen) < N_MOVIES:
            timing = {**stimulus["timing"], "after_s": stimulus["timing"]["after_s"] + rest_s}
            chosen[name] = {**stimulus, "timing": timing}
    return chosen


def _timed(protocol: str) -> Iterator[tuple[str, dict]]:
    for name, stimulus in load_protocol(protocol).parameters.items():
        if "timing" in stimulus:
            yield f"{protocol}_{name}", stimulus


def _in_turn(lists: list[list[tuple[str, dict]]]) -> Iterator[tuple[str, dict]]:
    for number in range(max(map(len, lists))):
        yield from (each[number] for each in lists if number < len(each))


def make(folder: Path) -> None:
    """Simulate the recordings and write them into a store."""
    plan = SimulatedDataConfig(
        cell_types=tuple(CELL_TYPES),
        n_animals=20,
        neurons_per_animal=1,
        position_sd_deg=6.0,
        rate_hz=DRAWN_HZ,
        early=EarlyStage(rate_hz=DRAWN_HZ),
        before_s=BEFORE_S,
        after_s=0.0,
        n_trials=1,
        stimuli=stimuli(),
    )
    data = simulate(plan).dataset
    of_type = {name: set(data.neurons[name][:n]) for name, n in CELL_TYPES.items()}
    kept = [i for i, row in enumerate(data.table.itertuples()) if row.neuron in of_type[row.cell_type]]
    drawn = np.random.default_rng(0).permutation(kept)[:N_RECORDINGS]
    movies = {name: faster(movie) for name, movie in data.movies.items()}
    recordings = [sampled_at(data.recordings[i], movies) for i in sorted(drawn.tolist())]
    part = Dataset.of(movies, recordings, {name: data.neurons[name][:n] for name, n in CELL_TYPES.items()})
    print(f"{len(part)} recordings, {len(part.movies)} movies")
    write_store(part, store_of(folder), overwrite=store_of(folder).exists())


def faster(movie: Movie) -> Movie:
    """Return a movie at the published rate, each frame shown several times."""
    times = round(RATE_HZ / DRAWN_HZ)
    return replace(movie, frames=np.repeat(movie.frames, times, 0), rate_hz=RATE_HZ, track={})


def sampled_at(recording: Recording, movies: dict[str, Movie]) -> Recording:
    """Return a recording interpolated to the frames of its movie."""
    time_s = movies[recording.stimulus].time_s
    trace = np.interp(time_s, recording.time_s, recording.trace).astype(np.float32)
    return replace(recording, trace=trace, time_s=time_s, rate_hz=RATE_HZ)


def store_of(folder: Path) -> Path:
    """Return where the recordings are kept."""
    return folder / "published_size.zarr"


def train(folder: Path, for_s: float, overrides: list[str]) -> None:
    """Train for a while, or to the end, and write the table."""
    name = "_".join(["published_size", *overrides]).replace("/", "-")
    given = ["dataset=store", f"dataset.path={store_of(folder)}", *RECIPE, *overrides]
    seen = watched.watch(given, folder / "runs", name, for_s)
    if seen is None:
        print("no epoch is complete yet")
        return
    rows = []
    for epoch, value in seen.mean.items():
        cpu_min = seen.at_epoch_cpu_s.get(int(epoch), math.nan) / 60
        rows.append({"epoch": int(epoch), "cpu_min": cpu_min, "correlation": float(value)})
    final = rows[-1]["correlation"]
    near = next(row for row in rows if row["correlation"] >= final - NEAR)
    facts = {"finished": seen.finished, "final": final, "cpu_min_to_within_0.01": near["cpu_min"]}
    facts |= {"cpu_min": seen.cpu_s / 60, "peak_gb": seen.peak_gb}
    last = seen.scores[seen.scores.epoch == seen.scores.epoch.max()]
    per_type = last.set_index("cell_type").correlation.to_dict()
    record.write("published_size", rows, **facts, per_type=per_type, overrides=overrides)
    print(facts, per_type)


def main() -> None:
    """Make or train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("make", "train"))
    parser.add_argument("overrides", nargs="*", help="of the recipe, KEY=VALUE")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--for-s", type=float, default=1100.0, help="seconds on the clock after which training stops")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "make":
        make(given.folder)
    else:
        train(given.folder, given.for_s, given.overrides)


if __name__ == "__main__":
    main()
