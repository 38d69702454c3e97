"""Every configuration of the published program: it answers as the formulas say, or is refused with the key named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stcnn.errors import ConfigError, FileError, ShapeError
from stcnn.experiments.receptive_field import receptive_fields
from stcnn.export.published import export_published
from stcnn.export.tensors import Exported
from stcnn.nn.frames import Whole
from stcnn.nn.model import STCNN
from stcnn.nn.readout_map import drives
from stcnn.published import convert, open_published
from stcnn.published.config import CalciumTau, published_config
from stcnn.published.names import our_name
from tests.reference.published_network import calcium, described_network, random_state, voltages
from tests.support.nn_twin import choose_implementation

VARIANTS = (
    *("base", "ca_relu", "kernels_7553", "layers2_16", "mixed_windows", "nopad", "per_type_tau", "pr_half_res"),
    *("pr_rect_stride", "pr_small_movie", "pr_stride5", "pwrexp_hidden", "rate60", "rect_window", "relu", "stride2"),
)
QUICK = ("nopad", "per_type_tau", "pr_small_movie", "pwrexp_hidden")
CALCIUM_TAUS: tuple[CalciumTau, ...] = ("trained", "per_type")
PUBLISHED_TOLERANCE = 2e-5
TOLERANCE = 1e-5

POWERS = {"config_type": "spatiotemporal_pwrexp", "n_power_init": [1, 3]}
FORMS: dict[str, dict[str, Any]] = {
    "as published": {},
    "one activation for all layers, the first too": {"network_config": {"activation": "leaky_relu"}},
    **{
        f"{name} in hidden layers and readouts": {
            "network_config": {"activation": ["identity", name]},
            "L_config": {"activation": [name]},
        }
        for name in ("identity", "relu", "tanh", "elu")
    },
    **{f"{n} in front of the first layer": {"network_config": {"activation": n}} for n in ("relu", "tanh", "elu")},
    **{
        f"calcium of {name}": {"ca_config": {"activation": name}}
        for name in ("identity", "relu", "leaky_relu", "tanh")
    },
    "kernels of their own": {"network_config": {"x_kernel_size": [5, 3], "x_padding": [2, 1]}},
    "rectangular kernels": {"network_config": {"x_kernel_size": [[3, 5], [5, 1]], "x_padding": [[1, 2], [2, 0]]}},
    "even kernels": {"network_config": {"x_kernel_size": [4, [2, 3]], "x_padding": [2, [1, 1]]}},
    "strides": {"network_config": {"x_stride": [1, 2]}},
    "rectangular strides": {"network_config": {"x_stride": [[2, 1], [1, 3]]}},
    "no padding": {"network_config": {"x_padding": [0, 0]}},
    "padding by name": {"network_config": {"x_padding": ["valid", "same"]}},
    "much padding": {"network_config": {"x_padding": [2, [0, 2]]}},
    "power-exponential hidden layers": {"network_config": POWERS},
    "power-exponential readouts": {"L_config": POWERS},
    "kernels of few samples": {"network_config": {"t_kernel_size": 3}, "L_config": {"t_kernel_size": 2}},
    "windows of several sizes": {
        "L_config": {
            "x_kernel_size": [[7, 7], [4, 4]], "x_stride": [[2, 2], [5, 5]], "x_padding": [[0, 0], [1, 1]],
        }
    },
    "windows of which one number is read": {
        "L_config": {"x_kernel_size": [[5, 3], [3, 9]], "x_stride": [[3, 7], [3, 1]], "x_padding": [[2, 0], [1, 4]]}
    },
    "rectangular windows": {
        "L_config": {
            "x_kernel_size": [[[5, 3]], [[2, 3]]], "x_stride": [[[3, 2]], [3]], "x_padding": [[[2, 1]], [[1, 0]]],
        }
    },
    "a time constant for each type": {"ca_config": {"use_global_ca_tau": False}},
    "types in another order": {"ca_config": {"cell_types": ["lc18", "lc11"], "cell_count": [2, 3]}},
    "an eye that is not square": {"pr_config": {"x_kernel_size": [9, 12], "x_stride": [4, 3], "x_padding": [2, 5]}},
    "an eye of one number": {"pr_config": {"x_stride": 3, "x_padding": 4}},
    "two numbers of the acceptance angle": {"pr_config": {"pr_sigma": [4, 7]}},
    "half a degree per pixel": {"pr_config": {"ds_input": [0.5, 0.5], "x_kernel_size": [15, 15], "x_padding": [7, 7]}},
    "another rate": {"sampling_rate": 59.5},
    "any case": {"network_config": {"config_type": "Spatiotemporal_Exp"}, "ca_config": {"config_type": "GCAMP"}},
}  # fmt: skip
SHAPES_PX = ((31, 29), (34, 40))


NAMES = {
    "L_config": {"lc_types": ["LC18", "Lc11"]},
    "ca_config": {"cell_types": ["LC18", "Lc11"], "cell_count": [2, 3]},
}


class Network:
    """A random network of some form, what it is shown, and what the formulas answer."""

    def __init__(self, changes: dict[str, Any], shape_px: tuple[int, int] = SHAPES_PX[0], frames: int = 70) -> None:
        self.described = json.loads(json.dumps(described_network(**changes)))
        self.rate_hz = self.described["sampling_rate"]
        self.state = random_state(self.described)
        self.contrast = (torch.randn(1, frames, *shape_px) * 0.2).clamp(-0.49, 0.5)
        self.exact = {name: value.double() for name, value in self.state.items()}

    def model(self, calcium_tau: CalciumTau = "trained") -> STCNN:
        return convert({"model": self.state}, self.described, self.rate_hz, calcium_tau).model

    def voltages(self) -> dict[str, Tensor]:
        return voltages(self.contrast.double(), self.described, self.exact)


def largest_error(found: np.ndarray | Tensor, right: np.ndarray | Tensor) -> float:
    found, right = np.asarray(found, float).ravel(), np.asarray(right, float).ravel()
    return float(np.abs(found - right).max() / np.abs(right).max())


def slow(values: Iterable[Any]) -> list[Any]:
    """Parameters of tests that are left out unless asked for."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("shape_px", [SHAPES_PX[0], *slow(SHAPES_PX[1:])])
