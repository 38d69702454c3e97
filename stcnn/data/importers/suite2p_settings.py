"""The settings that Suite2p leaves beside its traces: ``ops.npy``, or ``settings.npy`` and ``db.npy`` (Suite2p 1).

They are pickles, and pickles can run code: they are read by :mod:`stcnn.data.importers.pickled`, which runs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.lib import format as npy_format

from stcnn.data.importers.pickled import LARGEST_PICKLE_BYTES, plain_value
from stcnn.data.importers.pickled_arrays import array_items, number_in
from stcnn.errors import DataError, FileError
from stcnn.reading import reading, require_file

FILES = ("ops.npy", "settings.npy", "db.npy")
"""In this order a setting is looked for; what is told of one plane stands before what is told of all."""


def setting(folder: Path, name: str) -> float | None:
    """A number that the settings of a plane hold, None if they do not hold it.

    Raises:
        FileError: a file of settings is damaged.
    """
    return next(iter(_in_each(folder, name).values()), None)


def _in_each(folder: Path, name: str) -> dict[str, float]:
    """A number of a plane in each file of settings that holds it."""
    paths = (folder / file for file in FILES if (folder / file).exists())
    held = {path.name: number_in(_settings(path).get(name)) for path in paths}
    return {file: number for file, number in held.items() if number is not None}


def imaging_rate(folder: Path) -> float:
    """Frames per second of a plane, ``fs`` of its settings.

    Raises:
        DataError: it cannot be found there, is no rate, or two files say different ones.
        FileError: a file of settings is damaged.
    """
    said = _in_each(folder, "fs")
    if len(set(said.values())) > 1:
        listed = ", ".join(f"{value:g} Hz in {file}" for file, value in said.items())
        raise DataError(f"{folder} has two imaging rates, {listed}", expected="one", remedy="set rate_hz")
    rate_hz = next(iter(said.values()), None)
    if rate_hz is None or not 0 < rate_hz < 1e6:
        present = [file for file in FILES if (folder / file).exists()]
        found = f"{' and '.join(present)} of {folder}" if present else f"{folder / FILES[0]}, which is missing"
        value = "" if rate_hz is None else f" (fs is {rate_hz:g})"
        raise DataError(
            f"the imaging rate cannot be read from {found}{value}", expected="the key 'fs'", remedy="set rate_hz"
        )
    return rate_hz


def _settings(path: Path) -> dict[Any, Any]:
    """The dictionary in a file of settings, with placeholders for what is neither number nor text.

    Raises:
        FileError: it is damaged, too large, or holds something else.
    """
    what = "settings written by Suite2p"
    remedy = "copy the folder again, or take the file away and set rate_hz"
    if require_file(path, what) > LARGEST_PICKLE_BYTES:
        raise FileError(f"{path} is larger than {LARGEST_PICKLE_BYTES // 2**20} MiB", expected=what, remedy=remedy)
    with reading(path, what, remedy):
        with path.open("rb") as file:
            major, _ = npy_format.read_magic(file)
            read = npy_format.read_array_header_1_0 if major == 1 else npy_format.read_array_header_2_0
            shape, _, dtype = read(file)
            pickled = file.read()
        if not dtype.hasobject or shape not in ((), (1,)):
            raise ValueError(f"it holds an array of shape {shape} and type {dtype}")
        held = array_items(plain_value(pickled))
    if len(held) != 1 or not isinstance(held[0], dict):
        raise FileError(f"{path} holds no dictionary", expected=what, remedy=remedy)
    return held[0]
