"""``stcnn runs``: the trainings there are, the newest first or the best."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(help="List the runs there are, with their scores.")


@app.command()
def runs(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the runs; by default where a training puts them.")
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="The best first, by the score; else the newest.")] = False,
    name: Annotated[str, typer.Option(help="Only runs whose folder or data set has this in its name.")] = "",
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
) -> None:
    """List runs: data set, epochs, and the correlation on validation data, the mean of the cell types.

    Runs of different recordings or splits do not compare by it; `stcnn compare` says which do.
    """
    from rich.console import Console
    from rich.table import Table

    from stcnn.run_summary import summaries
    from stcnn.writing import atomic_write

    found = chosen(summaries(folder), name, best)
    if csv is not None:
        with atomic_write(csv) as draft:
            found.to_csv(draft, index=False)
    table = Table(box=None)
    for heading in ("run", "data set", "state", "epochs", "correlation"):
        table.add_column(heading, no_wrap=True, overflow="fold")
    table.add_column("by cell type")
    for row in found.to_dict("records"):
        score = "" if math.isnan(row["correlation"]) else f"{row['correlation']:.3f}"
        table.add_row(row["run"], row["dataset"], row["state"], str(row["epochs"]), score, row["by_cell_type"])
    if len(found):
        Console().print(table)
    typer.echo(f"{len(found)} runs in {found.attrs['folder']}")


def chosen(table: pd.DataFrame, name: str, best: bool) -> pd.DataFrame:
    """Return the rows whose run or data set has ``name`` in it, the newest or the best first."""
    kept = table[table.run.str.contains(name, regex=False) | table.dataset.str.contains(name, regex=False)]
    order = ["correlation", "run"] if best else ["run"]
    return kept.sort_values(order, ascending=False, na_position="last")
