"""Columns as they were measured: where each looks, from a table, in the array and with the neighbours of a hexagon.

The table is a CSV file with a row for each column of one eye: ``azimuth_deg`` and ``elevation_deg``, where it looks
around the fly, and its axial coordinates ``p`` and ``q`` (:mod:`stcnn.eye_columns`). It is read when a configuration
is made, and what it says becomes part of it, so that a model needs no table to be opened.

Columns look at a flat picture in azimuth and elevation around a middle, which is exact there; where the eye has no
column, its array sees grey.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import field_validator, model_validator
from torch import Tensor

from stcnn.errors import DataError
from stcnn.eye_columns import array_of, from_middle_deg
from stcnn.nn.lattices.hexagonal import HexagonalLattice
from stcnn.nn.lattices.lattice import Direction
from stcnn.nn.windows import Pair
from stcnn.reading import numbers, read_csv, whole_numbers

WHAT = "a table of the columns of an eye"
NOWHERE_DEG = 1e4
"""Where an entry of the array looks that is no column: beyond every picture."""
FARTHEST_DEG = 80.0
"""From the middle, beyond which a flat picture in azimuth and elevation has little to do with what is there."""


class MeasuredLattice(HexagonalLattice):
    """Columns of a measured eye; kernels and windows are hexagons of neighbours."""

    kind: Literal["measured"] = "measured"  # type: ignore[assignment]
    AROUND: ClassVar[bool] = True
    table: Path | None = None
    """CSV file of the columns: ``azimuth_deg``, ``elevation_deg``, ``p``, ``q``; read where ``looks_deg`` is empty."""
    middle_deg: Direction | None = None
    """Azimuth and elevation around the fly that are the middle of the picture; None is where the columns look on
    average, which is then noted here."""
    looks_deg: tuple[Direction, ...] = ()
    """Where each column looks, from the table."""
    axial: tuple[tuple[int, int], ...] = ()
    """Its p and q, from the table."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the user wrote
        """Read the table."""
        if not isinstance(values, dict) or values.get("looks_deg") or not values.get("table"):
            return values
        table = read_csv(str(values["table"]), ("azimuth_deg", "elevation_deg", "p", "q"), WHAT)
        if "eye" in table and table["eye"].nunique() > 1:
            raise DataError(f"{values['table']} has columns of several eyes", expected="those of one")
        looks_deg = np.stack([numbers(table, "azimuth_deg"), numbers(table, "elevation_deg")], -1)
        axial = np.stack([whole_numbers(table, "p"), whole_numbers(table, "q")], -1)
        middle = values.get("middle_deg")
        if middle is None:
            middle = tuple(np.round(from_middle_deg(looks_deg)[1], 6).tolist())
        return {**values, "looks_deg": looks_deg.tolist(), "axial": axial.tolist(), "middle_deg": middle}

    @field_validator("table")
    @classmethod
    def _keeps_its_name(cls, table: Path | None) -> Path | None:
        return None if table is None else Path(table)

    @model_validator(mode="after")
    def _has_columns(self) -> MeasuredLattice:
        if not self.looks_deg or len(self.looks_deg) != len(self.axial):
            raise ValueError("a measured lattice needs a table of columns (key table)")
        away_deg = self._from_middle_deg()
        farthest = float(np.abs(away_deg).max())
        if farthest > FARTHEST_DEG:
            raise ValueError(
                f"a column looks {farthest:.0f} degrees from the middle of the picture, {FARTHEST_DEG:.0f} at most: "
                "leave it out of the table, or set middle_deg"
            )
        self.array()
        return self

    def array(self) -> np.ndarray:
        """Return the numbers of the columns in the array ``(rows, columns)``; -1 where the eye has none.

        Raises:
            DataError: two have the same p and q.
        """
        return array_of(self.axial, self._from_middle_deg()[:, 0])

    def own_shape(self) -> Pair:
        """Return rows and columns of the array."""
        rows, columns = self.array().shape
        return rows, columns

    def own_spacing_deg(self) -> Direction:
        """Return the median distance of neighbours, alike down and across."""
        array = self.array()
        away_deg = self._from_middle_deg()
        found = []
        for row, column in self.AXES:
            first = array[max(0, -row) : len(array) - max(0, row), max(0, -column) : array.shape[1] - max(0, column)]
            second = array[max(0, row) :, max(0, column) :] if column >= 0 else array[row:, :column]
            both = (first >= 0) & (second >= 0)
            found.append(np.linalg.norm(away_deg[first[both]] - away_deg[second[both]], axis=-1))
        distances_deg = np.concatenate(found)
        usual_deg = float(np.median(distances_deg)) if len(distances_deg) else 1.0
        return usual_deg, usual_deg

    def middle(self, shape: Pair) -> Pair:
        """Return row and column of the column that looks nearest to the middle of the picture."""
        array = self.array()
        if tuple(shape) != array.shape:
            return super().middle(shape)
        number = int(np.square(self._from_middle_deg()).sum(1).argmin())
        row, column = np.argwhere(array == number)[0].tolist()
        return row, column

    def steps_deg(self, spacing_deg: Direction) -> None:  # type: ignore[override]
        """Return that what lies between neighbours is not the same everywhere."""
        return None

    def positions_deg(self, shape: Pair, spacing_deg: Direction, centre_deg: Direction) -> Tensor:
        """Return where every column looks; of a window of another size, where those of a regular lattice do."""
        array = self.array()
        if tuple(shape) != array.shape:
            return HexagonalLattice().positions_deg(shape, spacing_deg, centre_deg)
        away_deg = torch.from_numpy(self._from_middle_deg())
        found = away_deg[torch.from_numpy(np.maximum(array, 0))] + torch.tensor(centre_deg, dtype=torch.float64)
        return torch.where(torch.from_numpy(array >= 0)[..., None], found, NOWHERE_DEG)

    def axis_lengths_deg(self, spacing_deg: Direction) -> list[float]:
        """Return the distance of neighbours along each axis, that of a regular lattice."""
        return HexagonalLattice().axis_lengths_deg(spacing_deg)

    def _from_middle_deg(self) -> np.ndarray:
        return from_middle_deg(self.looks_deg, self.middle_deg)[0]
