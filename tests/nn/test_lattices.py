"""Lattices: where columns lie, what a kernel reads of them, and that a hexagonal eye computes as a square one does."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stcnn import STCNN, ModelConfig, Population
from stcnn.config import compose
from stcnn.errors import ConfigError
from stcnn.nn.eye import Eye, EyeConfig
from stcnn.nn.frames import Whole
from stcnn.nn.hidden import convolve_columns
from stcnn.nn.kernels.native.compile import why_unavailable
from stcnn.nn.lattices.hexagonal import HexagonalLattice
from stcnn.nn.lattices.lattice import within
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.lattices.square import SquareLattice
from stcnn.nn.readout_map import drives
from stcnn.nn.sites import Neurons
from stcnn.nn.stack.column_sampling import NativeEye
from stcnn.nn.wide_lattice import wide_enough
from stcnn.training.smoothness import roughness

needs_core = pytest.mark.skipif(why_unavailable() is not None, reason="there is no native core")

HEXAGONAL = HexagonalLattice()
LATTICES = (SquareLattice(), HEXAGONAL)


def network(kind: str = "hexagonal", **eye: Any) -> STCNN:
    torch.manual_seed(0)
    config = {
        "eye": {"lattice": (13, 13), "arrangement": {"kind": kind}, **eye},
        "hidden": {"channels": [3, 4], "kernel_columns": 5, "norm": {"kind": "none"}},
        "cell_types": {"default": {"window_columns": 5}},
    }
    return STCNN(ModelConfig.model_validate(config), Population(neurons={"t4": ("a",), "t5": ("b", "c")}))


def movie(frames: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, frames, 52, 52, generator=torch.Generator().manual_seed(seed)) / 2


# ---- geometry


def test_six_neighbours_lie_at_one_distance_in_six_directions() -> None:
    steps = [(sign * row, sign * column) for row, column in HEXAGONAL.AXES for sign in (1, -1)]
    away_deg = HEXAGONAL.in_degrees(torch.tensor(steps, dtype=torch.float64), (4.0, 4.0))
    torch.testing.assert_close(away_deg.norm(dim=1), torch.full((6,), 4.0, dtype=torch.float64))
    directions = torch.rad2deg(torch.atan2(away_deg[:, 1], away_deg[:, 0])) % 360
    torch.testing.assert_close(directions.sort().values, torch.arange(30, 390, 60, dtype=torch.float64))


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 7])
def test_a_hexagonal_kernel_holds_the_columns_within_its_radius(radius: int) -> None:
    mask = HEXAGONAL.kernel_mask((2 * radius + 1, 2 * radius + 1))
    assert int(mask.sum()) == 3 * radius**2 + 3 * radius + 1
    places_deg = MapLattice(HEXAGONAL, (1, 1), (1.0, 1.0)).window_deg((2 * radius + 1, 2 * radius + 1))
    distance = places_deg.norm(dim=-1)
    assert distance[mask].max() <= radius + 1e-9
    assert radius == 0 or distance[~mask].min() > radius * math.sqrt(3) / 2 + 1e-9


@given(
    lattice=st.sampled_from(LATTICES),
    apart_deg=st.floats(0.5, 20),
    places=st.lists(st.tuples(st.floats(-90, 90), st.floats(-90, 90)), min_size=1, max_size=5),
)
def test_places_in_columns_are_found_again_in_degrees(
    lattice: SquareLattice, apart_deg: float, places: list[tuple[float, float]]
) -> None:
    there = torch.tensor(places, dtype=torch.float64)
    columns = lattice.in_columns(there, (apart_deg, apart_deg))
    torch.testing.assert_close(lattice.in_degrees(columns, (apart_deg, apart_deg)), there, atol=1e-9, rtol=1e-9)


def test_columns_stand_where_steps_lead_from_the_middle() -> None:
    config = EyeConfig(lattice=(5, 7), arrangement=HEXAGONAL, centre_deg=(3.0, -2.0))
    places_deg = config.positions_deg()
    torch.testing.assert_close(places_deg[2, 3], torch.tensor([3.0, -2.0], dtype=torch.float64))
    offsets = torch.cartesian_prod(torch.arange(-2.0, 3), torch.arange(-3.0, 4)).double().view(5, 7, 2)
    torch.testing.assert_close(places_deg - places_deg[2, 3], config.in_degrees(offsets))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"eye": {"column_spacing_deg": (4.0, 3.0)}}, "neighbours on a hexagonal lattice have one distance"),
        ({"eye": {"first_column_deg": (2.0, 2.0)}}, "first_column_deg is for a square lattice"),
        ({"hidden": {"kernel_columns": [(3, 5), 3, 3, 3]}}, r"a window of \(3, 5\) columns holds no hexagon"),
        ({"cell_types": {"default": {"window_columns": (1, 9)}}}, r"a window of \(1, 9\) columns holds no hexagon"),
        (
            {"cell_types": {"default": {"window_columns": 9, "grid": {"stride": (1, 1), "padding": (0, 0)}}}},
            "windows of readouts lie on a grid, which is for a square lattice",
        ),
    ],
)
def test_what_a_hexagonal_lattice_cannot_have_is_refused(model: dict[str, Any], sentence: str) -> None:
    model.setdefault("eye", {})["arrangement"] = {"kind": "hexagonal"}
    with pytest.raises(ValidationError, match=sentence):
        ModelConfig.model_validate(model)


# ---- the eye


def gaussian_sums(config: EyeConfig, contrast: torch.Tensor) -> torch.Tensor:
    """What each column sees, pixel by pixel and column by column, normalised over an endless picture."""
    rows, columns = contrast.shape[2:]
    azimuth_deg = torch.arange(columns).double() - (columns - 1) / 2
    elevation_deg = (rows - 1) / 2 - torch.arange(rows).double()

    def weight(away_deg: torch.Tensor) -> torch.Tensor:
        bell = torch.exp(-4 * math.log(2) * (away_deg / config.acceptance_fwhm_deg) ** 2)
        return torch.where(away_deg.abs() <= config.window_size_deg[0] / 2 + 1e-9, bell, 0.0)

    found = contrast.new_zeros(*contrast.shape[:2], *config.lattice)
    far_deg = torch.arange(-60, 61).double()
    for row, column in itertools.product(*map(range, config.lattice)):
        there = config.positions_deg()[row, column]
        across = weight(azimuth_deg - there[0]) / weight(azimuth_deg[0] + far_deg - there[0]).sum()
        down = weight(elevation_deg - there[1]) / weight(elevation_deg[0] + far_deg - there[1]).sum()
        found[..., row, column] = torch.einsum("btyx,y,x->bt", contrast, down, across)
    return found.transpose(0, 1)


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_every_column_sees_through_its_own_gaussian(kind: str) -> None:
    config = EyeConfig.model_validate({"lattice": (4, 5), "arrangement": {"kind": kind}, "centre_deg": (1.5, -0.5)})
    contrast = torch.randn(2, 3, 31, 40, dtype=torch.float64)
    torch.testing.assert_close(Eye(config).double().sample(contrast, 1.0), gaussian_sums(config, contrast))


@needs_core
@pytest.mark.parametrize("lattice", [(7, 9), (1, 5), (5, 1), (18, 3)])
def test_the_compiled_eye_sees_the_same(lattice: tuple[int, int]) -> None:
    eye = Eye(EyeConfig(lattice=lattice, arrangement=HEXAGONAL))
    frames = Whole(movie())
    compiled = NativeEye(eye, frames.whole, 180.0, 1.0).sample_columns(frames, 5)
    seen = eye.double().sample_columns(Whole(frames.whole.double()), 180.0, 1.0)[5:]
    grey_first = eye.sample_columns(Whole(frames.whole.double()[:, 5:]), 180.0, 1.0)
    assert seen.shape == compiled.shape
    torch.testing.assert_close(compiled, grey_first.float(), atol=2e-6, rtol=1e-5)


# ---- the network


@needs_core
def test_all_engines_train_alike() -> None:
    found = {}
    for compute in ("reference", "torch", "native"):
        model = network().train()
        model.hidden.compute = compute
        answer = model(movie(), 180.0).calcium
        answer.square().mean().backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        found[compute] = [answer.detach(), *gradients]
    for compute in ("torch", "native"):
        for mine, right in zip(found[compute], found["reference"], strict=True):
            torch.testing.assert_close(mine, right, atol=2e-6, rtol=1e-4)


def test_weights_outside_the_hexagon_stay_zero_and_are_not_counted() -> None:
    model = network().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        model(movie(), 180.0).calcium.square().mean().backward()
        optimiser.step()
    outside = ~HEXAGONAL.kernel_mask((5, 5))
    for weight in (model.hidden[0].weight, model.hidden[1].weight, model.readouts.each[0].weight):  # type: ignore[index]
        assert not weight[..., outside].any()  # type: ignore[index]
        assert weight[..., ~outside].all()  # type: ignore[index]
    missing = int(outside.sum()) * (3 + 3 * 4 + 2 * 4)
    assert model.n_trained == network("square").n_trained - missing


@needs_core
def test_frames_one_by_one_answer_as_the_whole_movie_does() -> None:
    model = network().eval()
    frames = np.random.default_rng(0).random((30, 52, 52), np.float32)
    whole = model.predict(frames, rate_hz=180)["t4"]
    for compute in ("torch", "native"):
        model.hidden.compute = compute
        stream = model.stream(rate_hz=180)
        live = [stream.step(frame)["t4"].calcium for frame in frames]
        np.testing.assert_allclose(live, whole, rtol=1e-4, atol=1e-6)


def test_a_neuron_one_column_away_sees_the_movie_moved_by_the_step() -> None:
    model = network(column_spacing_deg=4.0).eval()
    steps_deg = model.config.eye.in_degrees(torch.tensor([[0.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    assert steps_deg[1].tolist() == pytest.approx([4 * math.sqrt(3), -4.0])
    picture = torch.zeros(1, 40, 61, 61)
    picture[:, :, 20:30, 25:40] = torch.linspace(0, 1, 40)[None, :, None, None]
    moved = torch.roll(picture, 4, 2)  # 4 degrees down
    first = torch.zeros(2, dtype=torch.long)
    at = Neurons(first, first, first, steps_deg[[0, 2]].float())
    with torch.no_grad():
        here, above = model.reaching(at.place_deg).voltage_at(picture, at, 180.0)
        below, _ = model.reaching(at.place_deg).voltage_at(moved, at, 180.0)
    torch.testing.assert_close(above, below, atol=1e-5, rtol=1e-4)
    assert (above - here).abs().max() > 1e-3


def test_a_wider_lattice_keeps_its_columns_where_they_are() -> None:
    config = network().config
    wide = wide_enough(config, torch.tensor([[20.0, 9.0], [-3.0, -14.0]]), ["t4"])
    assert wide.readout.centre is not None
    down = wide.readout.centre[0] - 6
    right = wide.readout.centre[1] - 6
    there = wide.eye.positions_deg()[down : down + 13, right : right + 13]
    torch.testing.assert_close(there, config.eye.positions_deg(), atol=1e-9, rtol=0)


def test_a_cell_type_is_asked_at_the_columns_around_the_middle() -> None:
    model = network().eval()
    at_columns = drives(model, Whole(movie()), 180.0, reach=1)
    places_deg = model.config.eye.in_degrees(torch.cartesian_prod(*[torch.arange(-1.0, 2)] * 2))
    first = torch.zeros(9, dtype=torch.long)
    with torch.no_grad():
        answers = model.reaching(places_deg).voltage_at(movie(), Neurons(first, first, first, places_deg), 180.0)
    rest = model.readouts.each[0].bias
    inner = at_columns[:, 0, :, :, 0].flatten(1).T + rest
    torch.testing.assert_close(inner[4], answers[4], atol=1e-5, rtol=1e-4)  # the edge of the lattice is elsewhere


def responses_by_direction(kind: str, directions_deg: list[float]) -> list[float]:
    """Strength of the answer of a centre and surround, both round, to gratings of each direction."""
    config = EyeConfig.model_validate(
        {"lattice": (15, 15), "arrangement": {"kind": kind}, "column_spacing_deg": 4.0, "acceptance_fwhm_deg": 4.0}
    )
    away_deg = MapLattice(config.arrangement, (1, 1), config.spacing_deg).window_deg((7, 7)).norm(dim=-1)
    kernel = torch.exp(-((away_deg / 4) ** 2)) - 0.5 * torch.exp(-((away_deg / 8) ** 2))
    mask = config.arrangement.kernel_mask((7, 7))
    if mask is not None:
        kernel = kernel * mask
    axis_deg = (torch.arange(241).double() - 120) / 4
    found = []
    for direction in directions_deg:
        wave = torch.tensor([math.cos(math.radians(direction)), math.sin(math.radians(direction))]) / 9.0  # cycles/deg
        phase = 2 * math.pi * (wave[0] * axis_deg - wave[1] * axis_deg[:, None])
        contrast = torch.stack([phase.cos(), phase.sin()])[None]
        seen = Eye(config).double().sample(contrast, 0.25).unsqueeze(-1)
        middle = convolve_columns(seen, kernel.double()[None, None])[:, 0, 7, 7, 0]
        found.append(float(middle.norm()))
    return found


def test_six_directions_answer_alike_and_on_a_square_lattice_they_do_not() -> None:
    directions = [30.0 + 60 * n for n in range(6)]
    hexagonal = responses_by_direction("hexagonal", directions)
    assert max(hexagonal) / min(hexagonal) < 1.01
    square = responses_by_direction("square", directions)
    assert max(square) / min(square) == pytest.approx(1.249, abs=0.002)
    everywhere = [5.0 * n for n in range(36)]
    for kind, ratio in (("hexagonal", 1.112), ("square", 1.297)):
        found = responses_by_direction(kind, everywhere)
        assert max(found) / min(found) == pytest.approx(ratio, abs=0.002)


@pytest.mark.parametrize("direction_deg", [0.0, 20.0, 30.0, 75.0])
def test_a_receptive_field_is_as_rough_along_any_line_of_a_hexagonal_lattice(direction_deg: float) -> None:
    config = {
        "eye": {"lattice": (61, 61), "arrangement": {"kind": "hexagonal"}, "column_spacing_deg": 2.0},
        "hidden": {"channels": [1], "kernel_columns": 1},
        "cell_types": {"default": {"window_columns": 61}},
    }
    model = STCNN(ModelConfig.model_validate(config), Population(neurons={"t5": ("1",)}))
    places_deg = model.readouts.each[0].field.positions_deg
    angle = math.radians(direction_deg)
    along_deg = places_deg[..., 0] * math.cos(angle) + places_deg[..., 1] * math.sin(angle)
    with torch.no_grad():
        bell = torch.exp(-0.5 * (along_deg / 6) ** 2).float()
        model.readouts.each[0].weight.copy_(within(model.readouts.each[0].mask, bell))  # type: ignore[operator]
    assert roughness(model, 6.0).item() == pytest.approx(0.75, rel=0.08)


def test_irregular_columns_have_no_steps() -> None:
    class Sketched(HexagonalLattice):
        kind: str  # type: ignore[assignment]

        def steps_deg(self, spacing_deg: tuple[float, float]) -> None:  # type: ignore[override]
            return None

    with pytest.raises(ConfigError, match="are not at equal distances"):
        Sketched(kind="hexagonal").in_columns(torch.zeros(2), (1.0, 1.0))


def test_the_hexagonal_recipe_is_the_default_one_with_another_lattice() -> None:
    found = compose(["model=hexagonal"]).model
    default = compose([]).model
    assert found.eye.arrangement == HEXAGONAL
    square = found.model_copy(update={"eye": found.eye.model_copy(update={"arrangement": SquareLattice()})})
    assert square == default