@pytest.mark.parametrize("form", FORMS)
def test_a_network_of_any_form_answers_as_the_formulas_say(form: str, shape_px: tuple[int, int]) -> None:
    network = Network(FORMS[form], shape_px)
    luminance = (network.contrast[0] + 0.498).numpy()
    right = network.voltages()
    for calcium_tau in CALCIUM_TAUS:
        model = network.model(calcium_tau)
        found, dff = (
            model.voltages(luminance, network.rate_hz, start="rest"),
            model.predict(luminance, network.rate_hz, start="rest"),
        )
        assert list(found) == network.described["ca_config"]["cell_types"]
        for name, voltage in right.items():
            assert largest_error(found[name], voltage) < TOLERANCE
            trace = calcium(voltage, name, network.described, network.exact, calcium_tau == "per_type")
            assert largest_error(dff[name], trace.detach()) < TOLERANCE


@pytest.mark.parametrize("name", [v if v in QUICK else pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS])
def test_the_variants_of_the_published_program_answer_as_it_did(shared: Path, name: str) -> None:
    folder = shared / "reference" / "variants" / name
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which is not part of the repository")
    rate_hz = json.loads((folder / "config.json").read_text())["sampling_rate"]
    with np.load(folder / "answers.npz") as answers:
        noise = torch.randn(1, 240, 1, *answers["shape"][1:], generator=torch.Generator().manual_seed(1))
        frames = (noise[0, :, 0] * 0.1).clamp(-0.49, 0.5).numpy() + np.float32(0.498)
        for calcium_tau in CALCIUM_TAUS:
            model = open_published(folder, 1, calcium_tau)
            found = {f"v/{t}": trace for t, trace in model.voltages(frames, rate_hz, start="rest").items()}
            found |= {f"{calcium_tau}/{t}": trace for t, trace in model.predict(frames, rate_hz, start="rest").items()}
            assert max(largest_error(trace, answers[key]) for key, trace in found.items()) < PUBLISHED_TOLERANCE


