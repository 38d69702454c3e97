"""What baselines are chosen by: folds of what the split holds out, sums of every fold, nonlinearities of any shape."""

import numpy as np
import pytest
import torch

from stcnn.baselines import Workbench, features
from stcnn.baselines.design import Design, recording_folds, rows
from stcnn.baselines.lags import Lags
from stcnn.baselines.ridge import gathered
from stcnn.data import Dataset, Recording
from stcnn.data.batching import BatchingConfig
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.movie import Movie
from tests.support import made_up_data

RATE_HZ = 60.0
BATCHING = BatchingConfig(pre_grey_s=0.2, loss_start_s=0.0)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("neuron", ["cell_type", "neuron"]), ("stimulus", ["stimulus"]), ("stimulus_x_neuron", ["neuron", "stimulus"])],
)
def test_folds_hold_out_what_the_split_holds_out(kind: str, unit: list[str]):
    data = made_up_data.dataset(neurons_per_type=6, trials=2)
    folds = recording_folds(data, SplitConfig(kind=kind))
    assert folds is not None
    table = data.table.assign(fold=[folds[item] for item in range(len(data))])
    assert (table.groupby([*unit, "cell_type"]).fold.nunique() == 1).all()
    n_units = len(table.groupby(unit[-1:] if kind == "stimulus" else ["neuron"]))
    assert (table.groupby("cell_type").fold.nunique() == min(5, n_units)).all()


def test_a_single_unit_is_divided_in_time():
    data = made_up_data.dataset(neurons_per_type=1)
    assert recording_folds(data, SplitConfig(kind="neuron")) is None


def test_sums_of_a_fold_are_those_of_its_recordings_though_all_saw_one_presentation():
    data = made_up_data.dataset(neurons_per_type=6)
    data = Dataset.of(data.movies, [Recording(**{**vars(r), "shift_px": (0, 0)}) for r in data.recordings])
    design = Design.of(features.blocks, data, BATCHING, SplitConfig(kind="neuron"))
    lags = Lags((0.0, 0.1), RATE_HZ)
    gains = [torch.linspace(0.5, 1.5, 6).double()] * 2
    sums = gathered(design, lags, gains)
    folds = recording_folds(data, SplitConfig(kind="neuron"))
    assert folds is not None
    expected = torch.zeros_like(sums[0].xx)
    for part in design.parts:
        for shown, mine in rows(part, lags):
            for r in mine:
                if int(part.batch.cell_type[r]) == 0:
                    counts = part.batch.weight[r, -len(shown) :] * gains[0][int(part.batch.neuron[r])].float() ** 2
                    expected[folds[int(part.batch.item[r])]] += shown.T @ (shown * counts[:, None])
    torch.testing.assert_close(sums[0].xx, expected, rtol=1e-4, atol=1e-4)


def two_sided() -> Dataset:
    """A neuron that answers light and, less, dark of one block, the last of six stimuli to be held out."""
    rng = np.random.default_rng(4)
    movies, recordings = {}, []
    for number in range(6):
        shown = rng.choice([-0.5, 0.5], (400, 1, 1)).astype(np.float32)
        drive = np.convolve(2 * shown[:, 0, 0], np.exp(-np.arange(12) / 4) / 2)[:400]
        trace = np.maximum(drive - 0.3, 0) + 0.6 * np.maximum(-drive - 0.3, 0) + 0.1 * rng.normal(size=400)
        name = f"noise_{number}"
        movies[name] = Movie.from_luminance(np.kron(shown + 0.5, np.ones((1, 2, 2))), RATE_HZ, background=0.5)
        time_s = np.arange(400) / RATE_HZ
        recordings.append(Recording("rgc", "1", name, trace.astype(np.float32), time_s, RATE_HZ, animal="a"))
    return Dataset.of(movies, recordings)


def test_a_nonlinearity_may_rise_on_both_sides():
    data = two_sided()
    bench = Workbench(data.subset(range(5)), BATCHING)
    linear, curved = (
        fit(features.blocks).predict(data.subset(range(5, 6)), BATCHING).scores(data.cell_types).correlation.item()
        for fit in (bench.linear, bench.nonlinear)
    )
    assert linear < 0.5
    assert curved > 0.9


def test_a_neuron_that_was_not_fitted_has_gain_and_offset_of_the_average_one():
    one = two_sided()
    gains = {"1": 50.0, "2": 100.0, "3": 150.0, "4": 100.0}
    recordings = [
        Recording(**{**vars(r), "neuron": name, "trace": (gain * r.trace + 7 * gain).astype(np.float32)})
        for name, gain in gains.items()
        for r in one.recordings
    ]
    data = Dataset.of(one.movies, recordings)
    fitted = [n for n, r in enumerate(recordings) if r.neuron != "4"]
    new = [n for n, r in enumerate(recordings) if r.neuron == "4"]
    bench = Workbench(data.subset(fitted), BATCHING, SplitConfig(kind="neuron"))
    for fit, least in ((bench.linear, 0.05), (bench.nonlinear, 0.8)):
        found = fit(features.blocks).predict(data.subset(new), BATCHING)
        scored = found.weight > 0
        truth = found.target[scored]
        unexplained = (found.prediction[scored] - truth).square().mean() / truth.var()
        assert 1 - unexplained > least
