"""``stcnn compare``: trained models and simple ones on the same held-out recordings, with intervals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stcnn.completion import run_folders

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from stcnn.config import Config
    from stcnn.data.dataset import Dataset
    from stcnn.data.splitting.splits import Split
    from stcnn.evaluate import Evaluation
    from stcnn.run_folder import Run

app = typer.Typer(help="Compare trained models with each other and with simple ones.")

Part = Literal["validation", "test"]
PREFERRED = ("trial_mean_correlation", "single_trial_correlation")
"""The first of these that the recordings allow is printed and drawn."""


@app.command()
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(autocompletion=run_folders, help="Run folders; the others are held against the first."),
    ],
    baselines: Annotated[
        bool, typer.Option(help="Fit simple models to the training part and compare them too.")
    ] = False,
    split: Annotated[Part, typer.Option(help="Held-out part of the recordings that is scored.")] = "validation",
    score: Annotated[str, typer.Option(help="Score to print and draw; the tables hold all of them.")] = "",
    to: Annotated[Path | None, typer.Option(help="Folder to write to; by default RUN/comparison_SPLIT.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Look at the test part although someone did before.")] = False,
) -> None:
    """Score runs on the held-out recordings that they share; write tables and a figure.

    ladder.csv and ladder.parquet hold every score with its 95 % interval and its paired difference to the first run,
    ladder.png and ladder.svg one of them. Looks at the test part are counted, as by stcnn evaluate.
    """
    from rich.console import Console

    from stcnn.baselines.ladder import ladder
    from stcnn.config import judge
    from stcnn.data.splitting.splits import require_no_leak
    from stcnn.run_folder import open_run
    from stcnn.training.held_out import look_at_test

    opened = [open_run(path) for path in runs]
    config = judge(opened[0].config())
    dataset = config.open_dataset()
    sides = shared_split(opened, dataset)
    require_no_leak(sides, dataset, config.split)
    if split == "test":
        typer.echo(f"look {look_at_test(opened, again)} at the test part")
    models = evaluated(opened, dataset.subset(getattr(sides, split)))
    if baselines:
        models |= fitted(dataset, sides, split, config)
    table = ladder(models, next(iter(models)))
    score = score or next((name for name in PREFERRED if table[name].notna().any()), PREFERRED[0])
    folder = to or opened[0].path / f"comparison_{split}"
    write(table, score, folder)
    Console().print(printed(table, score))
    typer.echo(f"tables and figure in {folder}")


def shared_split(runs: Sequence[Run], dataset: Dataset) -> Split:
    """The split of all runs.

    Raises:
        DataError: they were trained on other recordings, or held out others.
    """
    from stcnn.data.splitting.splits import Split
    from stcnn.errors import DataError

    sha256 = dataset.content_hash()
    for run in runs:
        if run.environment()["data_sha256"] != sha256:
            raise DataError(
                f"{run.path} was trained on other recordings than {runs[0].path} has now",
                remedy="compare runs of one data set with the same dataset settings",
            )
        if run.split() != runs[0].split():
            raise DataError(
                f"{run.path} held out other recordings than {runs[0].path}",
                expected="one split, so that what one model learned from is not held out for another",
                remedy="train with the same split settings",
            )
    return Split.from_json(runs[0].split(), dataset)


def evaluated(runs: Sequence[Run], held_out: Dataset) -> dict[str, Evaluation]:
    """Predictions of each run, the mean over its members where it has some, beside the recordings."""
    from stcnn.baselines.ladder import evaluation
    from stcnn.config import judge
    from stcnn.evaluate.ensemble import predict_together

    found = {}
    for name, run in zip(names_of(runs), runs, strict=True):
        config = judge(run.config())
        predictions = predict_together(run.models(), held_out, config.batching).mean
        found[name] = evaluation(predictions, held_out, config.split.families)
    return found


def names_of(runs: Sequence[Run]) -> list[str]:
    """Names of run folders without their dates, as far as that tells them apart."""
    short = [re.sub(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_", "", run.path.resolve().name) for run in runs]
    return [run.path.name if short.count(name) > 1 else name for name, run in zip(short, runs, strict=True)]


def fitted(dataset: Dataset, sides: Split, part: Part, config: Config) -> dict[str, Evaluation]:
    """Fit every simple model to the training part and evaluate it on the held-out one."""
    from stcnn.baselines import BASELINES
    from stcnn.baselines.ladder import evaluation

    train, held_out = dataset.subset(sides.train), dataset.subset(getattr(sides, part))
    found = {}
    for name, fit in BASELINES.items():
        typer.echo(f"fitting: {name}")
        predictions = fit(train, config.batching).predict(held_out, config.batching)
        found[name] = evaluation(predictions, held_out, config.split.families)
    return found


def write(table: pd.DataFrame, score: str, folder: Path) -> None:
    """Write the ladder as CSV, Parquet, PNG and SVG, each whole or not at all.

    Raises:
        ConfigError: there is no such score.
        FileError: the folder cannot be written.
    """
    from stcnn.errors import ConfigError, nearest
    from stcnn.evaluate.tables import SCORES
    from stcnn.viz.ladder import ladder_figure
    from stcnn.writing import whole_file

    if score not in SCORES:
        raise ConfigError(f"there is no score '{score}'", remedy=nearest(score, SCORES))
    figure = ladder_figure(table, score)
    with whole_file(folder / "ladder.csv") as draft:
        table.to_csv(draft, index=False)
    with whole_file(folder / "ladder.parquet") as draft:
        table.to_parquet(draft, index=False)
    for name in ("ladder.png", "ladder.svg"):
        with whole_file(folder / name) as draft:
            figure.savefig(draft)


def printed(table: pd.DataFrame, score: str) -> Table:
    """The ladder for the terminal, best first: scores of the cell types; mean and paired difference with intervals."""
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
