"""Lattices wide enough for neurons that read where they sit, and networks in which they may."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.eye import MOST_COLUMNS
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.windows import Window


def require_places(config: ModelConfig) -> None:
    """Require a network in which a neuron may sit anywhere.

    Raises:
        ConfigError: it is of another form; the message says which.
    """
    reason = ""
    layers = range(len(config.hidden.channels))
    if not all(config.hidden.convolution(i).keeps_size for i in layers):
        reason = (
            "a hidden layer has a stride, a padding or an even kernel, so that its places are not the eye's columns"
        )
    if any(cell_type.grid is not None for cell_type in config.cell_types.values()):
        reason = "the windows of its readouts lie on a grid"
    if config.eye.arrangement.steps_deg(config.eye.spacing_deg) is None:
        reason = f"the columns of a lattice of kind '{config.eye.arrangement.kind}' are not at equal distances"
    if config.eye.first_column_deg is not None:
        reason = "its lattice follows the size of the picture"
    if reason:
        raise ConfigError(
            f"neurons of this network cannot read where they sit: {reason}",
            expected="layers that keep the size of their maps, readouts around one column, and one lattice",
            remedy="choose batching.kind=presentations, or 'recordings' for the published network",
        )


def require_direction(place_deg: tuple[float, float]) -> None:
    """Refuse a place that is no direction.

    Raises:
        ConfigError: the azimuth or elevation is beyond a full turn.
    """
    azimuth_deg, elevation_deg = place_deg
    if not (abs(azimuth_deg) <= 180 and abs(elevation_deg) <= 90):
        raise ConfigError(
            f"the place is azimuth {azimuth_deg:g} and elevation {elevation_deg:g} degrees",
            expected="an azimuth of -180 to 180 and an elevation of -90 to 90 degrees from the middle of the picture",
        )


def wide_enough(
    config: ModelConfig, place_deg: Tensor, cell_types: Iterable[str], around: Window | None = None
) -> ModelConfig:
    """Return a network with rows and columns added so that neurons at some places read on its lattice.

    Columns stay where they are. The lattice then holds the widest window of any cell type around the outermost places,
    and the column behind it that is read between columns; it never reaches less far than it did.

    Args:
        config: the network.
        place_deg: azimuth and elevation of each neuron from the readouts' place, ``(N, 2)``.
        cell_types: names of the types that are read.
        around: rows and columns that the lattice holds around every place beside the windows; None is none.

    Raises:
        ConfigError: see :func:`require_places`.
    """
    require_places(config)
    columns = config.eye.in_columns(place_deg.detach().double().cpu())
    centre = config.readout.centre or (config.eye.lattice[0] // 2, config.eye.lattice[1] // 2)
    windows = [config.cell_types.get(name, config.cell_types["default"]).window for name in cell_types]
    half = [max(window[axis] for window in windows) // 2 for axis in (0, 1)]
    before = []
    behind = []
    top, bottom, left, right = around or Window(0, 1, 0, 1)
    for axis, (first_around, last_around) in enumerate(((top, bottom - 1), (left, right - 1))):
        lowest = float(columns[:, axis].min())
        highest = float(columns[:, axis].max())
        first = math.floor(lowest) + min(first_around, -half[axis])
        last = max(math.ceil(highest) + last_around, math.floor(highest) + half[axis] + 1)
        before.append(max(0, -(centre[axis] + first)))
        behind.append(max(0, centre[axis] + last + 1 - config.eye.lattice[axis]))
    if not any((*before, *behind)):
        return config
    n_rows, n_columns = (n + a + b for n, a, b in zip(config.eye.lattice, before, behind, strict=True))
    if n_rows * n_columns > MOST_COLUMNS:
        raise ConfigError(
            f"neurons at {place_deg.amin(0).tolist()} to {place_deg.amax(0).tolist()} degrees need a lattice of "
            f"{n_rows} x {n_columns} columns",
            expected=f"at most {MOST_COLUMNS:,} columns",
            remedy="correct the places (azi_shift, ele_shift), or choose a larger model.eye.column_spacing_deg",
        )
    middle = torch.tensor([behind[0] - before[0], behind[1] - before[1]], dtype=torch.float64) / 2
    centre_deg = torch.tensor(config.eye.centre_deg, dtype=torch.float64) + config.eye.in_degrees(middle)
    added = (before[0], behind[0], before[1], behind[1])
    eye = config.eye.model_copy(
        update={
            "lattice": (n_rows, n_columns),
            "centre_deg": tuple(centre_deg.tolist()),
            "grown": tuple(a + b for a, b in zip(config.eye.grown, added, strict=True)),
        }
    )
    centred = config.readout.model_copy(update={"centre": (centre[0] + before[0], centre[1] + before[1])})
    return config.model_copy(update={"eye": eye, "readout": centred})


def without_growth(config: ModelConfig) -> ModelConfig:
    """Return a network without the rows and columns that :func:`wide_enough` added."""
    above, below, left, right = config.eye.grown
    if not any(config.eye.grown):
        return config
    rows, columns = config.eye.lattice
    row, column = config.readout.centre or (rows // 2, columns // 2)
    middle = torch.tensor([below - above, right - left], dtype=torch.float64) / 2
    centre_deg = torch.tensor(config.eye.centre_deg, dtype=torch.float64) - config.eye.in_degrees(middle)
    eye = config.eye.model_copy(
        update={
            "lattice": (rows - above - below, columns - left - right),
            "centre_deg": tuple(round(angle_deg, 9) + 0.0 for angle_deg in centre_deg.tolist()),
            "grown": (0, 0, 0, 0),
        }
    )
    centred = config.readout.model_copy(update={"centre": (row - above, column - left)})
    return config.model_copy(update={"eye": eye, "readout": centred})
