"""Shortages of a machine (disk, memory, open files, permission to write), and the sentence for it.

Libraries tell it in many ways: an error number, a text of their own, or a fault that only follows from it. It is looked
for here once, in the error, in what led to it, and in its text.
"""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
import traceback
from collections.abc import Iterator
from typing import NamedTuple

from stcnn.errors import StcnnError


class Shortage(NamedTuple):
    """Resource that is short.

    Args:
        reason: a clause without a full stop.
        remedy: what to do about it, in the imperative.
    """

    reason: str
    remedy: str


class MachineError(StcnnError):
    """The machine has too little of something, wherever that was noticed."""


GPU_MEMORY = -1
"""Number of an error that has none."""
_MAKE_ROOM = "make room, or choose another place"
_CLOSE_OR_RAISE = "raise the limit, for instance with: ulimit -n 4096"
_LESS = "use a machine with more memory, or take less at a time (a smaller batching.batch_size, fewer n_workers)"
_BY_NUMBER = {
    errno.ENOSPC: Shortage("the disk is full", _MAKE_ROOM),
    errno.EDQUOT: Shortage("the quota of the disk is used up", _MAKE_ROOM),
    errno.EFBIG: Shortage("the file is larger than a file may be here", "raise the limit, or choose another place"),
    errno.EROFS: Shortage("the file system is mounted for reading only", "choose another place"),
    errno.EACCES: Shortage("you have no permission to write there", "choose another place, or change its permissions"),
    errno.EPERM: Shortage("that is not permitted there", "choose another place, or change its permissions"),
    errno.EIO: Shortage("the disk reports a fault", "choose another place, and have the disk looked at"),
    errno.ENAMETOOLONG: Shortage("the name is too long", "choose a shorter one"),
    errno.EMFILE: Shortage("too many files are open", _CLOSE_OR_RAISE),
    errno.ENFILE: Shortage("too many files are open on this machine", "close other programs"),
    errno.ENOMEM: Shortage("memory ran out", _LESS),
    GPU_MEMORY: Shortage("the memory of the GPU ran out", "take less at a time: a smaller batching.batch_size"),
}
_NUMBER_IN_TEXT = re.compile(r"\(os error (\d+)\)|\berrno(?: =)? (\d+)", re.IGNORECASE)
_TEXTS = (
    (re.compile(r"CUDA out of memory|CUDA error: out of memory"), GPU_MEMORY),
    (re.compile(r"\d+ requested and \d+ written"), errno.ENOSPC),  # numpy of an array that did not fit
    (re.compile(r"can't start new thread|can't allocate memory|Cannot allocate memory|std::bad_alloc"), errno.ENOMEM),
    (re.compile(r"failed to map segment from shared object|out of memory", re.IGNORECASE), errno.ENOMEM),
    (re.compile(r"Too many open files"), errno.EMFILE),
    (re.compile(r"No space left on device"), errno.ENOSPC),
)
ANYWHERE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, GPU_MEMORY}
)
"""Numbers that say the same wherever they are met; the others are about one file."""


def shortage_of(error: BaseException, numbers: frozenset[int] = ANYWHERE) -> Shortage | None:
    """Shortage behind ``error``; None where that is not the reason.

    Args:
        error: any exception.
        numbers: the error numbers to look for.
    """
    for each in _chain(error):
        number = _number(each)
        if number in numbers and number in _BY_NUMBER:
            return _BY_NUMBER[number]
    return None


def machine_error(error: BaseException) -> MachineError | None:
    """The sentence for an exception that nobody translated, if the machine is its reason."""
    found = shortage_of(error)
    return None if found is None else MachineError(found.reason + _where(error), remedy=found.remedy)


def require_open_files(number: int, what: str) -> None:
    """Let this process open so many files at once, raising its limit as far as it may.

    A worker that cannot open one is silent, and whoever waits for its batch waits forever.

    Args:
        number: of files.
        what: needs them, for the sentence.

    Raises:
        MachineError: it may not open so many.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard) and hard < number:
        found = f"{what} needs up to {number} open files, and this process may open {hard}"
        raise MachineError(found, remedy=f"raise the limit with: ulimit -n {number}; or take fewer workers")
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def sentence_of(error: Exception) -> StcnnError | None:
    """Sentence that the command line prints of an exception instead of its traceback; None where that is to be shown.

    What was half made when the machine ran out of something is taken apart here, in silence: what libraries complain
    of then only follows from it.
    """
    if isinstance(error, StcnnError):
        return error
    fault = machine_error(error)
    if fault is not None:
        former, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
        for each in _chain(error):
            traceback.clear_frames(each.__traceback__)
        gc.collect()
        sys.unraisablehook = former
    return fault


def leave_without_memory(error: BaseException, exit_code: int) -> None:
    """End this process now if memory ran out; its sentence has been printed.

    What libraries do when Python ends may need memory again: with little of it some then crash, and the status of the
    process is that of the crash.
    """
    if shortage_of(error) == _BY_NUMBER[errno.ENOMEM]:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)


def _where(error: BaseException) -> str:
    names = [each.filename for each in _chain(error) if isinstance(each, OSError) and isinstance(each.filename, str)]
    return f" (at '{names[0]}')" if names else ""


def known_numbers() -> frozenset[int]:
    """All error numbers that have a sentence."""
    return frozenset(_BY_NUMBER)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that led to it."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _number(error: BaseException) -> int | None:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if (
        not isinstance(error, OSError | RuntimeError | ValueError | ImportError)
        and type(error).__module__ == "builtins"
    ):
        return None
    text = str(error)
    for pattern, number in _TEXTS:
        if pattern.search(text):
            return number
    named = _NUMBER_IN_TEXT.search(text)
    return int(named[1] or named[2]) if named else None


def reason_of(error: OSError) -> str:
    """Clause with what an error of the operating system says."""
    return error.strerror or (os.strerror(error.errno) if error.errno else "") or str(error)
