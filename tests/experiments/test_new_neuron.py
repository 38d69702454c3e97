"""New neurons on a trained core: planted numbers are found again, and the places agree with shifted movies."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from stcnn.data import Dataset
from stcnn.data.batching import BatchingConfig, loader
from stcnn.errors import DataError
from stcnn.experiments.new_neuron import NeuronFit, fit_neurons, fit_table, predict_new
from stcnn.experiments.shown import show
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.nn.readout_map import drives
from tests.support import made_up_data

BATCHING = BatchingConfig(kind="presentations", batch_size=3, pre_grey_s=0.2, loss_start_s=-0.2)
PLANTED = NeuronFit(elevation_deg=3.0, azimuth_deg=-1.0, scale=2.0, gain=0.7, offset_dff=0.2)


@cache
def core(kind: str = "square") -> STCNN:
    """A network of wide rectification, so that scale and gain differ, on a lattice finer than its movies."""
    torch.manual_seed(3)
    config = ModelConfig.model_validate(
        {
            "eye": {"lattice": [9, 9], "column_spacing_deg": 2.0, "acceptance_fwhm_deg": 3.0}
            | {"arrangement": {"kind": kind}},
            "hidden": {"channels": [3, 3], "kernel_columns": 3, "norm": {"kind": "none"}, "weight_init": 12.0},
            "cell_types": {"default": {"window_columns": 3}},
        }
    )
    return STCNN(config, Population(neurons={"lc4": ("1",), "lc11": ("1",)})).eval()


def recordings(noise_dff: float = 0.0, fit: NeuronFit = PLANTED, kind: str = "square") -> Dataset:
    """What two neurons of the core would give, both alike but for the noise."""
    plain = made_up_data.dataset(neurons_per_type=2)
    rng = np.random.default_rng(1)
    traces = {}
    for each in show(core(kind), plain, BATCHING, reach_deg=5):
        item, weight = int(each.batch.item), each.batch.weight[0] > 0
        trace = fit.trace(core(kind), each).numpy()
        last = int(np.flatnonzero(weight)[-1]) + 2  # the last sample is not scored
        traces[item] = trace[last - len(plain.recordings[item].trace) : last]
    made = [
        replace(r, trace=traces[i] + noise_dff * rng.normal(size=len(r.trace)).astype(np.float32))
        for i, r in enumerate(plain.recordings)
    ]
    return Dataset.of(plain.movies, made)


def test_the_trained_place_is_the_voltage_of_the_network():
    (batch,) = loader(made_up_data.dataset(neurons_per_type=1), BATCHING)
    with torch.no_grad():
        voltage = core().voltage_of(batch, batch.rate_hz)
    rest = torch.cat([readout.bias for readout in core().readouts.each])
    drive = drives(core(), batch, batch.rate_hz, reach=2)
    torch.testing.assert_close((rest + drive[:, :, 2, 2]).transpose(0, 1), voltage, rtol=1e-4, atol=1e-5)


def test_a_place_to_the_right_sees_what_the_middle_sees_of_a_movie_moved_left():
    plain = made_up_data.dataset(neurons_per_type=1)
    moved = Dataset.of(plain.movies, [replace(r, shift_px=(2, 0)) for r in plain.recordings])
    (here,), (there,) = (list(loader(d, BATCHING)) for d in (plain, moved))
    right = drives(core(), here, here.rate_hz, reach=2)[:, :, 2, 3]  # one column of 2 degrees, 1 degree per pixel
    middle = drives(core(), there, there.rate_hz, reach=2)[:, :, 2, 2]
    torch.testing.assert_close(right, middle, rtol=1e-3, atol=2e-3 * float(middle.abs().max()))


def test_a_core_trained_by_movies_sees_every_movie_once():
    """Neurons between columns; where they sit on whole ones, the drives are those of shifted pictures."""
    data = made_up_data.dataset(neurons_per_type=3)
    whole = Dataset.of(data.movies, [replace(r, shift_px=(2 * r.shift_px[0], 0)) for r in data.recordings])
    movies = BATCHING.model_copy(update={"kind": "movies"})
    by_item = {each.item: each for each in show(core(), whole, movies, reach_deg=3)}
    shifted = {each.item: each for each in show(core(), whole, BATCHING, reach_deg=3)}
    assert by_item.keys() == shifted.keys()
    for item, each in by_item.items():
        assert each.columns.tolist() == shifted[item].columns.tolist() == [-1, 0, 1]
        n = min(len(each.drive), len(shifted[item].drive))
        torch.testing.assert_close(each.drive[:n], shifted[item].drive[:n], rtol=1e-3, atol=1e-3)
    between = show(core(), data, movies, reach_deg=3)
    assert {tuple(each.columns.tolist()) for each in between} == {(-1.0, 0.0, 1.0), (-0.5, 0.5)}
    planted = fit_neurons(core(), between)
    assert all(abs(fit.azimuth_deg) <= 3 and abs(fit.elevation_deg) <= 3 for fit in planted.values())


def test_planted_numbers_are_found_again():
    shown = show(core(), recordings(), BATCHING, reach_deg=5)
    for fit in fit_neurons(core(), shown).values():
        assert (fit.elevation_deg, fit.azimuth_deg) == pytest.approx((3.0, -1.0))
        assert (fit.scale, fit.gain, fit.offset_dff) == pytest.approx((2.0, 0.7, 0.2), rel=1e-3)


def test_on_hexagonal_columns_a_place_in_the_corner_is_found_in_degrees():
    planted = NeuronFit(elevation_deg=3.0, azimuth_deg=3.0, scale=2.0, gain=0.7, offset_dff=0.2)
    data = recordings(fit=planted, kind="hexagonal")
    for fit in fit_neurons(core("hexagonal"), show(core("hexagonal"), data, BATCHING, reach_deg=5)).values():
        assert (fit.elevation_deg, fit.azimuth_deg) == pytest.approx((3.0, 3.0), abs=0.25)
        assert (fit.scale, fit.gain, fit.offset_dff) == pytest.approx((2.0, 0.7, 0.2), rel=0.05)


def test_a_noisy_fit_predicts_what_it_has_not_seen():
    noisy, clean = (show(core(), recordings(noise), BATCHING, reach_deg=5) for noise in (0.01, 0.0))
    seen = [each for each in noisy if int(each.batch.item) % 3]
    held_out = [each for each in clean if int(each.batch.item) % 3 == 0]
    scores = predict_new(core(), held_out, fit_neurons(core(), seen)).scores(["lc11", "lc4"])
    assert scores.correlation.min() > 0.98


def test_held_out_targets_change_no_prediction():
    data = recordings(0.05)
    changed = Dataset.of(
        data.movies, [replace(r, trace=r.trace + 9 * (i % 3 == 0)) for i, r in enumerate(data.recordings)]
    )
    predictions = []
    for dataset in (data, changed):
        shown = show(core(), dataset, BATCHING, reach_deg=5)
        fits = fit_neurons(core(), [each for each in shown if int(each.batch.item) % 3])
        predictions.append(predict_new(core(), shown, fits).prediction)
    assert torch.equal(*predictions)


def test_the_table_names_neurons_and_minutes():
    data = recordings()
    shown = show(core(), data, BATCHING, reach_deg=5)
    table = fit_table(data, fit_neurons(core(), shown), shown)
    assert set(zip(table.cell_type, table.neuron, strict=True)) == {(t, n) for t in ("lc11", "lc4") for n in "01"}
    assert table.minutes.to_numpy() * 60 == pytest.approx(sum(f / 60 + 0.7 - 1 / 60 for f in (40, 60, 50)), rel=0.01)


def test_an_unknown_cell_type_is_one_sentence():
    data = made_up_data.dataset(neurons_per_type=1)
    with pytest.raises(DataError, match="no cell type 'lc5'"):
        show(core(), data, BATCHING, cell_type="lc5")
