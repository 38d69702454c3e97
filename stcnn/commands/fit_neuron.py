"""``stcnn fit-neuron``: new neurons on a trained core, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Fit new neurons to a trained model.")


@app.command()
def fit_neuron(
    run: Annotated[Path, typer.Argument(autocompletion=run_folders, help="Run folder of the trained core.")],
    recordings: Annotated[
        list[str], typer.Argument(help="Which recordings, as in training: dataset=store dataset.path=FILE")
    ],
    cell_type: Annotated[
        str | None, typer.Option(help="Cell type of the core they are taken for, if not by name.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Table to write; by default RUN/new_neurons.csv.")] = None,
) -> None:
    """Find position, readout scale, gain and offset of new neurons; everything else of the model stays as it is.

    Fitted to the training set of the recordings, scored on all that was held out:

    stcnn fit-neuron experiments/RUN dataset=store dataset.path=new.zarr split.test=0
    """
    from stcnn.config import compose
    from stcnn.product import open_run
    from stcnn.writing import atomic_write

    opened = open_run(run)
    config = compose(recordings)
    table = opened.fit_neurons(config.open_dataset(), cell_type, config.split)
    path = to or opened.path / "new_neurons.csv"
    typer.echo(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    with atomic_write(path) as draft:
        table.to_csv(draft, index=False)
    typer.echo(f"table in {path}")
