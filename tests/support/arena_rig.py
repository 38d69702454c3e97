"""An experiment on a small G4 arena, as a rig leaves it: patterns, functions, the log, and the traces of Suite2p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import yaml

from stcnn.commands.data import make_movie
from stcnn.data import Dataset
from stcnn.data.importers import open_import, read_import_config
from stcnn.stimuli.patterns import Pattern, PositionFunction, encode_pattern, write_function

ARENA = "arena: {generation: G4, num_rows: 1, num_cols: 12, columns_installed: [3, 4, 5, 6, 7, 8]}"
PICTURE = {"shape_px": [15, 45], "deg_per_px": 4, "rate_hz": 50, "background": 0.4}
TICK_S = 0.002
N_FRAMES = 12
IMAGING_HZ = 10.0
OFFSET_S = 0.75
"""Time of the imaging at which the clock of the log is zero."""
Trial = tuple[float, float, int, int, Sequence[int]]
"""Start and stop on the clock of the log, numbers of pattern and function (0 for none), positions at every tick."""


def stepping(duration_s: float = 1.0, steps_hz: float = 10.0, first: int = 0) -> list[int]:
    """Positions at every tick of a pattern that steps on."""
    ticks = np.arange(round(duration_s / TICK_S))
    return [int(first + step) % N_FRAMES for step in np.floor(ticks * TICK_S * steps_hz + 1e-9)]


TRIALS: tuple[Trial, ...] = (
    (2.0, 3.0, 1, 1, stepping()),
    (5.0, 6.0, 2, 1, stepping()),
    (8.0, 9.0, 1, 1, stepping()),
)


def bars(width: int) -> Pattern:
    """A dark bar of so many pixels that goes right by a half panel from frame to frame."""
    codes = np.full((N_FRAMES, 16, 96), 15, np.uint8)
    for number, frame in enumerate(codes):
        frame[:, 8 * number : 8 * number + width] = 0
    return Pattern(codes, 16, "G4")


def patterns_and_functions(folder: Path) -> None:
    """Two patterns and a function as the tools of G4 name them."""
    (folder / "Patterns").mkdir()
    (folder / "Functions").mkdir()
    (folder / "arena.yaml").write_text(ARENA)
    for number, width in ((1, 8), (2, 16)):
        (folder / "Patterns" / f"pat{number:04d}_bar.pat").write_bytes(encode_pattern(bars(width)))
    write_function(PositionFunction(np.array(stepping()), name="fun0001"), folder / "Functions" / "fun0001.pfn")


def log_of(
    path: Path, trials: Sequence[Trial] = TRIALS, late_s: Sequence[float] = (), lost: Sequence[int] = ()
) -> None:
    """Write a G4 log, in which the display shows frame 0 between trials.

    Args:
        path: of the file.
        trials: what was shown.
        late_s: how much later than its start the positions of each trial begin.
        lost: ticks of which the log has no row.
    """
    time_s = np.arange(round(11 / TICK_S)) * TICK_S
    position = np.zeros(len(time_s), np.int64)
    commands: list[tuple[float, str, str]] = []
    for number, (start_s, stop_s, pattern, function, shown) in enumerate(trials):
        late = round((late_s[number] if number < len(late_s) else 0.0) / TICK_S)
        first = round(start_s / TICK_S) + late
        position[first : first + len(shown)] = shown
        commands += [(start_s - 0.3, "Set Pattern ID", f"{pattern:x}/0/")]
        commands += [(start_s - 0.2, "Set Pattern Function ID", f"{function:x}/0/")] if function else []
        commands += [(start_s, "Start-Display", ""), (stop_s, "Stop-Display", "")]
    kept = np.setdiff1d(np.arange(len(time_s)), lost)
    micro = 1e6
    log = {
        "Frames": {"Time": (time_s[kept] * micro)[None], "Position": position[kept][None]},
        "Commands": {
            "Time": np.array([[command[0] * micro for command in commands]]),
            "Name": np.array([command[1] for command in commands], object)[None],
            "Data": np.array([command[2] for command in commands], object)[None],
        },
    }
    scipy.io.savemat(path, {"Log": log})


def tdms_of(log: Path, folder: Path) -> None:
    """Write a log of :func:`log_of` as the folder of TDMS files from which a rig's tools would make it."""
    from nptdms import ChannelObject, TdmsWriter

    found = scipy.io.loadmat(log, simplify_cells=True)["Log"]
    commands = found["Commands"]
    texts = {name: list(map(str, commands[name])) for name in ("Name", "Data")}
    classes = np.zeros(len(texts["Name"]))
    files = {
        "Frame Time": ("Pattern Position", {"Time": found["Frames"]["Time"].astype(float)}),
        "Frame Position": ("Pattern Position", {"Position": found["Frames"]["Position"].astype(np.int32)}),
        "ADC0 Volts": ("ADC0", {"Volts": np.zeros(3)}),
        "log": ("Commands Received", {"Time": commands["Time"].astype(float), "Name": texts["Name"]}
                | {"Class": classes, "Data": texts["Data"]}),
    }  # fmt: skip
    folder.mkdir()
    for name, (group, channels) in files.items():
        with TdmsWriter(folder / f"{name}.tdms") as writer:
            writer.write_segment([ChannelObject(group, channel, values) for channel, values in channels.items()])


def suite2p(folder: Path) -> None:
    """Two cells whose fluorescence is the time of the imaging, and twice that."""
    folder.mkdir()
    time_s = np.arange(150) / IMAGING_HZ
    np.save(folder / "F.npy", np.stack([time_s, 2 * time_s]).astype("f4"))
    np.save(folder / "Fneu.npy", np.zeros((2, 150), "f4"))
    np.save(folder / "iscell.npy", np.ones((2, 2)))


def keys() -> dict[str, Any]:
    """The import of the experiment."""
    traces = {"kind": "suite2p", "path": "plane0", "rate_hz": IMAGING_HZ, "cell_type": "t4", "animal": "01"}
    files = {"path": "log.mat", "arena": "arena.yaml", "patterns": "Patterns", "functions": "Functions"}
    short = {"pre_s": 0.5, "post_s": 0.5, "exposure_s": 0, "dff": {"baseline": "none"}}
    return {"kind": "arena", **files, "offset_s": OFFSET_S, "picture": PICTURE, "traces": {**traces, **short}}


def opened(folder: Path, values: Mapping[str, Any] | None = None) -> Dataset:
    """Open an import of the experiment."""
    (folder / "arena_import.yaml").write_text(yaml.safe_dump(dict(values or keys())))
    return open_import(read_import_config(folder / "arena_import.yaml"), make_movie)
