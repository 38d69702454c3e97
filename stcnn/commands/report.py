"""``stcnn report``: write the report of a finished training again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write the report of a finished training.")


@app.command()
def report(run: Annotated[Path, typer.Argument(help="Run folder.")]) -> None:
    """Write report.html, loss.png and predictions.png into a run folder, from its weights and its recordings.

    An ensemble has a report for each of its members, and tells what they have in common.
    """
    from stcnn.config import judge
    from stcnn.report import write_report
    from stcnn.report.ensemble import write_ensemble_report
    from stcnn.runs import open_run

    opened = open_run(run)
    config = judge(opened.config())
    dataset = config.open_dataset()
    for one in opened.members() or [opened]:
        typer.echo(write_report(one, dataset, config.batching, config.bounds))
    if opened.members():
        typer.echo(write_ensemble_report(opened, dataset, config))
