"""Training from weights: what is taken, what is drawn, what stays frozen, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stcnn.config import Config, compose
from stcnn.data import BatchingConfig, Dataset
from stcnn.data.splitting.splits import recording_keys
from stcnn.errors import ConfigError, DataError, FileError, StcnnError
from stcnn.evaluate import predict
from stcnn.export.published import export_published
from stcnn.export.sources import exported_from
from stcnn.nn.kernels.native.compile import why_unavailable as why_no_native
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from stcnn.published import open_published, read_published
from stcnn.run_folder import Run
from stcnn.training.fit import train
from stcnn.training.from_weights import network_of, require_same_network
from stcnn.training.recipe import Recipe
from stcnn.training.traces import samples_of_neurons
from stcnn.training.weights_files import Weights, read_weights
from tests.support import made_up_data
from tests.support.made_up_training import SMALL_MODEL, dataset, new_run, recipe, same_weights
from tests.support.nn_twin import choose_implementation

NORMALISED: dict[str, Any] = {
    **SMALL_MODEL,
    "hidden": {"channels": [2, 2], "kernel_columns": 3, "norm": {"kind": "batch"}},
}


def starting_from(folder: Path, training: dict[str, Any] | None = None, **keys: Any) -> Recipe:
    """The small recipe, from weights."""
    plain = recipe(**{"epochs": 1, **(training or {})}).model_dump()
    return Recipe.model_validate({**plain, "init_from": folder, **keys})


def renamed(data: Dataset, **cell_types: str) -> Dataset:
    """The same recordings under other names of their cell types."""
    recordings = [replace(each, cell_type=cell_types.get(each.cell_type, each.cell_type)) for each in data.recordings]
    return Dataset.of(dict(data.movies), recordings)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the small network with normalisation."""
    run = new_run(tmp_path_factory.mktemp("source"))
    train(dataset(), Recipe.model_validate({**recipe(epochs=2).model_dump(), "model": NORMALISED}), run)
    return run


def started(data: Dataset, source: Run, folder: Path, training: dict[str, Any] | None = None, **keys: Any) -> Run:
    run = new_run(folder)
    train(data, starting_from(source.path, training, model=NORMALISED, **keys), run)
    return run


