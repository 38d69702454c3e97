"""One small whole input of every kind that comes from outside, and the entry point that takes it."""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import yaml

from tests.support import arena_rig, made_up_data

SHARED = Path(__file__).parents[3] / "shared" / "reference" / "lc_small_3"
IMAGING_HZ = 10.0
SMALL = [
    *("model.eye.lattice=[5,5]", "model.hidden.channels=[2,2]", "model.hidden.kernel_columns=3"),
    *("model.cell_types.default.window_columns=3", "training.compute=torch", "training.device=cpu"),
    *("training.epochs=1", "training.max_batches=1", "batching.pre_grey_s=0.1", "batching.loss_start_s=-0.2"),
]
"""A network and a training that take a moment."""

Enter = Callable[[Path, random.Random], object]


@dataclass(frozen=True)
class Kind:
    """A kind of input.

    Args:
        make: writes a whole one into a folder.
        enter: takes what lies in a folder, and returns what it was understood to mean.
        summed: every value is under a checksum, so that what is accepted after damage means the same as before.
    """

    make: Callable[[Path], None]
    enter: Enter
    summed: bool = False


class Refused(Exception):
    """The command line ended with 2 and a sentence."""


def command(*arguments: str) -> None:
    """Run the command line in this process.

    Raises:
        Refused: it ended with 2 or, from a check, with 1.
    """
    from stcnn.cli import main

    sys.argv = ["stcnn", *arguments]
    try:
        main()
    except SystemExit as left:
        if left.code not in (0, None):
            raise Refused(str(left.code)) from None


def digest(data: Any) -> str:  # noqa: ANN401 - a Dataset
    """What a data set means: all its movies and samples."""
    sums = hashlib.sha256(data.content_hash().encode())
    for place in range(len(data)):
        recording = data.recordings[place]
        sums.update(recording.trace.tobytes() + recording.time_s.tobytes())
    return sums.hexdigest()


def _imported(folder: Path, _: random.Random) -> str:
    from stcnn.data import open_store, write_store
    from stcnn.data.importers import open_import, read_import_config
    from stcnn.stimuli.specification import specified_movie

    data = open_import(read_import_config(folder / "import.yaml"), specified_movie)
    return digest(open_store(write_store(data, folder / "out.zarr")))


def _commanded(folder: Path, _: random.Random) -> str:
    """Import as a user does, with the page of what was understood."""
    from stcnn.data import open_store

    command("data", "import", str(folder / "import.yaml"), str(folder / "out.zarr"), "--no-check")
    return digest(open_store(folder / "out.zarr"))


def _movies(folder: Path) -> dict[str, dict[str, str]]:
    from stcnn.stimuli import write_movie

    for name in made_up_data.MOVIE_FRAMES:
        write_movie(made_up_data.movie(name), folder / f"{name}.npz")
    return {name: {"file": f"{name}.npz"} for name in made_up_data.MOVIE_FRAMES}


