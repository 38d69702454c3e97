"""Imports the output of Suite2p: one plane, or a folder of planes, each with ``F.npy``, ``Fneu.npy``, ``iscell.npy``.

Regions of interest are numbered anew in each plane, so that those of two planes are different cells; so are those of
the second channel (``F_chan2.npy``). The imaging rate ``fs`` is that of one plane, volumes per second.
``combined``, a copy of all planes on one clock, is not added to them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.data.dataset import Dataset
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.importers.importer import importer
from stcnn.data.importers.merging import merge_sessions
from stcnn.data.importers.movies import MakeMovie, movies_from_specs
from stcnn.data.importers.rois import chosen_rois, planes_listed
from stcnn.data.importers.sample_times import sample_times
from stcnn.data.importers.sessions import Session, SessionConfig, read_onsets
from stcnn.data.importers.suite2p_settings import imaging_rate, setting
from stcnn.errors import DataError, FileError, ShapeError
from stcnn.reading import read_npy, require_folder

WHAT = "an array of numbers written by Suite2p"


class Suite2pConfig(SessionConfig):
    """Output of Suite2p, one plane or a folder of planes, and the stimuli that were shown.

    Neurons that no table names are called by session, field, plane (where there are several), ``channel2`` and number,
    as far as there is one: ``12``, ``s1/plane0/12``. A table of ``neurons`` needs the column ``plane`` where there are
    several.
    """

    kind: Literal["suite2p"] = "suite2p"
    """Folders of Suite2p."""
    channel: Annotated[int, Field(ge=1, le=2)] = 1
    """The channel to take: 1 (``F.npy``) or 2 (``F_chan2.npy``)."""
    rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Imaging frames per second of each plane; None takes ``fs`` of ``ops.npy`` or ``settings.npy``."""
    start_s: float = Field(default=0.0, allow_inf_nan=False)
    """Time of the first imaging frame on the clock of the onsets."""
    plane_offsets_s: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """How much later than ``start_s`` each plane begins, by its folder: ``{plane0: 0, plane1: 0.033}``. Planes are
    scanned one after the other; those that are not named begin at ``start_s``."""
    cell_probability: float = Field(default=0.0, ge=0, le=1)
    """Take only what ``iscell.npy`` calls a cell with at least this probability; used without a table of neurons."""