def test_a_training_on_the_same_recordings_starts_exactly_where_the_other_ended_and_records_it(
    source: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = started(dataset(), source, tmp_path)
    first = run.checkpoint_weights(0)
    assert all(torch.equal(first[name], value) for name, value in source.model().state_dict().items())
    assert not torch.equal(first["hidden.0.weight"], run.checkpoint_weights(1)["hidden.0.weight"])
    said = capsys.readouterr().out
    assert f"starts from {source.path}, epoch {source.finished_epoch()}" in said
    assert "taken: hidden layers, indicator, cell types lc11, lc4" in said
    assert "neurons: 6 by their name, 0 as the average of their type" in said
    record = json.loads((run.path / "init_from.json").read_text())
    assert record["source"] == str(source.path)
    assert record["sha256"] == hashlib.sha256((source.path / "model.safetensors").read_bytes()).hexdigest()
    assert record["taken"] == list(run.checkpoint_weights(0))
    assert record["drawn"] == []
    assert set(run.trained_on()) >= set(source.trained_on())


def test_cell_types_match_regardless_of_case_and_new_ones_are_drawn_and_fitted_to_their_traces(
    source: Run, tmp_path: Path
):
    data = renamed(dataset(), lc11="LC11", lc4="lplc2")
    run = started(data, source, tmp_path, {"learning_rate": 1e-12})
    record = json.loads((run.path / "init_from.json").read_text())
    assert record["cell_types"] == ["lc11"]
    assert record["drawn_cell_types"] == ["lplc2"]
    assert all("lplc2" in name for name in record["drawn"])
    first, theirs = run.checkpoint_weights(0), source.model().state_dict()
    for name in ("weight", "bias", "filter.tau_s"):
        assert torch.equal(first[f"readouts.lc11.{name}"], theirs[f"readouts.lc11.{name}"])
    assert torch.equal(first["calcium.types.lc11.gain"], theirs["calcium.types.lc11.gain"])
    assert not torch.equal(first["readouts.lplc2.weight"], theirs["readouts.lc4.weight"])
    parts = run.split()["train"]
    seen = data.subset([i for i, key in enumerate(recording_keys(data.table)) if key in parts])
    of_type = samples_of_neurons(seen)["lplc2"]
    means = torch.tensor([of_type[neuron].mean for neuron in data.neurons["lplc2"]])
    resting = predict_rest(run, "lplc2")
    torch.testing.assert_close(resting, means, rtol=0, atol=1e-3)


def predict_rest(run: Run, cell_type: str) -> torch.Tensor:
    """What every neuron answers at the start to no drive at all, long after the beginning."""
    model = run.model(epoch=0)
    rest = torch.cat([readout.bias for readout in model.readouts.each]).expand(3000, 1, -1)
    place = model.cell_types.index(cell_type)
    filtered = model.calcium(rest, 60.0)[0][-1, 0, place]
    neurons = model.calcium.each[place]
    return (neurons.offset + torch.nn.functional.softplus(neurons.gain) * filtered).detach()


def test_neurons_that_are_not_known_start_as_the_average_of_their_type(source: Run, tmp_path: Path):
    run = started(made_up_data.dataset(neurons_per_type=5), source, tmp_path, split={"validation": 0, "test": 0})
    first, theirs = run.checkpoint_weights(0), source.model().state_dict()
    for name in ("calcium.types.lc4.gain", "calcium.types.lc4.offset"):
        assert torch.equal(first[name][:3], theirs[name])
        assert first[name][3:].tolist() == pytest.approx([float(theirs[name].mean())] * 2)
    record = json.loads((run.path / "init_from.json").read_text())
    assert record["neurons_by_name"]["lc4"] == ["0", "1", "2"]
    assert record["neurons_as_average"]["lc4"] == ["3", "4"]


def test_an_epoch_can_be_chosen(source: Run, tmp_path: Path):
    run = started(dataset(), source, tmp_path, init_epoch=1)
    assert torch.equal(run.checkpoint_weights(0)["hidden.0.weight"], source.checkpoint_weights(1)["hidden.0.weight"])
    with pytest.raises(FileError, match=r"has no checkpoint of epoch 7, expected one of 0, 1, 2"):
        started(dataset(), source, tmp_path, init_epoch=7)


@pytest.mark.parametrize(
    "compute", ["torch", pytest.param("auto", marks=pytest.mark.slow), pytest.param("native", marks=pytest.mark.slow)]
)
def test_a_frozen_core_keeps_weights_and_statistics_and_what_is_behind_it_learns(
    source: Run, tmp_path: Path, compute: str
):
    if compute == "native" and (reason := why_no_native()):
        pytest.skip(f"the native core cannot be compiled here: {reason}")
    training = {"epochs": 2, "freeze": "core", "neurons": "gradient", "start": "drawn", "compute": compute}
    run = started(dataset(), source, tmp_path, training)
    first, last = run.checkpoint_weights(0), run.checkpoint_weights(2)
    for name, value in first.items():
        assert torch.equal(value, last[name]) == name.startswith(("hidden.",)) or name.endswith("tau_s"), name
    assert not torch.equal(first["readouts.lc4.weight"], last["readouts.lc4.weight"])
    optimiser = torch.load(run.checkpoints()[2], weights_only=True)
    assert not any(name.startswith("hidden.") for name in optimiser["trained"])
    (state,) = optimiser["optimizer_states"]
    assert len(state["param_groups"][0]["params"]) == len(optimiser["trained"])


def test_all_implementations_train_behind_a_frozen_core_alike(source: Run, tmp_path: Path):
    losses = {}
    for compute in ("torch", "native"):
        training = {"freeze": "core", "neurons": "gradient", "compute": compute}
        try:
            losses[compute] = started(dataset(), source, tmp_path, training).losses().loss.tolist()
        except ConfigError as error:
            pytest.skip(f"the native core cannot be compiled here: {error}")
    assert losses["torch"] == pytest.approx(losses["native"], rel=1e-4)


def test_a_frozen_core_answers_in_training_as_in_evaluation(source: Run):
    model = source.model()
    contrast = torch.randn(3, 40, 16, 20) * 0.2
    with torch.no_grad():
        right = model(contrast, 60.0).voltage
    model.hidden.freeze()
    model.train()
    for compute in ("reference", "torch"):
        choose_implementation(model, compute)
        torch.testing.assert_close(model(contrast, 60.0).voltage, right, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_frozen_training_resumes_to_the_same_numbers_without_its_source(source: Run, tmp_path: Path):
    shutil.copytree(source.path, tmp_path / "source")
    chosen = starting_from(tmp_path / "source", {"epochs": 3, "freeze": "core"}, model=NORMALISED)
    whole = new_run(tmp_path / "whole")
    train(dataset(), chosen, whole)
    shutil.rmtree(tmp_path / "source")
    shutil.copytree(whole.path, tmp_path / "again")
    again = Run(tmp_path / "again")
    for epoch in (2, 3):
        again.checkpoints()[epoch].unlink()
    train(dataset(), chosen, again, resume=True)
    assert same_weights(whole, again, 3)


@pytest.mark.slow
def test_hidden_layers_that_were_taken_are_not_scaled_again(tmp_path: Path):
    plain = new_run(tmp_path)
    train(dataset(), recipe(epochs=1), plain)
    run = new_run(tmp_path)
    train(dataset(), starting_from(plain.path, {"start": "scaled"}), run)
    assert torch.equal(run.checkpoint_weights(0)["hidden.1.weight"], plain.model().state_dict()["hidden.1.weight"])


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            {**NORMALISED, "hidden": {"channels": [2, 3], "kernel_columns": 3}},
            r"model.hidden.channels is \[2, 3\], but \[2, 2\] in",
        ),
        ({**NORMALISED, "eye": {"lattice": [7, 5]}}, r"model.eye.lattice is \[7, 5\], but \[5, 5\]"),
        ({**NORMALISED, "hidden": SMALL_MODEL["hidden"]}, None),
        (
            {**NORMALISED, "cell_types": {"default": {"window_columns": 5}}},
            "model.cell_types.lc11.window_columns is 5, but",
        ),
        (
            {**NORMALISED, "readout": {"centre": (1, 2)}},
            r"model.readout.centre .* lets it read from column \(0, 1\) on",
        ),
        ({**NORMALISED, "calcium": {"rectifier": "softplus"}}, "model.calcium.rectifier is softplus, but elu in"),
    ],
)
def test_another_network_is_refused_by_its_key(source: Run, tmp_path: Path, model: dict, sentence: str | None):
    chosen = starting_from(source.path, model=model)
    if sentence is None:  # the default of the class is a normalisation too
        require_same_network(chosen.model, read_weights(source.path))
        return
    with pytest.raises(ConfigError, match=sentence):
        train(dataset(), chosen, new_run(tmp_path))


