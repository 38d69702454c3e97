"""A membrane with conductances: against a solver, at several rates, in training, evaluation and streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.integrate import solve_ivp
from torch import Tensor

from stcnn.movie import BACKGROUND
from stcnn.nn.filters.conductance import ConductanceConfig
from stcnn.nn.filters.kind import Constants
from stcnn.nn.hidden import HiddenConfig
from stcnn.nn.inference.folded import Folded
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from tests.support.nn_twin import POPULATION, Case

RATE_HZ = 100.0
MEMBRANE = ConductanceConfig(rectifier="softplus")


def constants(n_channels: int = 2) -> Constants:
    names = ("tau_s", "excitation_reversal", "inhibition_reversal", "excitation_bias", "inhibition_bias")
    values = ((0.02, 0.05), (8.0, 5.0), (-1.0, 0.0), (-2.0, -1.0), (-1.0, 0.5))
    return Constants({n: torch.tensor(v, dtype=torch.float64)[:n_channels] for n, v in zip(names, values, strict=True)})


def solved(drives: Tensor, of: Constants, channel: int) -> np.ndarray:
    """The differential equation, by a solver, with drives held for a frame."""
    each = {name: float(values[channel]) for name, values in of.items()}
    held = drives.reshape(len(drives), 2, -1)[:, :, channel].numpy()
    e = np.log1p(np.exp(held[:, 0] + each["excitation_bias"]))
    i = np.log1p(np.exp(held[:, 1] + each["inhibition_bias"]))
    e_rest, i_rest = (np.log1p(np.exp(each[name])) for name in ("excitation_bias", "inhibition_bias"))
    to_e, to_i = each["excitation_reversal"], each["inhibition_reversal"]
    v = (e_rest * to_e + i_rest * to_i) / (1 + e_rest + i_rest)
    found = []
    for now in zip(e, i, strict=True):

        def slope(_: float, v: np.ndarray, now: tuple[float, float] = now) -> np.ndarray:
            return (now[0] * (to_e - v) + now[1] * (to_i - v) - v) / each["tau_s"]

        v = solve_ivp(slope, (0, 1 / RATE_HZ), [v], rtol=1e-10, atol=1e-12).y[0, -1]
        found.append(v)
    return np.array(found)


def test_voltages_are_those_of_the_differential_equation() -> None:
    drives = 3 * torch.randn(30, 4, dtype=torch.float64)
    voltage, _ = MEMBRANE.filtered(drives, constants(), RATE_HZ)
    for channel in range(2):
        np.testing.assert_allclose(voltage[:, channel], solved(drives, constants(), channel), atol=1e-8)


def test_a_rectifier_is_straight_above_zero_and_silent_below() -> None:
    config, of = ConductanceConfig(), Constants({name: torch.zeros_like(v) for name, v in constants().items()})
    of = Constants({**of, "tau_s": constants()["tau_s"], "excitation_reversal": torch.ones(2, dtype=torch.float64)})
    drives = torch.tensor([[1.0, -1.0, 0.0, 0.0]], dtype=torch.float64).expand(3000, -1)
    settled = config.filtered(drives, of, RATE_HZ)[0][-1]
    torch.testing.assert_close(settled, torch.tensor([0.5, 0.0], dtype=torch.float64))


def test_drives_held_for_several_frames_give_the_voltages_of_a_slower_rate() -> None:
    drives = 3 * torch.randn(20, 3, 4, dtype=torch.float64)
    slow, _ = MEMBRANE.filtered(drives, constants(), RATE_HZ)
    fast, _ = MEMBRANE.filtered(drives.repeat_interleave(3, 0), constants(), 3 * RATE_HZ)
    torch.testing.assert_close(fast[2::3], slow)


def test_gradients_are_those_of_finite_differences() -> None:
    names = list(constants())

    def voltage(drives: Tensor, *values: Tensor) -> Tensor:
        return MEMBRANE.filtered(drives, Constants(zip(names, values, strict=True)), RATE_HZ)[0]

    drives = torch.randn(6, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(voltage, (drives, *(v.requires_grad_() for v in constants().values())))


def test_inhibition_divides() -> None:
    excitation = torch.tensor([2.0, 2.0], dtype=torch.float64)
    steady = []
    for inhibition in (-20.0, 3.0):
        drives = torch.cat([excitation, torch.full_like(excitation, inhibition)]).expand(2000, -1)
        of = Constants({**constants(), "inhibition_reversal": torch.zeros(2, dtype=torch.float64)})
        steady.append(MEMBRANE.filtered(drives, of, RATE_HZ)[0][-1])
    assert (steady[1] < 0.7 * steady[0]).all()  # a reversal at rest adds nothing


def test_pieces_and_the_stateful_form_are_the_whole() -> None:
    drives = 2 * torch.randn(40, 3, 4, dtype=torch.float64)
    whole, _ = MEMBRANE.filtered(drives, constants(), RATE_HZ)
    first, state = MEMBRANE.filtered(drives[:13], constants(), RATE_HZ)
    rest, _ = MEMBRANE.filtered(drives[13:], constants(), RATE_HZ, state)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    offset = torch.tensor([0.5, -0.5], dtype=torch.float64)
    membrane = MEMBRANE.stateful(constants(), RATE_HZ, offset, places=1, clips=3)
    found = torch.cat([membrane.filter(piece.flatten(1)) for piece in drives.split([1, 1, 5, 33])])
    torch.testing.assert_close(found.view(40, 3, 2), whole + offset)
    kept = membrane.state()
    membrane.reset()
    torch.testing.assert_close(membrane.filter(drives[:1].flatten(1)).view(3, 2), whole[0] + offset)
    membrane.load(kept)
    further, _ = MEMBRANE.filtered(torch.cat([drives, drives[:2]]), constants(), RATE_HZ)
    torch.testing.assert_close(membrane.filter(drives[:2].flatten(1)).view(2, 3, 2), further[-2:] + offset)
    settled = membrane.settle(drives[0].flatten())
    torch.testing.assert_close(membrane.filter(drives[:1].flatten(1))[0], settled)


def network(compute: str = "auto", **hidden: Any) -> STCNN:
    described = Case(hidden=hidden).config()
    readout = described.readout.model_copy(update={"filter": MEMBRANE})
    model = STCNN(ModelConfig.model_validate({**dict(described), "readout": readout}), POPULATION).double()
    model.hidden.compute = compute
    return model.eval()


def test_training_evaluation_and_a_stream_say_the_same() -> None:
    model = network()
    rows, columns = model.config.eye.lattice
    frames = 0.9 * torch.rand(2, 60, 2 * rows, 2 * columns, dtype=torch.float64) - 0.45
    plain = model.voltage_of(frames, RATE_HZ)
    assert plain.requires_grad
    torch.testing.assert_close(Folded(model, RATE_HZ, clips=2).push(frames), plain.detach())
    with torch.no_grad():
        torch.testing.assert_close(model.voltage_of(frames, RATE_HZ), plain.detach())
    torch.testing.assert_close(model.maps(frames, RATE_HZ)["voltage"].transpose(0, 1), plain)
    luminance = (frames[0] + BACKGROUND).clamp(0, 1).numpy()
    stream = model.stream(rate_hz=RATE_HZ, start="rest")
    shown = [stream.step(frame) for frame in luminance]
    for n, name in enumerate(model.cell_types):
        live = torch.tensor([float(np.squeeze(sample[name].voltage)) for sample in shown], dtype=torch.float64)
        torch.testing.assert_close(live, plain[0, :, n].detach(), atol=1e-5, rtol=1e-5)


def test_inhibition_learns() -> None:
    model = network().train()
    rows, columns = model.config.eye.lattice
    frames = torch.rand(2, 30, 2 * rows, 2 * columns, dtype=torch.float64) - 0.5
    model.voltage_of(frames, RATE_HZ).square().sum().backward()
    for readout in model.readouts.each:
        assert readout.inhibition is not None
        assert readout.inhibition.grad is not None
        assert readout.inhibition.grad.abs().sum() > 0  # type: ignore[operator]


def test_a_hidden_layer_with_conductances_is_refused() -> None:
    with pytest.raises(ValidationError, match="'conductance' reads excitation and inhibition, which only readouts"):
        HiddenConfig.model_validate({"filter": {"kind": "conductance"}})
