"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stcnn.errors import FileError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; what was written takes its place when the block ends well.

    The folder is made if need be. The block should do nothing but write: what goes wrong with a file in it is said to
    go wrong with this one.

    Args:
        path: of the file. The path given to the block has the same ending in lower case, by which some libraries
            choose a format.

    Raises:
        FileError: the folder cannot be made, or the file cannot be written.
    """
    draft = path.parent / f".{path.name}.draft{path.suffix.lower()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give the path of a folder to make; it takes the place of ``path`` when the block ends well.

    The folder around it is made if need be. Two processes may make the same folder at once: each fills its own.

    Args:
        path: of the folder, which must not be there when the block ends.

    Raises:
        FileError: the folder cannot be made or filled.
    """
    draft = path.parent / f".{path.name}.partial-{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> FileError:
    not_a_folder = isinstance(error, FileExistsError)  # what mkdir says of a file in the place of the folder
    reason = f"'{path.parent}' is not a folder" if not_a_folder else error.strerror or error
    return FileError(f"'{path}' cannot be written ({reason})", remedy="choose another place")
