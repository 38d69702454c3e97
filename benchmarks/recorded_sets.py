"""Recordings beside the checkout, brought into stores through the documented formats, as a laboratory would.

    python benchmarks/recorded_sets.py t5_voltage
    python benchmarks/recorded_sets.py t4_edges
    python benchmarks/recorded_sets.py ketkar_l2l3

Reads ``../shared/data/NAME`` and makes ``recordings/NAME.zarr``, which ``conf/dataset/NAME.yaml`` opens. Neither is
part of the repository.

``t5_voltage``: whole-cell voltage of ten T5 cells (Gruntman et al. 2019, doi 10.7554/eLife.50706), trial means. A bar
that moves slides in and out at the ends of its path: traces of a bar of width w are longer by w - 1 steps than those of
width one. A single bar of width w at place p covers the columns p - w + 1 to p: answers to width 2 are centred 0.5
columns further than those to width 1, and models fit the answers to single bars and minimal motion better so.

``ketkar_l2l3``: L2 and L3 to steps of luminance behind neutral density filters (:mod:`luminance_steps`), where each
luminance is assumed to be twice the one before; ``ketkar_l2l3_spaced`` the same with equal steps.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from luminance_steps import tables
from numpy.typing import NDArray
from record import ROOT
from scipy.io import loadmat

from stcnn.data import write_store
from stcnn.data.importers import open_import, read_import_config
from stcnn.stimuli.specification import specified_movie

DATA = ROOT.parent / "shared" / "data"
TO = ROOT / "recordings"
RATE_HZ = 200.0
GREY, DARK = 128, 0
"""8-bit luminance of background and bar."""
COLUMNS = np.arange(-20, 21)
"""Columns of the arena in the movie; the cell sits in the middle."""
ROWS = 9
WHOLE_PX = 143
"""Rows, of a degree, of a picture that holds the windows of all neurons of ``t4_edges``: 51 degrees, and 20 around."""
LED_DEG = 2.25
"""Width of a column of the arena."""
FAMILIES = {"single": "sb", "minimal": "mm", "moving": "mb"}
"""Of stimuli, and what they are called in the files."""


class Flash(NamedTuple):
    """A dark bar: first and last column, first frame and the frame after the last."""

    first: int
    last: int
    on: int
    off: int


class Shown(NamedTuple):
    """A stimulus and the trace it evoked."""

    name: str
    flashes: tuple[Flash, ...]
    time_ms: NDArray[np.float64]
    trace: NDArray[np.float64]


def frames(duration_ms: float) -> int:
    """Number of frames of a duration."""
    return round(duration_ms * RATE_HZ / 1000)


def bar(place: int, width: int, on_ms: float, off_ms: float) -> Flash:
    """A bar by the place of its leading edge."""
    return Flash(place - width + 1, place, frames(on_ms), frames(off_ms))


def single(p: Any, k: int) -> tuple[str, tuple[Flash, ...]]:  # noqa: ANN401 - a struct of MATLAB
    """The k-th single bar."""
    width, place, duration = int(p.width_sb[k]), int(p.location_sb[k]), int(p.duration_sb[k])
    return f"single_w{width}_{duration}ms_at{place:+d}", (bar(place, width, 0, duration),)


def minimal(p: Any, k: int) -> tuple[str, tuple[Flash, ...]]:  # noqa: ANN401
    """The k-th pair of bars; the second may begin while the first is still shown."""
    width, first, second = int(p.width_mm[k]), int(p.fb_pos_mm[k]), int(p.sb_pos_mm[k])
    times = [int(p.fbtoff_mm[k]), int(p.sbton_mm[k]), int(p.sbtoff_mm[k])]
    name = f"minimal_w{width}_{first:+d}_{second:+d}_{times[0]}_{times[1]}_{times[2]}ms"
    return name, (bar(first, width, 0, times[0]), bar(second, width, times[1], times[2]))


def moving(p: Any, k: int) -> tuple[str, tuple[Flash, ...]]:  # noqa: ANN401
    """The k-th moving bar: each column of its path is dark for as many steps as the bar is wide."""
    width, step, path = int(p.width_mb[k]), int(p.duration_mb[k]), [int(place) for place in p.pos_mb]
    forth = bool(p.direction_mb[k])
    flashes = [bar(place, 1, j * step, (j + width) * step) for j, place in enumerate(path if forth else path[::-1])]
    return f"moving_w{width}_{step}ms_{'forth' if forth else 'back'}_{len(path)}", tuple(flashes)


def cell(path: Path) -> Iterator[Shown]:
    """Everything a cell was shown."""
    file = loadmat(path, squeeze_me=True, struct_as_record=False)
    d, p = file["d"], file["p"]
    describe = {"sb": single, "mm": minimal, "mb": moving}
    counts = {"sb": len(p.duration_sb), "mb": len(p.duration_mb), "mm": len(p.duration_mm)}
    starts = {"sb": 0, "mb": counts["sb"], "mm": len(p.t) - counts["mm"]}
    for short, n in counts.items():
        voltage, first, last = (getattr(d, f"{name}_{short}") for name in ("vm_all", "ind_ref1", "ind_ref2"))
        for k in range(n):
            time_ms = np.asarray(p.t[starts[short] + k], float)
            trace = voltage[int(first[k]) - 1 : int(last[k])]
            if len(trace) != len(time_ms):
                raise ValueError(f"{path}: {len(trace)} samples of {short} {k} at {len(time_ms)} times")
            yield Shown(*describe[short](p, k), *at_frames(time_ms, trace))


def at_frames(time_ms: NDArray[np.float64], trace: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Samples at multiples of 5 ms; those of minimal motion stand twice as close, so that every second is left out."""
    step_ms = 1000 / RATE_HZ
    nearest = np.rint(time_ms / step_ms) * step_ms
    kept = np.abs(time_ms - nearest) < 0.2 * step_ms
    return nearest[kept], trace[kept]


