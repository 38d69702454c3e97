"""The folded form of evaluation gives the numbers of the plain network, however the frames come in."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.frames import EYE_FRAMES
from stcnn.nn.inference.folded import Folded
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.published import open_published
from tests.support.nn_twin import POPULATION, Case, largest_error, recordings, theirs

RATE_HZ = 180.0
FILTERS: dict[str, dict[str, Any]] = {
    "endless": {"kind": "exponential", "tau_init_s": (0.01, 1.0)},
    "cut": {"kind": "exponential", "tau_init_s": (0.01, 1.0), "kernel_s": 0.1, "scale": "energy"},
    "one tap": {"kind": "exponential", "kernel_s": 1e-3},
    "power": {"kind": "power_exponential", "tau_init_s": (0.01, 0.05), "n_init": (0.5, 3.0), "kernel_s": 0.15},
    "none": {"kind": "none"},
}


def network(
    lattice: tuple[int, int] = (6, 7),
    filter: str = "cut",
    norm: str = "batch",
    centre: tuple[int, int] | None = None,
    kernel_columns: int = 3,
) -> STCNN:
    """A small float64 network with statistics as of some training, in evaluation."""
    hidden = {"filter": FILTERS[filter], "norm": {"kind": norm}, "kernel_columns": kernel_columns}
    config = Case(lattice, channels=(3, 1, 4), hidden=hidden, kernel_s=0.1, tau_s=(0.01, 1.0)).config()
    readout = config.readout.model_copy(update={"centre": centre})
    model = STCNN(ModelConfig.model_validate({**dict(config), "readout": readout}), POPULATION).double()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith((".bias", "running_mean", "norm.weight", "running_var")):
                value.add_(torch.rand_like(value))
    return model.eval()


def frames_for(model: STCNN, n_frames: int, clips: int = 1) -> Tensor:
    rows, columns = model.config.eye.lattice
    return torch.rand(clips, n_frames, 2 * rows - 1, 2 * columns - 1, dtype=torch.float64) - 0.5


def weights_of(model: STCNN) -> dict[str, torch.nn.Parameter]:
    return dict(model.named_parameters())


def plain(model: STCNN, contrast: Tensor) -> Tensor:
    """What the network answers layer by layer."""
    return model.voltage_of(contrast, RATE_HZ).detach()


def in_chunks(folded: Folded, contrast: Tensor, cuts: list[int]) -> Tensor:
    ends = [0, *sorted({c for c in cuts if 0 < c < contrast.shape[1]}), contrast.shape[1]]
    return torch.cat([folded.push(contrast[:, a:b]) for a, b in itertools.pairwise(ends)], 1)


@given(
    lattice=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    filter=st.sampled_from(sorted(FILTERS)),
    norm=st.sampled_from(["batch", "none"]),
    kernel_columns=st.sampled_from([1, 3, 5, 11]),
    clips=st.integers(1, 3),
    cuts=st.lists(st.integers(1, 59), max_size=6),
    data=st.data(),
)
@settings(max_examples=60)
def test_folded_in_any_chunks_is_the_plain_network(
    lattice: tuple[int, int],
    filter: str,
    norm: str,
    kernel_columns: int,
    clips: int,
    cuts: list[int],
    data: st.DataObject,
) -> None:
    centre = tuple(data.draw(st.integers(0, n - 1)) for n in lattice)
    model = network(lattice, filter, norm, (centre[0], centre[1]), kernel_columns)
    contrast = frames_for(model, 60, clips)
    found = in_chunks(Folded(model, RATE_HZ, clips), contrast, cuts)
    assert largest_error(found, plain(model, contrast)) < 1e-12


@pytest.mark.parametrize("kernel_s", [None, 0.3])
def test_float32_is_as_near_to_the_direct_form_as_the_plain_network(kernel_s: float | None) -> None:
    case = Case(n_frames=120, kernel_s=kernel_s, tau_s=(0.005, 1.0))
    model = case.model(torch.float32).eval()
    contrast = case.contrast(torch.float32)
    right = theirs(model, contrast, recordings(case, torch.float32), case).voltage
    assert largest_error(Folded(model, case.rate_hz, case.n_clips).push(contrast), right) < 2e-6


def test_evaluation_without_gradients_takes_the_folded_form_by_itself() -> None:
    model, contrast = network(), frames_for(network(), 50)
    with torch.no_grad():
        found = model.voltage_of(contrast, RATE_HZ)
    torch.testing.assert_close(found, Folded(model, RATE_HZ).push(contrast), rtol=0, atol=0)
    assert model.voltage_of(contrast, RATE_HZ).requires_grad


def test_under_autocast_only_the_products_are_short() -> None:
    model = network().float()
    contrast = frames_for(model, 200).float()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = model.voltage_of(contrast, RATE_HZ)
    assert found.dtype == torch.float32
    assert largest_error(found, plain(model, contrast).double()) < 0.05


class Film:
    """Clips that are expanded to contrast when asked for, as a batch of the data set is; remembers what was asked."""

    def __init__(self, contrast: Tensor) -> None:
        self.whole, self.asked = contrast, list[int]()

    @property
    def n_frames(self) -> int:
        return self.whole.shape[1]

    def contrast(self, start: int, stop: int) -> Tensor:
        self.asked.append(stop - start)
        return self.whole[:, start:stop]


def test_a_film_is_expanded_piece_by_piece() -> None:
    model = network()
    film = Film(frames_for(model, 500, clips=2))
    film.whole[:, :100] = 0
    with torch.no_grad():
        found = model.voltage_of(film, RATE_HZ, n_grey=100)
    assert largest_error(found, plain(model, film.whole)) < 1e-12
    assert max(film.asked) == max(EYE_FRAMES, Folded(model, RATE_HZ, clips=2).chunk)
    assert sum(film.asked) == 401  # not the grey frames; one frame more to see how many clips there are


@pytest.mark.parametrize("n_grey", [1, 17, 18, 40])
@pytest.mark.parametrize("filter", ["cut", "power"])
def test_shared_grey_frames_change_nothing(filter: str, n_grey: int) -> None:
    model = network(filter=filter)
    contrast = frames_for(model, 60, clips=2)
    contrast[:, :n_grey] = 0
    with torch.no_grad():
        for _ in range(2):  # computed, then remembered
            found = model.voltage_of(contrast, RATE_HZ, n_grey=n_grey)
            assert largest_error(found, plain(model, contrast)) < 1e-12


def test_remembered_grey_follows_every_change_of_the_weights() -> None:
    model = network()
    contrast = frames_for(model, 30)
    contrast[:, :20] = 0
    model.grey_states.after(model, 20, RATE_HZ)
    weights_of(model)["hidden.1.filter.tau_s"].data.mul_(2)  # the version counter of the parameter does not see this
    with torch.no_grad():
        found = model.voltage_of(contrast, RATE_HZ, n_grey=20)
    assert largest_error(found, plain(model, contrast)) < 1e-12


def test_grey_of_many_lengths_is_remembered_in_bounded_memory() -> None:
    model = network()
    answers = [model.grey_states.after(model, n, RATE_HZ).voltage for n in range(1, 20)]
    for shorter, longer in itertools.pairwise(answers):
        torch.testing.assert_close(longer[:, :-1], shorter, rtol=1e-12, atol=1e-12)
    assert len(model.grey_states._known) <= 8


def test_a_copy_of_a_model_remembers_nothing() -> None:
    model = network()
    model.grey_states.after(model, 5, RATE_HZ)
    assert not copy.deepcopy(model).grey_states._known


@pytest.mark.parametrize("filter", sorted(FILTERS))
def test_steady_start_is_the_limit_of_long_grey(filter: str) -> None:
    model = network(filter=filter)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("tau_s"):
                value.clamp_(max=0.1)
    steady, waited = (Folded(model, RATE_HZ, clips=2) for _ in range(2))
    settled = steady.settle()
    after = waited.push_grey(900)[:, -1:]  # fifty of the longest time constants
    torch.testing.assert_close(settled, after, rtol=1e-11, atol=1e-12)
    contrast = frames_for(model, 60, clips=2)
    torch.testing.assert_close(steady.push(contrast), waited.push(contrast), rtol=1e-11, atol=1e-12)


def test_reset_forgets_everything() -> None:
    model = network()
    contrast = frames_for(model, 60)
    folded = Folded(model, RATE_HZ)
    first = folded.push(contrast)
    folded.reset()
    torch.testing.assert_close(folded.push(contrast), first, rtol=0, atol=0)


@pytest.mark.parametrize("filter", sorted(FILTERS))
@pytest.mark.parametrize("cut", [7, 18, 40])
def test_a_saved_state_continues_elsewhere_and_one_clip_serves_all(filter: str, cut: int) -> None:
    model = network(filter=filter)
    contrast = frames_for(model, 60)
    first = Folded(model, RATE_HZ)
    first.push(contrast[:, :cut])
    saved = first.state()
    first.push(contrast[:, cut:])  # what was saved does not change with its origin
    for clips in (1, 3):
        later = Folded(model, RATE_HZ, clips)
        later.load_state(saved)
        found = later.push(contrast[:, cut:].expand(clips, -1, -1, -1))
        right = plain(model, contrast)[:, cut:].expand(clips, -1, -1)
        assert largest_error(found, right) < 1e-12


def test_history_is_kept_only_of_channels_that_are_cut_while_they_answer() -> None:
    model = network()
    with torch.no_grad():
        weights_of(model)["hidden.0.filter.tau_s"].copy_(torch.tensor([1e-3, 1.0, 1e-3]))
    folded = Folded(model, RATE_HZ)
    folded.push_grey(50)
    taps, places = 18, 6 * 7
    assert folded.state()["hidden.0.history"].shape == (taps, places)


def test_a_state_of_another_network_is_refused() -> None:
    state = Folded(network((6, 7)), RATE_HZ).state()
    with pytest.raises(ShapeError, match=r"saved state has 'last'.*Load it into the model"):
        Folded(network((8, 9)), RATE_HZ).load_state(state)
    with pytest.raises(ShapeError, match="saved state has 'history'"):
        Folded(network(), RATE_HZ).load_state({k: v for k, v in state.items() if "history" not in k})


@pytest.mark.parametrize("shape", [(1, 5, 11), (1, 5, 11, 13), (2, 0, 11, 13)])
def test_wrong_number_of_clips_axes_or_frames_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="B = 2 clips and at least one frame"):
        Folded(network(), RATE_HZ, clips=2).push(torch.zeros(shape))


@pytest.mark.parametrize("movie", ["loom", "rect", "noise"])
def test_published_voltages(shared: Path, movie: str) -> None:
    model = open_published(shared / "reference" / "lc_small_3")
    with np.load(shared / "reference" / "lc_small_3_outputs.npz") as stored:
        contrast = torch.from_numpy(stored[f"{movie}/movie"]) / 255 - 0.498
        right = torch.stack([torch.from_numpy(stored[f"{movie}/voltage/{name}"]) for name in model.cell_types], 1)
    with torch.no_grad():
        found = model.voltage_of(contrast[None], RATE_HZ)[0]
    assert largest_error(found, right.double()) < 3e-6