@importer(Suite2pConfig)
def open_suite2p(config: Suite2pConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open the output of Suite2p; fluorescence is read when asked for.

    Raises:
        FileError, ShapeError, DataError: a file is missing, damaged, or does not fit the others.
    """
    folders = plane_folders(config.path)
    unknown = [name for name in config.plane_offsets_s if name not in {folder.name for folder in folders}]
    if unknown and len(folders) > 1:
        raise DataError(
            f"plane_offsets_s names '{unknown[0]}', which {config.path} does not have",
            expected=f"some of {', '.join(folder.name for folder in folders)}",
        )
    folders = _with_listed_neurons(config, folders)
    onsets = read_onsets(config)
    movies, infos = movies_from_specs(config.stimuli, make_movie, onsets.stimulus)
    planes = [_Plane(folder, config, several=len(folders) > 1) for folder in folders]
    sessions = [session for plane in planes if (session := plane.session()).rois]
    if not sessions:
        raise DataError(
            f"iscell.npy calls none of the {sum(len(plane.cells) for plane in planes)} regions of {config.path} a cell"
            + (f" with a probability of {config.cell_probability:g}" if config.cell_probability else ""),
            expected="at least one",
            remedy="classify them in Suite2p, lower cell_probability, or list the neurons in a CSV (key neurons)",
        )
    return merge_sessions([session.cut(onsets, movies, infos) for session in sessions])


def plane_folders(path: Path) -> list[Path]:
    """The folders of the planes: the folder itself, or those below it, or below its ``suite2p``, in order.

    Raises:
        FileError: there is no such folder, or no plane in it.
    """
    require_folder(path, "an output folder of Suite2p")
    if (path / "F.npy").exists():
        return [path]
    for above in (path, path / "suite2p"):
        planes = [folder for folder in above.glob("plane*") if plane_number(folder) >= 0]
        filled = sorted((folder for folder in planes if (folder / "F.npy").exists()), key=plane_number)
        if filled:
            _require_each_number_once(filled)
            return filled
    raise FileError(
        f"{path} holds neither F.npy nor planes (plane0, plane1 ...) with one", expected="an output folder of Suite2p"
    )


def _require_each_number_once(folders: Sequence[Path]) -> None:
    numbers = [plane_number(folder) for folder in folders]
    for folder, other in pairwise(folders):
        if numbers.count(plane_number(folder)) > 1:
            raise FileError(
                f"{folder} and {other.name} are both called plane {plane_number(folder)}",
                expected="a number of its own for each plane",
                remedy="rename one of them",
            )


def plane_number(folder: Path) -> int:
    """The number of a plane by the name of its folder; -1 for a folder that is not called after a plane."""
    match = re.fullmatch(r"plane([0-9]{1,6})", folder.name)
    return int(match[1]) if match else -1


def _with_listed_neurons(config: Suite2pConfig, folders: Sequence[Path]) -> list[Path]:
    """The planes of which the table of neurons lists some; all without a table.

    Raises:
        DataError: the table does not tell several planes apart, or names one that is not there.
    """
    listed = planes_listed(config)
    if config.neurons is not None and listed is None and len(folders) > 1:
        raise DataError(
            f"{config.neurons} has no column 'plane', and {config.path} has {len(folders)} planes",
            expected="the plane of each neuron: regions are numbered anew in each plane",
        )
    if listed is None or plane_number(folders[0]) < 0:
        return list(folders)
    known = {plane_number(folder): folder for folder in folders}
    missing = [number for number in listed if number not in known]
    if missing and len(folders) > 1:
        raise DataError(
            f"{config.neurons} names plane {missing[0]}, which {config.path} does not have",
            expected=f"some of {', '.join(map(str, known))}",
        )
    found = [known[number] for number in listed if number in known]
    if not found:
        raise DataError(
            f"{config.neurons} lists no neuron of {folders[0]}", remedy="leave it out, or import the folder above"
        )
    return found


class _Plane:
    """One folder with traces, and what they are."""

    def __init__(self, folder: Path, config: Suite2pConfig, *, several: bool) -> None:
        self.folder = folder
        self.config = config.model_copy(update={"path": folder})
        second = "_chan2" if config.channel == 2 else ""
        self.place = "/".join([folder.name] * several + ["channel2"] * bool(second))
        self.traces = folder / f"F{second}.npy"
        if not self.traces.exists():
            raise FileError(f"{folder} has no {self.traces.name}", expected=WHAT, remedy="correct channel or the path")
        beside = folder / f"Fneu{second}.npy"
        self.neuropil = beside if beside.exists() else None
        self.shape = _shape(self.traces)
        if not self.shape[0]:
            raise DataError(f"{self.traces} holds no region", expected=WHAT, remedy="take the folder out of the path")
        if self.neuropil and (found := _shape(beside)) != self.shape:
            raise ShapeError(f"{beside} has the shape {found}", expected=f"{self.shape}, that of {self.traces.name}")
        self.cells = self._cells()

    def _cells(self) -> NDArray[np.bool_]:
        """Which regions are cells, ``(N,)``: the first column of ``iscell.npy``; the second is the probability."""
        cells = read_npy(self.folder / "iscell.npy", WHAT, ndim=(1, 2))
        if len(cells) != self.shape[0] or (cells.ndim == 2 and cells.shape[1] not in (1, 2)):
            raise ShapeError(
                f"{self.folder} has {self.shape[0]} rows in {self.traces.name}, but iscell.npy has the shape "
                f"{cells.shape}",
                expected=f"({self.shape[0]}, 2)",
            )
        columns = cells.reshape(len(cells), -1).astype(np.float64)
        if not np.isin(columns[:, 0], (0, 1)).all():
            raise ShapeError(f"{self.folder / 'iscell.npy'} holds a value that is not 0 or 1 in its first column")
        if columns.shape[1] == 1:
            if self.config.cell_probability > 0:
                raise DataError(
                    f"{self.folder / 'iscell.npy'} holds no probabilities", remedy="take the key cell_probability out"
                )
            return columns[:, 0] > 0
        if self.config.cell_probability == 0:
            return columns[:, 0] > 0
        if np.isnan(columns[:, 1]).any():
            raise ShapeError(
                f"{self.folder / 'iscell.npy'} has no probability for region {int(np.isnan(columns[:, 1]).argmax())}",
                expected="one for each region where the key cell_probability is given",
            )
        return (columns[:, 0] > 0) & (columns[:, 1] >= self.config.cell_probability)

    def session(self) -> Session:
        """The traces on their clock."""
        config = self.config
        listed = np.flatnonzero(self.cells).tolist() if config.neurons is None else range(self.shape[0])
        rois = chosen_rois(config, listed, self.place, max(plane_number(self.folder), 0))
        rate_hz = config.rate_hz or imaging_rate(self.folder)
        start_s = config.start_s + config.plane_offsets_s.get(self.folder.name, 0.0)
        read = _Fluorescence(self.traces, self.neuropil, rate_hz, config.dff)
        time_s = sample_times(start_s, self.shape[1], rate_hz, self.folder)
        plane = self.folder.name if plane_number(self.folder) >= 0 else ""
        notes = tuple(self._notes(rate_hz))
        return Session(time_s, read, rois, config, rate_hz, notes=notes, plane=plane, channel=str(config.channel))

    def _notes(self, rate_hz: float) -> list[str]:
        folder = self.folder
        factor = self.config.dff.neuropil_factor
        notes = []
        if self.config.dff.baseline == "none":
            notes.append(f"{folder}: {self.traces.name} is taken as dF/F, without subtraction of neuropil.")
        elif self.neuropil is None:
            notes.append(f"{folder}: no neuropil was subtracted, because there is no Fneu file.")
        else:
            notes.append(f"{folder}: {self.neuropil.name} was subtracted {factor:g} times (dff.neuropil_factor).")
        if self.config.channel == 1 and (folder / "F_chan2.npy").exists():
            notes.append(f"{folder}: channel 1 was taken; there is a second (key channel).")
        n_planes = setting(folder, "nplanes") or 1
        if n_planes > 1 and folder.name not in self.config.plane_offsets_s:
            notes.append(
                f"{folder} is one of {n_planes:g} planes, scanned one after the other, and is taken to begin with the "
                f"volume (key plane_offsets_s; planes are about {1 / (n_planes * rate_hz):.3g} s apart)."
            )
        if folder.name == "combined":
            notes.append(f"{folder} has all planes on one clock, and zeros where one had fewer frames than another.")
        return notes


def _shape(path: Path) -> tuple[int, ...]:
    return read_npy(path, WHAT, kinds="fiu", ndim=2, mmap=True).shape


@dataclass(frozen=True)
class _Fluorescence:
    fluorescence: Path
    neuropil: Path | None
    rate_hz: float
    dff: DffConfig

    def __call__(self, number: int) -> NDArray[np.float32]:
        """DF/F of one neuron over the session."""
        neuropil = None if self.neuropil is None else read_npy(self.neuropil, WHAT, mmap=True)[number]
        fluorescence = read_npy(self.fluorescence, WHAT, mmap=True)[number]
        where = f"{self.fluorescence.parent}, neuron {number}"
        return delta_f_over_f(fluorescence, neuropil, self.rate_hz, self.dff, where)
