"""Published checkpoints as our model: what they answer, how they go on learning, and what is said of a faulty one."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from stcnn.errors import FileError
from stcnn.movie import Movie
from stcnn.nn.bounds import Bounds, project
from stcnn.nn.model import STCNN
from stcnn.published import convert, open_published, published_epochs, read_published
from stcnn.published.config import CalciumTau
from stcnn.published.names import our_name, published_name
from stcnn.reading import load_tensors
from tests.reference.published import Item, read_items
from tests.support.nn_twin import choose_implementation

TOLERANCE = 1e-5
CALCIUM_TAUS: tuple[CalciumTau, ...] = ("trained", "per_type")
SLOW_MOVIES = [pytest.param(name, marks=pytest.mark.slow) for name in ("loom", "rect")]


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    return shared / "reference" / "lc_small_3"


@pytest.fixture(scope="module", params=["noise", *SLOW_MOVIES])
def stored(request: pytest.FixtureRequest, shared: Path) -> dict[str, np.ndarray]:
    """What the published program answered to one movie, by name."""
    with np.load(shared / "reference" / "lc_small_3_outputs.npz") as everything:
        prefix = f"{request.param}/"
        return {name.removeprefix(prefix): everything[name] for name in everything if name.startswith(prefix)}


def worst(found: dict[str, np.ndarray], stored: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(found[name] - stored[name]).max() / np.abs(stored[name]).max()) for name in found)


def test_every_stored_map_is_the_published_one(published: Path, stored: dict[str, np.ndarray]) -> None:
    model = open_published(published, calcium_tau="per_type")
    contrast = torch.from_numpy(Movie(stored["movie"], 180.0).contrast())
    with torch.no_grad():
        maps = model.maps(contrast[None], 180.0)
    found = {"pr_centre": maps["eye"][:, 0, 10, 10]}
    for i in range(4):
        found[f"hidden{i}_row10_col10"] = maps[f"hidden.{i}"][:, 0, 10, 10]
        found[f"norm{i}_row0_col20"] = maps[f"norm.{i}"][:, 0, 0, 20]
    assert worst({name: value.numpy() for name, value in found.items()}, stored) < TOLERANCE


def test_voltages_and_calcium_are_the_published_ones(published: Path, stored: dict[str, np.ndarray]) -> None:
    model = open_published(published, calcium_tau="per_type")
    frames = stored["movie"].astype(np.float32) / 255
    found = {f"calcium/{name}": trace for name, trace in model.predict(frames, 180, start="rest").items()}
    found |= {f"voltage/{name}": trace for name, trace in model.voltages(frames, 180, start="rest").items()}
    assert len(found) == 10
    assert worst(found, stored) < TOLERANCE


def test_prediction_takes_movies_arrays_and_tensors(published: Path, stored: dict[str, np.ndarray]) -> None:
    model = open_published(published)
    codes = stored["movie"][:60]
    movie = Movie(codes, 180.0)
    right = model.predict(movie, start="rest")
    for frames in (codes, movie.luminance(), torch.from_numpy(movie.luminance())):
        found = model.predict(frames, 180, start="rest")
        assert all(np.allclose(found[name], trace, rtol=1e-5, atol=1e-6) for name, trace in right.items())
    assert list(right) == ["lc11", "lc18", "lc17", "lc12", "lc21"]
    assert all(trace.shape == (60,) for trace in right.values())


def test_trained_and_per_type_time_constants_differ_in_calcium_alone(
    published: Path, stored: dict[str, np.ndarray]
) -> None:
    frames = stored["movie"][300:420]
    trained, per_type = (open_published(published, calcium_tau=tau) for tau in CALCIUM_TAUS)
    assert trained.calcium.time_constants().tolist() == pytest.approx([0.45] * 5)
    assert per_type.calcium.time_constants().tolist() == pytest.approx([0.4] * 5)
    assert np.array_equal(trained.voltages(frames, 180)["lc11"], per_type.voltages(frames, 180)["lc11"])
    first, second = (each.predict(frames, 180, start="rest")["lc11"] for each in (trained, per_type))
    assert not np.allclose(first, second, rtol=1e-3)


def test_adam_goes_on_where_it_stopped(published: Path) -> None:
    checkpoint = read_published(published, epoch=10)
    shapes = {name: p.shape for name, p in checkpoint.model.named_parameters() if p.requires_grad}
    assert {name: moments["exp_avg"].shape for name, moments in checkpoint.optimizer.items()} == shapes
    assert {float(moments["step"]) for moments in checkpoint.optimizer.values()} == {7160}
    assert checkpoint.optimizer_options["lr"] == 5e-4


class Trajectory(NamedTuple):
    """The data set whose training is known, and what is known."""

    folder: Path
    expected: dict[str, Any]
    items: list[Item]

    def model(self, epoch: str, dtype: torch.dtype, implementation: str = "reference") -> STCNN:
        checkpoint = load_tensors(self.folder / f"model_chkpnt_{epoch}.pt")
        model = convert(checkpoint, self.expected["config"], 180.0).model.to(dtype).train()
        choose_implementation(model, implementation)
        return model

    def losses(self, model: STCNN, n_grey: int) -> Iterator[tuple[str, float]]:
        """Train as published; yield cell type and loss of every step, behind its update."""
        learned = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.Adam(learned, lr=self.expected["lr"])
        size = self.expected["batch_size"]
        for start in [*range(0, len(self.items), size)] * self.expected["epochs"]:
            batch = self.items[start : start + size]
            loss = mean_loss(model, batch, n_grey)
            optimiser.zero_grad()
            loss.backward()
            for name, p in model.named_parameters():  # Adam was to skip the cell types that a batch lacks
                if name.startswith(("readouts.", "calcium.types.")) and batch[0].cell_type not in name.split("."):
                    p.grad = None
            torch.nn.utils.clip_grad_norm_(learned, self.expected["clip_max_norm"])
            optimiser.step()
            project(model, Bounds())
            yield batch[0].cell_type, float(loss.detach())


def mean_loss(model: STCNN, batch: list[Item], n_grey: int) -> Tensor:
    """Mean over recordings of one cell type of the mean squared error over each one's own window."""
    (cell_type,) = {item.cell_type for item in batch}
    dtype = next(model.parameters()).dtype
    voltage = model.voltage_of(torch.stack([item.contrast for item in batch]).to(dtype), 180.0, n_grey=n_grey)
    index = torch.full((len(batch),), model.cell_types.index(cell_type))
    neuron = torch.tensor([item.neuron for item in batch])
    traces = model.calcium_of(voltage, torch.arange(len(batch)), index, neuron, 180.0)
    errors = [(trace - item.trace)[item.scored] for trace, item in zip(traces, batch, strict=True)]
    return torch.stack([error.square().mean() for error in errors]).mean()


