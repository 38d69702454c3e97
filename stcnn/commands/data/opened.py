"""Steps that the commands on recordings share: opening what is named, and saying how far the work is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from stcnn.data import Dataset

Store = Annotated[Path, typer.Argument(help="A store (NAME.zarr), or the YAML of an import.")]


def opened(path: Path) -> Dataset:
    """Open a store, or what the YAML of an import describes.

    Raises:
        StcnnError: neither can be opened.
    """
    from stcnn.product import open_recordings

    return open_recordings(path)


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar for each thing that is done."""
    from rich.progress import Progress

    with Progress(transient=True) as bars:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield update


def require_page(path: Path) -> None:
    """Refuse to write a page over something that is none, before any work is done.

    Raises:
        FileError: the name does not end in ``.html``, or a folder has it.
    """
    from stcnn.errors import FileError

    if path.suffix.lower() not in (".html", ".htm"):
        raise FileError(f"the page '{path}' does not end in .html", remedy="name it NAME.html")
    if path.is_dir():
        raise FileError(f"the page '{path}' is a folder", remedy="choose another name")
