"""What must not matter: the future, the other clips, the sampling rate, the length of the clip, a copy of the model."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stcnn.nn.model import STCNN
from tests.support.nn_twin import FINEST, IMPLEMENTATIONS, Case, gradient_errors, largest_error, ours, recordings

POWER = {"filter": {"kind": "power_exponential", "kernel_s": 0.1, "n_init": (0.5, 5.0)}}
KERNELS = {
    "endless": Case(),
    "truncated": Case(kernel_s=0.05, tau_s=(0.01, 1.0)),
    "power-exponential": Case(hidden=POWER),
    "no normalisation": Case(hidden={"norm": {"kind": "none"}}),
}
by_kernel = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in KERNELS.items()])
by_gradient = pytest.mark.parametrize("with_gradient", [True, False])


def evaluated(case: Case, dtype: torch.dtype = torch.float64) -> tuple[STCNN, Tensor]:
    """Return a model in evaluation whose running statistics are those of a movie, and the movie."""
    model, contrast = case.model(dtype, "auto"), case.contrast(dtype)
    with torch.no_grad():
        model.voltage_of(contrast, case.rate_hz)
    return model.eval(), contrast


@by_kernel
@by_gradient
def test_the_future_does_not_matter_nor_does_the_length_of_the_clip(case: Case, with_gradient: bool) -> None:
    model, contrast = evaluated(case)
    other = contrast.clone()
    other[:, 20:] = 1
    with torch.set_grad_enabled(with_gradient):
        whole, changed, short = (model(movie, case.rate_hz) for movie in (contrast, other, contrast[:, :20]))
    for name in ("voltage", "calcium"):
        right = getattr(whole, name)[:, :20]
        torch.testing.assert_close(getattr(changed, name)[:, :20], right, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(getattr(short, name), right, rtol=1e-9, atol=1e-12)
        assert (getattr(changed, name)[:, 20:] - getattr(whole, name)[:, 20:]).abs().max() > 1e-6


@by_kernel
@by_gradient
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_other_clips_do_not_matter_in_evaluation(case: Case, with_gradient: bool, dtype: torch.dtype) -> None:
    model, contrast = evaluated(replace(case, n_clips=3), dtype)
    with torch.set_grad_enabled(with_gradient):
        together = model(contrast, case.rate_hz)
        alone = [model(clip[None], case.rate_hz) for clip in contrast]
    for i, right in enumerate(together):
        found = torch.cat([answer[i] for answer in alone])
        assert largest_error(found.detach(), right.detach().double()) < (1e-12 if dtype == torch.float64 else 1e-6)


@by_kernel
@by_gradient
@pytest.mark.parametrize("n_grey", [1, 20, 39, 60])
def test_sharing_grey_frames_does_not_matter_in_evaluation(case: Case, with_gradient: bool, n_grey: int) -> None:
    model, contrast = evaluated(case)
    contrast[:, :n_grey] = 0
    with torch.set_grad_enabled(with_gradient):
        plain, shared = (model(contrast, case.rate_hz, n_grey=n) for n in (0, n_grey))
    torch.testing.assert_close(shared.voltage, plain.voltage, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(shared.calcium, plain.calcium, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("change", ["a weight in place", "loaded weights", "the running mean", "double precision"])
def test_remembered_grey_frames_follow_the_weights(change: str) -> None:
    model, contrast = evaluated(Case(), torch.float32)
    contrast[:, :20] = 0
    with torch.no_grad():
        before = model.voltage_of(contrast, 180.0, n_grey=20)
        if change == "a weight in place":
            next(model.hidden.parameters())[0, 0, 1, 1] += 1
        elif change == "loaded weights":
            model.load_state_dict(Case().model(torch.float32).state_dict())
        elif change == "the running mean":
            model.get_buffer("hidden.1.norm.running_mean").add_(1)
        else:
            model, contrast = model.double(), contrast.double()
        shared, plain = (model.voltage_of(contrast, 180.0, n_grey=n) for n in (20, 0))
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=1e-6)
    assert (change == "double precision") == torch.allclose(shared.float(), before)


RATES_HZ = (60, 90, 180, 360)
PATTERN_HZ = 30
"""Every pattern of the movie stays for 1/30 s, so that all four rates show the same light at every moment."""


def answers_at_all_rates(case: Case) -> dict[int, Tensor]:
    """Voltages ``(pattern, N)`` at the end of each pattern of the same movie, shown at each rate."""
    patterns = torch.randn(1, 20, *case.shape_px, dtype=torch.float64) / 2
    model = case.model(torch.float64, "auto")
    with torch.no_grad():
        model.voltage_of(patterns.repeat_interleave(12, 1), 360.0)
        model.eval()
        movies = {rate_hz: patterns.repeat_interleave(rate_hz // PATTERN_HZ, 1) for rate_hz in RATES_HZ}
        voltages = {rate_hz: model.voltage_of(movie, float(rate_hz))[0] for rate_hz, movie in movies.items()}
    steepest_per_s = float(voltages[360].diff(dim=0).abs().max() * 360)
    assert steepest_per_s > 0.1
    ends = {rate_hz: v[rate_hz // PATTERN_HZ - 1 :: rate_hz // PATTERN_HZ] for rate_hz, v in voltages.items()}
    return ends | {0: torch.tensor(steepest_per_s)}


@pytest.mark.parametrize("case", [Case(tau_s=(0.03, 0.2)), Case(tau_s=(0.03, 0.2), hidden=POWER, channels=(3,))])
def test_the_rate_matters_no_more_than_sampling_must(case: Case) -> None:
    """A filter is exact for light that stays constant during a frame, as that of the photoreceptors does.

    Every later filter reads the value that its input has at the end of a frame as if it had been there all the frame,
    and so runs ahead by half a frame. Three of them in a row (two layers and the readout) are ahead by one and a half
    frames: that times the steepest slope bounds the difference between two rates.
    """
    found = answers_at_all_rates(case)
    steepest_per_s = float(found.pop(0))
    right = found.pop(360)
    differences = {rate_hz: float((voltage - right).abs().max()) for rate_hz, voltage in found.items()}
    ahead_s = {rate_hz: 0.5 * (len(case.channels) + 1) * (1 / rate_hz - 1 / 360) for rate_hz in differences}
    for rate_hz, difference in differences.items():
        assert difference < ahead_s[rate_hz] * steepest_per_s
    # In proportion to the length of a frame: with shorter and shorter frames nothing remains.
    assert differences[60] / differences[180] == pytest.approx(ahead_s[60] / ahead_s[180], rel=0.2)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_answer_to_a_lasting_picture_is_the_same_at_any_rate(rate_hz: int) -> None:
    case = Case(tau_s=(0.005, 0.05), n_clips=1)
    model, contrast = evaluated(case)
    still = contrast[:, :1]
    with torch.no_grad():
        found, right = (model.voltage_of(still.expand(-1, 2 * r, -1, -1), float(r))[:, -1] for r in (rate_hz, 360))
    torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_copy_made_after_a_forward_learns_on_its_own(implementation: str) -> None:
    case, dtype = Case(), FINEST[implementation]
    model = case.model(dtype, implementation)
    contrast, recorded = case.contrast(dtype), recordings(case, dtype)
    model(contrast, case.rate_hz).calcium.sum().backward()
    twin = copy.deepcopy(model)
    first, second = (ours(m, contrast, recorded, case) for m in (model, twin))
    assert torch.equal(first.voltage, second.voltage)
    assert max(gradient_errors(second.gradients, first.gradients).values()) == 0
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    torch.optim.SGD(twin.parameters(), lr=1.0).step()
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())


TRAINED_BUT_WITHOUT_EFFECT = {"hidden.0.bias", "hidden.1.bias"}
"""A bias in front of a normalisation, which takes it away again; the published network has them."""


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("tau", "fixed"),
    [("global", {"calcium.types.lc11.tau_s", "calcium.types.lc4.tau_s"}), ("per_type", {"calcium.tau_s"})],
)
def test_every_parameter_learns_or_is_named(implementation: str, bias: bool, tau: str, fixed: set[str]) -> None:
    case = Case(hidden={"bias": bias}, calcium={"tau": tau})
    dtype = FINEST[implementation]
    model = case.model(dtype, implementation)
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == fixed
    found = ours(model, case.contrast(dtype), recordings(case, dtype), case)
    largest = max(float(g.norm()) for g in found.gradients.values())
    idle = {name for name, g in found.gradients.items() if float(g.norm()) < 1e-9 * largest}
    assert idle == (TRAINED_BUT_WITHOUT_EFFECT if bias else set())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_same_weights_from_a_file_give_the_same_answer(implementation: str) -> None:
    case = Case()
    model, contrast = case.model(torch.float32, implementation), case.contrast(torch.float32)
    other = case.model(torch.float32, implementation)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(contrast, case.rate_hz).calcium, model(contrast, case.rate_hz).calcium)
