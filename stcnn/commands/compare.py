"""``stcnn compare``: trained models and simple ones on the same held-out recordings, with intervals."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from stcnn.completion import run_folders

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from stcnn.baselines.ladder import Ladder
    from stcnn.config import Config
    from stcnn.data.dataset import Dataset
    from stcnn.data.splitting.splits import Split
    from stcnn.errors import StcnnError
    from stcnn.evaluate import Evaluation
    from stcnn.run_folder import Run

app = typer.Typer(help="Compare trained models with each other and with simple ones.")

Part = Literal["validation", "test"]
PREFERRED = ("trial_mean_correlation", "single_trial_correlation")
"""The first of these that the recordings allow is printed and drawn."""


class OptionalNames(TyperCommand):
    """A command whose ``--baselines`` may stand without names; then all are meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer has no public name for it
        """Give ``--baselines`` the value ``all`` where what follows is another option, a folder or nothing."""
        given: list[str] = []
        for place, word in enumerate(args):
            given.append(word)
            following = args[place + 1 : place + 2]
            if word == "--baselines" and (not following or following[0].startswith("-") or Path(following[0]).is_dir()):
                given.append("all")
        return super().parse_args(ctx, given)


@app.command(cls=OptionalNames)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(autocompletion=run_folders, help="Run folders; the others are held against the first."),
    ],
    baselines: Annotated[
        str,
        typer.Option(
            metavar="[NAME,...]",
            help="Fit simple models to the training part and compare them too: all, or those named, such as "
            "linear-filter,LN-model.",
        ),
    ] = "",
    split: Annotated[Part, typer.Option(help="Held-out part of the recordings that is scored.")] = "validation",
    score: Annotated[str, typer.Option(help="Score to print and draw; the tables hold all of them.")] = "",
    to: Annotated[Path | None, typer.Option(help="Folder to write to; by default RUN/comparison_SPLIT.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Look at the test part although someone did before.")] = False,
) -> None:
    """Score runs on the held-out recordings that they share; write tables and a figure.

    ladder.csv and ladder.parquet hold every score with its 95 % interval and its paired difference to the first run,
    ladder.png and ladder.svg one of them; all four are written anew as soon as a simple model is fitted. left_out.csv
    names those that could not be, with the reason. Looks at the test part are counted, as by stcnn evaluate.
    """
    from rich.console import Console

    from stcnn.baselines import named
    from stcnn.baselines.ladder import Ladder
    from stcnn.config import validate
    from stcnn.data.splitting.splits import require_no_leak
    from stcnn.run_folder import open_run
    from stcnn.training.held_out import look_at_test

    wanted = named(baselines) if baselines else []
    opened = [open_run(path) for path in runs]
    config = validate(opened[0].config())
    dataset = config.open_dataset()
    sides = shared_split(opened, dataset)
    require_no_leak(sides, dataset, config.split)
    if split == "test":
        typer.echo(f"look {look_at_test(opened, again)} at the test part")
    rungs = Ladder()
    for name, evaluation in evaluated(opened, dataset.subset(getattr(sides, split))).items():
        rungs.add(name, evaluation)
    table = rungs.table()
    score = score or next((name for name in PREFERRED if table[name].notna().any()), PREFERRED[0])
    folder = to or opened[0].path / f"comparison_{split}"
    write(table, score, folder)
    left_out: dict[str, str] = {}
    for name, found in fit_baselines(wanted, dataset, sides, split, config):
        note(rungs, name, found, score, left_out)
        write(rungs.table(), score, folder)
        write_left_out(left_out, folder)
    Console().print(printed(rungs.table(), score))
    for name, reason in left_out.items():
        typer.echo(f"not on the ladder: {name}: {reason}")
    typer.echo(f"tables and figure in {folder}")


