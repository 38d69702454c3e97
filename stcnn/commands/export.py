"""``stcnn export``: a trained model in the form of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stcnn.completion import run_folders

app = typer.Typer(help="Write a trained model in the form of another program.")


@app.command()
def export(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[
        Path, typer.Argument(autocompletion=run_folders, help="Run folder, or a folder with published checkpoints.")
    ],
    form: Annotated[Literal["published"], typer.Option("--as", help="The form.")] = "published",
    to: Annotated[Path | None, typer.Option(help="Folder to make; by default RUN/published.")] = None,
    epoch: Annotated[int | None, typer.Option(help="Checkpoint; by default the finished model.")] = None,
    rate_hz: Annotated[float | None, typer.Option(help="Frames per second; by default those of the training.")] = None,
    movie_px: Annotated[
        tuple[int, int] | None, typer.Option(help="Rows and columns of the movies; by default 83 degrees.")
    ] = None,
    calcium_tau: Annotated[
        Literal["kept", "trained"],
        typer.Option(help="trained: the published program predicts with the trained time constant of the indicator."),
    ] = "kept",
) -> None:
    """Write config.json and model_chkpnt_K.pt, which the published program (Klapoetke et al. 2022) loads.

    It answers alike at one frame rate, which its filters are made for. A network that has no such form is refused. Of
    an ensemble each member gets a folder of its own, TO/1, TO/2, ...:

    stcnn export experiments/RUN --as published --to my_lc_model
    """
    from stcnn.errors import ConfigError
    from stcnn.export.published import export_published
    from stcnn.export.sources import exported_from

    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise ConfigError(f"--rate-hz is {rate_hz:g}", expected="frames per second, greater than 0")
    if movie_px is not None and min(movie_px) < 1:
        raise ConfigError(f"--movie-px is {movie_px[0]} {movie_px[1]}", expected="rows and columns, at least 1")
    found, folder = exported_from(run, epoch, rate_hz), to or run / "published"
    for number, each in enumerate(found, 1):
        place = folder / str(number) if len(found) > 1 else folder
        for note in export_published(each, place, movie_px, calcium_tau):
            typer.echo(f"note: {note}")
        typer.echo(f"{form} form of epoch {each.epoch} at {each.rate_hz:g} Hz in {place}")
