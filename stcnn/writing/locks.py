"""Locks on folders, by which two processes that would write the same files know of each other.

The system gives a lock up when its process ends, however it ends, so none is ever left behind.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from stcnn.errors import FileError
from stcnn.writing.files import unwritable

_held: set[Path] = set()
"""Lock files that this process holds: to open and close one of them again would give its lock up."""


@contextmanager
def locked(folder: Path, purpose: str, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Be the only process that does something in a folder; where the file system has no locks, go on without.

    Args:
        folder: that is there.
        purpose: what the lock is for, part of the name of its file.
        doing: what is done in it, after "another process"; for the sentence.
        wait: until the other process is done, instead of refusing.

    Raises:
        FileError: another process holds the lock, or the folder cannot be written to.
    """
    if fcntl is None:
        yield  # type: ignore[unreachable]  # on Windows
        return
    path = (folder / f".{purpose}.lock").absolute()
    descriptor = _opened(path)
    mine = False
    try:
        try:
            # Of POSIX, which a worker that was forked does not inherit: it would hold it longer than its parent lives.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError):
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            found = f"another process {doing} {folder} ({holder or 'unknown'})"
            raise FileError(found, remedy="wait for its end, or stop it") from None
        except OSError:  # a network file system without locks
            yield
            return
        mine = path not in _held
        _held.add(path)
        with suppress(OSError):  # for the sentence only: a full disk is told by what matters
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        if mine:
            _held.discard(path)
        os.close(descriptor)


def is_locked(folder: Path, purpose: str) -> bool:
    """Tell whether a process, perhaps this one, holds a lock on a folder.

    Args:
        folder: that may be there.
        purpose: what the lock is for, as of :func:`locked`.
    """
    path = (folder / f".{purpose}.lock").absolute()
    if path in _held:
        return True
    if fcntl is None or not path.is_file():
        return False
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:  # a network file system without locks
        return False
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(path, error) or error from error
