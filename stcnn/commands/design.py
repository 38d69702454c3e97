"""``stcnn design``: which stimuli of a protocol to show next, in which order, within so many minutes."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from stcnn.completion import run_folders

if TYPE_CHECKING:
    import pandas as pd

    from stcnn.asked_run import Run
    from stcnn.data.dataset import Dataset
    from stcnn.data.splitting.splits import Split
    from stcnn.experiments.asked_models import AskedModels
    from stcnn.movie import Movie

app = typer.Typer(help="Choose the stimuli of the next experiment.")


@app.command()
def design(  # noqa: PLR0913  (an option is an argument)
    run: Annotated[
        Path, typer.Argument(autocompletion=run_folders, help="Run folder, ensemble, or published checkpoints.")
    ],
    protocol: Annotated[str, typer.Argument(help="Protocol by name, or the path of one in YAML.")],
    minutes: Annotated[float, typer.Option(min=0.01, max=10_000, help="Of recording.")] = 20.0,
    by: Annotated[
        str | None, typer.Option(help="members, readout or types; by default members of an ensemble, else readout.")
    ] = None,
    criterion: Annotated[str, typer.Option(help="information or variance.")] = "information",
    aim: Annotated[
        str | None, typer.Option(help="Protocol that is to be predicted in the end, with --criterion variance.")
    ] = None,
    cell_type: Annotated[list[str] | None, typer.Option(help="Cell types that are recorded; by default all.")] = None,
    grey_s: Annotated[float, typer.Option(min=0, max=600, help="Grey after every stimulus, and at first.")] = 1.0,
    most_times: Annotated[int, typer.Option(min=1, help="How often a stimulus may be shown.")] = 10,
    noise_dff: Annotated[
        float | None, typer.Option(min=1e-9, help="Noise of a sample; by default what the run leaves unexplained.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of stimuli that are worth the same.")] = 0,
    to: Annotated[Path, typer.Option(help="Folder for the list.")] = Path("design"),
) -> None:
    """Choose the order of stimuli that tells most about what the run does not know yet.

    stcnn design experiments/ENSEMBLE klapoetke2022_size --minutes 20

    By members: on which stimuli an ensemble disagrees, over the noise. By readout: what would make the weights of the
    readouts surer, after what the run was trained on. By types: of which types that the run knows a new neuron is a
    mix. The folder holds schedule.csv, protocol.yaml and record.json.
    """
    from stcnn.experiments.asked_models import asked_models
    from stcnn.experiments.design import Rig, candidates, known_criterion, known_source, movies_of, plan
    from stcnn.experiments.design.schedule import schedule, write_schedule
    from stcnn.published import published_epochs
    from stcnn.stimuli import load_protocol

    _require_heeded(aim, criterion)
    asked = asked_models([run])
    source = known_source(by or ("members" if len(asked.models) > 1 else "readout"), asked)
    wanted = known_criterion(criterion)
    shown = load_protocol(protocol)
    units = tuple(asked.cell_type(name) for name in cell_type) if cell_type else asked.cell_types
    rig = Rig(minutes, grey_s, most_times)
    movies = movies_of(shown, asked)
    held = cache(partial(_held, run))
    noise = dict.fromkeys(units, noise_dff) if noise_dff is not None else _noise(held(), asked, units)
    counts: dict[str, dict[str, float]] = {}
    earlier: dict[str, Movie] = {}
    if not source.knows_recorded and not published_epochs(run):
        earlier, counts = _recorded(held())
    aims = {f"aim: {name}": movie for name, movie in (movies_of(load_protocol(aim), asked) if aim else {}).items()}
    found = candidates(asked, {**movies, **earlier, **aims}, source, units, noise)
    wished = found.only(list(aims)) if aims else None
    chosen = plan(found.only(list(movies)), wanted, rig, seed, found.known_after(counts), wished)
    table = schedule(chosen, rig, wanted)
    about: dict[str, Any] = {
        **{"by": source.name, "what": source.what, "criterion": wanted.name, "formula": wanted.formula},
        **{"source": wanted.source, "unit": wanted.unit, "minutes": minutes, "grey_s": grey_s, "seed": seed},
        **{"most_times": most_times, "noise_dff": noise, "cell_types": list(units), "recorded": len(earlier)},
        **{"total_gain": float(table.gain.sum()), "runs": list(asked.runs), "protocol": protocol, "aim": aim},
    }
    write_schedule(table, shown, asked.screen.background, to, about)
    _tell(table, to)


def _require_heeded(aim: str | None, criterion: str) -> None:
    from stcnn.errors import ConfigError

    if aim is not None and criterion == "information":
        found = f"--aim {aim} is given, but information is about the unknown numbers, not about predictions"
        raise ConfigError(found, remedy="give --criterion variance too, or leave --aim out")


def _tell(table: pd.DataFrame, to: Path) -> None:
    first = table.head(10)[["order", "stimulus", "onset_s", "duration_s", "gain", "gain_per_minute"]]
    typer.echo(first.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    last = table.iloc[-1]
    minutes = (last.onset_s + last.duration_s + last.grey_after_s) / 60
    n_stimuli = table.stimulus.nunique()
    typer.echo(
        f"{len(table)} presentations of {n_stimuli} stimuli in {minutes:.3g} minutes: {last.cumulative_gain:.4g} "
        f"{last.unit}, {last.cumulative_gain / minutes:.3g} a minute; list in {to / 'schedule.csv'}"
    )


class _Held(NamedTuple):
    """A run, its recordings, and which of them it was trained on and validated with."""

    run: Run
    dataset: Dataset
    split: Split


def _held(run: Path) -> _Held:
    """Open a run with its recordings.

    Raises:
        ConfigError: it has no recordings at hand.
    """
    from stcnn.data.splitting.splits import Split
    from stcnn.errors import ConfigError, StcnnError
    from stcnn.product import open_run
    from stcnn.published import published_epochs

    remedy = "say how noisy a sample is with --noise-dff"
    if published_epochs(run):
        raise ConfigError(f"{run} holds published checkpoints without recordings", remedy=remedy)
    opened = open_run(run)
    try:
        dataset = opened.dataset()
    except StcnnError as error:
        raise ConfigError(f"the recordings of {run} cannot be opened: {error.found}", remedy=remedy) from error
    return _Held(opened, dataset, Split.from_json(opened.split(), dataset))


def _noise(held: _Held, asked: AskedModels, units: tuple[str, ...]) -> dict[str, float]:
    """Standard deviation of what the run leaves unexplained of each cell type, in its validation set."""
    from stcnn.evaluate.ensemble import predict_together

    validation = held.dataset.subset(held.split.validation)
    predicted = predict_together(asked.models, validation, held.run.settings().batching).mean
    error = (predicted.prediction - predicted.target).square() * predicted.weight
    found = {}
    for unit in units:
        mine = predicted.cell_type == held.dataset.cell_types.index(unit)
        found[unit] = max(float(error[mine].sum() / predicted.weight[mine].sum().clamp(min=1)), 1e-12) ** 0.5
    return found


def _recorded(held: _Held) -> tuple[dict[str, Movie], dict[str, dict[str, float]]]:
    """Movies that the run was trained on, and how often each cell type was recorded while they were shown."""
    movies: dict[str, Movie] = {}
    counts: dict[str, dict[str, float]] = {}
    table = held.dataset.table.iloc[list(held.split.train)]
    for (stimulus, unit), rows in table.groupby(["stimulus", "cell_type"]):
        name = f"recorded: {stimulus}"
        movies[name] = held.dataset.movies[str(stimulus)]
        counts.setdefault(name, {})[str(unit)] = float(len(rows))
    return movies, counts
