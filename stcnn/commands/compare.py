"""``stcnn compare``: trained models and simple ones on the same held-out recordings, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from stcnn.completion import run_folders

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

app = typer.Typer(help="Compare trained models with each other and with simple ones.")

Part = Literal["validation", "test"]


class OptionalNames(TyperCommand):
    """A command whose ``--baselines`` may stand without names; then all are meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer has no public name for it
        """Give ``--baselines`` the value ``all`` where what follows is another option, a folder or nothing."""
        given: list[str] = []
        for place, word in enumerate(args):
            given.append(word)
            following = args[place + 1 : place + 2]
            if word == "--baselines" and (not following or following[0].startswith("-") or Path(following[0]).is_dir()):
                given.append("all")
        return super().parse_args(ctx, given)


@app.command(cls=OptionalNames)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(autocompletion=run_folders, help="Run folders; the others are held against the first."),
    ],
    baselines: Annotated[
        str,
        typer.Option(
            metavar="[NAME,...]",
            help="Fit simple models to the training set and compare them too: all, or those named, such as "
            "linear-filter,LN-model.",
        ),
    ] = "",
    split: Annotated[Part, typer.Option(help="Held-out part of the recordings that is scored.")] = "validation",
    score: Annotated[str, typer.Option(help="Score to print and draw; the tables hold all of them.")] = "",
    to: Annotated[Path | None, typer.Option(help="Folder to write to; by default RUN/comparison_SPLIT.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Evaluate the test set again.")] = False,
) -> None:
    """Score runs on the held-out recordings that they share; write tables and a figure.

    comparison.csv and .parquet hold every score with its 95 % interval and its paired difference to the first run,
    comparison.png and .svg one of them; all four are written anew as soon as a simple model is fitted. left_out.csv
    names those that could not be, with the reason. Looks at the test set are counted, as by stcnn evaluate.
    """
    from rich.console import Console

    from stcnn.baselines import named
    from stcnn.comparison import Comparison
    from stcnn.run_folder import open_run

    wanted = named(baselines) if baselines else []
    found = Comparison.of_runs([open_run(path) for path in runs], split, score=score, folder=to, again=again)
    if found.n_looks:
        typer.echo(f"look {found.n_looks} at the test set")
    for piece in found.fit(wanted):
        typer.echo(piece, nl=False)
    Console().print(printed(found.table, found.score))
    for name, reason in found.left_out.items():
        typer.echo(f"left out: {name}: {reason}")
    typer.echo(f"tables and figure in {found.folder}")


def printed(table: pd.DataFrame, score: str) -> Table:
    """The comparison for the terminal, best first: scores by cell type; mean and paired difference with intervals."""
    from rich.table import Table

    from stcnn.evaluate.tables import with_interval

    reference = table.model.iloc[0]
    names = list(table.cell_type.unique())
    shown = Table(title=f"{score.replace('_', ' ')}, 95 % interval; difference of the {names[-1]} to {reference}")
    shown.add_column("model")
    for name in [*names, "difference"]:
        shown.add_column(name, justify="right")
    best_first = table[table.cell_type == names[-1]].sort_values(score, ascending=False, na_position="last").model
    for model in best_first:
        mine = table[table.model == model].set_index("cell_type")
        cells = [f"{mine.loc[name][score]:.3f}" for name in names[:-1]] + [with_interval(mine.loc[names[-1]], score)]
        own = with_interval(mine.loc[names[-1]], f"{score}_difference") if model != reference else ""
        shown.add_row(model, *cells, own)
    return shown
