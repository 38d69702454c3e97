"""Networks in the published form: names and shapes, answers of an independent loader, and what has no such form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from stcnn.commands.export import app
from stcnn.config import compose
from stcnn.errors import ConfigError, FileError
from stcnn.export.published import export_published
from stcnn.export.sources import exported_from
from stcnn.export.tensors import Exported
from stcnn.movie import BACKGROUND
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.norms.batch import WeightedBatchNorm
from stcnn.nn.population import Population
from stcnn.published import open_published, read_published
from tests.reference import direct
from tests.reference.published import read_parameters

RATE_HZ = 60.0
NEURONS = {"lc18": ("a", "b", "c"), "lc11": ("d", "e")}
SMALL = {"channels": [2, 3], "kernel_columns": 5}
ENERGY = {"kernel_s": 0.5, "scale": "energy", "gain_hz": RATE_HZ}
PUBLISHED: dict[str, Any] = {
    "eye": {"centre_deg": (-1.0, 1.0), "filter": ENERGY},
    "hidden": {**SMALL, "filter": {"kind": "exponential", **ENERGY}, "bias": True},
    "readout": {"centre": (9, 9), "filter": ENERGY},
    "cell_types": {"lc11": {"window_columns": 11}, "default": {"window_columns": 9}},
    "calcium": {"filter": ENERGY, "gain_init": (-0.001, 0.001), "offset_init": (0.001, 0.005)},
}

EXPECTED = {
    "global_ca_tau": (1,),
    "ca_param.lc18.alpha": (3,),
    "ca_param.lc18.beta": (3,),
    "ca_param.lc18.ca_tau": (1,),
    "ca_param.lc11.alpha": (2,),
    "ca_param.lc11.beta": (2,),
    "ca_param.lc11.ca_tau": (1,),
    "pr.x_weight": (1, 1, 35, 35),
    "pr.tau": (1, 1),
    "network.0.x_weight": (2, 1, 5, 5),
    "network.0.tau": (2, 1),
    "network.0.bias": (2,),
    "network.1.x_weight": (3, 2, 5, 5),
    "network.1.tau": (3, 1),
    "network.1.bias": (3,),
    "norm_layers.0.weight": (2,),
    "norm_layers.0.bias": (2,),
    "norm_layers.0.running_mean": (2,),
    "norm_layers.0.running_var": (2,),
    "norm_layers.0.num_batches_tracked": (),
    "norm_layers.1.weight": (3,),
    "norm_layers.1.bias": (3,),
    "norm_layers.1.running_mean": (3,),
    "norm_layers.1.running_var": (3,),
    "norm_layers.1.num_batches_tracked": (),
    "lc_layers.0.x_weight": (1, 3, 9, 9),
    "lc_layers.0.tau": (1, 1),
    "lc_layers.0.bias": (1,),
    "lc_layers.1.x_weight": (1, 3, 11, 11),
    "lc_layers.1.tau": (1, 1),
    "lc_layers.1.bias": (1,),
}
"""Names and shapes of the published state dictionary for the small network, in their order."""


def changed(**sections: dict[str, Any]) -> ModelConfig:
    """The small published network with other settings."""
    return ModelConfig.model_validate({**PUBLISHED, **{k: {**PUBLISHED[k], **v} for k, v in sections.items()}})


def network(config: ModelConfig) -> STCNN:
    """A network that looks trained: every parameter and statistic has a value of its own."""
    model = STCNN(config, Population(neurons=NEURONS)).eval()
    with torch.no_grad():
        for layer in model.hidden:
            if layer.bias is not None:
                layer.bias.normal_(0, 0.1)
            if isinstance(layer.norm, WeightedBatchNorm):
                layer.norm.weight.uniform_(0.5, 2)
                layer.norm.bias.normal_()
                layer.norm.running_mean.normal_(0, 0.1)
                layer.norm.running_var.uniform_(0.5, 2)
        model.calcium.tau_s.fill_(0.37)
    return model


def exported(model: STCNN, folder: Path, **options: Any) -> list[str]:
    return export_published(Exported(model, RATE_HZ, 3), folder, **options)


def noise(n_frames: int = 50) -> np.ndarray:
    return np.random.default_rng(1).random((n_frames, 83, 83)).astype(np.float32)


def stored(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "model_chkpnt_3.pt", weights_only=True)


def answers_of_the_direct_form(folder: Path, frames: np.ndarray) -> dict[str, Tensor]:
    """What the direct form of the published program makes of a published folder: voltage and average calcium."""
    described = json.loads((folder / "config.json").read_text())
    readout, rate_hz, lattice = described["L_config"], described["sampling_rate"], 21

    def kernel(section: str) -> direct.Filter:
        return direct.Filter(described[section]["t_kernel_size"], gain_hz=rate_hz)

    readouts = {}
    for name, (width, _), (padding, _), (stride, _) in zip(
        readout["lc_types"], readout["x_kernel_size"], readout["x_padding"], readout["x_stride"], strict=True
    ):
        place = ((lattice + 2 * padding - width) // stride + 1) // 2
        readouts[name] = direct.Readout(padding, stride, (place, place))
    geometry = direct.Geometry(
        rate_hz=rate_hz,
        eye_filter=kernel("pr_config"),
        hidden_filter=kernel("network_config"),
        readout_filter=kernel("L_config"),
        calcium_filter=kernel("ca_config"),
        readouts=readouts,
        global_calcium_tau=described["ca_config"]["use_global_ca_tau"],
        form="matrix",
    )
    parameters = read_parameters(folder / "model_chkpnt_3.pt", readout["lc_types"], torch.float64)
    voltage = direct.forward(torch.from_numpy(frames).double()[None] - BACKGROUND, parameters, geometry).voltage
    found = {f"voltage/{name}": v[0] for name, v in voltage.items()}
    found |= {f"calcium/{name}": direct.calcium(v, name, parameters, geometry)[0] for name, v in voltage.items()}
    return found


def answers(model: STCNN, frames: np.ndarray) -> dict[str, np.ndarray]:
    found = {f"voltage/{name}": v for name, v in model.voltages(frames, RATE_HZ, start="rest").items()}
    return found | {f"calcium/{name}": c for name, c in model.predict(frames, RATE_HZ, start="rest").items()}


def worst(found: dict[str, Any], right: dict[str, np.ndarray]) -> float:
    assert found.keys() == right.keys()
    return max(float(np.abs(np.asarray(found[k]) - right[k]).max() / np.abs(right[k]).max()) for k in right)


def test_names_shapes_types_and_order_are_the_published_ones(tmp_path: Path):
    notes = exported(network(changed()), tmp_path / "out", calcium_tau="trained")
    assert notes == []
    content = stored(tmp_path / "out")
    assert {name: tuple(value.shape) for name, value in content["model"].items()} == EXPECTED
    assert list(content["model"]) == list(EXPECTED)
    types = {value.dtype for name, value in content["model"].items() if not name.endswith("num_batches_tracked")}
    assert types == {torch.float32}
    assert content["model"]["norm_layers.0.num_batches_tracked"].dtype == torch.int64
    (group,) = content["optim"]["param_groups"]
    assert content["optim"]["state"] == {}
    assert list(group) == ["lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "params"]
    buffers = ("pr.tau", "running_mean", "running_var", "num_batches_tracked")
    assert len(group["params"]) == sum(not name.endswith(buffers) for name in EXPECTED)


def test_the_published_form_of_the_published_network_is_itself(shared: Path, tmp_path: Path):
    """Byte for byte but for rounding of the eye's Gaussian, which the published program computed on a GPU."""
    published = shared / "reference" / "lc_small_3"
    for epoch in (0, 10):
        (source,) = exported_from(published, epoch)
        export_published(source, tmp_path / str(epoch))
        name = f"model_chkpnt_{epoch}.pt"
        right = torch.load(published / name, weights_only=True, map_location="cpu")
        found = torch.load(tmp_path / str(epoch) / name, weights_only=True)
        assert list(found["model"]) == list(right["model"])
        for key, value in right["model"].items():
            assert found["model"][key].dtype == value.dtype, key
            torch.testing.assert_close(found["model"][key], value, rtol=0, atol=1e-13 * (key == "pr.x_weight"))
        assert found["optim"]["param_groups"] == right["optim"]["param_groups"]
        assert found["optim"]["state"].keys() == right["optim"]["state"].keys()
        for index, moments in right["optim"]["state"].items():
            assert found["optim"]["state"][index]["step"] == moments["step"]
            assert all(torch.equal(found["optim"]["state"][index][k], moments[k]) for k in ("exp_avg", "exp_avg_sq"))
        assert (tmp_path / str(epoch) / "config.json").read_bytes() == (published / "config.json").read_bytes()


