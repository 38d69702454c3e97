"""A rectifier whose slope is learned: the leaky rectifier of that slope, with the gradient of its formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stcnn import STCNN, ModelConfig, Population
from stcnn.config import compose
from stcnn.errors import ConfigError
from stcnn.nn.bounds import Bounds, project
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.native import why_no_native_evaluation

RATE_HZ = 60.0
SLOPES = (0.04, 0.3)


def network(**hidden: Any) -> STCNN:
    torch.manual_seed(0)
    config = {
        "eye": {"lattice": (7, 7), "column_spacing_deg": 2.0, "acceptance_fwhm_deg": 3.0, "window_deg": 9.0},
        "hidden": {"channels": [3, 4, 2], "kernel_columns": 3, "norm": {"kind": "none"}, **hidden},
        "cell_types": {"default": {"window_columns": 3}},
    }
    return STCNN(ModelConfig.model_validate(config), Population(neurons={"t4": ("a", "b")})).double()


def learned(slopes: tuple[float, float] = SLOPES) -> STCNN:
    model = network(activation=["identity", "learned_leaky_relu", "learned_leaky_relu"])
    with torch.no_grad():
        for layer, slope in zip(list(model.hidden)[1:], slopes, strict=True):
            assert layer.slope_root is not None
            layer.slope_root.fill_(slope**0.5)
    return model


def told(slope: float) -> STCNN:
    """The same weights behind rectifiers of one slope that is given."""
    model = network(slope=slope)
    model.load_state_dict({k: v for k, v in learned().state_dict().items() if not k.endswith("slope_root")})
    return model


def movie() -> Tensor:
    return torch.randn(2, 30, 15, 15, generator=torch.Generator().manual_seed(0), dtype=torch.float64) / 2


def test_it_starts_with_the_slope_that_is_given_and_answers_as_a_rectifier_of_that_slope() -> None:
    started = network(activation="learned_leaky_relu", slope=0.09)
    assert [layer.activation.slope for layer in started.hidden] == pytest.approx([0.09] * 3)
    model, other = learned((0.2, 0.2)), told(0.2)
    torch.testing.assert_close(model.train().voltage_of(movie(), RATE_HZ), other.train().voltage_of(movie(), RATE_HZ))
    with torch.no_grad():
        torch.testing.assert_close(model.eval().voltage_of(movie(), RATE_HZ), other.eval().voltage_of(movie(), RATE_HZ))


def test_evaluation_and_streams_take_the_slopes_as_they_are_by_now() -> None:
    model = learned().eval()
    assert [layer.activation.slope for layer in model.hidden] == pytest.approx([1.0, *SLOPES])
    assert [layer.activation.name for layer in model.hidden] == ["identity", "leaky_relu", "leaky_relu"]
    frames = torch.rand(40, 15, 15, generator=torch.Generator().manual_seed(1)).numpy()
    whole = model.predict(frames, RATE_HZ, start="rest")["t4"]
    stream = model.stream(rate_hz=RATE_HZ, start="rest")
    live = [float(stream.step(frame)["t4"].calcium) for frame in frames]
    assert live == pytest.approx(whole.tolist(), rel=1e-9)
    with torch.no_grad():  # evaluation folds weights anew when they change, slopes among them
        list(model.hidden)[1].slope_root.fill_(0.9)  # type: ignore[union-attr]
    assert model.predict(frames, RATE_HZ, start="rest")["t4"].tolist() != pytest.approx(whole.tolist(), rel=1e-6)
    assert why_no_native_evaluation(Folded(model.float(), RATE_HZ, 1)) is None


def test_its_gradient_is_the_difference_that_a_small_change_makes() -> None:
    model = learned().train()

    def loss() -> Tensor:
        return model.voltage_of(movie(), RATE_HZ).square().mean()

    loss().backward()
    for layer in list(model.hidden)[1:]:
        root = layer.slope_root
        assert root is not None
        assert root.grad is not None
        found = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                root.add_(step)
            found.append(loss().item())
        assert root.grad.item() == pytest.approx((found[0] - found[1]) / 2e-6, rel=1e-5)


def test_engines_leave_it_to_pytorch_while_it_is_learned() -> None:
    model = learned().train().float()
    model.hidden.compute = "native"
    with pytest.raises(ConfigError, match="the slope of a rectifier is learned"):
        model.voltage_of(movie().float(), RATE_HZ)
    model.hidden.compute = "torch"
    model.voltage_of(movie().float(), RATE_HZ)


def test_a_start_above_one_is_refused_rather_than_taken_for_one() -> None:
    with pytest.raises(ConfigError, match=r"slope is 2, and a slope that is learned \(learned_leaky_relu\) stays"):
        compose(["model.hidden.activation=learned_leaky_relu", "model.hidden.slope=2"])
    with pytest.raises(ValueError, match=r"choose one of at most 1, or leaky_relu, whose slope is not trained"):
        network(activation=["identity", "leaky_relu", "learned_leaky_relu"], slope=1.5)
    assert network(activation="learned_leaky_relu", slope=1.0).hidden[0].activation.slope == 1  # type: ignore[index, union-attr]
    assert network(activation="leaky_relu", slope=2.0).hidden[0].activation.slope == 2  # type: ignore[index, union-attr]


def test_a_slope_that_a_step_took_beyond_one_comes_back_to_where_it_has_a_gradient() -> None:
    model = learned((0.9, 0.9)).train()
    root = model.get_parameter("hidden.1.slope_root")
    with torch.no_grad():
        root.fill_(1.2)
    project(model, Bounds())
    assert root.item() == 1
    model.voltage_of(movie(), RATE_HZ).square().mean().backward()
    assert root.grad is not None
    assert root.grad.item() != 0


def test_readouts_have_none() -> None:
    with pytest.raises(ConfigError, match=r"model\.readout\.activation"):
        compose(["model.readout.activation=learned_leaky_relu"])