@pytest.fixture(scope="module")
def trajectory(shared: Path) -> Trajectory:
    folder = shared / "reference" / "tiny_dataset"
    expected = json.loads((folder / "expected_training.json").read_text())
    return Trajectory(folder, expected, read_items(folder, expected, torch.float64))


N_GREY = 70
"""Frames before the first movie begins, in every item."""
PATHS = [
    pytest.param("reference", 0, marks=pytest.mark.slow),
    pytest.param("torch", 0, marks=pytest.mark.slow),
    ("torch", N_GREY),
]


def check(trajectory: Trajectory, steps: list[tuple[str, float]]) -> None:
    for name, right in trajectory.expected["loss_history_float64"].items():
        found = [loss for cell_type, loss in steps if cell_type == name]
        np.testing.assert_allclose(found, right[: len(found)], rtol=1e-4)


@pytest.mark.parametrize(("implementation", "n_grey"), PATHS)
def test_first_steps_of_training_have_the_published_losses(
    trajectory: Trajectory, implementation: str, n_grey: int
) -> None:
    model = trajectory.model("0", torch.float64, implementation)
    check(trajectory, list(itertools.islice(trajectory.losses(model, n_grey), 2)))


@pytest.mark.slow
@pytest.mark.parametrize(("implementation", "n_grey"), PATHS)
def test_training_in_float64_ends_at_the_published_parameters(
    trajectory: Trajectory, implementation: str, n_grey: int
) -> None:
    model = trajectory.model("0", torch.float64, implementation)
    steps = list(trajectory.losses(model, n_grey))
    assert len(steps) == 24
    check(trajectory, steps)
    found, right = model.state_dict(), trajectory.model("6_float64", torch.float64).state_dict()
    for name, value in right.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("implementation", "n_grey"), [*PATHS, ("native", 0), ("native", N_GREY)])