GRADIENTS = ("tanh in hidden layers and readouts", "elu in front of the first layer", "rectangular strides",
             "power-exponential readouts", "rectangular windows", "even kernels")  # fmt: skip


@pytest.mark.parametrize("form", [*GRADIENTS[:2], *slow(GRADIENTS[2:])])
def test_gradients_are_those_of_the_formulas(form: str) -> None:
    network = Network(FORMS[form], frames=40)
    model = network.model().double()
    lc_types = network.described["L_config"]["lc_types"]
    theirs = {key: value.requires_grad_() for key, value in network.exact.items() if "batches" not in key}
    network.exact |= theirs
    right = sum(v.square().sum() for v in network.voltages().values())
    assert isinstance(right, Tensor)
    right.backward()
    model.voltage_of(network.contrast.double(), network.rate_hz).square().sum().backward()
    compared = 0
    for key, value in theirs.items():
        name = our_name(key, lc_types)
        if name.startswith(("hidden", "readouts")) and "running" not in name:
            assert value.grad is not None
            found = model.get_parameter(name).grad
            assert found is not None
            assert largest_error(found, value.grad) < 1e-6
            compared += 1
    assert compared >= 14


def test_finite_differences_agree_with_the_gradient_of_an_exponent() -> None:
    network = Network(FORMS["power-exponential readouts"], frames=40)
    model = network.model().double()
    exponent = model.readouts.each[0].filter.n

    def answer() -> Tensor:
        return model.voltage_of(network.contrast.double(), network.rate_hz).square().sum()

    (slope,) = torch.autograd.grad(answer(), exponent)
    with torch.no_grad():
        exponent.add_(1e-6)
        above = answer()
        exponent.sub_(2e-6)
        below = answer()
    assert float(above - below) / 2e-6 == pytest.approx(float(slope), rel=1e-5)


STREAMED = ("strides", "power-exponential readouts", "even kernels", "tanh in front of the first layer")


@pytest.mark.parametrize("form", [*STREAMED[:2], *slow(STREAMED[2:])])
def test_a_stream_answers_as_the_whole_clip(form: str) -> None:
    network = Network(FORMS[form])
    model = network.model()
    luminance = (network.contrast[0] + 0.498).numpy()
    offline, dff = (
        model.voltages(luminance, network.rate_hz, start="rest"),
        model.predict(luminance, network.rate_hz, start="rest"),
    )
    stream = model.for_picture(SHAPES_PX[0]).stream(rate_hz=network.rate_hz, start="rest")
    live = [stream.step(frame) for frame in luminance]
    for name in model.cell_types:
        assert largest_error(np.array([sample[name].voltage for sample in live]), offline[name]) < TOLERANCE
        assert largest_error(np.array([sample[name].calcium for sample in live]), dff[name]) < TOLERANCE


