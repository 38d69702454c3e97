"""``stcnn sweep``: many trainings from one description, here or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from stcnn.sweep.running import Outcome


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

    if spec.is_dir():
        sweep = Sweep.open(spec)
    else:
        read = read_spec(spec)
        where = running.folder_of(read, to)
        if dry_run:
            return _show(Sweep(where.absolute(), read))
        sweep = Sweep.create(where, read)
    if dry_run:
        return _show(sweep)
    outcome = running.run(sweep, typer.echo, retry=retry)
    _tell(sweep, outcome)
    return None


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
def report(folder: Folder) -> None:
    """Write report.html: scores with intervals over every axis, the best run, learning curves, cost."""
    from stcnn.sweep import Sweep, cluster
    from stcnn.sweep.report import write_sweep_report

    sweep = Sweep.open(folder)
    tasks = sweep.with_queue(cluster.queue(sweep)).tasks()
    typer.echo(str(write_sweep_report(sweep, tasks)))


def _show(sweep: Any) -> None:  # noqa: ANN401 - imported late
    from stcnn.sweep import cluster
    from stcnn.sweep.spec import Local
    from stcnn.sweep.tasks import points_of, run_name

    points = points_of(sweep.spec)
    for number, point in enumerate(points, 1):
        run_name(sweep.command(point))  # judges it
        typer.echo(f"# {number:04d} {' '.join(point.overrides)}")
    typer.echo(f"# {len(points)} runs in {sweep.path}")
    if not isinstance(sweep.spec.where, Local):
        n_tasks = min(len(points), cluster.MOST_IN_AN_ARRAY)
        typer.echo(cluster.script(sweep, sweep.path / "jobs" / "0001", n_tasks), nl=False)


def _tell(sweep: Any, outcome: Outcome) -> None:  # noqa: ANN401 - imported late
    from stcnn.sweep import running

    failed = [task for task in outcome.tasks if task.state == "failed"]
    for task in failed:
        typer.echo(running.told(task), err=True)
    best = running.best(outcome.tasks, sweep.spec)
    if best is not None:
        typer.echo(f"best: {running.told(best)} in {sweep.runs_folder / best.run}")
    typer.echo(f"{running.counted(outcome.tasks)}; table in {sweep.path / 'runs.csv'}")
    if outcome.signal_number is not None:
        typer.echo("stopped; the same command goes on", err=True)
        raise typer.Exit(128 + outcome.signal_number)
    if failed:
        raise typer.Exit(1)