def test_read_back_it_is_the_same_network_to_the_bit(tmp_path: Path):
    model = network(changed())
    exported(model, tmp_path / "out")
    again = open_published(tmp_path / "out", epoch=3)
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())
    found, right = answers(again, noise()), answers(model, noise())
    assert all(np.array_equal(found[name], trace) for name, trace in right.items())


CONFIGURATIONS: tuple[str, ...] = (
    "base",
    "ca_relu",
    "kernels_7553",
    "layers2_16",
    "mixed_windows",
    "nopad",
    "per_type_tau",
    "pr_half_res",
)
CONFIGURATIONS += ("pr_rect_stride", "pr_small_movie", "pr_stride5", "pwrexp_hidden", "rate60", "rect_window", "relu")
CONFIGURATIONS += ("stride2",)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_of_the_published_program_goes_out_as_it_came_in(name: str, shared: Path, tmp_path: Path):
    published = shared / "reference" / "variants" / name
    with np.load(published / "answers.npz") as answered:
        movie_px = tuple(answered["shape"].tolist()[-2:])
    (source,) = exported_from(published)
    export_published(source, tmp_path / "out", movie_px)
    right, found = (
        torch.load(folder / "model_chkpnt_1.pt", weights_only=True)["model"] for folder in (published, tmp_path / "out")
    )
    assert list(found) == list(right)
    for key, value in right.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-8 * (key == "pr.x_weight"), msg=key)
    described = [json.loads((folder / "config.json").read_text()) for folder in (published, tmp_path / "out")]
    if name == "rect_window":  # of the size of a readout the published program takes the first number alone
        for config in described:
            for key in ("x_kernel_size", "x_padding"):
                config["L_config"][key] = [[each[0]] * 2 for each in config["L_config"][key]]
    assert described[1] == described[0]


