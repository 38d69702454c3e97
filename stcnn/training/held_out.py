"""The parts of the split that were held out, scored; the test set is sealed.

A training scores the test set once, with the finished model, and puts the scores away without showing them. Every
look at them is recorded in the run, and a second look at the same recordings, whichever run of the folder it is
through, must be asked for: who chooses between models by the test set no longer has one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import indicators_of
from stcnn.data.splitting.leaks import known_again
from stcnn.data.splitting.splits import Split, recording_keys, require_no_leak
from stcnn.errors import DataError, FileError, ShapeError, nearest
from stcnn.evaluate import Evaluation
from stcnn.evaluate.ensemble import Ensemble
from stcnn.metrics.likelihoods import LIKELIHOODS
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from stcnn.reading import read_json, read_parquet
from stcnn.run_folder import Run
from stcnn.training.recipe import Recipe
from stcnn.writing import atomic_write, locked

Part = Literal["validation", "test"]
SEAL = "test_looks.json"
"""File that says when the test set was scored and when it was looked at."""


def score_part(run: Run, dataset: Dataset, recipe: Recipe, part: Part) -> pd.DataFrame:
    """Score a held-out part with the finished model, the mean of its members for an ensemble.

    Writes ``<part>_scores.csv`` and ``.parquet`` into the run folder; for the test set also that it was scored.

    Args:
        run: a finished run.
        dataset: the recordings it was trained on.
        recipe: with which it was trained.
        part: which part.

    Returns:
        The table of :meth:`stcnn.evaluate.Evaluation.scores_table`; without rows where nothing was held out.

    Raises:
        DataError: the data are others, or the split leaks.
    """
    if run.environment()["data_sha256"] != dataset.content_hash():
        raise DataError(
            f"the recordings differ from those that {run.path} was trained on",
            remedy="restore the data, or evaluate on them as other data with --dataset",
        )
    split = Split.from_json(run.split(), dataset)
    require_no_leak(split, dataset, recipe.split)
    items = getattr(split, part)
    table = pd.DataFrame(columns=["level"])
    if items:
        held_out = dataset.subset(items)
        predictions = Ensemble(run.models()).predict(held_out, recipe.batching)
        likelihood = LIKELIHOODS[recipe.training.loss]
        table = Evaluation.of(predictions, held_out, recipe.split.families, likelihood).scores_table()
    if part == "test":
        _add_to_seal(run, "scored", _now())
    write_scores(run, f"{part}_scores", table)
    return table


def write_scores(run: Run, name: str, table: pd.DataFrame) -> None:
    """Write a table as CSV and Parquet into a run folder."""
    run.write_table(f"{name}.csv", table)
    with atomic_write(run.path / f"{name}.parquet") as draft:
        table.to_parquet(draft, index=False)


def looks(runs: Sequence[Run]) -> list[str]:
    """When the test recordings of these runs were looked at, through any run beside them that holds out the same.

    The members of an ensemble are runs like those beside it.
    """
    tested = {_test_sha256(run) for run in runs}
    found: set[str] = set()
    for folder in {_folder_of_runs(run) for run in runs}:
        for file in (*folder.glob(f"*/{SEAL}"), *folder.glob(f"*/members/*/{SEAL}")):
            seal = _read_seal(file)
            found |= set(seal["looks"]) if seal.get("test_sha256") in tested else set()
    return sorted(found)


def _folder_of_runs(run: Run) -> Path:
    folder = run.path.resolve().parent
    return folder.parent.parent if folder.name == "members" else folder


def look_at_test(runs: Sequence[Run], again: bool = False) -> int:
    """Record a look at the test scores of some runs together, before they are shown.

    Args:
        runs: finished runs.
        again: evaluate it again.

    Returns:
        How many looks there were at these recordings, this one included.

    Raises:
        DataError: there was a look before and ``again`` is not set; nothing is recorded.
    """
    before = looks(runs)
    if before and not again:
        raise DataError(
            f"the test set was looked at before ({len(before)} times, last on {before[-1]})",
            expected="one look, when all choices are made; the validation set is there to choose by",
            remedy="look once more with --again, and report how often you did",
        )
    now = _now()
    for run in runs:
        _add_to_seal(run, "looks", now)
    return len(before) + 1


def sealed_scores(run: Run, dataset: Dataset, recipe: Recipe) -> pd.DataFrame:
    """Scores of the test set as the training left them, else made now; :func:`look_at_test` comes before it."""
    path = run.path / "test_scores.parquet"
    return read_parquet(path).reset_index(drop=True) if path.is_file() else score_part(run, dataset, recipe, "test")


def _seal(run: Run) -> dict[str, Any]:
    path = run.path / SEAL
    return _read_seal(path) if path.is_file() else {"scored": [], "looks": []}


def _read_seal(path: Path) -> dict[str, Any]:
    what = "when the test set was looked at"
    seal = read_json(path, what)
    if not isinstance(seal, dict) or not all(isinstance(seal.get(name), list) for name in ("scored", "looks")):
        raise FileError(
            f"{path} holds no 'scored' and 'looks'", expected=what, remedy="restore it from a copy of the run"
        )
    return seal


def _add_to_seal(run: Run, kind: Literal["scored", "looks"], when: str) -> None:
    """Record that the test set was scored or looked at; of two processes that do so at once, both are recorded."""
    with locked(run.path, "looks", "looks at the test set of", wait=True):
        seal = _seal(run)
        run.write_json(SEAL, {"test_sha256": _test_sha256(run), **seal, kind: [*seal[kind], when]})


def _test_sha256(run: Run) -> str:
    """By which runs that hold out the same recordings of the same data know each other."""
    held_out = [run.environment()["data_sha256"], sorted(run.split()["test"])]
    return hashlib.sha256(json.dumps(held_out).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def score_other(run: Run, dataset: Dataset, recipe: Recipe) -> pd.DataFrame:
    """Score a run on recordings of another data set; neurons it does not know answer as the average of their type.

    Args:
        run: a finished run.
        dataset: recordings, all of which are scored.
        recipe: with which the run was trained.

    Returns:
        The table of :meth:`stcnn.evaluate.Evaluation.scores_table`.

    Raises:
        DataError: the run knows none of the cell types, or was trained on some of the recordings.
        ShapeError: the movies have another resolution than those of the training.
    """
    models = run.models()
    known = [name for name in dataset.cell_types if name in models[0].cell_types]
    if not known:
        raise DataError(
            f"the cell types of the data are {', '.join(dataset.cell_types)}",
            expected=f"some of those that {run.path} was trained on: {', '.join(models[0].cell_types)}",
        )
    chosen = [i for i, name in enumerate(dataset.table.cell_type) if name in known]
    neurons = {name: dataset.neurons.get(name, ("-",)) for name in models[0].cell_types}  # indices as in the model
    others = replace(dataset.subset(chosen), neurons=neurons)
    _require_new(run, others, recipe)
    if models[0].deg_per_px != others.deg_per_px:
        raise ShapeError(
            f"the movies have {others.deg_per_px:g} degrees per pixel",
            expected=f"{models[0].deg_per_px:g} as in the training",
            remedy="resample the movies",
        )
    indicators = indicators_of(others.table, others.neurons) if models[0].calcium.indicators else {}
    transferred = [with_neurons(model, others.neurons, indicators) for model in models]
    predictions = Ensemble(transferred).predict(others, recipe.batching)
    likelihood = LIKELIHOODS[recipe.training.loss]
    return Evaluation.of(predictions, others, recipe.split.families, likelihood).scores_table()


def _require_new(run: Run, others: Dataset, recipe: Recipe) -> None:
    """Refuse recordings that the run was trained on, under these names or others."""
    keys = recording_keys(others.table)
    named = {_without_trials(key) for key in run.split()["train"]}
    again = set(known_again(others, run.trained_on(), recipe.split))
    trained = [key for place, key in enumerate(keys) if place in again or _without_trials(key) in named]
    if trained:
        raise DataError(
            f"{len(trained)} of the recordings were trained on (by names, movies or samples), first '{trained[0]}'",
            expected="other recordings",
            remedy="evaluate the held-out part of the run, without --dataset; give other animals other names",
        )


def _without_trials(key: str) -> str:
    return key.rpartition("/")[0]


def with_neurons(
    model: STCNN, neurons: Mapping[str, Sequence[str]], indicators: Mapping[str, Sequence[str]] | None = None
) -> STCNN:
    """The model with other neurons: those it knows as they are, others with gain and offset of the average one.

    Args:
        model: a trained model.
        neurons: each cell type of the model to its neurons in index order.
        indicators: the indicator of each, for a model that tells indicators apart.

    Raises:
        DataError: there is an indicator that the model does not know.
    """
    named = {name: tuple(of_type) for name, of_type in (indicators or {}).items()}
    population = Population(neurons={name: tuple(neurons[name]) for name in model.cell_types}, indicators=named)
    other = STCNN(model.config, population, model.deg_per_px)
    state = dict(model.state_dict())
    for name, places in population.neurons.items():
        index = {neuron: i for i, neuron in enumerate(model.population.neurons[name])}
        for key in (f"calcium.types.{name}.gain", f"calcium.types.{name}.offset"):
            own = state[key]
            state[key] = torch.stack([own[index[neuron]] if neuron in index else own.mean() for neuron in places])
        if model.config.readout.place == "learned":  # of others only the recorded place is known
            moved = state[f"readouts.{name}.displacement_deg"]
            state[f"readouts.{name}.displacement_deg"] = torch.stack(
                [moved[index[neuron]] if neuron in index else torch.zeros_like(moved[0]) for neuron in places]
            )
    if model.calcium.indicators:
        state["calcium.indicator_tau_s"] = _of_indicators(model, other)
    other.load_state_dict(state)
    return other.eval()


def _of_indicators(model: STCNN, other: STCNN) -> torch.Tensor:
    """Time constants of the indicators of another model that this one was trained on, ``(I,)``."""
    known = dict(zip(model.calcium.indicators, model.calcium.indicator_tau_s.detach(), strict=True))
    for name in other.calcium.indicators:
        if name not in known:
            raise DataError(
                f"the recordings name the indicator '{name}'",
                expected=f"one that the model was trained on: {', '.join(known) or 'none'}",
                remedy=nearest(name, known),
            )
    return torch.stack([known[name] for name in other.calcium.indicators])
