"""``stcnn track``: hand a training to a tracker, after the fact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Hand a run to a tracker.")


@app.command()
def track(
    run: Annotated[Path, typer.Argument(help="The run folder.")],
    tracker: Annotated[
        Literal["tensorboard", "wandb", "mlflow", "trackio"], typer.Option("--with", help="The tracker.")
    ] = "tensorboard",
) -> None:
    """Hand the losses and scores of a run to a tracker: one that was trained without, or whose tracker failed.

    While a training runs, `stcnn train tracking=NAME` does it.
    """
    from stcnn.run_folder import open_run
    from stcnn.tracking import opened
    from stcnn.tracking.follow import hand_over

    for one in open_run(run).members() or [open_run(run)]:
        begun = opened(tracker, one.path.absolute())
        last = hand_over(one.path, begun)
        begun.end()
        typer.echo(f"{one.path.name}: {max(last, 0)} steps in {tracker}")
