"""``stcnn predict``: what a trained model answers to stimuli it was never shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stcnn.completion import run_folders, stimuli

if TYPE_CHECKING:
    import pandas as pd

    from stcnn.movie import Movie
    from stcnn.nn.model import STCNN
    from stcnn.stimuli import Screen
    from stcnn.stimuli.table import StimulusTable

app = typer.Typer(help="Ask a trained model for its answer to stimuli.")


@app.command()
def predict(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[
        Path, typer.Argument(autocompletion=run_folders, help="Run folder, or a folder with published checkpoints.")
    ],
    stimulus: Annotated[
        list[str],
        typer.Argument(autocompletion=stimuli, help="Protocol, PROTOCOL/STIMULUS, parameters, or a movie file."),
    ],
    to: Annotated[Path, typer.Option(help="Table to write: .csv, .parquet or .npz.")] = Path("predictions.csv"),
    figure: Annotated[Path | None, typer.Option(help="Figure to write; by default beside the table, as .png.")] = None,
    film: Annotated[Path | None, typer.Option(help="Animation to write, .mp4 or .gif.")] = None,
    rate_hz: Annotated[float | None, typer.Option(help="Frames per second; by default those of the training.")] = None,
    file_deg_per_px: Annotated[float | None, typer.Option(help="Degrees per pixel of movie files.")] = None,
    background: Annotated[float, typer.Option(help="Luminance of the grey, 0 to 1.")] = 0.498,
    before_s: Annotated[float, typer.Option(help="Grey before each stimulus.")] = 0.5,
    after_s: Annotated[float, typer.Option(help="Grey after each stimulus.")] = 1.0,
    at: Annotated[
        tuple[float, float] | None, typer.Option(help="Azimuth and elevation of the neurons in degrees; default: 0 0.")
    ] = None,
) -> None:
    """Predict voltage and dF/F of the average neuron of each cell type, and write them with a figure.

    An ensemble predicts the mean of its members and their spread, one standard deviation.

    A stimulus is the name of a protocol, one of its stimuli, a kind of stimulus with its arguments, or a movie:

    stcnn predict experiments/RUN klapoetke2022_size/5620 moving_rectangle:width_deg=9,height_deg=30 street.mp4

    Of a movie may be said how to read it: street.mp4:rotation=apply (see stcnn.stimuli.read_movie).
    """
    from stcnn.experiments import between_grey, respond_together, write_responses
    from stcnn.stimuli import Screen

    figure = figure or to.with_suffix(".png")
    _check_endings(to, figure, film)
    models, trained_hz = _open(run)
    screen = Screen(deg_per_px=models[0].deg_per_px, rate_hz=rate_hz or trained_hz, background=background)
    named = (pair for text in stimulus for pair in named_movies(text, screen, file_deg_per_px))
    movies = {name: between_grey(movie, before_s, after_s) for name, movie in named}
    responses = respond_together(models, movies.items(), at)
    table = _table(stimulus)
    write_responses(responses, to)
    members = f", mean and spread of {len(models)} models" if len(models) > 1 else ""
    typer.echo(f"{len(movies)} stimuli, {len(models[0].cell_types)} cell types{members} in {to}")
    _draw(responses, table, figure)
    typer.echo(f"figure in {figure}")
    if film is not None:
        _film(movies, responses, table, film)
        typer.echo(f"film in {film}")


def _check_endings(table: Path, figure: Path, film: Path | None) -> None:
    """Refuse what could not be written before anything is computed."""
    from matplotlib.figure import Figure

    from stcnn.errors import FileError, nearest
    from stcnn.experiments.tables import TABLES

    pictures = [f".{ending}" for ending in Figure().canvas.get_supported_filetypes()]
    for path, endings in ((table, [*TABLES]), (figure, pictures), (film, [".mp4", ".gif"])):
        if path is not None and path.suffix.lower() not in endings:
            raise FileError(f"'{path}' ends in '{path.suffix}'", remedy=nearest(path.suffix, endings))


def _open(folder: Path) -> tuple[list[STCNN], float]:
    """The model of a run or of a published folder, or all members of an ensemble, and the rate of their movies."""
    from stcnn.nn.model import PUBLISHED_RATE_HZ
    from stcnn.published import open_published, published_epochs
    from stcnn.run_folder import open_run

    if published := published_epochs(folder):
        return [open_published(folder, published[-1])], PUBLISHED_RATE_HZ
    opened = open_run(folder)
    rate_hz = (opened.config().get("dataset") or {}).get("rate_hz", PUBLISHED_RATE_HZ)
    return opened.models(), float(rate_hz)


def named_movies(text: str, screen: Screen, file_deg_per_px: float | None) -> Iterator[tuple[str, Movie]]:
    """Name and movie of everything that one argument means."""
    from stcnn.errors import ConfigError, nearest
    from stcnn.stimuli import file_and_choices, kinds, load_protocol, protocol_names, read_chosen, render

    protocol, _, member = text.partition("/")
    kind, _, arguments = text.partition(":")
    if protocol in protocol_names() and member:
        yield text, load_protocol(protocol).movie(member, screen)
    elif text in protocol_names() or Path(text).suffix in {".yaml", ".yml"}:
        yield from load_protocol(text).movies(screen)
    elif kind in kinds():
        yield text, render(screen, {"kind": kind, **arguments_of(arguments)})
    elif Path(text).suffix:
        ours = text.partition(":")[0].lower().endswith(".npz")
        units = {"deg_per_px": file_deg_per_px, "background": None if ours else screen.background}
        path, choices = file_and_choices(text, **units)
        movie = read_chosen(path, choices, screen)
        for note in movie.notes:
            typer.echo(note, err=True)
        yield path.name, movie
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


def arguments_of(text: str) -> dict[str, Any]:
    """Return the arguments of ``name=value,name=value``, as a stimulus has them behind its kind."""
    from stcnn.errors import ConfigError
    from stcnn.reading import parse_value

    pairs = [part.partition("=") for part in text.split(",") if part]
    for key, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"'{key}' is no argument", expected="NAME=VALUE, such as width_deg=9")
    return {key.strip(): parse_value(value, f"the argument '{key}={value}'", "a value") for key, _, value in pairs}


def _draw(responses: pd.DataFrame, table: StimulusTable | None, path: Path) -> None:
    from stcnn.viz.traces import prediction_overview
    from stcnn.writing import atomic_write

    layout = (table.rows, table.columns) if table else ()
    figure = prediction_overview(responses, *layout)
    with atomic_write(path) as draft:
        figure.savefig(draft)


def _film(movies: dict[str, Movie], responses: pd.DataFrame, table: StimulusTable | None, path: Path) -> None:
    from stcnn.viz.animations import write_animation
    from stcnn.viz.panel import Panel, grey_pictures

    panels = []
    for name in table.stimuli if table else movies:
        movie = movies[name]
        mine = responses[responses.stimulus == name].groupby("cell_type", sort=False)
        traces = {str(kind): (rows.time_s.to_numpy(), rows.dff.to_numpy()) for kind, rows in mine}
        start_s = float(movie.time_s[0])
        panels.append(Panel("" if table else name, grey_pictures(movie.luminance()), movie.rate_hz, start_s, traces))
    write_animation(path, panels, n_columns=len(table.columns) if table else 4)
