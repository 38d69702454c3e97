"""Several sets as one: names, clocks, splits and answers are those that each set has alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from stcnn.config import validate
from stcnn.data import BatchingConfig, Dataset
from stcnn.data.batching import loader
from stcnn.data.pooling import pool
from stcnn.data.splitting.leaks import footprints
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.data.splitting.splits import require_no_leak, split_recordings
from stcnn.errors import ConfigError, DataError, ShapeError
from stcnn.evaluate import predict
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from tests.support import made_up_data
from tests.support.made_up_training import SMALL_MODEL

SPLIT = SplitConfig.model_validate(
    {"by_set": {"fast": {"kind": "neuron", "validation": 0.3, "test": 0.3}, "slow": {"validation": 0.2, "test": 0.2}}}
)


def slow() -> Dataset:
    """Other recordings, with movies of half the rate and samples at 7 Hz."""
    data = made_up_data.dataset(neurons_per_type=4)
    movies = {name: replace(movie, rate_hz=movie.rate_hz / 2) for name, movie in data.movies.items()}
    recordings = [
        replace(r, trace=-r.trace[::4], time_s=r.time_s[::4] * 60 / 4 / 7, rate_hz=7.0, exposure_s=0.1)
        for r in data.recordings
    ]
    return Dataset.of(movies, recordings)


@pytest.fixture(scope="module")
def sets() -> dict[str, Dataset]:
    return {"fast": made_up_data.dataset(neurons_per_type=3), "slow": slow()}


@pytest.fixture(scope="module")
def pooled(sets: dict[str, Dataset]) -> Dataset:
    return pool(sets)


def test_cell_types_and_movies_are_called_by_their_set_and_samples_are_theirs(
    sets: dict[str, Dataset], pooled: Dataset
):
    assert pooled.cell_types == ("fast_lc11", "fast_lc4", "slow_lc11", "slow_lc4")
    assert list(pooled.neurons["slow_lc4"]) == list(sets["slow"].neurons["lc4"])
    own = [(name, r) for name, data in sets.items() for r in data.recordings]
    for (name, single), joined in zip(own, pooled.recordings, strict=True):
        assert joined.stimulus == f"{name}_{single.stimulus}"
        assert np.array_equal(joined.trace, single.trace)
        movie = pooled.movies[joined.stimulus]
        assert movie.rate_hz == sets[name].movies[single.stimulus].rate_hz
    again = pool(dict(sets))
    assert again.content_hash() == pooled.content_hash() != sets["fast"].content_hash()


def test_every_set_is_split_as_it_is_alone_and_known_again_by_its_own_split(sets: dict[str, Dataset], pooled: Dataset):
    split = split_recordings(pooled, SPLIT)
    require_no_leak(split, pooled, SPLIT)
    first = 0
    words = footprints(pooled, SPLIT)
    for name, data in sets.items():
        config = SplitConfig.model_validate(SPLIT.by_set[name].model_dump())
        alone = split_recordings(data, config)
        rows = range(first, first + len(data))
        for side in ("train", "validation", "test"):
            mine = tuple(row - first for row in getattr(split, side) if row in rows)
            assert mine == getattr(alone, side)
        traces = [of_row & other for of_row, other in zip(words[first:], footprints(data, config), strict=False)]
        assert all(traces)
        first += len(data)


def test_answers_are_those_of_each_set_alone_at_its_own_rate(sets: dict[str, Dataset], pooled: Dataset):
    config = ModelConfig.model_validate(SMALL_MODEL)
    batching = BatchingConfig(pre_grey_s=0.1, loss_start_s=-0.2)
    model = STCNN(config, Population(neurons={n: tuple(of) for n, of in pooled.neurons.items()}), 1.0)
    together = predict(model, pooled, batching)
    first = 0
    for name, data in sets.items():
        alone = STCNN(config, Population(neurons={n: tuple(of) for n, of in data.neurons.items()}), 1.0)
        state = model.state_dict()
        ours = {key: key.replace(".types.", f".types.{name}_") for key in alone.state_dict()}
        ours = {key: theirs.replace("readouts.", f"readouts.{name}_") for key, theirs in ours.items()}
        alone.load_state_dict({key: state[other] for key, other in ours.items()})
        own = predict(alone, data.subset(range(len(data))), batching)
        by_item = {int(item) - first: row for row, item in enumerate(together.item)}
        for row, item in enumerate(own.item.tolist()):
            recording = data.recordings[item]
            found = together.prediction[by_item[item]][together.weight[by_item[item]] > 0]
            expected = own.prediction[row][own.weight[row] > 0]
            n = min(len(found), len(expected))  # where all is sampled at frames, the last sample is not scored
            assert n >= len(recording.trace) // 2
            assert torch.allclose(found[:n], expected[:n], atol=1e-5)
        first += len(data)


def test_movies_pass_as_often_as_they_are_told_and_in_evaluation_once(pooled: Dataset):
    config = BatchingConfig(batch_size=2, pre_grey_s=0.1, loss_start_s=-0.2, repeats={"slow_*": 5, "slow_loom": 9})
    shown = [len(set(batch.item.tolist())) for batch in loader(pooled, config, repeated=True)]
    once = loader(pooled, config)
    assert len(shown) == 2 + 8  # three fast movies, and three slow ones five times
    assert len(once) == 2 + 2


def test_pools_that_mean_nothing_are_refused(sets: dict[str, Dataset]):
    with pytest.raises(DataError, match="the sets 'one' and 'two' hold the very same trace"):
        pool({"one": sets["fast"], "two": sets["fast"]})
    with pytest.raises(ConfigError, match="of which none begins with another and an underscore"):
        pool({"t4": sets["fast"], "T4_edges": sets["slow"]})
    coarse = replace(sets["slow"], deg_per_px=2.0)
    with pytest.raises(ShapeError, match="are to be joined"):
        pool({"fast": sets["fast"], "slow": coarse})


def test_a_split_by_set_names_sets_that_are_there(sets: dict[str, Dataset], pooled: Dataset):
    with pytest.raises(ConfigError, match="the data are not pooled"):
        split_recordings(sets["fast"], SPLIT)
    other = SplitConfig.model_validate({"by_set": {"fats": {"kind": "neuron"}}})
    with pytest.raises(ConfigError, match=r"split.by_set names 'fats', which no set is called\. Did you mean 'fast'"):
        split_recordings(pooled, other)
    underscored = pool({"fast_flies": sets["fast"], "slow": sets["slow"]})
    with pytest.raises(ConfigError, match="Did you mean 'fast_flies'"):
        split_recordings(underscored, SplitConfig.model_validate({"by_set": {"fast_fly": {"kind": "neuron"}}}))
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        BatchingConfig(repeats={"a": 0})
    with pytest.raises(ConfigError, match=r"split\.by_set\.edges\.by_set"):
        validate({"dataset": {"kind": "simulated"}, "split": {"by_set": {"edges": {"by_set": {}}}}})
