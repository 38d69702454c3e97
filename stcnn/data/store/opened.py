"""A part of a store that each process opens for itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from stcnn.reading import reading, require_room, require_stored

RESTORE = "copy the store again or import the recordings again"


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
