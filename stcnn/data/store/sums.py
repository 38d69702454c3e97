"""Checksums of a store, by which samples that were edited or decayed after it was written are noticed.

Every file of a store has its SHA-256 in the attributes of the root, and so have these attributes themselves. The files
are read through where it matters that nothing changed: for the content hash (before a training, a resumed one, an
evaluation) and for ``stcnn data check``; opening compares sizes alone. A file that was found whole is not read again by
the same process until its time, size or inode changes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stcnn.addresses import address_of
from stcnn.data.store.layout import ATTRIBUTES
from stcnn.errors import FileError
from stcnn.reading import reading, sha256_of

IMPORT_AGAIN = "restore it from a copy, or import the recordings again (stcnn data import ... --overwrite)"
ROOT = "zarr.json"
N_THREADS = 4
"""Files that are read at once."""
_whole: dict[str, tuple[str, tuple[int, ...]]] = {}
"""Files that were found whole, to their checksum and what they looked like then."""


def sum_of_attributes(attributes: Mapping[str, Any]) -> str:
    """SHA-256 of the attributes that the format knows, without ``sums``; others may be added by anyone."""
    known = {name: attributes[name] for name in ATTRIBUTES if name in attributes}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def require_same_attributes(path: Path, attributes: Mapping[str, Any]) -> None:
    """Refuse a store whose attributes were edited.

    Raises:
        FileError: they were.
    """
    if "sums" not in attributes:
        return
    sums = attributes["sums"]
    if set(sums) != {ROOT, *attributes["files"]} or sums[ROOT] != sum_of_attributes(attributes):
        raise FileError(f"the attributes of the store {path} were changed after it was written", remedy=IMPORT_AGAIN)


@dataclass(frozen=True)
class StoredSums:
    """The checksums of a store.

    Args:
        path: the store.
        sums: each file but the root to its SHA-256; empty in stores that were written before there were checksums.
    """

    path: Path
    sums: Mapping[str, str]

    @property
    def note(self) -> str:
        """Sentence on a store without checksums; empty for others."""
        if self.sums:
            return ""
        return (
            f"the store {self.path} was written before there were checksums: whether its samples were edited since "
            "cannot be told; import the recordings again to have them"
        )

    def __call__(self) -> None:
        """Read every file through and compare.

        Raises:
            FileError: a file was changed after the store was written.
        """
        if self.note:
            logging.getLogger(__name__).warning(self.note)
        sums = self.sums
        if address_of(self.path):  # of a store elsewhere those that are here; others are compared when they arrive
            sums = {name: text for name, text in sums.items() if (self.path / name).is_file()}
        with ThreadPoolExecutor(N_THREADS) as pool:
            same = pool.map(self._is_same, sums, sums.values())
            changed = [name for name, unchanged in zip(sums, same, strict=True) if not unchanged]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            found = f"the store {self.path} was changed after it was written: {changed[0]}{more} has another checksum"
            raise FileError(found, remedy=IMPORT_AGAIN)

    def _is_same(self, name: str, expected: str) -> bool:
        file = self.path / name
        with reading(file, "a file of a store", IMPORT_AGAIN):
            looks = _looks(file)
            if _whole.get(str(file)) == (expected, looks):
                return True
            if sha256_of(file) != expected:
                return False
            _whole[str(file)] = (expected, looks)
        return True


def _looks(file: Path) -> tuple[int, ...]:
    found = os.stat(file)  # noqa: PTH116 - one call
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
