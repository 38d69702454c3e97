"""Imports the results of CaImAn, an HDF5 file: ``estimates/F_dff``, or dF/F made from ``C + YrA`` and its baseline.

The residual ``YrA`` is kept with the fitted ``C``, so that the noise of the recording stays in the trace; the sum has
no offset, so that dF/F from it needs the background that CaImAn put into ``F_dff``: that one is taken where it exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.data.dataset import Dataset
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.importers.movies import MakeMovie, movies_from_specs
from stcnn.data.importers.sessions import Session, SessionConfig, chosen_rois, read_onsets
from stcnn.errors import DataError, FileError


class CaimanConfig(SessionConfig):
    """An HDF5 file of CaImAn results and the stimuli that were shown."""

    kind: Literal["caiman"] = "caiman"
    rate_hz: float | None = Field(default=None, gt=0)
    """Imaging frames per second; None takes ``params/data/fr``."""
    start_s: float = 0.0
    """Time of the first imaging frame on the clock of the onsets."""


def open_caiman(config: CaimanConfig, make_movie: MakeMovie) -> Dataset:
    """Open CaImAn results; traces are read when asked for.

    Raises:
        FileError, DataError: the file is missing or damaged, or lacks what is needed.
    """
    with _opened(config.path) as file:
        estimates = file.get("estimates")
        if not isinstance(estimates, h5py.Group) or "C" not in estimates:
            raise DataError(f"{config.path} has no 'estimates/C'", expected="results saved by CaImAn's CNMF.save")
        n_neurons, n_frames = estimates["C"].shape
        accepted = estimates.get("idx_components")
        listed = range(n_neurons) if not _is_array(accepted) else np.asarray(accepted).tolist()
        rate_hz = config.rate_hz or _rate(file, config.path)
        has_dff = _is_array(estimates.get("F_dff"))
    rois = chosen_rois(config, listed if config.neurons is None else range(n_neurons))
    read = _Estimates(config.path, rate_hz, config.dff, has_dff)
    session = Session(config.start_s + np.arange(n_frames) / rate_hz, read, rois, config)
    onsets = read_onsets(config)
    return session.cut(onsets, *movies_from_specs(config.stimuli, make_movie, onsets.stimulus))


@dataclass(frozen=True)
class _Estimates:
    path: Path
    rate_hz: float
    dff: DffConfig
    has_dff: bool

    def __call__(self, number: int) -> NDArray[np.float32]:
        """DF/F of one neuron over the session."""
        with _opened(self.path) as file:
            estimates = file["estimates"]
            if self.has_dff:
                return np.asarray(estimates["F_dff"][number], np.float32)
            trace = np.asarray(estimates["C"][number], np.float64)
            if _is_array(estimates.get("YrA")):
                trace = trace + estimates["YrA"][number]
        return delta_f_over_f(trace, None, self.rate_hz, self.dff, f"{self.path}, neuron {number}")


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise FileError(f"{path} cannot be read", expected="an HDF5 file", remedy="copy the file again") from error


def _is_array(value: object) -> bool:
    """CaImAn writes None as the text "NoneType" where an array would be."""
    return isinstance(value, h5py.Dataset) and len(value.shape) > 0 and value.dtype.kind in "fiu"


def _rate(file: h5py.File, path: Path) -> float:
    rate = file.get("params/data/fr")
    if not isinstance(rate, h5py.Dataset):
        raise DataError(f"{path} has no 'params/data/fr'", remedy="set rate_hz, the imaging frames per second")
    return float(rate[()])