def test_training_in_float32_ends_near_the_published_parameters(
    trajectory: Trajectory, implementation: str, n_grey: int
) -> None:
    model = trajectory.model("0", torch.float32, implementation)
    list(trajectory.losses(model, n_grey))
    found, right = dict(model.named_parameters()), trajectory.model("6", torch.float32)
    for name, value in right.named_parameters():
        if not (name.startswith("hidden.") and name.count(".") == 2 and name.endswith(".bias")):
            torch.testing.assert_close(found[name], value, rtol=0, atol=2e-4, msg=name)


def test_a_missing_epoch_names_those_that_are_there(published: Path) -> None:
    with pytest.raises(FileError, match=r"there is no .*model_chkpnt_7\.pt.*model_chkpnt_10\.pt"):
        open_published(published, epoch=7)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=f"there is no {tmp_path}.*[Cc]heck the folder"):
        open_published(tmp_path)


def test_a_truncated_checkpoint_is_named(published: Path, tmp_path: Path) -> None:
    shutil.copy(published / "config.json", tmp_path)
    whole = (published / "model_chkpnt_10.pt").read_bytes()
    (tmp_path / "model_chkpnt_10.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match=r"model_chkpnt_10\.pt cannot be read .*expected a published checkpoint"):
        open_published(tmp_path)


def test_a_checkpoint_without_its_configuration_is_named(published: Path, tmp_path: Path) -> None:
    shutil.copy(published / "model_chkpnt_10.pt", tmp_path)
    with pytest.raises(FileError, match=r"config\.json does not exist, expected the published config\.json"):
        open_published(tmp_path)


def test_a_checkpoint_that_lacks_a_tensor_is_named(published: Path, tmp_path: Path) -> None:
    shutil.copy(published / "config.json", tmp_path)
    checkpoint = torch.load(published / "model_chkpnt_10.pt", map_location="cpu", weights_only=True)
    del checkpoint["model"]["network.2.tau"]
    torch.save(checkpoint, tmp_path / "model_chkpnt_10.pt")
    with pytest.raises(FileError, match=r"lacks hidden\.2\.filter\.tau_s"):
        open_published(tmp_path)


@pytest.mark.parametrize("damage", ["missing section", "missing key", "wrong size"])
def test_a_faulty_configuration_is_a_sentence(published: Path, tmp_path: Path, damage: str) -> None:
    shutil.copy(published / "model_chkpnt_10.pt", tmp_path)
    described = json.loads((published / "config.json").read_text())
    if damage == "missing section":
        del described["ca_config"]
    elif damage == "missing key":
        del described["network_config"]["x_kernel_size"]
    else:
        described["network_config"]["out_channels"] = [12, 12, 12, 12]
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(FileError):
        open_published(tmp_path)


def test_published_epochs_are_counted_as_numbers(tmp_path: Path) -> None:
    assert published_epochs(tmp_path) == []
    for name in ("model_chkpnt_10.pt", "model_chkpnt_2.pt", "model_chkpnt_6_float64.pt", "model_chkpnt_x.pt"):
        (tmp_path / name).touch()
    assert published_epochs(tmp_path) == [2, 10]


def test_the_names_of_tensors_translate_both_ways(published: Path) -> None:
    model = open_published(published)
    state = load_tensors(published / "model_chkpnt_10.pt")["model"]
    types = json.loads((published / "config.json").read_text())["L_config"]["lc_types"]
    computed = {"pr.x_weight", "pr.tau", *(f"norm_layers.{i}.num_batches_tracked" for i in range(4))}
    assert {name for name in state if not our_name(name, types)} == computed
    assert {our_name(name, types) for name in state} - {""} == set(model.state_dict())
    assert {published_name(name, types) for name in model.state_dict()} == set(state) - computed
    assert published_name("hidden.0.filter.n", types) == "network.0.n_power"
    assert our_name("network.0.n_power", types) == "hidden.0.filter.n"
    assert published_name("readouts.lc99.weight", types) == our_name("lc_layers.7.tau", types) == ""
