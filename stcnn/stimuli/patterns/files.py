"""A pattern and its positions as the files that a rig takes."""

from __future__ import annotations

from pathlib import Path

from stcnn.stimuli.patterns.functions import PositionFunction, write_function
from stcnn.stimuli.patterns.g4 import encode_g4
from stcnn.stimuli.patterns.g6 import encode_g6
from stcnn.stimuli.patterns.mat import write_mat_pattern
from stcnn.stimuli.patterns.pattern import Pattern
from stcnn.writing import atomic_write


def write_for_rig(pattern: Pattern, function: PositionFunction, folder: Path, name: str) -> list[Path]:
    """Write a pattern and the function that moves it.

    ``NAME.pat`` and ``NAME.pfn`` for G4 and G4.1; ``NAME.mat`` and ``NAME_function.mat`` for G3; ``NAME.pat`` for G6,
    which has no file of positions yet, and ``NAME_positions.csv`` (``time_s`` and ``x``).

    Args:
        pattern: each frame once.
        function: its positions.
        folder: for the files.
        name: of the stimulus.

    Returns:
        Paths of the pattern and of its positions.

    Raises:
        ShapeError: they do not fit what the files can hold.
    """
    if pattern.generation == "G3":
        paths = [folder / f"{name}.mat", folder / f"{name}_function.mat"]
    else:
        paths = [
            folder / f"{name}.pat",
            folder / (f"{name}.pfn" if pattern.generation != "G6" else f"{name}_positions.csv"),
        ]
    with atomic_write(paths[0]) as draft:
        if pattern.generation == "G3":
            write_mat_pattern(pattern, draft)
        else:
            draft.write_bytes(encode_g6(pattern) if pattern.generation == "G6" else encode_g4(pattern))
    with atomic_write(paths[1]) as draft:
        if pattern.generation == "G6":
            draft.write_text(_table(function))
        else:
            write_function(function._replace(name=name), draft)
    return paths


def _table(function: PositionFunction) -> str:
    """Return a row for every tick."""
    ticks_hz = function.rate_hz or 1.0
    rows = [f"{tick / ticks_hz:.9f},{position}" for tick, position in enumerate(function.positions)]
    return "\n".join(["time_s,x", *rows, ""])
