"""``stcnn open``: the report of a run in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Open the report of a run in the browser.")


@app.command("open")
def open_report(
    run: Annotated[
        Path | None, typer.Argument(autocompletion=run_folders, help="Run folder; by default that of the newest run.")
    ] = None,
) -> None:
    """Open the report of a run in the browser, and write it first where there is none."""
    from stcnn.product import latest_run
    from stcnn.product import open_run as opened

    chosen = latest_run() if run is None else opened(run)
    page = chosen.path / "report.html"
    if not page.is_file():
        page = chosen.report()
    typer.echo(str(page))
    webbrowser.open(page.resolve().as_uri())
