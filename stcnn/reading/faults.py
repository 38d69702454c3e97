"""Rules that every reader shares: which files are opened, how much memory they may take, and what is said of faults."""

from __future__ import annotations

import errno
import os
import re
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from stcnn.errors import FileError, StcnnError
from stcnn.validation import faults_of

MEMORY_SHARE = 0.5
"""Share of the memory of this process's machine that a single array or table may take."""
FEW_BYTES = 10**8
"""Size up to which what is declared is not compared with what is stored."""
MOST_EXPANSION = 10_000
"""By which factor compression may shrink an array; gzip shrinks zeros by 1,030."""
COPY_AGAIN = "copy the file again or save it again from its source"
_ADDRESS = re.compile(r"([a-z][a-z0-9]+):/{1,2}([^/].*)")
_SPECIAL = {
    stat.S_ISDIR: "a folder",
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def require_file(path: str | Path, what: str) -> int:
    """Size in bytes of an ordinary file; anything else is refused before it is opened, because opening could hang.

    Args:
        path: of the file; links are followed.
        what: what is expected there, for the sentence.

    Raises:
        FileError: there is no such file, or it is a folder, a pipe, a socket or a device.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - also of a text that no Path can be made from
    except (OSError, ValueError) as error:
        raise _fault(path, error, what, "") from error
    for is_special, name in _SPECIAL.items():
        if is_special(found.st_mode):
            raise FileError(f"{path} is {name}", expected=what, remedy="correct the path")
    return found.st_size


def require_folder(path: str | Path, what: str) -> Path:
    """The path of a folder.

    Raises:
        FileError: there is no such folder.
    """
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        raise _fault(path, error, what, "") from error
    if not stat.S_ISDIR(found.st_mode):
        raise FileError(f"{path} is not a folder", expected=what, remedy="correct the path")
    return Path(path)


@contextmanager
def reading(path: str | Path, what: str, remedy: str = COPY_AGAIN) -> Iterator[None]:
    """Turn any fault of a library that reads a file into a sentence; nothing but its calls should stand in the block.

    Sentences of our own and warnings pass.

    Args:
        path: of the file.
        what: what is expected there.
        remedy: what to do where it is not.

    Raises:
        FileError: the block failed.
    """
    try:
        yield
    except (StcnnError, Warning):
        raise
    except Exception as error:
        raise _fault(path, error, what, remedy) from error


def _fault(path: str | Path, error: Exception, what: str, remedy: str) -> FileError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return _not_there(path, what)
    if isinstance(error, PermissionError):
        return FileError(f"{path} cannot be read (permission denied)", remedy="change its permissions")
    if isinstance(error, MemoryError):
        return FileError(f"{path} cannot be read: it needs more memory than there is", expected=what)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return FileError(f"{path} cannot be read (too many open files)", remedy="raise the limit with ulimit -n")
    return FileError(f"{path} cannot be read ({reason(error)})", expected=what, remedy=remedy or "correct the path")


def _not_there(path: str | Path, what: str) -> FileError:
    """Return the sentence on a path that does not exist; on an address, which a ``Path`` writes with one slash.

    Args:
        path: what was asked for.
        what: what is expected there.
    """
    address = _ADDRESS.match(str(path))
    if address is None:
        return FileError(f"{path} does not exist", expected=what, remedy="correct the path")
    found = f"{address[1]}://{address[2]} is an address, from where only stores and NWB files are read"
    return FileError(found, expected=what, remedy="download it and name the file")


def reason(error: BaseException) -> str:
    """Text of an exception, short and on one line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError) and error.args:
        return f"{readable(error.args[0])} is missing"
    if isinstance(error, ValidationError):
        first = faults_of(error)[0]
        return readable(f"{first.key}: {first.rule}")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return readable(line.split(". ")[0] or type(error).__name__).rstrip(".")


def readable(value: object, longest: int = 120) -> str:
    """A value as a sentence shows it: on one line, printable, and not longer than that."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def require_room(n_bytes: int, where: str, what: str = "") -> None:
    """Refuse to take memory that this machine has not.

    Args:
        n_bytes: that would be taken.
        where: what would take it, the beginning of a sentence.
        what: what is expected there.

    Raises:
        FileError: it is more than :data:`MEMORY_SHARE` of the memory, or less than nothing.
    """
    limit = int(MEMORY_SHARE * memory_limit())
    if not 0 <= n_bytes <= limit:
        expected = f"{what} of at most {_size(limit)}" if what else f"at most {_size(limit)} on this machine"
        raise FileError(
            f"{where} would take {_size(n_bytes)} of memory",
            expected=expected,
            remedy="look whether it is damaged; if not, use a machine with more memory or divide it",
        )


def require_stored(n_bytes: int, stored_bytes: Callable[[], int], where: str) -> None:
    """Refuse an array that declares far more values than its file holds, however well these are compressed.

    A few bytes of a damaged file can declare terabytes, which a library would fill with zeros.

    Args:
        n_bytes: that its shape and type declare.
        stored_bytes: gives those that lie in the file; asked only where it matters.
        where: the array, the beginning of a sentence.

    Raises:
        FileError: it is large, and less than one byte in :data:`MOST_EXPANSION` is there.
    """
    if n_bytes > FEW_BYTES and n_bytes > MOST_EXPANSION * (stored := stored_bytes()):
        raise FileError(
            f"{where} declares {_size(n_bytes)} of values, of which the file holds {_size(stored)}",
            expected="an array that was written",
            remedy=COPY_AGAIN,
        )


def _size(n_bytes: int) -> str:
    for unit, bytes_each in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if abs(n_bytes) >= bytes_each:
            return f"{n_bytes / bytes_each:,.3g} {unit}" if abs(n_bytes) < 10**21 else "more than a billion TB"
    return f"{n_bytes} bytes"


@cache
def _physical() -> int:
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            n_bytes = min(n_bytes, int(Path(name).read_text()))
        except (OSError, ValueError):  # no control group, or "max"
            continue
    return n_bytes


def memory_limit() -> int:
    """Bytes of memory that this process could have: of the machine, its control group, and its own limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return _physical() if soft == resource.RLIM_INFINITY else min(_physical(), soft)
