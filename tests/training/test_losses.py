"""Trainings with another loss than the squared one: what they fit, what they refuse, what is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from stcnn.data import Dataset
from stcnn.errors import DataError
from stcnn.training.fit import train
from stcnn.training.held_out import score_part
from stcnn.training.recipe import Recipe
from tests.support import made_up_data
from tests.support.made_up_training import new_run, recipe


def counts(lowest: int = 0) -> Dataset:
    """Spike counts of two trials of every neuron and stimulus."""
    made_up = made_up_data.dataset(trials=2)
    rng = np.random.default_rng(1)
    spikes = [replace(r, trace=rng.poisson(1.5, len(r.trace)).astype(np.float32) + lowest) for r in made_up.recordings]
    return Dataset.of(made_up.movies, spikes)


def spiking(**training: Any) -> Recipe:
    chosen = recipe(**training)
    model = {**chosen.model.model_dump(), "calcium": {"kind": "none"}}
    return Recipe.model_validate({**chosen.model_dump(), "model": model})


@pytest.mark.parametrize("neurons", ["regression", "gradient"])
@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_training_lowers_the_deviance_and_writes_what_was_explained(tmp_path: Path, loss: str, neurons: str) -> None:
    data = counts(lowest=int(loss == "gamma"))
    run = new_run(tmp_path)
    model = train(data, spiking(loss=loss, epochs=4, neurons=neurons), run)
    scores = run.scores().groupby("epoch")[["loss", "training_loss"]].sum()
    assert np.isfinite(scores.loss).all()
    assert scores.training_loss.iloc[-1] < scores.training_loss.iloc[1]
    assert all((neurons.offset > 0).all() for neurons in model.calcium.each)
    table = score_part(run, data, spiking(loss=loss), "validation")
    assert table.deviance_explained.notna().all()
    assert table.deviance_ceiling.notna().any()


def test_measurements_that_the_loss_cannot_have_are_refused(tmp_path: Path) -> None:
    sentence = (
        r"the trace of neuron '0' \(lc11, stimulus 'loom'\) is -.* which training.loss=poisson cannot have, expected "
        r"samples from 0 on\. Choose training\.loss=squared, or import counts or rates"
    )
    with pytest.raises(DataError, match=sentence):
        train(made_up_data.dataset(), spiking(loss="poisson"), new_run(tmp_path))
    with pytest.raises(DataError, match=r"is 0 at .* which training\.loss=gamma cannot have, expected samples above 0"):
        train(counts(), spiking(loss="gamma"), new_run(tmp_path / "other"))


def test_a_rectifier_that_goes_below_zero_is_refused() -> None:
    chosen = recipe(loss="poisson").model_dump()
    chosen["model"]["calcium"]["rectifier"] = "identity"
    with pytest.raises(
        ValidationError, match=r"needs predictions above zero, but model\.calcium\.rectifier is 'identity'"
    ):
        Recipe.model_validate(chosen)


def test_a_loss_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValidationError, match="there is no likelihood 'poison'; did you mean 'poisson'"):
        recipe(loss="poison")


def test_neurons_with_several_indicators_are_trained_and_opened(tmp_path: Path) -> None:
    made_up = made_up_data.dataset()
    named = [replace(r, indicator="GCaMP6f" if r.neuron == "0" else "ASAP4") for r in made_up.recordings]
    calcium = {"tau": "per_indicator", "indicators": {"GCaMP6f": {}, "asap4": {"kind": "none"}}}
    chosen = recipe(epochs=1)
    chosen = Recipe.model_validate({**chosen.model_dump(), "model": {**chosen.model.model_dump(), "calcium": calcium}})
    run = new_run(tmp_path)
    train(Dataset.of(made_up.movies, named), chosen, run)
    model = run.model()
    assert model.calcium.indicators == ("GCaMP6f", "ASAP4")
    assert model.population.indicators["lc4"] == ("GCaMP6f", "ASAP4", "ASAP4")
    with pytest.raises(DataError, match=r"recordings of neuron '0' \(lc11\) name no indicator.*tau=per_type"):
        train(made_up, chosen, new_run(tmp_path / "other"))
