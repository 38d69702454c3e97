"""A network that is too large is refused by its numbers, before a weight is drawn or a frame is kept."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from stcnn.errors import ConfigError
from stcnn.nn import size
from stcnn.nn.inference.folded import Folded
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.past import MOST_KEPT, require_past
from stcnn.nn.population import Population
from stcnn.nn.size import MOST_VALUES, MOST_WEIGHTS

POPULATION = Population(neurons={"lc11": ("one",), "lc4": ("one",)})
TOO_LARGE: dict[str, tuple[dict[str, Any], int, str]] = {
    "channels": (
        {"hidden": {"channels": [10_000, 10_000], "kernel_columns": 1}},
        10_000 + 10_000**2 + 2 * 10_000 * 81,
        "10000 x 10000 channels with kernels of 1 x 1 in layer 1",
    ),
    "kernels": (
        {"hidden": {"channels": [100, 100], "kernel_columns": [999, [999, 1]]}},
        100 * 999**2 + 100**2 * 999 + 2 * 100 * 81,
        "100 x 1 channels with kernels of 999 x 999 in layer 0",
    ),
    "layers": (
        {"hidden": {"channels": [100] * 100, "kernel_columns": 9}},
        100 * 81 + 99 * 100**2 * 81 + 2 * 100 * 81,
        "100 x 100 channels with kernels of 9 x 9 in layer 99",
    ),
    "windows": (
        {"hidden": {"channels": [20]}, "cell_types": {"default": {}, "LC11": {"window_columns": [999, 901]}}},
        20 * 49 + 2 * 20 * 999 * 901,
        "windows of 999 x 901 columns in 20 channels for 2 cell types",
    ),
    "windows of many channels": (
        {"hidden": {"channels": [2000]}, "cell_types": {"default": {"window_columns": 301}}},
        2000 * 49 + 2 * 2000 * 301**2,
        "windows of 301 x 301 columns in 2000 channels for 2 cell types",
    ),
    "readouts with two drives": (
        {
            "hidden": {"channels": [1000]},
            "cell_types": {"default": {"window_columns": 101}},
            "readout": {"filter": {"kind": "conductance"}},
        },
        1000 * 49 + 2 * 2 * 1000 * 101**2,
        "windows of 101 x 101 columns in 1000 channels for 2 cell types",
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_more_weights_than_there_may_be_are_counted_and_refused_before_they_are_drawn(name: str) -> None:
    given, count, largest = TOO_LARGE[name]
    assert count > MOST_WEIGHTS
    config = ModelConfig(**given)
    before = torch.random.get_rng_state()
    with pytest.raises(
        ConfigError, match=re.escape(f"has {count:,} weights, for instance {largest}, expected at most")
    ):
        STCNN(config, POPULATION)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_more_values_of_maps_than_there_may_be_are_refused() -> None:
    config = ModelConfig(eye={"lattice": (300, 300)}, hidden={"channels": (200, 200), "kernel_columns": 3})
    found = f"has {300 * 300 * (1 + 200 + 200):,} values of maps, for instance 200 channels of 300 x 300 columns"
    with pytest.raises(ConfigError, match=found) as refused:
        STCNN(config, POPULATION)
    assert f"at most {MOST_VALUES:,}. Lower model.hidden.channels" in str(refused.value)


def test_the_counts_are_those_of_the_network() -> None:
    """What is judged is what would be drawn: of networks that are drawn, the weights counted one by one."""
    for given in (
        {},
        {"hidden": {"channels": [3, 4], "kernel_columns": [[3, 5], 7]}},
        {"hidden": {"channels": [3]}, "readout": {"filter": {"kind": "conductance"}}},
        {"hidden": {"channels": [3, 2], "kernel_columns": 3, "stride": [2, 1], "padding": [0, 1]}},
    ):
        config = ModelConfig(**given)
        model = STCNN(config, POPULATION)
        drawn = [v.numel() for n, v in model.named_parameters() if n.endswith(("weight", "inhibition")) and v.dim() > 1]
        layers = [share for share, _ in size._layers(config.hidden, config.eye.lattice)]
        types = {name: config.cell_types["default"] for name in POPULATION.neurons}
        counted = [*layers, size._readouts(config.readout, types, config.hidden.channels[-1])]
        assert sum(share.n for share in counted) == sum(drawn)
        maps = [
            values for name, values in model.eval().maps(torch.zeros(1, 1, 84, 84), 60.0).items() if "hidden" in name
        ]
        assert [m.n for _, m in size._layers(config.hidden, config.eye.lattice)] == [v[0, 0].numel() for v in maps]


SMALL: dict[str, Any] = {"eye": {"lattice": (15, 15)}, "cell_types": {"default": {"window_columns": 15}}}
LONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "exponential, where its end changes a digit": (
        {"hidden": {"channels": [4], "filter": {"kernel_s": 60, "tau_init_s": (30, 30)}}},
        60 * 10_000 * 4,
        "hidden",
    ),
    "power-exponential": (
        {"hidden": {"channels": [2], "filter": {"kind": "power_exponential", "kernel_s": 60}}},
        60 * 10_000 * 2,
        "hidden",
    ),
}
PER_CLIP = {name: kept * 15 * 15 for name, (_, kept, _) in LONG.items()}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", LONG)
def test_the_past_that_kernels_would_keep_is_judged_by_key_before_it_is_kept(name: str, train: bool) -> None:
    given, kept, section = LONG[name]
    model = STCNN(ModelConfig(**SMALL, **given), POPULATION).train(train)
    places = f"{kept:,} in all channels at each of {15 * 15:,} places in 2 clips at 10000 Hz"
    said = f"{2 * PER_CLIP[name]:,} values of the past to keep, for instance {places} by model.{section}.filter"
    assert 2 * PER_CLIP[name] > MOST_KEPT
    with torch.set_grad_enabled(train), pytest.raises(ConfigError, match=re.escape(said)) as refused:
        model(torch.zeros(2, 3, 20, 20), 10_000.0)
    assert refused.value.remedy == f"lower model.{section}.filter.kernel_s"


def test_a_stream_judges_the_past_before_its_first_frame() -> None:
    model = STCNN(ModelConfig(**SMALL, **LONG["power-exponential"][0]), POPULATION).eval()
    with pytest.raises(ConfigError, match="values of the past to keep"):
        model.stream(rate_hz=20_000.0)


def test_kernels_without_end_and_those_whose_end_changes_no_digit_keep_nothing() -> None:
    for hidden in ({}, {"filter": {"kernel_s": 60, "tau_init_s": (0.01, 0.1)}}, {"filter": {"kind": "none"}}):
        model = STCNN(ModelConfig(**SMALL, hidden={"channels": [4], **hidden}), POPULATION)
        require_past(model, 1e6, 10_000)


def test_what_is_counted_is_what_a_stream_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """One value fewer than a stream's state holds is refused, that many are not."""
    given = {"hidden": {"channels": [3, 2], "kernel_columns": 3, "filter": {"kind": "power_exponential"}}}
    model = STCNN(ModelConfig(**SMALL, **given), POPULATION).eval()
    filters = Folded(model, 50.0, 2).filters
    held = sum(rows.numel() for name, filter in filters.items() for rows in filter.state().values() if "hidden" in name)
    monkeypatch.setattr("stcnn.nn.past.MOST_KEPT", held)
    Folded(model, 50.0, 2)
    monkeypatch.setattr("stcnn.nn.past.MOST_KEPT", held - 1)
    with pytest.raises(ConfigError, match=f"{held:,} values"):
        Folded(model, 50.0, 2)
