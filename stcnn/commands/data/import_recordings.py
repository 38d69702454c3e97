"""``stcnn data import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stcnn.commands.data.check import audited, print_audit
from stcnn.commands.data.describe import print_description
from stcnn.commands.data.opened import progress_bars, require_page


def import_recordings(
    config: Annotated[Path, typer.Argument(help="Import configuration (YAML), with a key 'kind'.")],
    to: Annotated[Path, typer.Argument(help="The store to make, NAME.zarr.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Open and describe, write no store.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store of that name.")] = False,
    check: Annotated[bool, typer.Option(help="Check the recordings after the import.")] = True,
    page: Annotated[
        Path | None, typer.Option(help="The page of what was understood (default: NAME.import.html).")
    ] = None,
) -> None:
    """Import recordings into a store, show what was understood, and check them.

    Kinds: published, nwb, suite2p, caiman, tables, store. Paths in the YAML are relative to it; one with * stands for
    all files that fit. For instance, with recordings.yaml holding

        kind: published
        ca_path: ca
        mov_path: mov
        rate_hz: 60

    run `stcnn data import recordings.yaml recordings.zarr`.
    """
    from stcnn.data import open_store, write_store
    from stcnn.data.importers import open_import, read_import_config
    from stcnn.data.store.writer import require_free
    from stcnn.remote import traffic
    from stcnn.report.import_page import write_import_page
    from stcnn.stimuli.specification import specified_movie

    page = page or to.with_name(f"{to.stem if to.suffix == '.zarr' else to.name}.import.html")
    require_page(page)
    chosen = read_import_config(config)
    if not dry_run:
        require_free(to, overwrite=overwrite)
    data = open_import(chosen, specified_movie)
    print_description(data)
    if traffic.n_requests:
        typer.echo(f"Read from elsewhere: {traffic.n_bytes / 1e6:.1f} MB in {traffic.n_requests} requests.")
        if dry_run:
            typer.echo("Nothing was written; the page of the import needs every movie.")
            return
    with progress_bars() as progress:
        write_import_page(data, page, source=str(config), store=None if dry_run else str(to), progress=progress)
    typer.echo(f"What was understood: {page}")
    if dry_run:
        typer.echo("Nothing was written but this page.")
        return
    with progress_bars() as progress:
        provenance = {"import": chosen.model_dump(mode="json"), "from": str(config.absolute())}
        write_store(data, to, provenance=provenance, overwrite=overwrite, progress=progress)
    typer.echo(f"{len(data)} recordings in {to}")
    if check:
        print_audit(audited(open_store(to)), None, flags=10)
