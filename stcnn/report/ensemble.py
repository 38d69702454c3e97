"""Answers that only an ensemble can give: how sure it is, and which of its numbers can be trusted."""

from __future__ import annotations

import pandas as pd
from torch import Tensor

from stcnn.data.dataset import Dataset
from stcnn.data.splitting.splits import Split
from stcnn.evaluate import Predictions
from stcnn.evaluate.ensemble import calibration, predict_together, spread_to_error
from stcnn.experiments.parameters import parameter_table, per_neuron, quantities
from stcnn.experiments.response_quantities import response_quantities
from stcnn.report.physiology_of_run import screen_of
from stcnn.report.text import aligned
from stcnn.run_folder import Run
from stcnn.training.places import places_of_members, places_table
from stcnn.training.recipe import Recipe
from stcnn.viz.calibration import spread_calibration
from stcnn.viz.visual_field import visual_field
from stcnn.writing import atomic_write


def write_ensemble_report(run: Run, dataset: Dataset, recipe: Recipe) -> str:
    """Write ``parameters.csv``, ``calibration.csv`` and ``calibration.png`` into the folder of an ensemble.

    Where places are learned, ``places.csv`` and ``places.png`` say where every neuron sits, with 95 % intervals.

    Args:
        run: an ensemble whose members are finished.
        dataset: the recordings it was trained on.
        recipe: how it was trained.

    Returns:
        The summary for the terminal.
    """
    table = _parameters(run, dataset, recipe)
    run.write_table("parameters.csv", table)
    lines = [printed(table)]
    if recipe.model.readout.place == "learned":
        places = places_of_members([places_table(model, dataset) for model in run.models()])
        run.write_table("places.csv", places)
        rows, columns = dataset.shape_px
        figure = visual_field(places, (rows * dataset.deg_per_px, columns * dataset.deg_per_px))
        with atomic_write(run.path / "places.png") as draft:
            figure.savefig(draft)
    held_out = dataset.subset(Split.from_json(run.split(), dataset).validation)
    if len(held_out):
        predictions = predict_together(run.models(), held_out, recipe.batching)
        shares = calibration(predictions, noise_variance(predictions.mean, held_out))
        ratio = spread_to_error(shares)
        run.write_table("calibration.csv", shares)
        figure = spread_calibration(shares, ratio)
        with atomic_write(run.path / "calibration.png") as draft:
            figure.savefig(draft)
        lines.append(f"Ensemble spread predicts {100 * ratio:.0f} % of the held-out error.")
    return "\n".join([*lines, str(run.path)])


def _parameters(run: Run, dataset: Dataset, recipe: Recipe) -> pd.DataFrame:
    models = run.models()
    untrained = [member.model(epoch=0) for member in run.members()]
    responses = response_quantities(models, untrained, screen_of(dataset))
    after, before = (
        [[*quantities(model, recipe.bounds), *answers] for model, answers in zip(each, answered, strict=True)]
        for each, answered in zip((models, untrained), responses, strict=True)
    )
    return parameter_table(after, before, regressed=recipe.training.neurons == "regression")


def noise_variance(predictions: Predictions, dataset: Dataset) -> Tensor | None:
    """Variance of the noise in each measured trace, ``(R,)``, from its repeats; None where there are none."""
    repeats = [dataset.recordings[item].repeats for item in predictions.item.tolist()]
    if any(trials is None or len(trials) < 2 for trials in repeats):
        return None
    return Tensor([trials.var(0, ddof=1).mean() / len(trials) for trials in repeats if trials is not None])


def printed(table: pd.DataFrame) -> str:
    """The parameters of types and layers as text, with those of neurons counted."""
    alone = per_neuron(table)
    neurons = table[alone]
    rows = [["quantity", "of", "value", "95 % interval", "caution"]]
    for row in table[~alone].itertuples():
        unit = f" {row.unit}" if row.unit not in ("", "1") else ""
        rows.append(
            [
                str(row.quantity),
                str(row.of),
                f"{row.value:.3g}{unit}",
                f"{row.low:.3g} to {row.high:.3g}",
                str(row.caution),
            ]
        )
    trusted = int((neurons.caution == "").sum())
    return f"{aligned(rows)}\n{trusted} of {len(neurons)} gains and offsets of neurons agree between the models."
