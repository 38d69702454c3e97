"""Imports the output folder of Suite2p: ``F.npy``, ``Fneu.npy``, ``iscell.npy`` and the imaging rate of ``ops.npy``.

``ops.npy`` is a pickle, and pickles can run code: it is never loaded. The one number that is needed, ``fs``, is read
from its instructions without carrying them out; where that fails, the configuration has to give ``rate_hz``.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from pydantic import Field

from stcnn.data.dataset import Dataset
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.importers.movies import MakeMovie, movies_from_specs
from stcnn.data.importers.sessions import Session, SessionConfig, chosen_rois, read_onsets
from stcnn.errors import DataError, FileError, ShapeError


class Suite2pConfig(SessionConfig):
    """An output folder of Suite2p (one plane) and the stimuli that were shown."""

    kind: Literal["suite2p"] = "suite2p"
    rate_hz: float | None = Field(default=None, gt=0)
    """Imaging frames per second; None takes ``fs`` of ``ops.npy``."""
    start_s: float = 0.0
    """Time of the first imaging frame on the clock of the onsets."""
    cell_probability: float = Field(default=0.0, ge=0, le=1)
    """Take only what ``iscell.npy`` calls a cell with at least this probability; used without a table of neurons."""


def open_suite2p(config: Suite2pConfig, make_movie: MakeMovie) -> Dataset:
    """Open a Suite2p folder; fluorescence is read when asked for.

    Raises:
        FileError, ShapeError, DataError: a file is missing, damaged, or does not fit the others.
    """
    folder = config.path
    fluorescence = _array(folder / "F.npy")
    cells = np.atleast_2d(_array(folder / "iscell.npy"))
    if len(cells) != len(fluorescence):
        raise ShapeError(f"{folder} has {len(fluorescence)} rows in F.npy but {len(cells)} in iscell.npy")
    rate_hz = config.rate_hz or _imaging_rate(folder / "ops.npy")
    neuropil = (folder / "Fneu.npy") if (folder / "Fneu.npy").exists() else None
    if neuropil is not None and _array(neuropil).shape != fluorescence.shape:
        raise ShapeError(f"{folder} has Fneu.npy of another shape than F.npy")
    listed = np.flatnonzero((cells[:, 0] > 0) & (cells[:, -1] >= config.cell_probability))
    rois = chosen_rois(config, listed.tolist() if config.neurons is None else range(len(cells)))
    read = _Fluorescence(folder / "F.npy", neuropil, rate_hz, config.dff)
    session = Session(config.start_s + np.arange(fluorescence.shape[1]) / rate_hz, read, rois, config)
    onsets = read_onsets(config)
    return session.cut(onsets, *movies_from_specs(config.stimuli, make_movie, onsets.stimulus))


@dataclass(frozen=True)
class _Fluorescence:
    fluorescence: Path
    neuropil: Path | None
    rate_hz: float
    dff: DffConfig

    def __call__(self, number: int) -> NDArray[np.float32]:
        """DF/F of one neuron over the session."""
        neuropil = None if self.neuropil is None else _array(self.neuropil)[number]
        where = f"{self.fluorescence}, neuron {number}"
        return delta_f_over_f(_array(self.fluorescence)[number], neuropil, self.rate_hz, self.dff, where)


def _array(path: Path) -> NDArray:
    """An array of numbers, mapped into memory.

    Raises:
        FileError: it is missing, truncated, or holds Python objects.
    """
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(
            f"{path} cannot be read", expected="an array of numbers written by Suite2p", remedy="copy the folder again"
        ) from error


def _imaging_rate(path: Path) -> float:
    """The value of ``fs`` in the pickled dictionary of ``ops.npy``, found without unpickling.

    Raises:
        DataError: it cannot be found there.
    """
    try:
        with path.open("rb") as file:
            npy_format.read_magic(file)
            npy_format.read_array_header_1_0(file)
            instructions = [(op.name, value) for op, value, _ in pickletools.genops(file) if op.name not in _MARKS]
        after = instructions.index(("SHORT_BINUNICODE", "fs")) + 1
        name, value = instructions[after]
        if name in ("BINFLOAT", "BININT", "BININT1", "BININT2"):
            return float(str(value))
    except (OSError, ValueError, EOFError, IndexError):
        pass
    raise DataError(f"the imaging rate cannot be read from {path}", expected="the key 'fs'", remedy="set rate_hz")


_MARKS = ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT")
