"""Puts a finished draft into its place, so that it is there after a loss of power too."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from stcnn.writing.drafts import REPLACED

_NOT_ON_THIS_FILE_SYSTEM = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF)
# of renameat2(2)
_AT_CWD = -100
_EXCHANGE = 2


def place_file(draft: Path, path: Path) -> None:
    """Move a file from its draft to its place, over what is there.

    Raises:
        OSError: it cannot be written through to the disk or moved.
    """
    write_through(draft)
    draft.replace(path)
    write_through(path.parent)


def place_folder(draft: Path, path: Path, *, replace: bool) -> None:
    """Move a folder from its draft to its place.

    Args:
        draft: the folder, in a draft folder beside ``path``.
        path: its place.
        replace: what is there gives way, and is there whole until the new one is.

    Raises:
        OSError: it cannot be written through to the disk or moved; without ``replace`` also that there is something.
    """
    for folder, _, files in os.walk(draft, topdown=False):
        for name in files:
            write_through(Path(folder) / name)
        write_through(Path(folder))
    if replace and path.exists():
        _exchange(draft, path)
    else:
        draft.rename(path)
    write_through(path.parent)


def write_through(path: Path) -> None:
    """Wait until the content of a file or folder is on the disk; full disks and used up quotas may show only here.

    Raises:
        OSError: it cannot be written.
    """
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_ON_THIS_FILE_SYSTEM:
            raise
    finally:
        os.close(descriptor)


def _exchange(draft: Path, path: Path) -> None:
    """Let two folders change places at once, where the system can; else one after the other, by way of the draft."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if rename is not None and rename(_AT_CWD, os.fsencode(draft), _AT_CWD, os.fsencode(path), _EXCHANGE) == 0:
        return
    former = draft.parent / REPLACED / path.name
    former.parent.mkdir()
    path.rename(former)
    try:
        draft.rename(path)
    except OSError:
        former.rename(path)
        raise
