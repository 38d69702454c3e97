"""``stcnn predict``: what a trained model answers to stimuli it was never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from stcnn.movie import Movie
    from stcnn.nn.model import STCNN
    from stcnn.stimuli import Screen
    from stcnn.stimuli.table import StimulusTable

TABLES = (".csv", ".parquet", ".npz")
"""Endings of tables."""

app = typer.Typer(help="Ask a trained model for its answer to stimuli.")


@app.command()
def predict(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[Path, typer.Argument(help="Run folder, or a folder with published checkpoints.")],
    stimulus: Annotated[list[str], typer.Argument(help="Protocol, PROTOCOL/STIMULUS, parameters, or a movie file.")],
    to: Annotated[Path, typer.Option(help="Table to write: .csv, .parquet or .npz.")] = Path("predictions.csv"),
    figure: Annotated[Path | None, typer.Option(help="Figure to write; by default beside the table, as .png.")] = None,
    film: Annotated[Path | None, typer.Option(help="Animation to write, .mp4 or .gif.")] = None,
    rate_hz: Annotated[float | None, typer.Option(help="Frames per second; by default those of the training.")] = None,
    file_deg_per_px: Annotated[float | None, typer.Option(help="Degrees per pixel of movie files.")] = None,
    background: Annotated[float, typer.Option(help="Luminance of the grey, 0 to 1.")] = 0.498,
    before_s: Annotated[float, typer.Option(help="Grey before each stimulus.")] = 0.5,
    after_s: Annotated[float, typer.Option(help="Grey after each stimulus.")] = 1.0,
) -> None:
    """Predict voltage and dF/F of the average neuron of each cell type, and write them with a figure.

    A stimulus is the name of a protocol, one of its stimuli, a kind of stimulus with its arguments, or a movie:

    stcnn predict experiments/RUN klapoetke2022_size/5620 moving_rectangle:width_deg=9,height_deg=30 street.mp4
    """
    from stcnn.experiments import between_grey, respond
    from stcnn.stimuli import Screen

    figure = figure or to.with_suffix(".png")
    _check_endings(to, figure, film)
    model, trained_hz = _open(run)
    screen = Screen(deg_per_px=model.deg_per_px, rate_hz=rate_hz or trained_hz, background=background)
    named = (pair for text in stimulus for pair in _movies(text, screen, file_deg_per_px))
    movies = {name: between_grey(movie, before_s, after_s) for name, movie in named}
    responses, table = respond(model, movies.items()), _table(stimulus)
    write_responses(responses, to)
    typer.echo(f"{len(movies)} stimuli, {len(model.cell_types)} cell types in {to}")
    _draw(responses, table, figure)
    typer.echo(f"figure in {figure}")
    if film is not None:
        _film(movies, responses, table, film)
        typer.echo(f"film in {film}")


def _check_endings(table: Path, figure: Path, film: Path | None) -> None:
    """Refuse what could not be written before anything is computed."""
    from matplotlib.figure import Figure

    from stcnn.errors import FileError, nearest

    pictures = [f".{ending}" for ending in Figure().canvas.get_supported_filetypes()]
    for path, endings in ((table, [*TABLES]), (figure, pictures), (film, [".mp4", ".gif"])):
        if path is not None and path.suffix.lower() not in endings:
            raise FileError(f"'{path}' ends in '{path.suffix}'", remedy=nearest(path.suffix, endings))


def _open(folder: Path) -> tuple[STCNN, float]:
    """The model of a run or of a published folder, and the rate of its movies."""
    from stcnn.nn.model import PUBLISHED_RATE_HZ
    from stcnn.nn.published import open_published
    from stcnn.runs import open_run

    if any(folder.glob("model_chkpnt_*.pt")):
        newest = max(int(path.stem.rpartition("_")[2]) for path in folder.glob("model_chkpnt_*.pt"))
        return open_published(folder, newest), PUBLISHED_RATE_HZ
    opened = open_run(folder)
    rate_hz = (opened.config().get("dataset") or {}).get("rate_hz", PUBLISHED_RATE_HZ)
    return opened.model(), float(rate_hz)


def _movies(text: str, screen: Screen, file_deg_per_px: float | None) -> Iterator[tuple[str, Movie]]:
    """Name and movie of everything that one argument means."""
    from stcnn.errors import ConfigError, nearest
    from stcnn.stimuli import kinds, load_protocol, protocol_names, read_movie, render

    protocol, _, member = text.partition("/")
    kind, _, arguments = text.partition(":")
    if protocol in protocol_names() and member:
        yield text, load_protocol(protocol).movie(member, screen)
    elif text in protocol_names() or Path(text).suffix in {".yaml", ".yml"}:
        yield from load_protocol(text).movies(screen)
    elif kind in kinds():
        yield text, render(screen, {"kind": kind, **_arguments(arguments)})
    elif Path(text).suffix:
        yield (
            Path(text).name,
            read_movie(
                text,
                screen=screen,
                deg_per_px=file_deg_per_px,
                background=None if text.endswith(".npz") else screen.background,
            ),
        )
    else:
        raise ConfigError(
            f"'{text}' is no protocol, no kind of stimulus and no file",
            remedy=nearest(kind, [*protocol_names(), *kinds()]),
        )


def _table(stimuli: list[str]) -> StimulusTable | None:
    """Rows and columns of the protocol, where there is one and nothing else."""
    from stcnn.stimuli import load_protocol, protocol_names
    from stcnn.stimuli.table import stimulus_table

    (first, *others) = stimuli
    is_protocol = first in protocol_names() or Path(first).suffix in {".yaml", ".yml"}
    return stimulus_table(load_protocol(first)) if is_protocol and not others else None


def _arguments(text: str) -> dict[str, Any]:
    import yaml

    from stcnn.errors import ConfigError

    pairs = [part.partition("=") for part in text.split(",") if part]
    for key, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"'{key}' is no argument", expected="NAME=VALUE, such as width_deg=9")
    return {key.strip(): yaml.safe_load(value) for key, _, value in pairs}


def write_responses(responses: pd.DataFrame, path: Path) -> Path:
    """Write responses (see :func:`stcnn.experiments.respond`) as CSV, Parquet or npz, whole or not at all.

    An npz has one array ``(T,)`` per stimulus and cell type, ``STIMULUS|CELL_TYPE|dff`` and ``...|voltage``, and
    ``STIMULUS|time_s``.

    Raises:
        FileError: the ending is another, or the folder cannot be written to.
    """
    import numpy as np

    from stcnn.errors import FileError, nearest

    writers = {
        ".csv": lambda part: responses.to_csv(part, index=False),
        ".parquet": lambda part: responses.to_parquet(part, index=False),
        ".npz": lambda part: np.savez_compressed(part, allow_pickle=False, **_arrays(responses)),
    }
    if path.suffix not in writers:
        raise FileError(f"'{path}' ends in '{path.suffix}'", remedy=nearest(path.suffix, writers))
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writers[path.suffix](part)
        part.replace(path)
    except OSError as error:
        raise FileError(f"'{path}' cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _arrays(responses: pd.DataFrame) -> dict[str, Any]:
    arrays = {}
    for (stimulus, cell_type), rows in responses.groupby(["stimulus", "cell_type"], sort=False):
        arrays[f"{stimulus}|time_s"] = rows.time_s.to_numpy()
        for column in ("dff", "voltage"):
            arrays[f"{stimulus}|{cell_type}|{column}"] = rows[column].to_numpy()
    return arrays


def _draw(responses: pd.DataFrame, table: StimulusTable | None, path: Path) -> None:
    from stcnn.errors import FileError
    from stcnn.viz.traces import prediction_overview

    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        layout = (table.rows, table.columns) if table else ()
        prediction_overview(responses, *layout).savefig(part)
        part.replace(path)
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written ({error})", expected="a picture, such as .png or .pdf") from None
    finally:
        part.unlink(missing_ok=True)


def _film(movies: dict[str, Movie], responses: pd.DataFrame, table: StimulusTable | None, path: Path) -> None:
    from stcnn.viz.animations import write_animation
    from stcnn.viz.panel import Panel, grey_pictures

    panels = []
    for name in table.stimuli if table else movies:
        movie, mine = movies[name], responses[responses.stimulus == name].groupby("cell_type", sort=False)
        traces = {str(kind): (rows.time_s.to_numpy(), rows.dff.to_numpy()) for kind, rows in mine}
        start_s = float(movie.time_s[0])
        panels.append(Panel("" if table else name, grey_pictures(movie.luminance()), movie.rate_hz, start_s, traces))
    write_animation(path, panels, n_columns=len(table.columns) if table else 4)
