"""Networks as pure functions and in the forms of other programs: every way to ask is held against the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from stcnn.commands.export import app
from stcnn.errors import ConfigError, FileError
from stcnn.export import onnx_files
from stcnn.export.probes import Answer, difference, our_answer
from stcnn.export.request import Request
from stcnn.export.source_networks import SourceNetworks
from stcnn.export.step_network import StepNetwork
from stcnn.forms import FORMS, export
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from tests.support.networks import CONFIGURATIONS, MOVIE_PX, NEURONS, RATE_HZ, SMALL, PlainCore, clips, network, run_of

Asked = tuple[Path, list[STCNN]]
"""Folder with the exported forms, and the models."""


def answer_of(step: StepNetwork) -> Answer:
    def answer(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        state = step.start
        voltages, calciums = [], []
        with torch.no_grad():
            for frame in torch.from_numpy(clip):
                voltage, calcium, state = step(frame, state)
                voltages.append(voltage.numpy())
                calciums.append(calcium.numpy())
        return np.stack(voltages), np.stack(calciums)

    return answer


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_pure_function_answers_as_the_network(name: str):
    """Single neurons of networks of every kind; average ones are in test_every_way."""
    model = network(name)
    step = StepNetwork(model, RATE_HZ, MOVIE_PX, single_neurons=True)
    right = our_answer([model], RATE_HZ, single_neurons=True)
    some = clips()[::10]
    assert difference(answer_of(step), right, some).largest < 5e-6
    assert right(some[0][:2])[1].shape[1] == 5


def test_it_answers_at_another_place():
    model = network()
    there = model.at((3.0, -2.0))
    found = difference(answer_of(StepNetwork(there, RATE_HZ, MOVIE_PX)), our_answer([model], RATE_HZ), clips()[:3])
    assert found.largest > 1e-3

    def right(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        response = model.respond(clip, RATE_HZ, at=(3.0, -2.0))
        return np.stack(list(response.voltage.values()), 1), np.stack(list(response.calcium.values()), 1)

    assert difference(answer_of(StepNetwork(there, RATE_HZ, MOVIE_PX)), right, clips()[:3]).largest < 5e-6


def test_what_cannot_go_out_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = run_of([network()], tmp_path)
    with pytest.raises(ConfigError, match=r"--single-neurons is given, expected nothing of the kind for the published"):
        list(export("published", Request(run.path, single_neurons=True)))
    with pytest.raises(ConfigError, match=r"--movie-px is 0 9, expected rows and columns, at least 1"):
        Request(run.path, movie_px=(0, 9))
    for form in FORMS:
        with pytest.raises(FileError, match=r"exists already. Choose another name"):
            list(export(form, Request(run.path, tmp_path, movie_px=MOVIE_PX)))
    monkeypatch.setattr(onnx_files, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(ConfigError, match=r"needs the package onnxscript, which is not installed. Install it with"):
        list(export("onnx", Request(run.path, tmp_path / "new", movie_px=MOVIE_PX)))
    with pytest.raises(ConfigError, match=r"the core of this model, PlainCore, has no form outside this program"):
        StepNetwork(STCNN(ModelConfig(), Population(neurons=NEURONS), core=PlainCore()).eval(), RATE_HZ, MOVIE_PX)


def test_single_neurons_with_learned_places_are_refused(tmp_path: Path):
    sections = {**SMALL, "readout": {"place": "learned"}}
    run = run_of([STCNN(ModelConfig.model_validate(sections), Population(neurons=NEURONS))], tmp_path)
    with pytest.raises(ConfigError, match=r"every neuron reads at a learned place of its own. Export one place"):
        SourceNetworks.of(Request(run.path, single_neurons=True))


def test_the_command_names_every_form_and_neurons_are_named_in_the_facts(tmp_path: Path):
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert all(form in said for form in FORMS)
    run = run_of([network()], tmp_path)
    facts = SourceNetworks.of(Request(run.path, single_neurons=True, movie_px=MOVIE_PX)).facts()
    assert facts["calcium"] == ["lc18/a", "lc18/b", "lc18/c", "lc11/d", "lc11/e"]