def test_how_weights_are_drawn_may_differ(source: Run):
    chosen = starting_from(source.path, model={**NORMALISED, "readout": {"weight_init": 0.3, "bias_init": [0, 0]}})
    require_same_network(chosen.model, read_weights(source.path))


def test_held_out_recordings_that_the_weights_have_learned_from_are_refused(source: Run, tmp_path: Path):
    with pytest.raises(
        DataError, match=r"recordings that are held out were learned from by the weights in .*split\.valid"
    ):
        started(dataset(), source, tmp_path, split={"validation": 0.2, "test": 0.1, "seed": 5})


def test_an_ensemble_is_refused_with_the_name_of_a_member(source: Run, tmp_path: Path):
    ensemble = tmp_path / "ensemble"
    shutil.copytree(source.path, ensemble / "members" / "1")
    shutil.copy(source.path / "config.yaml", ensemble)
    with pytest.raises(FileError, match=r"is an ensemble of 1 models.*init_from=.*ensemble/members/1"):
        read_weights(ensemble)


@pytest.mark.parametrize("what", ["nothing", "an empty folder"])
def test_a_folder_without_weights_is_one_sentence(what: str, tmp_path: Path):
    folder = tmp_path / ("missing" if what == "nothing" else "")
    with pytest.raises(StcnnError):
        compose([f"init_from={folder}"])


def test_the_network_comes_with_the_weights_unless_one_is_chosen(source: Run):
    assert compose([f"init_from={source.path}"]).model.hidden.channels == (2, 2)
    brought = compose([f"init_from={source.path}", "model.cell_types.lplc2.window_columns=5"]).model
    assert brought.hidden.norm.kind == "batch"
    assert brought.cell_types["lplc2"].window_columns == 5
    assert brought.cell_types["lc11"].window_columns == 3  # as the weights have it
    assert compose([f"init_from={source.path}", "model.cell_types.LC4.window_columns=3"]).model == (
        compose([f"init_from={source.path}"]).model
    )
    with pytest.raises(ConfigError, match=r"model.cell_types.lc4.window_columns is 5, but the weights in .* have 3\."):
        compose([f"init_from={source.path}", "model.cell_types.LC4.window_columns=5"])
    with pytest.raises(
        ConfigError, match=r"model\.eye\.\w+ is .*, but .* in the network of .*Leave model and its keys out"
    ):
        compose([f"init_from={source.path}", "model=published"])


