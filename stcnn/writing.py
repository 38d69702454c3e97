"""Files that appear whole or not at all."""

from __future__ import annotations

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
        not_a_folder = isinstance(error, FileExistsError)  # what mkdir says of a file in the place of the folder
        reason = f"'{path.parent}' is not a folder" if not_a_folder else error.strerror or error
        raise FileError(f"'{path}' cannot be written ({reason})", remedy="choose another place") from error
