"""``stcnn sweep``: many trainings from one description, here or on a cluster."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class RunByDefault(TyperGroup):
    """A group of commands in which a file that stands in the place of one is run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer has no public name for it
        """Put ``run`` before what is no command."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])


app = typer.Typer(help="Train many models: a grid, seeds, folds, data sets.", cls=RunByDefault, no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of a sweep.")]


@app.command()
def run(
    spec: Annotated[Path, typer.Argument(help="YAML of the sweep, or the folder of one that goes on.")],
    to: Annotated[Path | None, typer.Option(help="Folder of the sweep; by default its name beside the runs.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Begin again the runs that failed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the runs and the script; make nothing.")] = False,
) -> None:
    """Train what is missing of a sweep: `stcnn sweep SPEC.yaml`. Called again it goes on, and begins nothing twice.

    The table of the runs is runs.csv in its folder.
    """
    from stcnn.sweep import Sweep, read_spec, running
    from stcnn.sweep.telling import preview, tell

    if spec.is_dir():
        sweep = Sweep.open(spec)
    else:
        read = read_spec(spec)
        sweep = Sweep(running.folder_of(read, to).expanduser().absolute(), read)
    if dry_run:
        for line in preview(sweep):
            typer.echo(line)
        return
    sweep = Sweep.create(sweep.path, sweep.spec)
    outcome = running.run(sweep, typer.echo, retry=retry)
    raise typer.Exit(tell(sweep, outcome, typer.echo, partial(typer.echo, err=True)))


@app.command()
def status(folder: Folder) -> None:
    """Show the state of every run and why some failed; write the table again."""
    from rich.console import Console
    from rich.table import Table

    from stcnn.sweep import Sweep, cluster, running

    sweep = Sweep.open(folder)
    tasks = sweep.with_queue(cluster.queue(sweep)).tasks()
    shown = Table(box=None)
    for heading in ("task", "state", "score", "epochs", "axes", "why"):
        shown.add_column(heading, overflow="fold")
    for task in tasks:
        score = f"{task.score:.4f}" if task.score == task.score else ""
        axes = " ".join(f"{key}={value}" for key, value in task.axes.items())
        shown.add_row(task.folder_name, task.state, score, str(task.epochs), axes, task.why)
    Console().print(shown)
    typer.echo(f"{running.counted(tasks)}; table in {sweep.path / 'runs.csv'}")


@app.command()
def report(
    folder: Folder,
    baselines: Annotated[
        str, typer.Option(help="Of a cross-validation: simple models to fit in every fold, with commas, or all.")
    ] = "",
) -> None:
    """Write report.html: scores with intervals over every axis, the best run, learning curves, cost.

    With `--baselines linear-filter,LN-model` also the comparison over the folds of a cross-validation.
    """
    from stcnn.sweep import Sweep, cluster
    from stcnn.sweep.fold_comparison import fold_comparison
    from stcnn.sweep.report import write_sweep_report

    sweep = Sweep.open(folder)
    tasks = sweep.with_queue(cluster.queue(sweep)).tasks()
    compared = fold_comparison(sweep, tasks, baselines, typer.echo) if baselines else None
    typer.echo(str(write_sweep_report(sweep, tasks, compared)))
