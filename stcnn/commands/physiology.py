"""``stcnn physiology``: a trained model examined as a physiologist examines a neuron."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Examine a model as a physiologist examines neurons.")


@app.command()
def physiology(
    run: Annotated[
        Path, typer.Argument(autocompletion=run_folders, help="Run folder; an ensemble answers with all members.")
    ],
    only: Annotated[
        str, typer.Option(metavar="NAME,...", help="Analyses, such as size,direction; by default all of them.")
    ] = "",
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="Folder to write to; by default RUN/physiology.")
    ] = None,
) -> None:
    """Measure tuning, selectivity and receptive fields of every cell type of a trained model, beside the recordings.

    Writes physiology.html, one page; physiology.csv, one table of every curve, map and number; and figures/*.svg.

    stcnn physiology experiments/RUN

    stcnn physiology experiments/RUN --only size,direction --to sizes
    """
    from stcnn.product import open_run

    names = [name.strip() for name in only.split(",") if name.strip()]
    page = open_run(run).physiology(names, to, say=lambda what: typer.echo(f"{what} ...", err=True))
    typer.echo(str(page))
