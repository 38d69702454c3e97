"""``stcnn runs``: the trainings there are, the newest first or the best."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stcnn.errors import ConfigError, nearest

if TYPE_CHECKING:
    import pandas as pd

State = Literal["finished", "stopped", "not-begun", "damaged"]
KNOWN = ("finished", "stopped", "not begun")
"""States of a run that can be read; what is wrong with another one stands in their place."""

app = typer.Typer(help="List the runs there are, with their scores.")


@app.command()
def runs(  # noqa: PLR0913 - an option is an argument
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the runs; by default where a training puts them.")
    ] = None,
    best: Annotated[bool, typer.Option("--best", help="The best first, by the score; else the newest.")] = False,
    by: Annotated[
        str, typer.Option(help="Sort by this, the highest first: correlation, epochs, or the name of a cell type.")
    ] = "",
    name: Annotated[str, typer.Option(help="Only runs whose folder or data set has this in its name.")] = "",
    state: Annotated[State | None, typer.Option(help="Only runs in this state.")] = None,
    remove_broken: Annotated[
        bool, typer.Option("--remove-broken", help="Delete the runs that are listed and hold no trained epoch; asks.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Show also in which keys the runs that are listed differ.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
) -> None:
    """List runs: data set, epochs, and the correlation on validation data, the mean of the cell types.

    Runs of different recordings or splits do not compare by it; `stcnn compare` says which do.
    """
    from rich.console import Console
    from rich.table import Table

    from stcnn.run_summary import summaries
    from stcnn.writing import atomic_write

    found = chosen(summaries(folder), name, best, by=by, state=state)
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
    if compare:
        _compare(found)
    if remove_broken:
        _remove(broken(found))


def _compare(found: pd.DataFrame) -> None:
    """Show the keys in which runs differ, a column for each run.

    Raises:
        ConfigError: there are no two that can be read.
    """
    from rich.console import Console
    from rich.table import Table

    from stcnn.run_summary import differences

    paths = [Path(row["path"]) for row in found.to_dict("records") if row["state"] in KNOWN]
    if len(paths) < 2:
        raise ConfigError(f"{len(paths)} of the runs that are listed can be read", expected="two or more to compare")
    table = Table(box=None)
    shown = differences(paths)
    for heading in ("key", *shown):
        table.add_column(str(heading), overflow="fold")
    for key, *values in shown.reset_index().itertuples(index=False):
        table.add_row(str(key), *map(str, values))
    Console().print(table)
    typer.echo(f"{len(shown)} keys differ; on which recordings they do better: stcnn compare")


def chosen(table: pd.DataFrame, name: str, best: bool, *, by: str = "", state: State | None = None) -> pd.DataFrame:
    """Return the rows that are asked for, the newest or the best first.

    Args:
        table: of :func:`stcnn.run_summary.summaries`.
        name: the run or the data set has it in its name.
        best: the highest correlation first.
        by: what to sort by instead: ``correlation``, ``epochs``, or a cell type for its correlation.
        state: only these; what is none of the others is ``damaged``.

    Raises:
        ConfigError: nothing of that name can be sorted by.
    """
    kept = table[table.run.str.contains(name, regex=False) | table.dataset.str.contains(name, regex=False)]
    if state is not None:
        states = kept.state.where(kept.state.isin(KNOWN), "damaged").str.replace(" ", "-")
        kept = kept[states == state]
    key = by or ("correlation" if best else "run")
    if key in ("correlation", "epochs", "run"):
        return kept.sort_values(list(dict.fromkeys([key, "run"])), ascending=False, na_position="last")
    scores = kept.path.map(table.attrs["correlations"])
    names = {cell_type for of_run in scores for cell_type in of_run}
    if key not in names:
        found = f"runs cannot be sorted by '{key}'"
        raise ConfigError(found, remedy=nearest(key, {"correlation", "epochs", *names}))
    order = scores.map(lambda of_run: of_run.get(key, math.nan))
    return kept.loc[order.sort_values(ascending=False, na_position="last").index]


def broken(table: pd.DataFrame) -> list[Path]:
    """Return the folders of runs that hold nothing to keep: damaged or not begun, without the weights of an epoch."""
    from stcnn.run_folder import Run
    from stcnn.writing import is_locked

    paths = [Path(row["path"]) for row in table.to_dict("records") if row["state"] not in ("finished", "stopped")]
    members = [path for path in paths if (path / "members").exists()]
    return [
        path
        for path in paths
        if path not in members and max(Run(path).checkpoints(), default=0) == 0 and not is_locked(path, "training")
    ]


def _remove(paths: list[Path]) -> None:
    import shutil

    for path in paths:
        typer.echo(f"  {path}")
    if not paths:
        typer.echo("none of them is broken")
    elif typer.confirm(f"delete {len(paths)} runs that hold no trained epoch?"):
        for path in paths:
            shutil.rmtree(path)
