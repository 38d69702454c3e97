"""An adapting photoreceptor: Weber's law, the plain low-pass where it does not adapt, in training and in streams."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from stcnn.movie import BACKGROUND
from stcnn.nn.filters.adapting import AdaptingConfig
from stcnn.nn.filters.exponential import exponential_filter
from stcnn.nn.filters.kind import Constants
from stcnn.nn.inference.folded import Folded
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from tests.support.nn_twin import POPULATION, Case

RATE_HZ = 100.0
CONFIG = AdaptingConfig(grey=BACKGROUND)


def constants(weight: float = 100.0) -> Constants:
    values = {"tau_s": 0.01, "adaptation_tau_s": 0.5, "adaptation_weight": weight}
    return Constants({name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()})


def test_answers_are_those_of_the_formula_with_scipys_filters() -> None:
    luminance = np.random.default_rng(0).random((200, 1))
    contrast = torch.from_numpy(luminance - BACKGROUND)

    def low_pass(tau_s: float) -> np.ndarray:
        a = np.exp(-1 / RATE_HZ / tau_s)
        return BACKGROUND + lfilter([1 - a], [1, -a], contrast.numpy(), axis=0)

    right = (1 + 100 * BACKGROUND) * low_pass(0.01) / (1 + 100 * low_pass(0.5)) - BACKGROUND
    found, _ = CONFIG.filtered(contrast, constants(), RATE_HZ)
    np.testing.assert_allclose(found, right, atol=1e-12)


def test_a_step_is_answered_by_its_contrast_whatever_the_light() -> None:
    peaks = []
    for level in (1.0, 0.1):
        luminance = torch.full((2000, 1), 0.4 * level, dtype=torch.float64)
        luminance[1500:] *= 2
        answer, _ = CONFIG.filtered(luminance - BACKGROUND, constants(weight=1000.0), RATE_HZ)
        peaks.append(float(answer[1495:].max() - answer[1499]))
    assert peaks[1] == pytest.approx(peaks[0], rel=0.05)  # light ten times dimmer
    plain, _ = CONFIG.filtered(luminance - BACKGROUND, constants(weight=0.0), RATE_HZ)
    assert float(plain[1495:].max() - plain[1499]) == pytest.approx(0.04, rel=1e-6)


def test_without_adaptation_it_is_the_low_pass_and_grey_is_zero() -> None:
    x = torch.randn(50, 3, 1, dtype=torch.float64) / 10
    found, _ = CONFIG.filtered(x, constants(weight=0.0), RATE_HZ)
    right, _ = exponential_filter(x, constants()["tau_s"], 1 / RATE_HZ)
    torch.testing.assert_close(found, right)
    grey, _ = CONFIG.filtered(torch.zeros_like(x), constants(), RATE_HZ)
    torch.testing.assert_close(grey, torch.zeros_like(x))


def test_pieces_and_the_stateful_form_are_the_whole() -> None:
    x = torch.rand(40, 6, 1, dtype=torch.float64) - BACKGROUND
    whole, _ = CONFIG.filtered(x, constants(), RATE_HZ)
    first, state = CONFIG.filtered(x[:13], constants(), RATE_HZ)
    torch.testing.assert_close(torch.cat([first, CONFIG.filtered(x[13:], constants(), RATE_HZ, state)[0]]), whole)
    offset = torch.tensor([0.3], dtype=torch.float64)
    form = CONFIG.stateful(constants(), RATE_HZ, offset, places=2, clips=3)
    found = torch.cat([form.filter(piece.flatten(1).clone()) for piece in x.split([1, 1, 5, 33])])
    torch.testing.assert_close(found, whole.squeeze(-1) + 0.3)
    kept = form.state()
    form.reset()
    torch.testing.assert_close(form.filter(x[:1].flatten(1).clone()), whole[:1].squeeze(-1) + 0.3)
    form.load(kept)
    further, _ = CONFIG.filtered(torch.cat([x, x[:1]]), constants(), RATE_HZ)
    torch.testing.assert_close(form.filter(x[:1].flatten(1).clone()), further[-1:].squeeze(-1) + 0.3)
    settled = form.settle(x[0].flatten())
    torch.testing.assert_close(form.filter(x[:1].flatten(1).clone())[0], settled)


def test_a_network_with_adapting_photoreceptors_says_the_same_in_training_evaluation_and_a_stream() -> None:
    described = Case().config()
    eye = described.eye.model_copy(update={"filter": CONFIG})
    model = STCNN(ModelConfig.model_validate({**dict(described), "eye": eye}), POPULATION).double().eval()
    rows, columns = model.config.eye.lattice
    frames = 0.9 * torch.rand(2, 60, 2 * rows, 2 * columns, dtype=torch.float64) - 0.45
    plain = model.voltage_of(frames, RATE_HZ)
    assert plain.requires_grad
    torch.testing.assert_close(Folded(model, RATE_HZ, clips=2).push(frames), plain.detach())
    stream = model.stream(rate_hz=RATE_HZ, start="rest")
    shown = [stream.step(frame) for frame in (frames[0] + BACKGROUND).numpy()]
    for n, name in enumerate(model.cell_types):
        live = torch.tensor([float(np.squeeze(sample[name].voltage)) for sample in shown], dtype=torch.float64)
        torch.testing.assert_close(live, plain[0, :, n].detach(), atol=1e-5, rtol=1e-5)