@pytest.mark.parametrize("compute", ["torch", "native"])
@pytest.mark.parametrize(
    "form",
    [
        "relu in front of the first layer",
        *slow(["identity in hidden layers and readouts", "rectangular kernels"]),
    ],
)
def test_the_engines_train_what_they_can_as_layer_by_layer(form: str, compute: str) -> None:
    network = Network(FORMS[form])

    def gradients(engine: str) -> dict[str, Tensor]:
        model = network.model().for_picture(SHAPES_PX[0]).train()
        choose_implementation(model, engine)
        model.voltage_of(network.contrast, network.rate_hz).square().sum().backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    right = gradients("reference")
    largest = max(float(grad.abs().max()) for grad in right.values())
    for name, grad in gradients(compute).items():
        torch.testing.assert_close(grad, right[name], rtol=2e-3, atol=1e-4 * largest)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("tanh in hidden layers and readouts", "the activation tanh is more than a slope"),
        ("strides", "a hidden layer has a stride"),
        ("power-exponential hidden layers", "a kernel of kind 'power_exponential'"),
    ],
)
def test_an_engine_says_why_it_cannot_train_a_form_and_another_does(form: str, why: str) -> None:
    network = Network(FORMS[form], frames=20)
    model = network.model().train()
    model.hidden.compute = "triton"
    with pytest.raises(ConfigError, match=why):
        model.voltage_of(network.contrast, network.rate_hz)
    model.hidden.compute = "auto"
    assert model.voltage_of(network.contrast, network.rate_hz).requires_grad


def test_what_a_type_says_elsewhere_is_asked_only_where_places_are_columns() -> None:
    network = Network(FORMS["strides"])
    with pytest.raises(ConfigError, match="a hidden layer has a stride"):
        drives(network.model().for_picture(SHAPES_PX[0]), Whole(network.contrast), 180.0, 1)
    several = Network(FORMS["windows of several sizes"])
    with pytest.raises(ConfigError, match="do not read around one and the same column"):
        drives(several.model().for_picture(SHAPES_PX[0]), Whole(several.contrast), 180.0, 1)


SLOW_FIELDS = slow(GRADIENTS[1:3])


@pytest.mark.parametrize("form", ["strides", *SLOW_FIELDS])
def test_receptive_fields_are_gradients_of_the_formulas(form: str) -> None:
    network = Network(FORMS[form])
    found = receptive_fields(network.model(), network.rate_hz, shape_px=SHAPES_PX[0], lags_s=0.1)
    grey = torch.zeros(1, 180 + 18, *SHAPES_PX[0], dtype=torch.float64, requires_grad=True)
    answers = voltages(grey, network.described, network.exact)
    (right,) = torch.autograd.grad(answers["lc18"][0, -1], grey)
    assert largest_error(found["lc18"], right[0, -18:].flip(0)) < 1e-5


def test_a_picture_of_another_size_has_a_lattice_of_its_own_and_the_same_parameters() -> None:
    model = Network({}).model()
    assert model.config.eye.lattice == (21, 21)
    other = model.for_picture((61, 45))
    assert other.config.eye.lattice == (16, 12)
    assert other.for_picture((61, 45)) is other
    assert model.for_picture((83, 83)) is model
    assert dict(other.named_parameters()).keys() == dict(model.named_parameters()).keys()
    assert all(other.get_parameter(name) is p for name, p in model.named_parameters())
    assert all(other.state_dict()[name].data_ptr() == t.data_ptr() for name, t in model.state_dict().items())
    with pytest.raises(ShapeError, match=r"has \(16, 12\) rows and columns.*[Aa]sk model\.for_picture\(\(61, 45\)\)"):
        model.stream().step(np.full((61, 45), 0.5))


