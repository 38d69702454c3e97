"""Neurons that read where they sit: against the formula in float64, against shifted pictures, and their places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from stcnn.errors import ConfigError, ShapeError
from stcnn.movie import BACKGROUND
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.nn.sites import Neurons, between_columns
from stcnn.nn.wide_lattice import wide_enough, without_growth
from stcnn.nn.windows import Window
from tests.support.nn_twin import (
    FINEST,
    IMPLEMENTATIONS,
    choose_implementation,
    gradient_errors,
    largest_error,
)

RATE_HZ = 180.0
SPACING_PX = 2
SHIFTS = ((0, 0), (2, -4), (-4, 2), (4, 0))
"""Azimuth and elevation of each neuron's place in pixels of one degree: whole columns."""
POPULATION = Population(neurons={"lc11": ("a", "b", "c"), "lc4": ("d",)})
LATTICE = (15, 15)
SHAPE_PX = (29, 29)


def small_model(dtype: torch.dtype, norm: str = "none", **readout: object) -> STCNN:
    """Two layers of 3 x 3 columns and windows of 3 and 5: a neuron sees five columns around its place."""
    torch.manual_seed(3)
    config = ModelConfig.model_validate(
        {
            "eye": {
                "acceptance_fwhm_deg": 3.0,
                "window_deg": 7.0,
                "column_spacing_deg": float(SPACING_PX),
                "lattice": LATTICE,
            },
            "hidden": {"channels": (3, 4), "kernel_columns": 3, "norm": {"kind": norm}},
            "readout": readout,
            "cell_types": {"default": {"window_columns": 3}, "lc11": {"window_columns": 5}},
        }
    )
    model = STCNN(config, POPULATION).to(dtype)
    with torch.no_grad():
        for layer in model.hidden:  # without a bias grey is the very point where the rectifier bends
            bias = layer.bias if layer.norm is None else layer.norm.bias
            assert isinstance(bias, Tensor)
            bias.uniform_(0.1, 0.3)
    return model


def movies(dtype: torch.dtype, n_frames: int = 18) -> Tensor:
    """Noise in the middle of two pictures, far from their edges whatever the shift, after four grey frames."""
    contrast = torch.zeros(2, n_frames, *SHAPE_PX, dtype=dtype)
    contrast[:, 4:, 10:19, 10:19] = torch.randn(2, n_frames - 4, 9, 9, dtype=dtype) / 2
    return contrast


def shifted(contrast: Tensor, azimuth_px: int, elevation_px: int) -> Tensor:
    """The picture as it is shown to a neuron there: moved so that the neuron sits in its middle."""
    return contrast.roll((elevation_px, -azimuth_px), (-2, -1))


def neurons(clip: Tensor, dtype: torch.dtype) -> Neurons:
    """Every neuron in each of these clips, the first of them twice, as for two trials."""
    cell_type = torch.tensor([0, 0, 0, 1, 0])
    neuron = torch.tensor([0, 1, 2, 0, 0])
    place_deg = torch.tensor([*SHIFTS, SHIFTS[0]], dtype=dtype)
    n = len(clip)
    clips = clip.repeat_interleave(len(neuron))
    return Neurons(clips, cell_type.repeat(n), neuron.repeat(n), place_deg.repeat(n, 1))


def by_presentation(model: STCNN, contrast: Tensor, who: Neurons, n_grey: int) -> Tensor:
    """What every neuron answers when each sees a picture of its own."""
    pictures = torch.stack(
        [shifted(contrast[b], *map(int, place)) for b, place in zip(who.clip.tolist(), who.place_deg, strict=True)]
    )
    voltage = model.voltage_of(pictures, RATE_HZ, n_grey=n_grey)
    return model.calcium_of(voltage, torch.arange(len(pictures)), who.cell_type, who.neuron, RATE_HZ)


@pytest.mark.parametrize(
    ("implementation", "n_grey"), [("torch", 0), ("native", 0), *((name, 3) for name in IMPLEMENTATIONS)]
)
def test_one_pass_is_the_presentations(implementation: str, n_grey: int) -> None:
    dtype = FINEST[implementation]
    model = small_model(dtype).train()
    choose_implementation(model, implementation)
    device = model.calcium.tau_s.device
    contrast = movies(dtype).to(device)
    who = Neurons(*(each.to(device) for each in neurons(torch.arange(2), dtype)))
    target = torch.randn(len(who.clip), contrast.shape[1], dtype=dtype, device=device)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found, right = (
        (traces, torch.autograd.grad((traces - target).square().mean(), list(trained.values())))
        for traces in (
            model.dff_at(contrast, who, RATE_HZ, n_grey=n_grey),
            by_presentation(model, contrast, who, n_grey),
        )
    )
    assert largest_error(found[0].detach(), right[0].detach()) < 1e-5
    errors = gradient_errors(dict(zip(trained, found[1], strict=True)), dict(zip(trained, right[1], strict=True)))
    assert max(errors.values()) < 1e-5, errors


