"""Imports the results of CaImAn, an HDF5 file: ``estimates/F_dff``, or dF/F made from ``C + YrA`` and its baseline.

The residual ``YrA`` is kept with the fitted ``C``, so that the noise of the recording stays in the trace; the sum has
no offset, so that dF/F from it needs the background that CaImAn put into ``F_dff``: that one is taken where it exists.

Neurons are numbered as the rows of ``C``. ``F_dff`` may have a row for each of them, or one for each component of
``idx_components`` (CaImAn's ``select_components`` and ``detrend_df_f`` of accepted components), never another number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.data.dataset import Dataset
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.importers.importer import importer
from stcnn.data.importers.movies import MakeMovie, movies_from_specs
from stcnn.data.importers.sample_times import sample_times
from stcnn.data.importers.sessions import Session, SessionConfig, chosen_rois, read_onsets
from stcnn.errors import DataError, ShapeError
from stcnn.reading import hdf5_array, hdf5_item, open_hdf5

WHAT = "results saved by CaImAn's CNMF.save"


class CaimanConfig(SessionConfig):
    """An HDF5 file of CaImAn results and the stimuli that were shown.

    Neurons that no table names are called by session, field and their row of ``C``.
    """

    kind: Literal["caiman"] = "caiman"
    """Results of CaImAn."""
    rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Imaging frames per second; None takes ``params/data/fr``."""
    start_s: float = Field(default=0.0, allow_inf_nan=False)
    """Time of the first imaging frame on the clock of the onsets."""


@importer(CaimanConfig)
def open_caiman(config: CaimanConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open CaImAn results; traces are read when asked for.

    Raises:
        FileError, ShapeError, DataError: the file is missing or damaged, lacks what is needed, or has rows that do not
            belong together.
    """
    path = config.path
    with _estimates(path) as (file, estimates):
        n_neurons, n_frames = hdf5_array(estimates, "C", "traces (neurons, frames)", ndim=2).shape
        accepted = _accepted(estimates, n_neurons, path)
        rows = _rows_of_dff(estimates, (n_neurons, n_frames), accepted, path)
        if _has_array(estimates, "YrA"):
            _require_shape(estimates, "YrA", (n_neurons, n_frames), path)
        rate_hz = config.rate_hz or _rate(file, path)
        notes = list(_notes(estimates, rows, accepted, path))
    usable = list(range(n_neurons) if rows is None else rows)
    listed = usable if config.neurons is not None or accepted is None else accepted
    rois = chosen_rois(config, listed)
    if not rois:
        raise DataError(f"{path} has no accepted component", expected="at least one in idx_components")
    read = _Estimates(path, rate_hz, config.dff, rows)
    time_s = sample_times(config.start_s, n_frames, rate_hz, path)
    session = Session(time_s, read, rois, config, rate_hz, notes=tuple(notes))
    onsets = read_onsets(config)
    return session.cut(onsets, *movies_from_specs(config.stimuli, make_movie, onsets.stimulus))


def _accepted(estimates: h5py.Group, n_neurons: int, path: Path) -> list[int] | None:
    """The accepted components: whole numbers, or a truth value for each component; None if the file does not say.

    Raises:
        ShapeError: they are neither, or there is no such component.
    """
    if not _has_array(estimates, "idx_components"):
        return None
    values = np.asarray(hdf5_array(estimates, "idx_components", "numbers of components", ndim=1)[:])
    if values.dtype == bool:
        if len(values) != n_neurons:
            raise ShapeError(f"{path} has {len(values)} truth values in idx_components", expected=f"{n_neurons}")
        return np.flatnonzero(values).tolist()
    numbers = values.astype(np.int64)
    if (numbers != values).any() or len(set(numbers.tolist())) != len(numbers):
        raise ShapeError(f"{path} has idx_components that are no numbers of components, each once")
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n_neurons):
        raise ShapeError(
            f"{path} names component {numbers.max()} in idx_components", expected=f"0 to {n_neurons - 1}, the rows of C"
        )
    return numbers.tolist()


def _rows_of_dff(
    estimates: h5py.Group, shape: tuple[int, int], accepted: list[int] | None, path: Path
) -> dict[int, int] | None:
    """Component to its row of ``F_dff``; None where there is none.

    Raises:
        ShapeError: its rows are neither all components nor the accepted ones, or its length is another.
    """
    if not _has_array(estimates, "F_dff"):
        return None
    found = hdf5_array(estimates, "F_dff", "dF/F (neurons, frames)", ndim=2).shape
    if found == shape:
        return {number: number for number in range(shape[0])}
    if accepted is not None and found == (len(accepted), shape[1]):
        return {number: row for row, number in enumerate(accepted)}
    chosen = "" if accepted is None else f" or {(len(accepted), shape[1])} for the accepted ones"
    raise ShapeError(f"{path} has F_dff of shape {found}", expected=f"{shape} for the components of C{chosen}")


def _require_shape(estimates: h5py.Group, name: str, shape: tuple[int, int], path: Path) -> None:
    found = hdf5_array(estimates, name, "traces (neurons, frames)", ndim=2).shape
    if found != shape:
        raise ShapeError(f"{path} has {name} of shape {found}", expected=f"{shape}, that of C")


def _notes(
    estimates: h5py.Group, rows: Mapping[int, int] | None, accepted: list[int] | None, path: Path
) -> Iterator[str]:
    if rows is None:
        source = "C + YrA" if _has_array(estimates, "YrA") else "C"
        yield f"{path}: there is no F_dff; dF/F was made from {source}, which lacks the background."
    if accepted is None:
        yield f"{path}: idx_components does not say which components are accepted; all were taken."


@dataclass(frozen=True)
class _Estimates:
    path: Path
    rate_hz: float
    dff: DffConfig
    rows: Mapping[int, int] | None

    def __call__(self, number: int) -> NDArray[np.float32]:
        """DF/F of one neuron over the session."""
        with _estimates(self.path) as (_, estimates):
            if self.rows is not None:
                return np.asarray(estimates["F_dff"][self.rows[number]], np.float32)
            trace = np.asarray(estimates["C"][number], np.float64)
            if _has_array(estimates, "YrA"):
                trace = trace + estimates["YrA"][number]
        return delta_f_over_f(trace, None, self.rate_hz, self.dff, f"{self.path}, neuron {number}")


@contextmanager
def _estimates(path: Path) -> Iterator[tuple[h5py.File, h5py.Group]]:
    """The file and its estimates.

    Raises:
        DataError: it has none.
    """
    with open_hdf5(path, WHAT) as file:
        estimates = hdf5_item(file, "estimates", WHAT)
        if not isinstance(estimates, h5py.Group) or "C" not in estimates:
            raise DataError(f"{path} has no 'estimates/C'", expected=WHAT)
        yield file, estimates


def _has_array(estimates: h5py.Group, name: str) -> bool:
    """CaImAn writes None as the text "NoneType" where an array would be."""
    value = hdf5_item(estimates, name, WHAT)
    return isinstance(value, h5py.Dataset) and bool(value.shape) and value.dtype.kind in "fiub"


def _rate(file: h5py.File, path: Path) -> float:
    rate = hdf5_item(file, "params/data/fr", "imaging frames per second")
    value = np.asarray(rate[()]) if isinstance(rate, h5py.Dataset) and rate.size == 1 else np.array("")
    if value.dtype.kind not in "fiu" or not np.isfinite(value).all() or not (value > 0).all():
        found = "" if rate is None else " that is a rate"
        raise DataError(f"{path} has no 'params/data/fr'{found}", remedy="set rate_hz, the imaging frames per second")
    return float(value.ravel()[0])
