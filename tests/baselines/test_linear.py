"""Linear filter and LN model against computations that share no code with them: numpy, every lag, every pixel."""

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from stcnn.baselines import Workbench, features
from stcnn.baselines.lags import Lags
from stcnn.data import Dataset, Recording
from stcnn.data.batching import BatchingConfig
from stcnn.errors import DataError
from stcnn.movie import Movie

RATE_HZ = 75.0
N_FRAMES = 1500
N_STIMULI = 15
TRAIN = range(12)
TEST = range(12, N_STIMULI)
BATCHING = BatchingConfig(pre_grey_s=0.5, loss_start_s=0.0)
TAPS = 45


def kernel() -> np.ndarray:
    """A biphasic filter as of a ganglion cell."""
    t = np.arange(30) / RATE_HZ
    taps = (t / 0.03) ** 3 * np.exp(-t / 0.025) - 0.33 * (t / 0.06) ** 3 * np.exp(-t / 0.05)
    return taps / np.linalg.norm(taps)


def neuron(kind: str) -> tuple[Dataset, list[np.ndarray]]:
    """Recordings of one neuron, and the contrasts ``(T, P)`` that it was shown."""
    rng = np.random.default_rng(7)
    side = 1 if kind.startswith("flicker") else 9
    row, column = np.mgrid[:side, :side] - side // 2
    field = np.exp(-(row**2 + (column - side // 9) ** 2) / 2)
    movies, recordings, contrasts = {}, [], []
    for number in range(N_STIMULI):
        shown = rng.choice([-0.5, 0.5], (N_FRAMES, side, side)).astype(np.float32)
        drive = np.convolve((shown * field).sum((1, 2)) / np.linalg.norm(field) * 2, kernel())[:N_FRAMES]
        other = np.convolve((shown[..., ::-1] * row).sum((1, 2)) + shown[:, 0, 0], kernel()[::-1])[:N_FRAMES]
        rate = 0.3 * np.log1p(np.exp(2 * drive - 1))
        if kind.endswith("square"):
            rate = 0.3 * np.log1p(np.exp(drive + 3 * (other / other.std()) ** 2 - 3))
        trace = rng.poisson(rate).astype(float)
        if kind.endswith("calcium"):
            a = np.exp(-1 / RATE_HZ / 0.4)
            trace = lfilter([1 - a], [1, -a], rate) + 0.02 * rng.normal(size=N_FRAMES)
        name = f"noise_{number:02}"
        movies[name] = Movie.from_luminance(
            np.kron(shown + 0.5, np.ones((1, 2, 2))).astype(np.float32), RATE_HZ, background=0.5
        )
        time_s = np.arange(N_FRAMES) / RATE_HZ
        recordings.append(Recording("rgc", "1", name, trace.astype(np.float32), time_s, RATE_HZ, animal="a"))
        contrasts.append(shown.reshape(N_FRAMES, -1))
    return Dataset.of(movies, recordings), contrasts


def lagged(contrast: np.ndarray, taps: int) -> np.ndarray:
    padded = np.vstack([np.zeros((taps - 1, contrast.shape[1])), contrast])
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=0)
    return windows.reshape(len(contrast), -1)[:-1]  # the last sample of a trace is not scored


def independent(data: Dataset, contrasts: list[np.ndarray], taps: int) -> tuple[float, float]:
    """Held-out correlation of ridge regression on every lag, and with binned means as output nonlinearity."""
    x = [lagged(each, taps) for each in contrasts]
    y = [recording.trace[:-1].astype(float) for recording in data.recordings]
    train_x, train_y = (np.concatenate([each[i] for i in TRAIN]) for each in (x, y))
    test_x, test_y = (np.concatenate([each[i] for i in TEST]) for each in (x, y))
    fold = np.repeat(np.arange(len(TRAIN)) % 4, N_FRAMES - 1)

    def solved(rows: np.ndarray, penalty: float) -> np.ndarray:
        mine = train_x[rows] - train_x[rows].mean(0)
        return np.linalg.solve(mine.T @ mine + penalty * np.eye(mine.shape[1]), mine.T @ train_y[rows])

    def held_out(penalty: float) -> float:
        errors = []
        for k in range(4):
            weight = solved(fold != k, penalty)
            offset = (train_y - train_x @ weight)[fold != k].mean()
            errors.append(np.square(train_y - train_x @ weight - offset)[fold == k].sum())
        return float(sum(errors))

    weight = solved(fold >= 0, min(10.0 ** np.arange(0, 5), key=held_out))
    drive = train_x @ weight
    bins = np.quantile(drive, np.linspace(0, 1, 31))
    place = np.digitize(drive, bins[1:-1])
    middle = [drive[place == k].mean() for k in range(30)]
    height = [train_y[place == k].mean() for k in range(30)]
    curved = np.interp(test_x @ weight, middle, height)
    return float(np.corrcoef(test_x @ weight, test_y)[0, 1]), float(np.corrcoef(curved, test_y)[0, 1])


def reached(model: object, data: Dataset) -> float:
    predictions = model.predict(data.subset(TEST), BATCHING)  # type: ignore[attr-defined]
    return predictions.scores(data.cell_types).correlation.item()


@pytest.mark.parametrize(
    ("kind", "taps"),
    [
        ("flicker_spikes", TAPS),
        pytest.param("flicker_calcium", 150, marks=pytest.mark.slow),
        pytest.param("probe_spikes", 20, marks=pytest.mark.slow),
    ],
)
def test_linear_filter_and_ln_model_are_as_good_as_an_independent_computation(kind: str, taps: int):
    data, contrasts = neuron(kind)
    linear, curved = independent(data, contrasts, taps)
    bench = Workbench(data.subset(TRAIN), BATCHING)
    assert reached(bench.linear(features.blocks), data) > linear - 0.01
    assert reached(bench.nonlinear(features.blocks), data) > curved - 0.01
    assert reached(bench.behind_indicator(features.blocks), data) > curved - 0.01
    assert reached(bench.linear(features.blocks), data) < linear + 0.02
    assert linear > 0.3  # there is something to explain


@pytest.mark.slow
def test_two_filters_find_the_square_that_one_filter_cannot():
    data, _ = neuron("probe_square")
    bench = Workbench(data.subset(TRAIN), BATCHING)
    one, two = (reached(fit(features.blocks), data) for fit in (bench.behind_indicator, bench.two_filters))
    assert two > one + 0.1


def test_a_stimulus_without_contrast_is_named():
    data, _ = neuron("flicker_spikes")
    grey = Movie.from_luminance(np.full((N_FRAMES, 4, 4), 0.5, np.float32), RATE_HZ, background=0.5)
    bench = Workbench(Dataset.of(dict.fromkeys(data.movies, grey), data.recordings), BATCHING)
    with pytest.raises(DataError, match="nothing that this model reads changes in the training stimuli"):
        bench.linear(features.blocks)


@pytest.mark.parametrize("rate_hz", [60.0, 180.0])
def test_a_filter_is_nearly_the_same_at_every_frame_rate(rate_hz: float):
    lags = Lags.up_to(0.6, 60.0)
    weight = torch.exp(-torch.tensor(lags.knots_s) / 0.1)
    step = (lags.basis(rate_hz) @ weight).cumsum(0)
    assert step[-1].item() == pytest.approx((lags.basis(60.0) @ weight).sum().item(), rel=1e-5)


def test_small_pictures_are_not_blurred():
    from stcnn.nn.frames import Whole

    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 3, 6] = 1.0
    assert features.blocks(Whole(picture), 60.0, 1.0).max() == 1.0
