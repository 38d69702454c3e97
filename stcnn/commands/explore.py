"""``stcnn explore``: models to play with, in one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Models to play with, in one HTML file.")


@app.command()
def explore(
    runs: Annotated[
        list[Path], typer.Argument(autocompletion=run_folders, help="Run folders; ensembles answer by their mean.")
    ],
    to: Annotated[Path | None, typer.Option("--to", "-o", help="File to write; by default RUN/explore.html.")] = None,
) -> None:
    """Write one HTML file in which a browser computes what the models answer, without a server or a network.

    Choose stimuli and change them, watch what the eye sees, the maps of every layer, voltage and calcium of every cell
    type; lay recordings over them; draw tuning curves; change time constants and gains, silence channels; set two
    models side by side.

    stcnn explore experiments/RUN
    """
    from stcnn.product import explore as write

    typer.echo(str(write(runs, to)))
