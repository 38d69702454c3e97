"""Columns of eyes as they were measured: where each looks, which are neighbours, and their place in a lattice.

A table has a row for each column: where it looks (``azimuth_deg`` and ``elevation_deg``, or ``x``, ``y`` and ``z`` of
a vector: right, ahead, up), and if known ``eye`` (any names), ``acceptance_fwhm_deg``, and the axial coordinates
``p`` and ``q`` of its place in the hexagonal lattice of its eye (a step along p, along q, and along both lead to
neighbours, as in Zhao et al. 2025, doi 10.1038/s41586-025-09276-5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError, cKDTree

from stcnn.errors import DataError, FileError
from stcnn.eye_columns import array_of
from stcnn.reading import numbers, read_csv, reading, require_file, require_room, texts, whole_numbers
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats

WHAT = "a table of columns"
EYEMAP = "a file of the published eye map (RData)"
FWHM_DEG = 5.0
"""Acceptance angle where a table says none (Klapoetke et al. 2022)."""
NEIGHBOURS = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))
"""Steps (p, q) to the six neighbours."""
LONGEST = 1.8
"""Times the median distance of next columns, beyond which two are no neighbours though none lies between them."""


@dataclass(frozen=True)
class Columns:
    """Columns of one eye or of several.

    Args:
        looks: unit vectors ``(n, 3)``.
        fwhm_deg: acceptance angles ``(n,)``.
        eye: name of the eye of each ``(n,)``.
        axial: p and q of each ``(n, 2)``; None where they are not known.
    """

    looks: Floats
    fwhm_deg: Floats
    eye: NDArray[np.str_]
    axial: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.looks)

    def of(self, eye: str) -> Columns:
        """Return the columns of one eye.

        Raises:
            DataError: there is no such eye.
        """
        own = self.eye == eye
        if not own.any():
            raise DataError(
                f"there are no columns of an eye '{eye}'", expected=f"one of {sorted(map(str, set(self.eye)))}"
            )
        axial = None if self.axial is None else self.axial[own]
        return Columns(self.looks[own], self.fwhm_deg[own], self.eye[own], axial)

    def pairs(self) -> NDArray[np.int64]:
        """Return neighbours in each eye, the numbers of two columns ``(m, 2)``: by p and q, or by where they look."""
        found = []
        for eye in np.unique(self.eye):
            own = np.flatnonzero(self.eye == eye)
            local = _by_directions(self.looks[own]) if self.axial is None else _by_axial(self.axial[own])
            found.append(own[local])
        return np.concatenate(found)

    def spacing_deg(self) -> Floats:
        """Return the mean angle to its neighbours of each column ``(n,)``; not a number where it has none."""
        pairs = self.pairs()
        angle_deg = directions.angle_deg(self.looks[pairs[:, 0]], self.looks[pairs[:, 1]])
        both, angles = pairs.ravel(order="F"), np.tile(angle_deg, 2)
        count = np.bincount(both, minlength=len(self))
        with np.errstate(invalid="ignore"):
            return np.bincount(both, angles, minlength=len(self)) / count

    def overlapping(self, within_deg: float | None = None) -> NDArray[np.bool_]:
        """Return which columns look where another eye looks too ``(n,)``.

        Args:
            within_deg: how near a column of another eye looks; by default the median distance of neighbours.
        """
        limit_deg = float(np.nanmedian(self.spacing_deg())) if within_deg is None else within_deg
        chord = 2 * np.sin(np.radians(limit_deg) / 2)
        overlap = np.zeros(len(self), bool)
        for eye in np.unique(self.eye):
            own = self.eye == eye
            if not own.all():
                overlap[own] = cKDTree(self.looks[~own]).query(self.looks[own])[0] <= chord
        return overlap

    def array(self) -> NDArray[np.int64]:
        """Return the columns of one eye in the array of a hexagonal lattice ``(rows, columns)``; -1 where none is.

        A step along both p and q is a step up; of the two ways to lay p and q, the one is taken in which azimuth grows
        to the right. This is the array of :class:`~stcnn.nn.lattices.hexagonal.HexagonalLattice`.

        Raises:
            DataError: these are columns of several eyes, they have no p and q, or two have the same.
        """
        if self.axial is None or len(np.unique(self.eye)) > 1:
            found = "have no p and q" if self.axial is None else "are of several eyes"
            raise DataError(f"columns {found}", expected="columns of one eye with their places p and q in a lattice")
        return array_of(self.axial, directions.azimuth_deg(self.looks @ _turned_ahead(self.looks)))


def read_columns(path: str | Path) -> Columns:
    """Read a table of columns.

    Args:
        path: of a CSV file; see the module for what it has.

    Raises:
        FileError: there is no such file, or it is no table.
        DataError: it does not say where columns look, or holds what cannot be.
    """
    table = read_csv(path, (), WHAT)
    if {"azimuth_deg", "elevation_deg"} <= set(table.columns):
        looks = directions.unit(numbers(table, "azimuth_deg"), numbers(table, "elevation_deg"))
    elif {"x", "y", "z"} <= set(table.columns):
        looks = np.stack([numbers(table, name) for name in "xyz"], -1)
    else:
        found = f"{path} does not say where columns look"
        raise DataError(found, expected="azimuth_deg and elevation_deg, or x, y and z of a vector")
    n = len(looks)
    fwhm_deg = numbers(table, "acceptance_fwhm_deg") if "acceptance_fwhm_deg" in table else np.full(n, FWHM_DEG)
    eye = texts(table, "eye").astype(np.str_) if "eye" in table else np.full(n, "eye")
    axial = None
    if {"p", "q"} <= set(table.columns):
        axial = np.stack([whole_numbers(table, name) for name in "pq"], -1)
    return _judged(looks, fwhm_deg, eye, axial, path)


def read_eyemap(path: str | Path, lattice: str | Path | None = None) -> Columns:
    """Read the columns of the right eye of the published eye map of Drosophila.

    Args:
        path: of ``eyemap.RData`` of reiserlab/eyemap_T4 (Zhao et al. 2025, doi 10.1038/s41586-025-09276-5).
        lattice: of ``hexnb_ind_dist.RData`` from there, which has p and q; without it neighbours are those by where
            columns look.

    Raises:
        FileError: a file is missing or does not hold what it should, or the package rdata is not installed.
    """
    vectors = _of_r(path, "ucl_rot_sm", 3)
    looks = np.stack([-vectors[:, 1], vectors[:, 0], vectors[:, 2]], -1)  # theirs: ahead, left, up
    n = len(looks)
    axial = None
    if lattice is not None:
        placed = _of_r(lattice, "ind_xy", 3).astype(np.int64)
        if sorted(placed[:, 0]) != list(range(1, n + 1)):
            raise FileError(f"{lattice} is of {len(placed)} columns", expected=f"places of the {n} columns of {path}")
        axial = np.empty((n, 2), np.int64)
        axial[placed[:, 0] - 1] = placed[:, 1:]
    return _judged(looks, np.full(n, FWHM_DEG), np.full(n, "right"), axial, path)


def mirrored(columns: Columns, eye: str) -> Columns:
    """Return the columns of the other eye of a fly that is alike on both sides."""
    looks = columns.looks * [-1, 1, 1]
    axial = None if columns.axial is None else columns.axial[:, ::-1].copy()
    return Columns(looks, columns.fwhm_deg, np.full(len(columns), eye), axial)


def joined(*eyes: Columns) -> Columns:
    """Return the columns of several eyes as one."""
    axial = [columns.axial for columns in eyes if columns.axial is not None]
    return Columns(
        np.concatenate([columns.looks for columns in eyes]),
        np.concatenate([columns.fwhm_deg for columns in eyes]),
        np.concatenate([columns.eye for columns in eyes]),
        np.concatenate(axial) if len(axial) == len(eyes) else None,
    )


def _of_r(path: str | Path, name: str, n_columns: int) -> Floats:
    """Return a matrix of a file of R."""
    size = require_file(path, EYEMAP)
    require_room(100 * size, str(path), EYEMAP)
    try:
        import rdata
    except ImportError:
        raise FileError(
            f"{path} cannot be read: the package rdata is not installed", remedy="pip install 'stcnn[eyemap]'"
        ) from None
    with reading(path, EYEMAP):
        content = rdata.read_rda(path)
        values: NDArray[Any] = np.asarray(content[name]) if name in content else np.zeros(0)
    if values.ndim != 2 or values.shape[1] != n_columns or values.dtype.kind not in "fiu" or not len(values):
        raise FileError(f"{path} has no matrix '{name}' of {n_columns} columns", expected=EYEMAP)
    return values.astype(float)


def _judged(
    looks: Floats, fwhm_deg: Floats, eye: NDArray[np.str_], axial: NDArray[np.int64] | None, path: str | Path
) -> Columns:
    """Return columns whose vectors have length 1."""
    length = np.linalg.norm(looks, axis=-1)
    if not np.isfinite(length).all() or not (length > 0).all():
        raise DataError(f"{path} has a vector of no length", expected="directions in which columns look")
    if not ((fwhm_deg > 0) & (fwhm_deg <= 180)).all():
        raise DataError(
            f"{path} has acceptance angles from {fwhm_deg.min():g} to {fwhm_deg.max():g}",
            expected="angles above 0 and at most 180 degrees",
        )
    return Columns(looks / length[:, None], fwhm_deg, eye, axial)


def _by_axial(axial: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return neighbours in a lattice, numbers of two columns each."""
    number = {(int(p), int(q)): i for i, (p, q) in enumerate(axial)}
    steps = NEIGHBOURS[:3]
    found = [(i, number.get((p + dp, q + dq), -1)) for (p, q), i in number.items() for dp, dq in steps]
    return np.array([pair for pair in found if pair[1] >= 0], np.int64).reshape(-1, 2)


def _by_directions(looks: Floats) -> NDArray[np.int64]:
    """Return neighbours on the sphere, by the triangles between directions without those that reach far.

    The convex hull of points on a sphere is their triangulation by Delaunay (Brown 1979, doi
    10.1016/0020-0190(79)90074-7); triangles over what no column sees are long.
    """
    try:
        triangles = ConvexHull(looks).simplices
    except (QhullError, ValueError):
        return np.zeros((0, 2), np.int64)
    edges = np.unique(np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    length = np.linalg.norm(looks[edges[:, 0]] - looks[edges[:, 1]], axis=1)
    nearest = cKDTree(looks).query(looks, k=2)[0][:, 1]
    return np.asarray(edges[length <= LONGEST * np.median(nearest)], np.int64)


def _turned_ahead(looks: Floats) -> Floats:
    """Return the matrix whose products with directions have the mean direction ahead."""
    axes = directions.around(
        (float(directions.azimuth_deg(looks.mean(axis=0))), float(directions.elevation_deg(looks.mean(axis=0))))
    )
    return np.stack([axes.right, axes.pole, axes.up], -1)
