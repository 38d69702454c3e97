"""A part of a store that each process opens for itself."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stcnn.addresses import address_of
from stcnn.reading import read_json, reading, require_room, require_stored
from stcnn.remote import bring

RESTORE = "copy the store again or import the recordings again"


@cache
def listed(path: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Sizes and checksums of the files of a store elsewhere, as its root says."""
    attributes = read_json(path / "zarr.json", "the contents of a store", allow_nan=True)["attributes"]
    return attributes["files"], attributes.get("sums", {})


def bring_part(path: Path, name: str) -> None:
    """Fetch a file or an array of a store that lies elsewhere, with the groups that it is in.

    Args:
        path: of the store; of one on this machine nothing is fetched.
        name: of the file or array in it.

    Raises:
        FileError: as :func:`stcnn.remote.bring`.
    """
    if address_of(path) is None:
        return
    files, sums = listed(path)
    groups = [f"{parent}/zarr.json" for parent in PurePosixPath(name).parents]
    for file in [file for file in files if file == name or file.startswith(f"{name}/") or file in groups]:
        bring(path / file, files[file], sums.get(file))


class Opened:
    """A part of a store that each process opens for itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._group: zarr.Group | None = None
        self._pid = 0

    def array(self, name: str) -> zarr.Array:
        """The array of this name."""
        if self._group is None or self._pid != os.getpid():
            self._group = zarr.open_group(self.path, mode="r", use_consolidated=False)
            self._pid = os.getpid()
        bring_part(self.path, name)
        array = self._group[name]
        assert isinstance(array, zarr.Array), name
        return array

    def read(self, name: str) -> NDArray[Any]:
        """All values of an array.

        Raises:
            FileError: the file is damaged.
        """
        where = self.path / name
        remedy = RESTORE
        with reading(where, "an undamaged store", remedy):
            array = self.array(name)
            require_room(array.nbytes, str(where))
            require_stored(array.nbytes, array.nbytes_stored, str(where))
            return np.asarray(array[:])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_group": None}