def test_a_picture_without_room_for_a_column_is_a_sentence() -> None:
    model = Network({"pr_config": {"x_padding": [0, 0]}}).model()
    with pytest.raises(ShapeError, match="no room for a column"):
        model.predict(np.full((3, 8, 8), 0.5), 180.0, start="rest")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"network_config": {"dilation": 2}}, r"'network_config\.dilation' that is not known"),
    "a misspelt key": ({"L_config": {"x_paddings": 2}}, r"'L_config\.x_paddings'.*[Dd]id you mean 'x_padding'"),
    "an unknown section": ({"attention_config": {}}, "'attention_config' that is not known"),
    "an activation": ({"network_config": {"activation": ["identity", "gelu"]}}, r"network_config\.activation.*gelu"),
    "an activation of readouts": ({"L_config": {"activation": "selu"}}, r"L_config\.activation.*selu"),
    "an activation of calcium": ({"ca_config": {"activation": "softplus"}}, r"ca_config\.activation.*softplus"),
    "a kind of layer": ({"network_config": {"config_type": "spatial"}}, r"network_config\.config_type.*spatial"),
    "no exponents": ({"L_config": {"config_type": "spatiotemporal_pwrexp"}}, r"L_config.*n_power_init is missing"),
    "a layer too much": ({"network_config": {"x_stride": [1, 1, 1]}}, r"network_config.*x_stride has 3 entries for 2"),
    "a fraction": ({"network_config": {"x_kernel_size": [3.0, 3]}}, r"network_config\.x_kernel_size\[0\]"),
    "a truth value": ({"network_config": {"x_padding": [True, 1]}}, r"network_config\.x_padding\[0\]"),
    "no stride": ({"network_config": {"x_stride": [0, 1]}}, r"network_config\.x_stride\[0\]"),
    "nothing but padding": ({"network_config": {"x_padding": [3, 1]}}, r"network_config.*x_padding\[0\].*not smaller"),
    "pixels that are not square": ({"pr_config": {"ds_input": [1, 2]}}, r"pr_config.*ds_input"),
    "two channels of the eye": ({"pr_config": {"out_channels": [2]}}, r"pr_config\.out_channels"),
    "a kernel of one sample": ({"network_config": {"t_kernel_size": 1}}, r"network_config\.t_kernel_size"),
    "a kernel without bounds": ({"ca_config": {"t_kernel_size": 10**12}}, r"ca_config\.t_kernel_size"),
    "another grey": ({"dataset_config": {"mov_bg_int": 0.3}}, r"dataset_config\.mov_bg_int is 0\.3"),
    "another grey of the eye": ({"pr_config": {"movie_bg_intensity": 0.5}}, r"pr_config\.movie_bg_intensity is 0\.5"),
    "no rate": ({"sampling_rate": 0}, "'sampling_rate'"),
    "other cell types": ({"ca_config": {"cell_types": ["lc11", "lc4"]}}, r"ca_config\.cell_types are not those"),
    "readouts of other channels": ({"L_config": {"in_channels": [5]}}, r"L_config\.in_channels is not the last"),
    "two answers of a readout": ({"L_config": {"out_channels": [2]}}, r"L_config\.out_channels"),
    "a readout's size as a number": ({"L_config": {"x_kernel_size": [5, 3]}}, r"L_config\.x_kernel_size\[0\].*none"),
    "a huge layer": ({"network_config": {"out_channels": [10**6, 4]}}, r"network_config\.out_channels"),
    "a huge population": ({"ca_config": {"cell_count": [10**6, 2]}}, r"ca_config\.cell_types and cell_count"),
    "a huge window": ({"L_config": {"x_kernel_size": [[10**5], [3]]}}, r"L_config\.x_kernel_size\[0\]\[0\]"),
    "a window of many weights": ({"L_config": {"x_kernel_size": [[[999, 9]], [3]]}}, "L_config.in_channels and x_ker"),
    "a huge stride": ({"network_config": {"x_stride": [1, 10**6]}}, r"network_config\.x_stride\[1\]\[0\]"),
    "a kernel of minutes": ({"network_config": {"t_kernel_size": 10**5}}, r"network_config\.t_kernel_size is 100000"),
    "an indicator of hours": ({"ca_config": {"t_kernel_size": 10**6}}, r"ca_config\.t_kernel_size is 1000000, at 180"),
    "tiny pixels": ({"pr_config": {"ds_input": [1e-4, 1e-4]}}, r"pr_config\.pr_sigma and ds_input"),
    "an eye that reads nothing": ({"pr_config": {"x_padding": 1000}}, r"pr_config: x_padding \(1000, 1000\)"),
    "another Gaussian": ({"pr_config": {"pr_sigma": [6, 6]}}, r"pr_config\.pr_sigma"),
    "another photoreceptor": ({"pr_config": {"tau": 0.01}}, r"pr_config\.tau"),
    "another kernel of layers": ({"network_config": POWERS}, r"network_config\.config_type"),
}  # fmt: skip


