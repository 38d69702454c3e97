"""Places to write to before anything stands in its own place, which no two processes share.

A draft is a folder beside the file to be, ``.stcnn-draft-MACHINE-PID-RANDOM``, in which the file has its own name: it
is on the same file system, no pattern such as ``*.nwb`` finds what is in it, and what a library writes beside its file
goes with it. A process that is killed leaves its draft behind; whoever writes there next takes it away.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = ".stcnn-draft-"
REPLACED = "replaced"
"""Folder in a draft for what stood in the place before, until the new one stands there."""
OLD_S = 7 * 24 * 3600
"""Age from which a draft of another machine counts as left behind."""
_NAME = re.compile(rf"{re.escape(PREFIX)}(?P<machine>[0-9a-f]{{12}})-(?P<pid>\d+)-\w+")


@contextmanager
def draft_beside(path: Path) -> Iterator[Path]:
    """Make a draft folder beside ``path`` and take it away when the block ends; others that were left are cleared.

    Raises:
        OSError: the folder around ``path`` cannot be made or written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_left_behind(path.parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{machine()}-{os.getpid()}-", dir=path.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_draft(path: Path) -> bool:
    """Tell whether a path lies in a draft."""
    return any(part.startswith(PREFIX) for part in path.parts)


def clear_left_behind(folder: Path) -> None:
    """Take away the drafts in a folder whose processes are gone.

    A draft of this machine is left behind when its process is no more, one of another machine when it is
    :data:`OLD_S` old. What was being replaced when a process was killed is put back.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            found = _NAME.fullmatch(entry.name)
            if found and _left_behind(entry, found["machine"], int(found["pid"])):
                _put_back(Path(entry.path), folder)
                shutil.rmtree(entry.path, ignore_errors=True)


def _left_behind(entry: os.DirEntry[str], of_machine: str, pid: int) -> bool:
    if of_machine != machine():
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD_S
    return not _is_running(pid)


def _put_back(draft: Path, folder: Path) -> None:
    with suppress(OSError):
        for former in (draft / REPLACED).iterdir():
            if not (folder / former.name).exists():
                former.rename(folder / former.name)


def _is_running(pid: int) -> bool:
    if os.name == "nt":
        return True  # there a signal 0 would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@cache
def machine() -> str:
    """Twelve digits that are the same for all processes that can see each other's numbers, and for no others.

    Of the host, its start, and the namespace of process numbers (containers have their own).
    """
    words = [socket.gethostname()]
    with suppress(OSError):
        words.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        words.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]