def published_training(shared: Path, *overrides: str) -> Config:
    tiny, weights = shared / "reference" / "tiny_dataset", shared / "reference" / "lc_small_3"
    data = ["dataset=published", f"dataset.ca_path={tiny / 'ca'}", f"dataset.mov_path={tiny / 'mov'}"]
    keys = ["split.validation=0", "split.test=0", "batching.pre_grey_s=0.25", "batching.loss_start_s=-0.1"]
    return compose([f"init_from={weights}", *data, *keys, "training.device=cpu", *overrides])


@pytest.mark.slow
def test_two_steps_of_the_published_recipe_lower_the_loss_from_where_the_published_model_stood(
    shared: Path, tmp_path: Path
):
    config = published_training(shared, "model=published", "training.epochs=2", "dataset.cell_types=[lc18]")
    data, run = config.open_dataset(), new_run(tmp_path)
    train(data, config, run)
    published = open_published(shared / "reference" / "lc_small_3", 10).state_dict()
    first = run.checkpoint_weights(0)
    for name, value in published.items():
        if name in first and first[name].shape == value.shape and not name.endswith((".gain", ".offset")):
            assert torch.equal(first[name], value), name
    average = float(published["calcium.types.lc18.gain"].mean())
    assert first["calcium.types.lc18.gain"].tolist() == pytest.approx([average] * 4)
    assert run.losses().step.max() == 2
    shared_clips = BatchingConfig(pre_grey_s=0.25, loss_start_s=-0.1)  # the same predictions in fewer passes
    loss = [predict(run.model(epoch), data, shared_clips).scores(("lc18",)).loss.sum() for epoch in (0, 2)]
    assert loss[1] < loss[0]


def test_the_published_network_comes_with_its_weights(shared: Path):
    config = published_training(shared)
    assert config.model.hidden == read_published(shared / "reference" / "lc_small_3", 10).model.config.hidden
    assert config.model.cell_types["lc11"].window_columns == 11
    assert config.model.cell_types["lplc2"].window_columns == 15  # a type it does not know, from the default network


def test_a_run_that_started_from_weights_is_exported_with_its_optimiser(shared: Path, tmp_path: Path):
    config = published_training(shared, "model=published", "training.epochs=1", f"experiments_dir={tmp_path}")
    run = config.new_run()
    train(config.open_dataset(), config, run)
    (exported,) = exported_from(run.path)
    export_published(exported, tmp_path / "out")
    again = read_published(tmp_path / "out", 1)
    assert all(torch.equal(again.model.state_dict()[name], value) for name, value in run.model().state_dict().items())
    assert again.optimizer.keys() == exported.optimizer.keys()
    assert {int(moments["step"]) for moments in again.optimizer.values()} == {1}
    assert again.optimizer_options["lr"] == 5e-4
    described = json.loads((tmp_path / "out" / "config.json").read_text())
    assert described["data_count"] == {"lc11": 10, "lc18": 10}


def test_weights_bring_no_windows_of_their_own_for_new_types():
    model = STCNN(Recipe.model_validate({"model": SMALL_MODEL}).model, Population(neurons={"LC4": ("a",)}))
    weights = Weights(model, Path("x"), 0, "", published=True)
    chosen = compose().model
    found = network_of(weights, chosen).cell_types
    assert found["lc4"].window_columns == 3
    assert found["lplc2"].window_columns == 15
    assert found["default"] == chosen.cell_types["default"]


def test_weights_are_read_once_until_their_files_change(source: Run, tmp_path: Path):
    folder = tmp_path / "copy"
    shutil.copytree(source.path, folder)
    first = read_weights(folder)
    assert read_weights(folder) is first
    taken_from = {name: value.clone() for name, value in first.model.state_dict().items()}
    train(dataset(), starting_from(folder, model=NORMALISED), new_run(tmp_path))
    assert all(torch.equal(value, taken_from[name]) for name, value in read_weights(folder).model.state_dict().items())
    changed = read_weights(folder, epoch=1)
    assert changed is not first
    (folder / "model.safetensors").write_bytes((source.path / "model.safetensors").read_bytes())
    again = read_weights(folder)
    assert again is not first
    assert again.sha256 == first.sha256