VARIANTS = {
    "published": changed(),
    "area": changed(
        eye={"filter": {"scale": "area"}},
        hidden={"filter": {"kind": "exponential", "kernel_s": 0.5, "scale": "area"}},
        readout={"filter": {"kernel_s": 0.5, "scale": "area", "gain_hz": 3.0}},
    ),
    "no end": changed(hidden={"filter": {"kind": "exponential"}}, readout={"filter": {}}),
    "no normalisation": changed(hidden={"norm": {"kind": "none"}}),
    "another constant of the normalisation": changed(hidden={"norm": {"kind": "batch", "eps": 1e-3}, "bias": None}),
    "read in the middle": changed(readout={"centre": None}),
    "per type": changed(calcium={"tau": "per_type", "tau_init_s": (0.2, 0.5)}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_independent_loader_answers_alike(variant: str, tmp_path: Path):
    model, frames = network(VARIANTS[variant]), noise()
    exported(model, tmp_path / "out")
    right = answers(model, frames)
    again = open_published(tmp_path / "out", 3, "per_type" if variant == "per type" else "trained")
    assert worst(answers_of_the_direct_form(tmp_path / "out", frames), right) < 2e-5
    assert worst(answers(again, frames), right) < 2e-5


def test_what_is_otherwise_is_said(tmp_path: Path):
    assert exported(network(changed()), tmp_path / "kept") == [
        "the published program predicts with the constants of the types, 0.4 s, which were not trained; here 0.37 s "
        "filters (--calcium-tau trained writes that)"
    ]
    (scaled,) = exported(network(VARIANTS["area"]), tmp_path / "area", calcium_tau="trained")
    assert "filters of another scale than the published ones: their factor at 60 Hz is in the weights" in scaled
    (normalised,) = exported(network(VARIANTS["no normalisation"]), tmp_path / "norm", calcium_tau="trained")
    assert "no normalisation" in normalised


def test_the_trained_constant_can_be_written_where_the_published_program_predicts_with(tmp_path: Path):
    model = network(changed())
    exported(model, tmp_path / "out", calcium_tau="trained")
    assert float(stored(tmp_path / "out")["model"]["ca_param.lc11.ca_tau"]) == pytest.approx(0.37)
    predicting = open_published(tmp_path / "out", epoch=3, calcium_tau="per_type")
    assert worst(answers(predicting, noise()), answers(model, noise())) < 1e-6


def test_our_lattice_around_the_middle_of_the_picture_has_a_published_form(tmp_path: Path):
    model = network(changed(eye={"centre_deg": (0.0, 0.0)}, readout={"centre": None}))
    exported(model, tmp_path / "out")
    described = json.loads((tmp_path / "out" / "config.json").read_text())
    assert described["pr_config"]["x_padding"] == [16, 16]  # the first column lies on the second pixel
    again = open_published(tmp_path / "out", epoch=3)
    assert again.config.eye.centre_deg == (0.0, 0.0)
    assert worst(answers(again, noise()), answers(model, noise())) < 1e-6


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"hidden": {"filter": {"kind": "none"}}}, r"model.hidden.filter.kind is 'none', .*expected exponential or"),
        ({"calcium": {"rectifier": "softplus"}}, "model.calcium.rectifier is 'softplus', for which the published"),
        ({"hidden": {"slope": 0.2}}, r"model.hidden.slope is 0.2, .* expected 0.01 \(leaky_relu\)"),
        ({"readout": {"slope": 0.2}}, "model.readout.slope is 0.2"),
        ({"eye": {"column_spacing_deg": 4.5}}, "model.eye.column_spacing_deg is 4.5 at 1 degrees per pixel"),
        ({"eye": {"centre_deg": (0.3, 0.0)}}, r"model.eye.lattice has 21 columns .* around pixel \+0.3"),
        ({"eye": {"lattice": (3, 21)}, "readout": {"centre": None}}, "model.eye.lattice has 3 columns"),
        (
            {"calcium": {"filter": {"scale": "area"}}},
            "model.calcium.filter is scaled otherwise .*gains of the 3 neurons",
        ),
    ],
)
def test_what_the_published_program_has_no_form_for_is_refused(sections: dict[str, Any], sentence: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=sentence):
        exported(network(changed(**sections)), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_gains_that_are_equal_take_up_the_scale_of_the_indicator(tmp_path: Path):
    model = network(changed(calcium={"filter": {"scale": "area"}, "gain_init": (0.3, 0.3)}))
    exported(model, tmp_path / "out")
    assert worst(answers(open_published(tmp_path / "out", epoch=3), noise()), answers(model, noise())) < 2e-5


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path):
    with pytest.raises(FileError, match="exists already"):
        exported(network(changed()), tmp_path)


def test_the_command_writes_a_published_folder(shared: Path, tmp_path: Path):
    source = str(shared / "reference" / "lc_small_3")
    done = CliRunner().invoke(app, [source, "--as", "published", "--to", str(tmp_path / "out"), "--epoch", "5"])
    assert done.exit_code == 0, done.output
    assert f"published form of epoch 5 at 180 Hz in {tmp_path / 'out'}" in done.output.replace("\n", "")
    assert read_published(tmp_path / "out", 5).optimizer.keys() == read_published(source, 5).optimizer.keys()


def test_the_default_network_is_refused_by_the_key_that_matters(tmp_path: Path):
    model = network(compose().model)
    torch.nn.init.uniform_(model.calcium.each[0].gain)
    with pytest.raises(ConfigError, match=r"model.calcium.filter.scale=energy"):
        exported(model, tmp_path / "out")
