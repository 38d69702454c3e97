"""The yardstick itself is right: the direct form against what the published program answered, and how it learned."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.reference import direct
from tests.reference.published import Item, read_geometry, read_items, read_parameters

CELL_TYPES = ["lc11", "lc18", "lc17", "lc12", "lc21"]
SLOW_MOVIES = [pytest.param(name, marks=pytest.mark.slow) for name in ("loom", "rect")]


@pytest.fixture(scope="module")
def answers(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "reference" / "lc_small_3_outputs.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module", params=["noise", *SLOW_MOVIES])
def answered(
    request: pytest.FixtureRequest, shared: Path, answers: dict[str, np.ndarray]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Pairs (ours, published) of everything that is stored for one movie; float32, as published."""
    folder = shared / "reference" / "lc_small_3"
    geometry = read_geometry(json.loads((folder / "config.json").read_text()), form="matrix", global_calcium_tau=False)
    parameters = read_parameters(folder / "model_chkpnt_10.pt", CELL_TYPES, torch.float32)
    contrast = torch.from_numpy(answers[f"{request.param}/movie"]) / 255 - 0.498
    with torch.no_grad():
        found = direct.forward(contrast[None], parameters, geometry)
        ours = {"pr_centre": found.maps["eye"][0, :, 0, 10, 10]}
        for i in range(4):
            ours[f"hidden{i}_row10_col10"] = found.maps[f"hidden.{i}"][0, :, :, 10, 10]
            ours[f"norm{i}_row0_col20"] = found.maps[f"norm.{i}"][0, :, :, 0, 20]
        for name, voltage in found.voltage.items():
            ours[f"voltage/{name}"] = voltage[0]
            ours[f"calcium/{name}"] = direct.calcium(voltage, name, parameters, geometry)[0]
    return {name: (value, torch.from_numpy(answers[f"{request.param}/{name}"])) for name, value in ours.items()}


def test_every_stored_map_voltage_and_calcium_is_the_published_one(
    answered: dict[str, tuple[Tensor, Tensor]],
) -> None:
    errors = {
        name: float((ours - theirs).abs().max() / theirs.abs().max()) for name, (ours, theirs) in answered.items()
    }
    assert max(errors.values()) < 1e-5, errors


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "reference" / "tiny_dataset"


@pytest.fixture(scope="module")
def expected(tiny: Path) -> dict[str, Any]:
    return json.loads((tiny / "expected_training.json").read_text())


@pytest.fixture(scope="module")
def items(tiny: Path, expected: dict[str, Any]) -> list[Item]:
    return read_items(tiny, expected, torch.float64)


def test_items_are_the_published_ones(tiny: Path, items: list[Item]) -> None:
    published = json.loads((tiny / "expected_items.json").read_text())["average_trials"]
    for item, theirs in zip(items, published, strict=True):
        assert [item.scored.start, item.scored.stop] == theirs["loss_window"]
        brightness = item.contrast.abs()
        for ours, key in (
            (item.trace, "trace"),
            (brightness.sum((0, 2)), "movie_abs_rowprofile"),
            (brightness.sum((0, 1)), "movie_abs_colprofile"),
        ):
            torch.testing.assert_close(ours, torch.tensor(theirs[key]).double(), rtol=1e-6, atol=1e-6, msg=key)


def trained(tiny: Path, expected: dict[str, Any], items: list[Item]) -> Iterator[tuple[str, float, dict[str, Tensor]]]:
    """Train as published in float64; yields (cell type, loss, parameters) at every step, behind the update."""
    cell_types = expected["config"]["L_config"]["lc_types"]
    parameters = read_parameters(tiny / "model_chkpnt_0.pt", cell_types, torch.float64)
    geometry = read_geometry(expected["config"], form="matrix")
    eyes = [direct.see(item.contrast[None], parameters, geometry) for item in items]
    fixed = ("eye.", "running_mean", "running_var")
    learned = {
        name: value.requires_grad_()
        for name, value in parameters.items()
        if not any(part in name for part in fixed) and not (name.startswith("calcium.types") and "tau" in name)
    }
    optimiser = torch.optim.Adam(learned.values(), lr=expected["lr"])
    size = expected["batch_size"]
    for start in [*range(0, len(items), size)] * expected["epochs"]:
        batch = items[start : start + size]
        answer = direct.answer(torch.cat(eyes[start : start + size]), parameters, geometry, training=True)
        losses = {
            name: mean_loss(name, batch, answer.voltage[name], parameters, geometry)
            for name in sorted({item.cell_type for item in batch})
        }
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(learned.values(), expected["clip_max_norm"])
        optimiser.step()
        project(learned, expected["clip_param"])
        parameters |= answer.running
        for name, loss in losses.items():
            yield name, float(loss.detach()), parameters