def note(rungs: Ladder, name: str, found: Evaluation | StcnnError, score: str, left_out: dict[str, str]) -> None:
    """Put a fitted model on the ladder, or its reason among what is left out."""
    from stcnn.errors import StcnnError

    if isinstance(found, StcnnError):
        left_out[name] = str(found)
        return
    rungs.add(name, found)
    if silent := rungs.undefined(name, score):
        left_out[f"{name} ({', '.join(silent)})"] = f"{score.replace('_', ' ')} is not defined, the prediction is flat"


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
    from stcnn.config import validate
    from stcnn.evaluate.ensemble import predict_together
    from stcnn.metrics.likelihoods import LIKELIHOODS

    found = {}
    likelihood = LIKELIHOODS[validate(runs[0].config()).training.loss]
    for name, run in zip(names_of(runs), runs, strict=True):
        config = validate(run.config())
        predictions = predict_together(run.models(), held_out, config.batching).mean
        found[name] = evaluation(predictions, held_out, config.split.families, likelihood)
    return found


def names_of(runs: Sequence[Run]) -> list[str]:
    """Names of run folders without their dates, as far as that tells them apart."""
    short = [re.sub(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_", "", run.path.resolve().name) for run in runs]
    return [run.path.name if short.count(name) > 1 else name for name, run in zip(short, runs, strict=True)]


def fit_baselines(
    wanted: Sequence[str], dataset: Dataset, sides: Split, part: Part, config: Config
) -> Iterator[tuple[str, Evaluation | StcnnError]]:
    """Fit simple models to the training part, one after the other, and evaluate each on the held-out one.

    Yields:
        The name, and its evaluation or the reason why there is none.
    """
    from stcnn.baselines import BASELINES, Workbench
    from stcnn.baselines.ladder import evaluation
    from stcnn.errors import StcnnError, TrainingError
    from stcnn.metrics.likelihoods import LIKELIHOODS

    likelihood = LIKELIHOODS[config.training.loss]
    bench = Workbench(dataset.subset(sides.train), config.batching)
    held_out = dataset.subset(getattr(sides, part))
    for number, name in enumerate(wanted, 1):
        typer.echo(f"fitting {number} of {len(wanted)}: {name}", nl=False)
        start_s = perf_counter()
        try:
            predictions = BASELINES[name](bench).predict(held_out, config.batching)
            if not predictions.prediction.isfinite().all():
                raise TrainingError("its prediction is not finite")
            found: Evaluation | StcnnError = evaluation(predictions, held_out, config.split.families, likelihood)
        except StcnnError as error:
            found = error
        except RuntimeError as error:  # of linear algebra: a matrix that cannot be decomposed
            found = TrainingError(f"the fit broke off: {str(error).splitlines()[0]}")
        typer.echo(f" ({perf_counter() - start_s:.0f} s)" + (f": {found}" if isinstance(found, StcnnError) else ""))
        yield name, found


def write_left_out(left_out: Mapping[str, str], folder: Path) -> None:
    """Write which models are not on the ladder, or only in part, and why; no file where there is none."""
    import pandas as pd

    from stcnn.writing import atomic_write

    path = folder / "left_out.csv"
    if not left_out:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as draft:
        pd.DataFrame({"model": left_out.keys(), "reason": left_out.values()}).to_csv(draft, index=False)


def write(table: pd.DataFrame, score: str, folder: Path) -> None:
    """Write the ladder as CSV, Parquet, PNG and SVG, each whole or not at all.

    Raises:
        ConfigError: there is no such score.
        FileError: the folder cannot be written.
    """
    from stcnn.errors import ConfigError, nearest
    from stcnn.evaluate.metric import METRICS
    from stcnn.viz.ladder import ladder_figure
    from stcnn.writing import atomic_write

    if score not in METRICS:
        raise ConfigError(f"there is no score '{score}'", remedy=nearest(score, METRICS))
    figure = ladder_figure(table, score)
    with atomic_write(folder / "ladder.csv") as draft:
        table.to_csv(draft, index=False)
    with atomic_write(folder / "ladder.parquet") as draft:
        table.to_parquet(draft, index=False)
    for name in ("ladder.png", "ladder.svg"):
        with atomic_write(folder / name) as draft:
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