def _session(folder: Path, kind: str, **keys: Any) -> np.ndarray:
    """Everything of an imaging session but its traces, which are returned: ``(3, T)``."""
    names = [*made_up_data.MOVIE_FRAMES] * 2
    onsets = pd.DataFrame({"stimulus": names, "onset_s": 5.03 + 7.1 * np.arange(6)})
    onsets.to_csv(folder / "onsets.csv", index=False)
    rois = pd.DataFrame({"roi": [0, 2], "neuron": ["01", "1"], "cell_type": "LC4"})
    rois.to_csv(folder / "neurons.csv", index=False)
    content: dict[str, Any] = {
        "kind": kind,
        "animal": "fly 1",
        "session": "010",
        "onsets": "onsets.csv",
        "neurons": "neurons.csv",
    }
    content |= {"stimuli": _movies(folder), "dff": {"baseline": "percentile"}, **keys}
    (folder / "import.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return np.random.default_rng(4).normal(100, 5, size=(3, 600)).astype(np.float32)


def suite2p(folder: Path) -> None:
    traces = _session(folder, "suite2p", path="plane0")
    (folder / "plane0").mkdir()
    np.save(folder / "plane0" / "F.npy", traces)
    np.save(folder / "plane0" / "Fneu.npy", np.ones_like(traces))
    np.save(folder / "plane0" / "iscell.npy", np.array([[1, 0.9], [0, 0.1], [1, 0.8]]))
    np.save(folder / "plane0" / "ops.npy", np.array({"nframes": 600, "fs": IMAGING_HZ}, dtype=object))


def caiman(folder: Path) -> None:
    traces = _session(folder, "caiman", path="results.hdf5")
    with h5py.File(folder / "results.hdf5", "w") as file:
        file["estimates/C"], file["estimates/YrA"] = traces, np.zeros_like(traces)
        file["estimates/idx_components"] = np.array([0, 2])
        file["params/data/fr"] = IMAGING_HZ


def nwb(folder: Path) -> None:
    from stcnn.data.exporters import export_nwb

    export_nwb(made_up_data.dataset(neurons_per_type=2, trials=2), folder / "nwb")
    content = {"kind": "nwb", "path": "nwb/*.nwb"}
    (folder / "import.yaml").write_text(yaml.safe_dump(content))


def published(folder: Path) -> None:
    made_up_data.write_published(folder)
    content = {"kind": "published", "ca_path": "ca", "mov_path": "mov", "rate_hz": 60}
    (folder / "import.yaml").write_text(yaml.safe_dump(content))


def _tables(folder: Path, path: str) -> pd.DataFrame:
    content = {"kind": "tables", "path": path, "rate_hz": 10, "constants": {"cell_type": "lc4"}}
    content |= {"stimuli": _movies(folder)}
    (folder / "import.yaml").write_text(yaml.safe_dump(content))
    rng, time_s = np.random.default_rng(2), np.arange(20) / 10 - 0.5
    rows = [
        {"neuron": neuron, "stimulus": stimulus, "trial": trial, "time_s": t, "trace": x}
        for neuron in ("01", "1", "NA")
        for stimulus in made_up_data.MOVIE_FRAMES
        for trial in range(2)
        for t, x in zip(time_s, rng.normal(size=len(time_s)), strict=True)
    ]
    return pd.DataFrame(rows)


def csv(folder: Path) -> None:
    _tables(folder, "traces.csv").to_csv(folder / "traces.csv", index=False)


def parquet(folder: Path) -> None:
    _tables(folder, "traces.parquet").to_parquet(folder / "traces.parquet", index=False)


def _arrays(folder: Path, path: str) -> dict[str, np.ndarray]:
    groups = [group for _, group in _tables(folder, path).groupby(["neuron", "stimulus", "trial"], sort=False)]
    arrays = {name: np.array([group[name].iloc[0] for group in groups]) for name in ("neuron", "stimulus", "trial")}
    traces = np.array([group.trace.to_numpy() for group in groups], np.float32)
    return {**arrays, "trace": traces, "time_s": groups[0].time_s.to_numpy()}


def npz(folder: Path) -> None:
    arrays = _arrays(folder, "traces.npz")
    text = {name: values.astype(str) for name, values in arrays.items() if name in ("neuron", "stimulus")}
    np.savez_compressed(folder / "traces.npz", allow_pickle=False, **{**arrays, **text})


def hdf5(folder: Path) -> None:
    with h5py.File(folder / "traces.h5", "w") as file:
        for name, values in _arrays(folder, "traces.h5").items():
            file[name] = values.astype(bytes) if name in ("neuron", "stimulus") else values


def store(folder: Path) -> None:
    from stcnn.data import write_store

    write_store(made_up_data.dataset(trials=2), folder / "set.zarr")


def _opened_store(folder: Path, _: random.Random) -> str:
    from stcnn.data import open_store

    return digest(open_store(folder / "set.zarr"))


def _checked(folder: Path, _: random.Random) -> str:
    try:
        command("data", "check", str(folder / "set.zarr"))
    except Refused as refused:
        if str(refused) != "1":  # 1 says that a flag is red, as noise may be
            raise
    return "checked"


def _movie(ending: str, panel_px: int = 0) -> Kind:
    """A movie file; of a pattern, one with panels of ``panel_px`` pixels."""

    def make(folder: Path) -> None:
        from stcnn.movie import Movie
        from stcnn.stimuli import write_movie

        luminance = made_up_data.movie_luminance("loom")
        if panel_px:
            tiled = np.tile(np.round(luminance * 15) / 15, (1, 3, 5))
            luminance = tiled[:, :panel_px, : 2 * panel_px].astype(np.float32)
        shown = Movie.from_luminance(luminance, 60.0, background=0.5)
        name = "movie.mp4" if ending == "avi" else f"movie.{ending}"
        write_movie(shown, folder / name)
        if ending == "avi":  # a container is recognised by its content
            shutil.move(folder / name, folder / "movie.avi")

    def enter(folder: Path, _: random.Random) -> str:
        from stcnn.stimuli import read_movie

        found = read_movie(folder / f"movie.{ending}", rate_hz=60.0, deg_per_px=1.0, background=0.5)
        return hashlib.sha256(found.luminance().tobytes()).hexdigest()

    return Kind(make, enter, summed=ending == "npz" or panel_px == 20)


def protocol(folder: Path) -> None:
    content = {
        "description": "Squares at three speeds.",
        "common": {"kind": "moving_rectangle", "width_deg": 9, "height_deg": 9, "timing": {"before_s": 0.1}},
        "vary": {"way": {"left": {"direction_deg": 180}, "right": {"direction_deg": 0}}, "speed_deg_s": [80, 160.0]},
        "label": "{way}_{speed_deg_s}",
        "stimuli": {"010": {"luminance": 1, "speed_deg_s": 90}},
    }
    (folder / "squares.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def _shown_protocol(folder: Path, _: random.Random) -> str:
    from stcnn.stimuli import Screen, load_protocol

    screen = Screen(shape_px=(20, 20), rate_hz=30)
    shown = load_protocol(folder / "squares.yaml")
    return str([(name, movie.frames.shape) for name, movie in shown.movies(screen)]) + str(list(shown.axes))


def run(folder: Path) -> None:
    from stcnn.command_line import main

    store(folder)
    dataset = ["dataset=store", f"dataset.path={folder / 'set.zarr'}"]
    if main([*SMALL, *dataset, "training.epochs=2", f"experiments_dir={folder / 'runs'}"]):
        raise RuntimeError("the sample run failed")
    next((folder / "runs").iterdir()).rename(folder / "runs" / "made_up")


def _opened_run(folder: Path, rng: random.Random) -> str:
    from stcnn.command_line import main
    from stcnn.config import validate
    from stcnn.run_folder import open_run

    opened, way = open_run(folder / "runs" / "made_up"), rng.random()
    if way < 0.25:
        command("evaluate", str(opened.path))
    elif way < 0.4:
        command("report", str(opened.path))
    elif way < 0.6:
        left = main([f"resume={opened.path}"])
        if left:
            raise Refused(str(left))
    validate(opened.config())
    opened.environment(), opened.split(), opened.trained_on(), opened.losses(), opened.scores(), opened.finished_epoch()
    for epoch in (None, *opened.checkpoints()):
        opened.model(epoch)
    return "opened"


def checkpoint(folder: Path) -> None:
    for name in ("config.json", "model_chkpnt_10.pt"):
        shutil.copy(SHARED / name, folder)


def _opened_checkpoint(folder: Path, _: random.Random) -> str:
    from stcnn.published import open_published, published_epochs

    epochs = published_epochs(folder)
    state = open_published(folder, epochs[-1] if epochs else 10).state_dict()
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in state.values())).hexdigest()