def test_an_eye_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    """The lattice follows from the size of the pixels; its tensors say nothing of it."""
    described = described_network(pr_config={"ds_input": [1e-4, 1e-4]})
    torch.save({"model": random_state(described)}, tmp_path / "model_chkpnt_1.pt")
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(FileError, match="columns are more than the 100,000 there may be"):
        open_published(tmp_path, 1)


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_is_refused_with_its_key(tmp_path: Path, fault: str) -> None:
    changes, sentence = REFUSED[fault]
    described = described_network(**changes)
    torch.save({"model": random_state(described_network())}, tmp_path / "model_chkpnt_1.pt")
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(FileError, match=sentence):
        open_published(tmp_path, 1)


@pytest.mark.parametrize("section", ["pr_config", "network_config", "L_config", "ca_config", "sampling_rate"])
def test_a_missing_key_is_named(tmp_path: Path, section: str) -> None:
    described = described_network()
    torch.save({"model": random_state(described)}, tmp_path / "model_chkpnt_1.pt")
    if isinstance(described[section], dict):
        del described[section]["t_kernel_size"]
        section += ".t_kernel_size"
    else:
        del described[section]
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(FileError, match=f"has no '{section}'"):
        open_published(tmp_path, 1)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("network.0.tau", torch.zeros(3, 1), "not positive"),
        ("network.1.bias", torch.full((4,), float("nan")), "not finite"),
        ("network.1.bias", torch.zeros(4, dtype=torch.int64), "of type torch.int64"),
        ("network.7.bias", torch.zeros(4), r"'network\.7\.bias' that its config\.json does not describe"),
    ],
)
def test_a_tensor_that_cannot_be_is_named(name: str, value: Tensor, sentence: str) -> None:
    described = described_network()
    with pytest.raises(FileError, match=sentence):
        convert({"model": {**random_state(described), name: value}}, described, 180.0)


EXPORTED = [form for form in FORMS if form != "types in another order"]
"""Readouts are exported in the order of ``ca_config``, so that of the others names and shapes are equal."""


@pytest.mark.parametrize("form", EXPORTED)
def test_an_exported_network_of_any_form_is_equal(tmp_path: Path, form: str) -> None:
    network = Network(FORMS[form], frames=30)
    model = network.model()
    export_published(Exported(model, network.rate_hz, 1), tmp_path / "out", SHAPES_PX[0])
    again = open_published(tmp_path / "out", 1)
    luminance = (network.contrast[0] + 0.498).numpy()
    right, dff = (
        model.predict(luminance, network.rate_hz, start="rest"),
        again.predict(luminance, network.rate_hz, start="rest"),
    )
    assert all(largest_error(dff[name], trace) < 1e-6 for name, trace in right.items())
    state = torch.load(tmp_path / "out" / "model_chkpnt_1.pt", weights_only=True)["model"]
    assert {name: value.shape for name, value in state.items()} == {n: v.shape for n, v in network.state.items()}


def test_a_plain_network_is_said_in_few_words() -> None:
    hidden = published_config(described_network(), 180.0).hidden
    assert (hidden.kernel_columns, hidden.stride, hidden.padding, hidden.activation) == (3, 1, None, None)


def test_names_of_cell_types_match_whatever_their_case() -> None:
    network = Network(NAMES)
    found = network.model().voltages((network.contrast[0] + 0.498).numpy(), network.rate_hz, start="rest")
    right = network.voltages()
    assert largest_error(found["lc18"], right["LC18"]) < TOLERANCE
    assert largest_error(found["lc11"], right["Lc11"]) < TOLERANCE
