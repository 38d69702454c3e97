"""``stcnn data describe``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stcnn.commands.data.opened import Store, opened

if TYPE_CHECKING:
    from stcnn.data import Dataset

MOST_ROWS = 40
"""Sessions, and notes, that are printed; the page has them all."""


def describe(store: Store) -> None:
    """Say what a store or an import holds.

    For instance: stcnn data describe recordings.zarr
    """
    print_description(opened(store))


def print_description(data: Dataset) -> None:
    """Print cell types, sessions, movies, traces, and what the import chose or left out."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from stcnn.data.summary import summarise

    summary = summarise(data)
    console = Console()
    rows = summary.type_rows()
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(*(escape(text) for text in row.values()))
    console.print(table)
    for session in summary.sessions[:MOST_ROWS]:
        typer.echo(session.in_words())
    if len(summary.sessions) > MOST_ROWS:
        typer.echo(f"{len(summary.sessions) - MOST_ROWS} more sessions.")
    typer.echo("\n".join([summary.movies_in_words(), summary.traces_in_words()]))
    for note in summary.notes[:MOST_ROWS]:
        typer.echo(f"Note: {note}")
    if len(summary.notes) > MOST_ROWS:
        typer.echo(f"{len(summary.notes) - MOST_ROWS} more notes.")
