"""Divisive normalisation over space: against its formula as loops, and the same in every form of the network."""

from __future__ import annotations

import itertools
import logging
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn import STCNN, ModelConfig, Population
from stcnn.config import compose
from stcnn.errors import ConfigError
from stcnn.experiments.physiology.lesions import held_at_rest
from stcnn.export.form import require_form
from stcnn.export.step_network import StepNetwork
from stcnn.nn.inference import evaluator
from stcnn.nn.inference.folded import Folded
from stcnn.nn.lattices import KINDS as LATTICES
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.log import log_once
from stcnn.nn.norms.divisive import DivisiveNorm, PooledDivision
from stcnn.nn.sites import Neurons

RATE_HZ = 60.0
PX = 31
SPACING_DEG = 2.0


def network(pool_sd_deg: float = 1.7, hidden: dict[str, Any] | None = None, **sections: Any) -> STCNN:
    """Two layers of 3 x 3 columns whose pools reach two columns; each channel has a semi-saturation of its own."""
    torch.manual_seed(0)
    norm = {"kind": "divisive", "pool_sd_deg": pool_sd_deg}
    config = {
        "eye": {
            "lattice": (15, 15),
            "column_spacing_deg": SPACING_DEG,
            "acceptance_fwhm_deg": 3.0,
            "window_deg": 7.0,
            **sections.pop("eye", {}),
        },
        "hidden": {"channels": [3, 4], "kernel_columns": 3, "norm": norm, "bias_init": (0.1, 0.3), **(hidden or {})},
        "cell_types": {"default": {"window_columns": 3}, "t5": {"window_columns": 5}},
        **sections,
    }
    model = STCNN(ModelConfig.model_validate(config), Population(neurons={"t4": ("a", "b"), "t5": ("c",)})).double()
    with torch.no_grad():
        for layer in model.hidden:
            layer.get_parameter("norm.log_semisaturation").uniform_(-3, 0)
    return model


