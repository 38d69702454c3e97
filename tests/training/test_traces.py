"""Mean and variance of traces, taken a recording at a time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stcnn.training.traces import Samples, all_samples, samples_of_neurons
from tests.support.made_up_training import dataset

trace = arrays(np.float32, st.integers(1, 20), elements=st.just(np.nan) | st.floats(-100, 100, width=32))


@given(traces=st.lists(trace, min_size=1, max_size=5))
def test_traces_one_by_one_give_the_mean_and_variance_of_all(traces: list[np.ndarray]) -> None:
    found, joined = all_samples(Samples.of(each) for each in traces), np.concatenate(traces).astype(float)
    valid = joined[~np.isnan(joined)]
    assert found.n == len(valid)
    assert found.mean == pytest.approx(valid.mean() if len(valid) else 0)
    assert found.variance == pytest.approx(valid.var() if len(valid) else 0)


def test_a_large_mean_costs_no_digits_and_traces_that_do_not_vary_have_no_variance() -> None:
    noise = np.random.default_rng(0).standard_normal(64).astype(np.float32)
    high = (noise + np.float32(2**20)).astype(np.float32)
    assert all_samples([Samples.of(high), Samples.of(high)]).variance == pytest.approx(high.astype(float).var())
    flat = np.full(333, 0.1, np.float32)
    assert all_samples([Samples.of(flat), Samples.of(flat[:7])]).variance == 0


def test_samples_are_those_of_each_neuron() -> None:
    data = dataset()
    found = samples_of_neurons(replace(data, neurons={**data.neurons, "empty": ["a"]}))
    assert found["empty"] == {}
    for name, neurons in data.neurons.items():
        assert list(found[name]) == list(neurons)
        for neuron, samples in found[name].items():
            traces = [r.trace for r in data.recordings if (r.cell_type, r.neuron) == (name, neuron)]
            assert samples.n == sum(map(len, traces))
            assert samples.mean == pytest.approx(np.mean(np.concatenate(traces, dtype=float)))
            assert samples.variance == pytest.approx(np.var(np.concatenate(traces, dtype=float)))