@pytest.mark.parametrize(
    ("implementation", "norm"), [("native", "none"), ("torch", "none"), *((name, "batch") for name in IMPLEMENTATIONS)]
)
def test_one_pass_is_the_presentations_in_evaluation(implementation: str, norm: str) -> None:
    dtype = FINEST[implementation]
    model = small_model(dtype, norm)
    choose_implementation(model, implementation)
    device = model.calcium.tau_s.device
    contrast = movies(dtype).to(device)
    model.train().voltage_of(contrast, RATE_HZ)  # statistics that are not those of the start
    model.eval()
    who = Neurons(*(each.to(device) for each in neurons(torch.arange(2), dtype)))
    with torch.no_grad():
        found = model.dff_at(contrast, who, RATE_HZ, n_grey=3)
        right = by_presentation(model, contrast, who, 3)
    assert largest_error(found, right) < 1e-5


def test_between_columns_the_map_is_joined_by_straight_lines() -> None:
    """Against the formula, place by place: four columns around each point of the window."""
    model = small_model(torch.float64).eval()
    contrast = movies(torch.float64)
    place_deg = torch.tensor([[1.3, -2.6], [-3.1, 0.4], [0.0, 5.5]], dtype=torch.float64)
    who = Neurons(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), torch.tensor([0, 0, 2]), place_deg)
    found = model.voltage_at(contrast, who, RATE_HZ)
    maps = model.readouts.activation(model.maps(contrast, RATE_HZ)["hidden.1"])
    for row, (b, cell_type, place) in enumerate(zip(who.clip, who.cell_type, place_deg, strict=True)):
        readout = model.readouts.each[cell_type]
        half = readout.weight.shape[-1] // 2
        drive = torch.zeros(contrast.shape[1], dtype=torch.float64)
        for k in range(-half, half + 1):
            for m in range(-half, half + 1):
                y = LATTICE[0] // 2 - float(place[1]) / SPACING_PX + k
                x = LATTICE[1] // 2 + float(place[0]) / SPACING_PX + m
                for i in (int(y // 1), int(y // 1) + 1):
                    for j in (int(x // 1), int(x // 1) + 1):
                        share = (1 - abs(y - i)) * (1 - abs(x - j))
                        drive += share * maps[:, b, i, j] @ readout.weight[:, half + k, half + m]
        gain = readout.filter.gain(RATE_HZ)
        voltage, _ = readout.filter(drive[:, None] * gain, RATE_HZ)
        torch.testing.assert_close(found[row], voltage[:, 0] + readout.bias, rtol=1e-10, atol=1e-12)


def test_the_gradient_of_a_place_is_its_finite_difference() -> None:
    model = small_model(torch.float64).train()
    contrast = movies(torch.float64)
    place_deg = torch.tensor([[1.3, -2.6], [-3.1, 0.4], [0.5, 5.5]], dtype=torch.float64)
    columns = place_deg.clone().requires_grad_()

    def loss(places: Tensor) -> Tensor:
        who = Neurons(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), torch.tensor([0, 0, 2]), place_deg)
        model.place_deg = lambda neurons: places  # type: ignore[method-assign]
        return model.voltage_at(contrast, who, RATE_HZ).square().sum()

    gradient = torch.autograd.grad(loss(columns), columns)[0]
    step = 1e-5
    for i in range(3):
        for axis in range(2):
            moved = torch.zeros_like(place_deg)
            moved[i, axis] = step
            with torch.no_grad():
                difference = (loss(place_deg + moved) - loss(place_deg - moved)) / (2 * step)
            assert gradient[i, axis].item() == pytest.approx(difference.item(), rel=1e-6)


def test_whole_columns_leave_the_weights_as_they_are() -> None:
    weights = torch.randn(2, 3, 4, 5)
    found = between_columns(weights, torch.zeros(2, 2))
    assert found.shape == (2, 4, 5, 5)
    assert torch.equal(found[:, :3, :4], weights)
    assert not found[:, 3].any()
    assert torch.equal(between_columns(weights, torch.ones(2, 2))[:, 1:, 1:], weights)


def test_a_network_grows_to_where_its_neurons_sit() -> None:
    """The window around the outermost place, and one column for what lies between; columns stay where they are."""
    model = small_model(torch.float64).eval()
    place_deg = torch.tensor([[14.0, 0.0], [0.0, -20.5]])
    wide = model.reaching(place_deg)
    # to column 7 + 14/2 + 2 + 1 = 17, to row 7 + floor(20.5/2) + 2 + 1 = 20
    assert wide.config.eye.lattice == (21, 18)
    assert wide.config.readout.centre == (7, 7)
    assert wide.config.eye.centre_deg == (3.0, -6.0)
    assert wide.readouts.each[0].weight is model.readouts.each[0].weight
    assert model.reaching(torch.zeros(1, 2)) is model
    assert wide.reaching(place_deg) is wide
    contrast = movies(torch.float64)
    inside = neurons(torch.arange(2), torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(
            wide.dff_at(contrast, inside, RATE_HZ), model.dff_at(contrast, inside, RATE_HZ), rtol=0, atol=1e-12
        )
    assert without_growth(wide.config).eye == model.config.eye
    left = model.reaching(torch.tensor([[-14.0, 20.5]]))
    assert without_growth(left.reaching(place_deg).config).eye == model.config.eye
    # from column 7 - 14/2 - 2 = -2 and row 7 - ceil(20.5/2) - 2 = -6 on
    assert left.config.eye.lattice == (21, 17)
    assert left.config.readout.centre == (13, 9)
    assert left.config.eye.centre_deg == (-2.0, 6.0)


def test_a_place_beyond_the_lattice_is_refused() -> None:
    model = small_model(torch.float32).eval()
    first = torch.zeros(1, dtype=torch.long)
    far = Neurons(first, first, first, torch.tensor([[14.0, 0.0]]))
    with pytest.raises(ShapeError, match="beyond the lattice of"):
        model.dff_at(movies(torch.float32), far, RATE_HZ)
    assert model.reaching(far.place_deg).dff_at(movies(torch.float32), far, RATE_HZ).isfinite().all()


def test_places_that_need_too_wide_a_lattice_are_refused() -> None:
    with pytest.raises(ConfigError, match="need a lattice of 15 x 5000011 columns"):
        small_model(torch.float32).reaching(torch.tensor([[1e7, 0.0]]))


def test_a_network_that_has_no_place_between_columns_is_refused() -> None:
    config = small_model(torch.float32).config
    strided = config.model_copy(update={"hidden": config.hidden.model_copy(update={"stride": (2, 1)})})
    with pytest.raises(ConfigError, match="a hidden layer has a stride"):
        wide_enough(strided, torch.zeros(1, 2), ["lc11"])


def test_the_answer_at_a_place_is_that_of_a_neuron_there() -> None:
    """Asked whole and frame by frame; the average neuron, which is the only one of its type."""
    model = small_model(torch.float32, weight_init=30.0).eval()
    contrast = movies(torch.float32)[:1]
    place = (3.5, -1.2)
    first = torch.tensor([0])
    sole = Neurons(first, torch.tensor([1]), first, torch.tensor([place]))
    luminance = contrast[0].numpy() / 8 + BACKGROUND
    found = model.respond(luminance, RATE_HZ, "rest", at=place).calcium["lc4"]
    again = model.respond(luminance, RATE_HZ, "rest", at=(0, 0)).calcium["lc4"]
    stream = model.stream(at=place, rate_hz=RATE_HZ, start="rest")
    streamed = [stream.step(frame)["lc4"].calcium for frame in luminance]
    with torch.no_grad():
        eighth = model.dff_at(contrast / 8, sole, RATE_HZ)[0].numpy()
    assert np.abs(found - eighth).max() < 1e-5 * np.abs(eighth).max()
    assert np.abs(np.array(streamed).ravel() - eighth).max() < 1e-5 * np.abs(eighth).max()
    assert np.abs(again - model.respond(luminance, RATE_HZ, "rest").calcium["lc4"]).max() < 1e-6
    assert np.abs(again - found).max() > 100 * np.abs(found - eighth).max()


def test_the_window_is_moved() -> None:
    assert Window(0, 3, 1, 4).moved(2, -1) == Window(2, 5, 0, 3)