def contrast(n_frames: int = 14) -> Tensor:
    return torch.randn(2, n_frames, PX, PX, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 2


def divided(
    y: NDArray[np.float64], place_deg: NDArray[np.float64], sigma: NDArray[np.float64], pool: DivisiveNorm
) -> NDArray[np.float64]:
    """The formula, place by place; maps ``(Y, X, C)`` whose places are ``(Y, X, 2)`` degrees."""
    rows, columns, channels = y.shape
    away = math.floor(2.5 * pool.pool_sd_deg / SPACING_DEG)

    def weight(down: int, right: int) -> float:
        # from the distance of two places in the middle, which are as far apart as any two that are so many steps apart
        here = np.array([rows // 2, columns // 2])
        there = [here[0] + down, here[1] + right]
        square = ((place_deg[tuple(there)] - place_deg[tuple(here)]) ** 2).sum()
        return math.exp(-square / (2 * pool.pool_sd_deg**2)) if pool.pool_sd_deg else 1.0

    steps = list(itertools.product(range(-away, away + 1), repeat=2))
    if not np.isclose(place_deg[0, 1, 1], place_deg[0, 0, 1]):  # a hexagon
        steps = [(down, right) for down, right in steps if abs(down + right) <= away]
    weights = {step: weight(*step) for step in steps}
    total = sum(weights.values())
    found = np.zeros_like(y)
    for row, column, channel in np.ndindex(y.shape):
        pooled = 0.0
        for (down, right), each in weights.items():
            if 0 <= row + down < rows and 0 <= column + right < columns:
                active = np.abs(y[row + down, column + right])
                pooled += each / total * (active.sum() / channels if pool.pool_channels == "all" else active[channel])
        found[row, column, channel] = y[row, column, channel] / (1 + pooled / sigma[channel])
    return found


@pytest.mark.parametrize("arrangement", ["square", "hexagonal"])
@pytest.mark.parametrize(("sd_deg", "channels"), [(1.7, "all"), (2.4, "own"), (0.0, "all"), (0.0, "own")])
def test_it_is_the_formula(arrangement: str, sd_deg: float, channels: str) -> None:
    shape = (9, 11)
    lattice = MapLattice(LATTICES[arrangement](kind=arrangement), shape, (SPACING_DEG, SPACING_DEG))
    config = DivisiveNorm.model_validate({"pool_sd_deg": sd_deg, "pool_channels": channels})
    norm = config.build(3, lattice).double()
    sigma = np.array([0.2, 1.0, 3.0])
    with torch.no_grad():
        norm.log_semisaturation.copy_(torch.from_numpy(np.log(sigma)))
        y = torch.randn(2, 1, *shape, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        found = norm(y).numpy()
    for frame in range(2):
        right = divided(y[frame, 0].numpy(), lattice.window_deg(shape).numpy(), sigma, config)
        np.testing.assert_allclose(found[frame, 0], right, rtol=1e-12)


def test_the_semisaturation_halves_and_a_large_one_leaves_maps_as_they_are() -> None:
    lattice = MapLattice(LATTICES["square"](kind="square"), (21, 21), (SPACING_DEG, SPACING_DEG))
    norm = DivisiveNorm(pool_sd_deg=2.0, semisaturation_init=0.5).build(2, lattice)
    alike = torch.full((1, 1, 21, 21, 2), 0.5)
    assert norm(alike)[0, 0, 10, 10].tolist() == pytest.approx([0.25, 0.25])
    assert norm(alike)[0, 0, 0, 0].min() > 0.25  # beyond the edge nothing is active
    with torch.no_grad():
        norm.log_semisaturation.fill_(40.0)
    torch.testing.assert_close(norm(alike), alike)


def test_gradients_are_those_of_small_changes() -> None:
    lattice = MapLattice(LATTICES["square"](kind="square"), (3, 4), (SPACING_DEG, SPACING_DEG))
    y = torch.randn(1, 2, 3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for channels in ("all", "own"):
        norm = DivisiveNorm.model_validate({"pool_sd_deg": 1.0, "pool_channels": channels}).build(2, lattice).double()
        sigma = norm.log_semisaturation

        def answer(y: Tensor, log_semisaturation: Tensor, norm: PooledDivision = norm) -> Tensor:
            found: Tensor = torch.func.functional_call(norm, {"log_semisaturation": log_semisaturation}, (y,))
            return found

        assert torch.autograd.gradcheck(answer, (y.requires_grad_(), sigma.detach().requires_grad_()))


def test_a_training_reaches_every_parameter_of_it() -> None:
    model = network().train()
    model.voltage_of(contrast(), RATE_HZ).square().mean().backward()
    for i in range(2):
        gradient = model.get_parameter(f"hidden.{i}.norm.log_semisaturation").grad
        assert gradient is not None
        assert (gradient != 0).all()


STRIDED: dict[str, Any] = {"hidden": {"kernel_columns": [3, 4], "stride": [2, 1], "padding": [1, 0]}}
AT_THE_EDGE: dict[str, Any] = {"readout": {"centre": (2, 12)}}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "wide": {"pool_sd_deg": 4.0},
    "at the edge": AT_THE_EDGE,
    "hexagonal": {"eye": {"arrangement": {"kind": "hexagonal"}}},
    "strided": {**STRIDED, "readout": {"centre": (3, 3)}, "cell_types": {"default": {"window_columns": 3}}},
    "other filters": {"hidden": {"filter": {"kind": "power_exponential", "kernel_s": 0.2}, "activation": "tanh"}},
}


def with_norm(form: str) -> STCNN:
    settings = {key: value for key, value in FORMS[form].items() if key != "hidden"}
    return network(hidden=FORMS[form].get("hidden"), **settings)


@pytest.mark.parametrize("form", FORMS)
def test_windows_are_the_whole_lattice_in_training_evaluation_and_streams(form: str) -> None:
    model = with_norm(form)
    whole = model.train().voltage_of(contrast(), RATE_HZ)  # every layer on the whole lattice
    model.eval()
    with torch.no_grad():
        windowed = model.voltage_of(contrast(), RATE_HZ)
        torch.testing.assert_close(windowed, whole, rtol=1e-9, atol=1e-12)
        after_grey = model.voltage_of(torch.cat([contrast()[:, :5] * 0, contrast()], 1), RATE_HZ, n_grey=5)
    with torch.enable_grad():
        layers = model.voltage_of(torch.cat([contrast()[:, :5] * 0, contrast()], 1), RATE_HZ)
    torch.testing.assert_close(after_grey, layers.detach(), rtol=1e-9, atol=1e-12)
    frames = torch.rand(12, PX, PX, generator=torch.Generator().manual_seed(1)).numpy()
    asked = model.predict(frames, RATE_HZ, start="rest")["t5"]
    stream = model.stream(rate_hz=RATE_HZ, start="rest")
    live = [float(stream.step(frame)["t5"].calcium) for frame in frames[:5]]
    other = model.stream(rate_hz=RATE_HZ, start="rest")
    other.load_state_dict(stream.state_dict())
    live += [float(other.step(frame)["t5"].calcium) for frame in frames[5:]]
    assert live == pytest.approx(asked.tolist(), rel=1e-9)


def test_less_than_the_lattice_is_computed() -> None:
    folded = Folded(network(), RATE_HZ)
    layer = folded.layers[1]
    assert layer.shape == (9, 9)  # the readouts' five columns and two to each side
    assert layer.keeps[1] - layer.keeps[0] == 5
    assert folded.layers[0].shape == (15, 15)  # eleven, and two to each side


def test_no_answer_knows_what_comes_later() -> None:
    model = network().train()
    changed = contrast()
    changed[:, 8:] = 0.3
    before, after = (model.voltage_of(each, RATE_HZ) for each in (contrast(), changed))
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8:], after[:, 8:])


def neighbours() -> Neurons:
    """Three neurons at columns of their own, on two clips."""
    place_deg = torch.tensor([[0, 0], [2, -4], [-4, 2]], dtype=torch.float64)
    return Neurons(
        torch.arange(2).repeat_interleave(3),
        torch.tensor([0, 0, 1]).repeat(2),
        torch.tensor([0, 1, 0]).repeat(2),
        place_deg.repeat(2, 1),
    )


@pytest.mark.parametrize("training", [True, False])
def test_neurons_that_read_where_they_sit_answer_as_to_shifted_pictures(training: bool) -> None:
    model = network(pool_sd_deg=1.0, eye={"lattice": (21, 21)}).train(training)
    shown = torch.zeros(2, 15, 41, 41, dtype=torch.float64)
    shown[:, 4:, 16:25, 16:25] = contrast(11)[:, :, :9, :9]
    with torch.no_grad():  # what is grey answers nothing, so that the edge of the lattice is nowhere near
        for layer in model.hidden:
            layer.get_parameter("bias").zero_()
    who = neighbours()
    pictures = torch.stack(
        [
            shown[clip].roll((int(up), -int(right)), (-2, -1))
            for clip, (right, up) in zip(who.clip.tolist(), who.place_deg.tolist(), strict=True)
        ]
    )
    with torch.set_grad_enabled(training):
        found = model.dff_at(shown, who, RATE_HZ, n_grey=3)
        voltage = model.voltage_of(pictures, RATE_HZ, n_grey=3)
        right = model.calcium_of(voltage, torch.arange(len(pictures)), who.cell_type, who.neuron, RATE_HZ)
    torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-12)


def test_a_frozen_core_computes_the_same_in_training() -> None:
    model = network()
    whole = model.train().voltage_of(contrast(), RATE_HZ)
    model.hidden.freeze()
    torch.testing.assert_close(model.voltage_of(contrast(), RATE_HZ), whole)


def test_compiled_code_leaves_it_to_pytorch_and_says_why(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network().float()
    model.hidden.compute = "native"
    with pytest.raises(ConfigError, match="the hidden layers have a normalisation of kind 'divisive'"):
        model.train().voltage_of(contrast().float(), RATE_HZ)
    with pytest.raises(ConfigError, match="a hidden layer has a normalisation of its own, PooledDivision"):
        model.eval().predict(np.zeros((5, PX, PX), np.float32), RATE_HZ)
    model.hidden.compute = "auto"
    monkeypatch.setattr(evaluator, "WORTH_COMPILING", 0)
    log_once.cache_clear()
    with caplog.at_level(logging.INFO):
        model.predict(np.zeros((5, PX, PX), np.float32), RATE_HZ)
    assert "evaluation runs in PyTorch" in caplog.text
    assert "a hidden layer has a normalisation of its own, PooledDivision" in caplog.text


def test_what_has_no_form_for_it_says_so() -> None:
    model = network()
    with pytest.raises(ConfigError, match=r"model\.hidden\.norm\.kind is 'divisive', for which the published program"):
        require_form(model.config)
    with pytest.raises(ConfigError, match="normalisation of kind 'divisive', which has no form outside this program"):
        StepNetwork(model.float(), RATE_HZ, (PX, PX))
    with pytest.raises(ConfigError, match="so that none can be held at a value"):
        held_at_rest(model, 0, 0, 0.0)


def test_a_recipe_names_it() -> None:
    key = "model.hidden.norm"
    settings = [f"{key}.kind=divisive", f"{key}.pool_sd_deg=6", f"{key}.pool_channels=own"]
    norm = compose(settings).model.hidden.norm
    assert norm == DivisiveNorm(pool_sd_deg=6.0, pool_channels="own")
    with pytest.raises(ConfigError, match=r"model\.hidden\.norm\.semisaturation_init"):
        compose([*settings, "model.hidden.norm.semisaturation_init=0"])
    with pytest.raises(ConfigError, match=r"pool_sd_deg is 90, which reaches 112 columns away"):
        network(pool_sd_deg=90.0)
    assert compose([]).model.hidden.norm.kind == "none"
    assert compose(["model=published"]).model.hidden.norm.kind == "batch"
    kept = {"kind": "none", "eps": 1e-5, "momentum": 0.1}  # as run folders of before have it
    assert ModelConfig.model_validate({"hidden": {"norm": kept}}).hidden.norm.model_dump() == kept
