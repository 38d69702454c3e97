"""``stcnn data export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stcnn.commands.data.describe import print_description
from stcnn.commands.data.opened import Store, opened, progress_bars


def export(
    store: Store,
    to: Annotated[Path, typer.Argument(help="Folder to make.")],
    layout: Annotated[Literal["nwb", "published"], typer.Option("--as", help="What to write.")] = "nwb",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Describe, write nothing.")] = False,
) -> None:
    """Export recordings as NWB, one file per animal and session, or in the published folder layout.

    For instance: stcnn data export recordings.zarr shared --as nwb
    """
    from stcnn.data.exporters import export_nwb, export_published

    data = opened(store)
    data.require_unchanged()
    print_description(data)
    if dry_run:
        typer.echo("Nothing was written.")
        return
    with progress_bars() as progress:
        if layout == "nwb":
            done = f"{len(export_nwb(data, to, progress=progress))} files in {to}"
        else:
            done = f"Recordings in {export_published(data, to, progress=progress)}"
    typer.echo(done)
