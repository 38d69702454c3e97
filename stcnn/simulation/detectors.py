"""Cell types as explicit detectors: from the columns of the eye to the voltage of a neuron.

For a neuron of a type, with Gaussians ``G`` over the columns:

    local_c  = [ s_c - k_c (S * s_c) - h ]+           s_c a channel of the early stage, S * its surround
    pooled_c = sum_xy G_pool(x, y) local_c
    arm_d    = [ out_d - a in_d - j ]+                outward and inward motion in each of four sectors
    v        = [ (sum_c w_c pooled_c + w_r sum_d arm_d) / (1 + g sum_xy G_norm (off + on)) - q ]+

The parts are those the field uses for these cells: rectified centre-surround and divisive signals (Tanaka & Clark 2020;
LC18 model of Klapoetke et al. 2022), pools elongated across or along motion, and radial motion opponency in four
directions (LPLC2: Klapoetke et al. 2017, doi 10.1038/nature24626; Zhou et al. 2022, eLife 11:e72067).

Parameters are numbers or tensors, so a fit can follow gradients through the very code that simulates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from stcnn.cell_type_names import cell_type_name
from stcnn.errors import ConfigError, nearest
from stcnn.reading import read_yaml
from stcnn.simulation.early import Columns
from stcnn.validation import Config

Number = float | Tensor
"""A parameter, or the tensor that stands for it during a fit."""


class Extent(Config):
    """Standard deviations of a Gaussian in degrees."""

    elevation_deg: float = Field(gt=0)
    azimuth_deg: float = Field(gt=0)


class Channel(Config):
    """Receptive field of a type for one channel of the early stage."""

    weight: float
    """Excitatory where positive, inhibitory where negative."""
    surround: float = Field(default=0.0, ge=0)
    """Strength of the surround relative to the column; 1 cancels a signal that fills the surround."""


class Radial(Config):
    """Opponent radial motion."""

    weight: float
    inward: float = Field(default=1.0, ge=0)
    """Inhibition by inward motion, relative to the excitation by outward motion."""
    threshold: float = Field(default=0.0, ge=0)
    """Threshold of each of the four arms."""


class Detector(Config):
    """How a cell type computes its voltage."""

    channels: dict[Literal["off", "on", "thin", "dark"], Channel]
    """Receptive fields for the channels of the early stage."""
    surround: Extent
    """Extent of the surround of all channels."""
    local_threshold: float = Field(default=0.0, ge=0)
    pool: Extent
    """Extent of the receptive field."""
    radial: Radial | None = None
    normalisation: float = Field(default=0.0, ge=0)
    """Strength of the division by all transients around."""
    normalisation_deg: float = Field(default=15.0, gt=0)
    """Standard deviation of the normalising pool, which is round."""
    threshold: float = Field(default=0.0, ge=0)


class CellType(Config):
    """An entry of ``types.yaml``."""

    prefers: str
    """Preferred stimulus of the type, in words."""
    reference_dff: float = Field(gt=0)
    """dF/F of the response that counts as 100 percent, and as 1 in the detector's voltage."""
    noise_dff: float = Field(ge=0)
    """Standard deviation of the baseline of one trial."""
    detector: Detector


@cache
def cell_types() -> Mapping[str, CellType]:
    """The table ``types.yaml``: name (lower case) to cell type."""
    table = read_yaml(str(resources.files(__package__).joinpath("types.yaml")), "the table of cell types")
    return {name: CellType.model_validate(entry) for name, entry in table.items()}


def cell_type(name: str) -> CellType:
    """The cell type of a name, in any case.

    Raises:
        ConfigError: the table has no such type.
    """
    table = cell_types()
    if (known := cell_type_name(name)) not in table:
        raise ConfigError(f"the simulation knows no cell type '{name}'", remedy=nearest(name, table))
    return table[known]


@dataclass(frozen=True)
class Lattice:
    """Signals of the early stage as tensors, of one movie or of several of one length.

    Args:
        signals: as in :class:`~stcnn.simulation.early.Columns`, with any axes before ``(T, Y, X)``.
        elevation_deg: of the rows ``(Y,)``.
        azimuth_deg: of the columns ``(X,)``.
    """

    signals: Mapping[str, Tensor]
    elevation_deg: Tensor
    azimuth_deg: Tensor

    @classmethod
    def of(cls, columns: Columns) -> Lattice:
        """Take over the columns of one movie."""
        signals = {name: torch.from_numpy(signal) for name, signal in columns.signals.items()}
        return cls(signals, torch.from_numpy(columns.elevation_deg.copy()), torch.from_numpy(columns.azimuth_deg))


