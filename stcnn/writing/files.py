"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stcnn.errors import FileError, StcnnError
from stcnn.shortage import known_numbers, reason_of, shortage_of
from stcnn.writing.drafts import draft_beside
from stcnn.writing.places import place_file, place_folder

_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)


class TakenError(FileError):
    """Another process made a folder of this name first."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to; what was written takes the place of ``path`` when the block ends well.

    The folder is made if need be. No two processes or threads write to one draft; of two that write the same file at
    once, the last one stays. The block should do nothing but write: what goes wrong with a file in it is said to go
    wrong with this one.

    Args:
        path: of the file. The path given to the block has the same name and ending, the ending in lower case, by
            which some libraries choose a format. It lies in a folder of its own.

    Raises:
        FileError: the folder cannot be made, or the file cannot be written.
    """
    with _said_of(path), draft_beside(path) as folder:
        draft = folder / f"{path.stem}{path.suffix.lower()}"
        yield draft
        place_file(draft, path)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give the path of a folder to make; it takes the place of ``path`` when the block ends well.

    The folder around it is made if need be. Two processes may make the same folder at once: each fills its own, and
    the first one stays.

    Args:
        path: of the folder.
        replace: a folder that is there gives way, and is there whole until then.

    Raises:
        TakenError: there is such a folder when the block ends, and it is not to be replaced.
        FileError: the folder cannot be made or filled.
    """
    with _said_of(path), draft_beside(path) as folder:
        yield folder / path.name
        try:
            place_folder(folder / path.name, path, replace=replace)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            found = f"'{path}' was made by another process in the meantime"
            raise TakenError(found, remedy="choose another name") from error


@contextmanager
def atomic_files(folder: Path) -> Iterator[Path]:
    """Give a folder for several files; they come into ``folder`` together when the block ends well.

    Args:
        folder: made if need be; files of other names that are in it stay.

    Raises:
        FileError: the files cannot be written.
    """
    if not folder.exists():
        with atomic_folder(folder) as draft:
            draft.mkdir()
            yield draft
        return
    with _said_of(folder), draft_beside(folder / "files") as draft:
        yield draft
        for file in sorted(draft.iterdir()):
            place_file(file, folder / file.name)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Raise what goes wrong with the machine in the block as the sentence for ``path``; other faults as they are."""
    try:
        yield
    except StcnnError:
        raise
    except Exception as error:
        fault = unwritable(path, error)
        if fault is None:
            raise
        raise fault from error


def unwritable(path: Path, error: Exception) -> FileError | None:
    """The sentence for a file that cannot be written; None where neither machine nor operating system is the reason."""
    short = shortage_of(error, known_numbers())
    if short is not None:
        return FileError(f"'{path}' cannot be written ({short.reason})", remedy=short.remedy)
    if not isinstance(error, OSError):
        return None
    not_a_folder = isinstance(error, FileExistsError)  # what mkdir says of a file in the place of the folder
    reason = f"'{path.parent}' is not a folder" if not_a_folder else reason_of(error)
    return FileError(f"'{path}' cannot be written ({reason})", remedy="choose another place")
