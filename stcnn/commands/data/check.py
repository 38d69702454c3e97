"""``stcnn data check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stcnn.commands.data.opened import Store, opened, progress_bars, require_page

if TYPE_CHECKING:
    from stcnn.data import Dataset
    from stcnn.data.audit.checks import Audit


def check(
    store: Store,
    page: Annotated[Path | None, typer.Option(help="Write the result as a page (HTML) with pictures.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table of neurons to this file.")] = None,
    flags: Annotated[int, typer.Option(min=0, help="How many flags to print.")] = 30,
) -> None:
    """Check recordings: do they fit their movies, their repeats and each other? Exits with 1 if a flag is red.

    For instance: stcnn data check recordings.zarr --page check.html
    """
    from stcnn.data.audit.checks import RED

    if page is not None:
        require_page(page)
    data = opened(store)
    data.require_unchanged()
    found = audited(data)
    print_audit(found, csv, flags)
    if page is not None:
        from stcnn.report.audit_page import write_audit_page

        typer.echo(f"Page: {write_audit_page(found, data, page)}")
    if found.colour == RED:
        raise typer.Exit(1)


def audited(data: Dataset) -> Audit:
    """Check recordings and show how far that is."""
    from stcnn.data.audit.checks import audit

    with progress_bars() as progress:
        return audit(data, progress)


def print_audit(found: Audit, csv: Path | None, flags: int) -> None:
    """Print neurons by colour and the first flags, red ones first.

    Args:
        found: what the check found.
        csv: where the table of neurons is written, if it is.
        flags: how many flags to print.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from stcnn.data.audit.checks import neurons_by_colour
    from stcnn.writing import atomic_write

    console = Console()
    rows = neurons_by_colour(found)
    neurons = Table(*rows[0], box=None)
    for row in rows:
        neurons.add_row(*(escape(text) for text in row.values()))
    console.print(neurons)
    table = Table("", "check", "what", "why", box=None)
    for flag in found.worst_first()[:flags]:
        colour = "red" if flag.colour == "red" else "yellow"
        table.add_row(f"[{colour}]{flag.colour}[/]", flag.check, escape(flag.what), escape(flag.reason))
    if table.row_count:
        console.print(table)
    more = len(found.flags) - flags
    typer.echo(f"{len(found.flags)} flags" + (f", {more} not shown" if more > 0 else ""))
    if csv is not None:
        with atomic_write(csv) as draft:
            found.neurons.to_csv(draft, index=False)
