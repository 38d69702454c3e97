"""``stcnn report``: write the report of a finished training again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Write the report of a finished training.")


@app.command()
def report(run: Annotated[Path, typer.Argument(autocompletion=run_folders, help="Run folder.")]) -> None:
    """Write report.html, loss.png and predictions.png into a run folder, from its weights and its recordings.

    An ensemble has a report for each of its members, and tells what they have in common.
    """
    from stcnn.product import open_run

    for summary in open_run(run).written_reports():
        typer.echo(summary)
