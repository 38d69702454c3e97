"""Networks as pure functions and in the forms of other programs: every way to ask is held against the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typer.testing import CliRunner

from stcnn.commands.export import app
from stcnn.config import compose
from stcnn.errors import ConfigError, FileError
from stcnn.export import onnx_files, torch_files
from stcnn.export.probes import Answer, difference, our_answer, probes
from stcnn.export.request import Request
from stcnn.export.source_networks import SourceNetworks
from stcnn.export.step_network import StepNetwork
from stcnn.forms import FORMS, export
from stcnn.nn.core import Core, CoreState
from stcnn.nn.model import STCNN, ModelConfig
from stcnn.nn.population import Population
from stcnn.run_folder import Run

RATE_HZ = 30.0
MOVIE_PX = (31, 35)
NEURONS = {"lc18": ("a", "b", "c"), "lc11": ("d", "e")}
SMALL: dict[str, Any] = {
    "eye": {"lattice": (11, 11)},
    "hidden": {"channels": [2, 3], "kernel_columns": 3},
    "cell_types": {"lc11": {"window_columns": 5}, "default": {"window_columns": 3}},
}
ENERGY = {"kernel_s": 0.5, "scale": "energy", "gain_hz": RATE_HZ}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "ours": {},
    "published": {
        "eye": {"filter": ENERGY},
        "hidden": {"filter": {"kind": "exponential", **ENERGY}, "norm": {"kind": "batch"}, "bias": True},
        "readout": {"filter": ENERGY},
        "calcium": {"filter": ENERGY},
    },
    "other filters": {
        "eye": {"filter": {"kind": "adapting"}},
        "hidden": {"filter": {"kind": "power_exponential", "kernel_s": 0.2}},
        "readout": {"filter": {"kind": "conductance"}},
        "calcium": {"rectifier": "softplus", "tau": "per_type", "tau_init_s": (0.2, 0.5)},
    },
    "no filters": {
        "hidden": {"filter": {"kind": "none"}, "activation": "tanh"},
        "readout": {"filter": {"kind": "exponential", "kernel_s": 0.05}},
        "calcium": {"kind": "none", "rectifier": "relu"},
    },
    "uneven": {
        "hidden": {"kernel_columns": [3, 4], "stride": [2, 1], "padding": [1, 0], "activation": "elu"},
        "readout": {"centre": (1, 1)},
        "cell_types": {"lc11": {"window_columns": 3}, "default": {"window_columns": 1}},
    },
}

Asked = tuple[Path, list[STCNN]]
"""Folder with the exported forms, and the models."""


class PlainCore(Core):
    """A core that hands on what the eye sees."""

    channels = 1

    def initial_state(self, clips: int, lattice: tuple[int, int], like: Tensor) -> CoreState:
        return {}

    def advance(self, maps: Tensor, rate_hz: float, state: CoreState) -> tuple[Tensor, CoreState]:
        return maps.unsqueeze(-1), state


def network(name: str = "ours", seed: int = 0) -> STCNN:
    """A network that looks trained: every parameter has a value of its own."""
    torch.manual_seed(seed)
    sections = {**SMALL}
    for key, settings in CONFIGURATIONS[name].items():
        sections[key] = {**sections.get(key, {}), **settings}
    model = STCNN(ModelConfig.model_validate(sections), Population(neurons=NEURONS)).eval()
    with torch.no_grad():
        for neurons in model.calcium.each:
            neurons.gain.normal_()
            neurons.offset.normal_(0, 0.1)
        for layer in model.hidden:
            if layer.norm is not None:
                layer.norm.running_mean.normal_(0, 0.1)
                layer.norm.running_var.uniform_(0.5, 2)
    return model


def clips(movie_px: tuple[int, int] = MOVIE_PX) -> list[NDArray[np.float32]]:
    found = list(probes(movie_px, 1.0, RATE_HZ))
    assert len(found) == 20
    assert all(not np.array_equal(a, b) for i, a in enumerate(found) for b in found[:i])
    return found


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


@pytest.mark.parametrize(("name", "single_neurons"), [("ours", False), *((name, True) for name in CONFIGURATIONS)])
def test_the_pure_function_answers_as_the_network(name: str, single_neurons: bool):
    model = network(name)
    step = StepNetwork(model, RATE_HZ, MOVIE_PX, single_neurons=single_neurons)
    right = our_answer([model], RATE_HZ, single_neurons=single_neurons)
    some = clips()[::8]
    assert difference(answer_of(step), right, some).largest < 5e-6
    assert right(some[0])[1].shape[1] == (5 if single_neurons else 2)


def test_it_answers_at_another_place():
    model = network()
    there = model.at((3.0, -2.0))
    found = difference(answer_of(StepNetwork(there, RATE_HZ, MOVIE_PX)), our_answer([model], RATE_HZ), clips()[:3])
    assert found.largest > 1e-3

    def right(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        response = model.respond(clip, RATE_HZ, at=(3.0, -2.0))
        return np.stack(list(response.voltage.values()), 1), np.stack(list(response.calcium.values()), 1)

    assert difference(answer_of(StepNetwork(there, RATE_HZ, MOVIE_PX)), right, clips()[:3]).largest < 5e-6


def run_of(models: list[STCNN], folder: Path) -> Run:
    """A run folder as a training leaves it, of several models an ensemble."""
    config = compose(["dataset.rate_hz=30"]).model_dump(mode="json")
    run = Run.create(folder, "made up", config)
    each = [run] if len(models) == 1 else [run.member(i, i) for i in range(1, len(models) + 1)]
    for one, model in zip(each, models, strict=True):
        torch.save({"state_dict": model.state_dict(), "optimizer_states": [{}]}, one.path / "checkpoints/epoch_1.ckpt")
        one.finish(model, 1)
        (one.path / "checkpoints/epoch_1.ckpt").unlink()
        one.write_json("split.json", {"train": ["lc18/a/x", "lc11/d/x"], "validation": [], "test": []})
    return run


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=["one", "ensemble"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("run")
    models = [network(seed=seed) for seed in range(request.param)]
    run = run_of(models, folder)
    for form in ("onnx", "torch"):
        options = ["--as", form, "--to", str(folder / form), "--movie-px", *map(str, MOVIE_PX)]
        done = CliRunner().invoke(app, [str(run.path), *options])
        assert done.exit_code == 0, done.output
        assert f"{form} form at 30 Hz in {folder / form}" in done.output.replace("\n", "")
    return folder, models


def with_compute(models: list[STCNN], compute: str) -> Answer:
    others = [network(seed=seed) for seed in range(len(models))]
    for other in others:
        other.hidden.compute = compute  # type: ignore[assignment]
    return our_answer(others, RATE_HZ)


def test_every_way_to_ask_answers_alike(asked: Asked):
    """The table: torch, native, stream, ONNX step, ONNX clip, torch.export."""
    folder, models = asked
    right = with_compute(models, "torch")
    start = torch_files.first_state(folder / "torch")
    ways = {
        "native": with_compute(models, "native"),
        "stream": our_answer(models, RATE_HZ),
        "ONNX step": onnx_files.step_answer(folder / "onnx" / "step.onnx"),
        "ONNX clip": onnx_files.clip_answer(folder / "onnx" / "clip.onnx"),
        "torch.export clip": torch_files.clip_answer(folder / "torch" / "clip.pt2", start),
    }
    table = {way: difference(answer, right, clips()).largest for way, answer in ways.items()}
    print(json.dumps(table, indent=1))
    assert max(table.values()) < 1e-5, table


def test_a_clip_of_one_frame_and_one_in_two_halves(asked: Asked):
    folder, _ = asked
    session = onnx_files.opened(folder / "onnx" / "clip.onnx")
    clip = clips()[2]
    whole = session.run(None, {"luminance": clip})
    first = session.run(None, {"luminance": clip[:1]})
    rest = session.run(None, {"luminance": clip[1:], "state": first[2]})
    assert first[0].shape == (1, 2)
    np.testing.assert_allclose(np.concatenate([first[1], rest[1]]), whole[1], rtol=0, atol=1e-6)


def test_the_files_say_what_they_are(asked: Asked):
    import onnx

    folder, models = asked
    for name in ("step", "clip"):
        proto = onnx.load(folder / "onnx" / f"{name}.onnx")
        (said,) = [json.loads(each.value) for each in proto.metadata_props if each.key == "stcnn"]
        assert said["opset"] == proto.opset_import[0].version == 20
        assert 0 < said["difference_calcium"] < 1e-5
        assert (said["rate_hz"], said["movie_px"], said["deg_per_px"]) == (30.0, list(MOVIE_PX), 1.0)
        assert said["voltage"] == said["calcium"] == ["lc18", "lc11"]
        assert said["epochs"] == [1] * len(models)
        assert [each.name for each in proto.graph.input] == ["luminance", "state"]
        assert [each.name for each in proto.graph.output] == ["voltage", "calcium", "state_after"]


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