def mean_loss(
    cell_type: str, batch: list[Item], voltage: Tensor, parameters: dict[str, Tensor], geometry: direct.Geometry
) -> Tensor:
    """Mean over the recordings of one type of the mean squared error over each one's own window."""
    rows = [i for i, item in enumerate(batch) if item.cell_type == cell_type]
    neuron = torch.tensor([batch[i].neuron for i in rows])
    traces = direct.calcium(voltage[rows], cell_type, parameters, geometry, neuron)
    errors = [(trace - batch[i].trace)[batch[i].scored] for i, trace in zip(rows, traces, strict=True)]
    return torch.stack([error.square().mean() for error in errors]).mean()


@torch.no_grad()
def project(learned: dict[str, Tensor], bounds: dict[str, Any]) -> None:
    """Move time constants back into their bounds."""
    learned["calcium.tau_s"].clamp_(bounds["p3"]["min"], bounds["p3"]["max"])
    for name, value in learned.items():
        if name.endswith("filter.tau_s"):
            value.clamp_(bounds["p1"]["min"], bounds["p1"]["max"])


def check_losses(found: list[tuple[str, float]], expected: dict[str, Any]) -> None:
    for name, theirs in expected["loss_history_float64"].items():
        ours = [loss for cell_type, loss in found if cell_type == name]
        np.testing.assert_allclose(ours, theirs[: len(ours)], rtol=1e-6)


def test_first_steps_of_training_have_the_published_losses(
    tiny: Path, expected: dict[str, Any], items: list[Item]
) -> None:
    steps = itertools.islice(trained(tiny, expected, items), 2)
    check_losses([(name, loss) for name, loss, _ in steps], expected)


@pytest.mark.slow
def test_training_ends_at_the_published_parameters(tiny: Path, expected: dict[str, Any], items: list[Item]) -> None:
    steps = list(trained(tiny, expected, items))
    assert len(steps) == sum(map(len, expected["loss_history_float64"].values()))
    check_losses([(name, loss) for name, loss, _ in steps], expected)
    parameters = steps[-1][2]
    cell_types = expected["config"]["L_config"]["lc_types"]
    theirs = read_parameters(tiny / "model_chkpnt_6_float64.pt", cell_types, torch.float64)
    for name, value in theirs.items():
        torch.testing.assert_close(parameters[name].detach(), value, rtol=1e-7, atol=1e-9, msg=name)


def test_matrix_and_convolution_are_the_same_sums() -> None:
    geometry = direct.Geometry(
        window_px=7,
        stride_px=2,
        eye_filter=direct.Filter(4),
        hidden_filter=direct.Filter(5),
        readout_filter=direct.Filter(30),
        readouts={"a": direct.Readout(1, 3)},
    )
    parameters = {
        "eye.filter.tau_s": torch.tensor([0.006]),
        "hidden.0.weight": torch.randn(2, 1, 3, 3),
        "hidden.0.filter.tau_s": torch.tensor([0.01, 0.3]),
        "readouts.a.weight": torch.randn(2, 3, 3),
        "readouts.a.filter.tau_s": torch.tensor([0.1]),
    }
    parameters = {name: value.double().requires_grad_() for name, value in parameters.items()}
    contrast = torch.randn(2, 11, 12, 13, dtype=torch.float64)
    found = []
    for form in ("convolution", "matrix"):
        voltage = direct.forward(contrast, parameters, replace(geometry, form=form)).voltage["a"]
        found.append([voltage, *torch.autograd.grad(voltage.square().sum(), list(parameters.values()))])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)