def voltage(cell: Detector, lattice: Lattice, positions_deg: Tensor) -> Tensor:
    """Voltage of neurons of one type, rectified, zero at rest.

    Args:
        cell: the parameters of the type.
        lattice: signals of the columns, axes ``(..., T, Y, X)``.
        positions_deg: azimuth and elevation of the receptive fields, ``(N, 2)``.

    Returns:
        ``(..., T, N)``.
    """
    azimuth, elevation = positions_deg.T
    y_pool = gaussian(lattice.elevation_deg - elevation[:, None], cell.pool.elevation_deg)
    x_pool = gaussian(lattice.azimuth_deg - azimuth[:, None], cell.pool.azimuth_deg)
    drive: Any = 0.0
    for name, channel in cell.channels.items():
        drive = drive + channel.weight * pooled(_local(cell, channel, lattice, name), y_pool, x_pool)
    if cell.radial is not None:
        drive = drive + cell.radial.weight * _radial(cell, cell.radial, lattice, positions_deg)
    y_norm = gaussian(lattice.elevation_deg - elevation[:, None], cell.normalisation_deg)
    x_norm = gaussian(lattice.azimuth_deg - azimuth[:, None], cell.normalisation_deg)
    around = pooled(lattice.signals["off"] + lattice.signals["on"], y_norm, x_norm)
    return torch.relu(drive / (1 + cell.normalisation * around) - cell.threshold)


def gaussian(distance_deg: Tensor, sigma_deg: Number) -> Tensor:
    """Gaussian of a distance, with peak 1."""
    return torch.exp(-(distance_deg**2) / (2 * sigma_deg**2))


def pooled(signal: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Weighted sum ``(..., T, N)`` over the columns of ``(..., T, Y, X)`` with weights ``(N, Y)`` and ``(N, X)``."""
    return torch.einsum("...yn,ny->...n", signal @ cols.T, rows)


def _local(cell: Detector, channel: Channel, lattice: Lattice, name: str) -> Tensor:
    """Rectified centre-surround signal of a channel."""
    rows = _blur(lattice.elevation_deg, cell.surround.elevation_deg)
    cols = _blur(lattice.azimuth_deg, cell.surround.azimuth_deg)
    signal = lattice.signals[name]
    return torch.relu(signal - channel.surround * (rows @ signal @ cols.T) - cell.local_threshold)


def _blur(place_deg: Tensor, sigma_deg: Number) -> Tensor:
    """Gaussian weights from each column of an axis to each, of unit sum in the middle; beyond the edge is grey."""
    weights = gaussian(place_deg[:, None] - place_deg, sigma_deg)
    return weights / weights[len(weights) // 2].sum()


def _radial(cell: Detector, radial: Radial, lattice: Lattice, positions_deg: Tensor) -> Tensor:
    """Sum of the four arms, ``(..., T, N)``; an arm's weight grows with the distance from the middle of the field."""
    azimuth, elevation = positions_deg.T
    arms: Any = 0.0
    for name, horizontal in (("rightward", True), ("upward", False)):
        x = _between(lattice.azimuth_deg) if horizontal else lattice.azimuth_deg
        y = lattice.elevation_deg if horizontal else _between(lattice.elevation_deg)
        x = x - azimuth[:, None]
        y = y - elevation[:, None]
        rows = gaussian(y, cell.pool.elevation_deg)
        cols = gaussian(x, cell.pool.azimuth_deg)
        for sign in (1, -1):
            sector = torch.relu(sign * (x if horizontal else y)) / 20  # 1 at 20 deg
            weights = (rows, cols * sector) if horizontal else (rows * sector, cols)
            outward = pooled(torch.relu(sign * lattice.signals[name]), *weights)
            inward = pooled(torch.relu(-sign * lattice.signals[name]), *weights)
            arms = arms + torch.relu(outward - radial.inward * inward - radial.threshold)
    return arms


def _between(place_deg: Tensor) -> Tensor:
    """Places halfway between neighbours."""
    return (place_deg[1:] + place_deg[:-1]) / 2