def movie(flashes: tuple[Flash, ...]) -> NDArray[np.uint8]:
    """The movie ``(T, Y, X)``, which ends with the last bar; grey follows."""
    shown = np.full((1 + max(flash.off for flash in flashes), ROWS, len(COLUMNS)), GREY, np.uint8)
    for first, last, on, off in flashes:
        shown[on:off, :, (first <= COLUMNS) & (last >= COLUMNS)] = DARK
    return shown


def t5_voltage(to: Path) -> Path:
    """Write a table of traces and a folder of movies; every cell is a type of its own, with a readout of its own."""
    rows, movies = [], {}
    for path in sorted((DATA / "t5_voltage").glob("cell_*.mat")):
        number = int(path.stem.split("_")[1])
        seen: dict[str, int] = {}
        for shown in cell(path):
            movies[shown.name] = shown.flashes
            trial = seen[shown.name] = seen.get(shown.name, -1) + 1
            about = {"cell_type": f"t5_{number:02d}", "neuron": "1", "animal": f"cell_{number}", "trial": trial}
            samples = {"time_ms": shown.time_ms, "voltage_mv": shown.trace.astype(np.float32)}
            rows.append(pd.DataFrame({**about, "stimulus": shown.name, **samples}))
    (to / "movies").mkdir(parents=True)
    for name, flashes in movies.items():
        np.save(to / "movies" / f"{name}.npy", movie(flashes))
    pd.concat(rows).to_parquet(to / "traces.parquet", index=False)
    says = {
        "kind": "tables",
        "path": "traces.parquet",
        "columns": {"time_s": "time_ms", "trace": "voltage_mv"},
        "time_unit": "ms",
        "rate_hz": RATE_HZ,
        "movies": "movies",
        "movie_units": {"axes": "TYX", "rate_hz": RATE_HZ, "deg_per_px": LED_DEG, "background": GREY / 255},
    }
    (to / "import.yaml").write_text(yaml.safe_dump(says))
    return to / "import.yaml"


def t4_edges(to: Path) -> Path:
    """The folders are as an experiment leaves them; their import specification lies beside them.

    But for pictures of :data:`WHOLE_PX` rows: four neurons look beyond the 83 that it names, and answer when the edge
    would be there, on the path that it gives, which is longer than the picture.
    """
    says = yaml.safe_load((DATA / "t4_edges" / "t4.yaml").read_text())
    for stimulus in says["stimuli"].values():
        stimulus["shape_px"] = [WHOLE_PX, stimulus["shape_px"][1]]
    for session in says["sessions"]:
        for key in ("path", "onsets", "neurons"):
            session[key] = str(DATA / "t4_edges" / session[key])
    to.mkdir(parents=True)
    (to / "import.yaml").write_text(yaml.safe_dump(says))
    return to / "import.yaml"


def ketkar_l2l3(to: Path, assumed: str = "ratios") -> Path:
    """Write a table of traces and a folder of movies of steps behind neutral density filters."""
    return tables(DATA / "ketkar_l2l3", to, assumed)


SETS: dict[str, Callable[[Path], Path]] = {
    "t5_voltage": t5_voltage,
    "t4_edges": t4_edges,
    "ketkar_l2l3": ketkar_l2l3,
    "ketkar_l2l3_spaced": partial(ketkar_l2l3, assumed="spaced"),
}


def make(name: str, to: Path) -> Path:
    """Make the store of a data set in a folder; returns its path."""
    folder = to / name
    shutil.rmtree(folder, ignore_errors=True)
    config = read_import_config(SETS[name](folder))
    data = open_import(config, specified_movie)
    store = to / f"{name}.zarr"
    to.mkdir(exist_ok=True)
    write_store(data, store, provenance={"import": config.model_dump(mode="json")}, overwrite=store.exists())
    for note in data.notes:
        print("  ", note)
    print(f"{len(data)} recordings, {len(data.movies)} movies in {store}")
    return store


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=list(SETS))
    parser.add_argument("--to", type=Path, default=TO, help="folder of the stores")
    asked = parser.parse_args()
    for chosen in asked.names:
        make(chosen, asked.to)