def arena(folder: Path) -> None:
    """An experiment on an LED arena, with its log, patterns, a function, and Suite2p's traces."""
    arena_rig.patterns_and_functions(folder)
    arena_rig.suite2p(folder / "plane0")
    arena_rig.log_of(folder / "log.mat")
    (folder / "import.yaml").write_text(yaml.safe_dump(arena_rig.keys(), sort_keys=False))


def arena_tables(folder: Path) -> None:
    """The same with tables of positions and presentations, of which one plays a function."""
    arena(folder)
    rows = [f"{2 + 0.1 * step},{step},0" for step in range(10)]
    (folder / "log.csv").write_text("\n".join(["time_s,x,y", "0,3,0", *rows]))
    (folder / "trials.csv").write_text(
        "onset_s,duration_s,pattern,function\n2,1,1,fun0001.pfn\n5,1,pat0002_bar.pat,fun0001\n"
    )
    (folder / "clock.csv").write_text("log_s,imaging_s\n0,0.75\n9,9.75\n")
    keys = arena_rig.keys() | {"path": "trials.csv", "clock": "clock.csv", "offset_s": None}
    (folder / "import.yaml").write_text(yaml.safe_dump(keys, sort_keys=False))


KINDS: dict[str, Kind] = {
    **{made.__name__: Kind(made, _imported) for made in (suite2p, caiman, nwb, published, csv, parquet, npz, hdf5)},
    **{made.__name__: Kind(made, _imported) for made in (arena, arena_tables)},
    "import_command": Kind(suite2p, _commanded),
    "check_command": Kind(store, _checked),
    "store": Kind(store, _opened_store),
    **{f"movie_{ending}": _movie(ending) for ending in ("npz", "npy", "tif", "gif", "mp4", "avi")},
    "movie_pat": _movie("pat", 16),
    "movie_g6": _movie("pat", 20),
    "movie_mat": _movie("mat", 8),
    "protocol": Kind(protocol, _shown_protocol),
    "run": Kind(run, _opened_run),
    **({"checkpoint": Kind(checkpoint, _opened_checkpoint)} if SHARED.is_dir() else {}),
}
