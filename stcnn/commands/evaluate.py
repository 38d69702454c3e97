"""``stcnn evaluate``: how good a trained model is, with ceilings and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stcnn.completion import run_folders

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

app = typer.Typer(help="Score a trained model on held-out recordings.")

Part = Literal["validation", "test"]
PRINTED = {
    "n_neurons": "neurons",
    "n_recordings": "recordings",
    "single_trial_correlation": "single trials",
    "single_trial_ceiling": "ceiling",
    "trial_mean_correlation": "trial mean",
    "trial_mean_ceiling": "ceiling",
    "normalised_correlation": "normalised",
    "feve": "FEVE",
    "deviance_explained": "deviance explained",
    "deviance_ceiling": "ceiling",
}
"""Columns of the table in the terminal; those that are not available are left out."""


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(autocompletion=run_folders, help="Run folder.")],
    split: Annotated[Part, typer.Option(help="Held-out part of the recordings it was trained on.")] = "validation",
    dataset: Annotated[
        str | None, typer.Option(help="Other recordings instead: a choice of conf/dataset, or a store.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Evaluate the test set again.")] = False,
) -> None:
    """Score a run; write the scores of every cell type, stimulus family and neuron as CSV and Parquet into its folder.

    The test set was scored when the training ended. Looking at its scores is recorded, and a second look at the same
    recordings must be asked for with --again: make all choices on the validation set.
    """
    from rich.console import Console

    from stcnn.product import open_run
    from stcnn.training.held_out import looks

    opened = open_run(run)
    table = opened.evaluate(split, dataset=dataset, again=again)
    title = f"{split} part of {opened.path.name}"
    if dataset is not None:
        title = f"{opened.path.name} on {dataset}"
    elif split == "test":
        title += f" (look {len(looks([opened]))} at it)"
    name = f"{split if dataset is None else Path(dataset).stem}_scores"
    Console().print(printed(table, title))
    typer.echo(f"scores of all cell types, families and neurons in {opened.path / name}.csv and .parquet")


def printed(table: pd.DataFrame, title: str) -> Table:
    """Scores of the cell types for the terminal, each with its interval where there is one."""
    from rich.table import Table

    from stcnn.evaluate.tables import with_interval

    mine = table[table.level == "cell_type"]
    columns = [name for name in PRINTED if name in mine and mine[name].notna().any()]
    shown = Table(title=f"{title}; 95 % interval")
    shown.add_column("cell type")
    for name in columns:
        shown.add_column(PRINTED[name], justify="right")
    for _, row in mine.iterrows():
        cells = (str(row[name]) if name.startswith("n_") else with_interval(row, name, digits=2) for name in columns)
        shown.add_row(row.cell_type, *cells)
    return shown
