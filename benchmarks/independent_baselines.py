"""Linear filter and LN model of the program against a computation that shares no code with them: numpy alone.

    python benchmarks/independent_baselines.py simulated t5_voltage t4_edges t4_stripes

Fits both to the training set of each data set and predicts its validation set. The independent filter is a ridge
regression on principal components of block means, delayed through raised cosines on a logarithmic axis (Pillow et al.
2008, doi 10.1038/nature07140) where the program has hats; its penalty is chosen by cross-validation in five parts, of
neurons where the split holds out neurons, else of pairs of stimulus and neuron; gains of neurons by regression in turn
with the filter. The LN model is projection pursuit (Friedman & Stuetzle 1981, doi 10.1080/01621459.1981.10477729): a
cubic spline of the drive and Gauss-Newton steps of the filter by turns, where the program has softplus functions and
L-BFGS; how far the filter may move is chosen on one of the five parts. Correlations of every neuron, means over neurons
and cell types. Results go to ``benchmarks/results/independent_baselines.json``, set by set; those of other sets stay.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from comparisons import chosen
from numpy.typing import NDArray
from record import write, written
from scipy.interpolate import BSpline

from stcnn.baselines import Workbench, features
from stcnn.baselines.features import COLUMNS, SPACING_DEG
from stcnn.config import compose
from stcnn.data import Dataset, Recording
from stcnn.data.splitting.splits import split_recordings

MEMORY_S = 2.0
N_COSINES = 12
PENALTIES = 10.0 ** np.arange(-5, 3)
PASSES = 2
N_FOLDS = 5
MOVES = (np.inf, 10.0, 1.0, 0.1, 0.01, 0.001)
"""Penalties of the filter's moves; infinite leaves it where linear regression put it."""
TURNS = 12
"""Of spline and filter."""
Array = NDArray[np.float64]


def block_means(contrast: NDArray[np.float32], shift_px: tuple[int, int], deg_per_px: float) -> Array:
    """Means of the blocks around the neuron, ``(T, F)``; the picture is moved by the neuron's shift, grey enters."""
    fitting = -(-max(contrast.shape[1:]) // COLUMNS)
    width = max(1, min(round(SPACING_DEG / deg_per_px), fitting))
    side = COLUMNS * width
    out = np.zeros((len(contrast), side, side))
    corner = [(side - n) // 2 for n in contrast.shape[1:]]
    rows = np.arange(contrast.shape[1]) + corner[0] + shift_px[1]
    columns = np.arange(contrast.shape[2]) + corner[1] - shift_px[0]
    # what the shift moves out of the picture's own frame is lost, as on the screen
    in_rows = (rows >= max(0, corner[0])) & (rows < min(side, corner[0] + contrast.shape[1]))
    in_columns = (columns >= max(0, corner[1])) & (columns < min(side, corner[1] + contrast.shape[2]))
    out[:, rows[in_rows][:, None], columns[in_columns]] = contrast[:, in_rows][:, :, in_columns]
    return out.reshape(len(out), COLUMNS, width, COLUMNS, width).mean((2, 4)).reshape(len(out), -1)


def cosines(rate_hz: float) -> Array:
    """Raised cosines over the logarithm of the lag, ``(J, N_COSINES)``, the first lags one by one."""
    lag_s = np.arange(int(MEMORY_S * rate_hz)) / rate_hz
    place = np.log(lag_s + 0.02)
    centres = np.linspace(place[0], place[-1], N_COSINES)
    apart = np.clip((place[:, None] - centres) * np.pi / (centres[1] - centres[0]) / 2, -np.pi, np.pi)
    return (1 + np.cos(apart)) / 2 / rate_hz


class Presented:
    """Delayed block means of every presentation, at the times of a recording."""

    def __init__(self, data: Dataset, train: list[int], start_s: float) -> None:
        self.data, self.start_s = data, start_s
        seen = {(data.recordings[i].stimulus, data.recordings[i].shift_px) for i in train}
        products = sum(b.T @ b for b in (self.blocks(*key) for key in sorted(seen)))
        value, vector = np.linalg.eigh(products)
        kept = np.cumsum(value[::-1]) < 0.9999 * value.sum()
        self.axes = vector[:, ::-1][:, : kept.sum() + 1]
        self.kept: dict[tuple[str, tuple[int, int]], Array] = {}

    def blocks(self, stimulus: str, shift_px: tuple[int, int]) -> Array:
        movie = self.data.movies[stimulus]
        return block_means(movie.contrast(), shift_px, self.data.deg_per_px)

    def delayed(self, stimulus: str, shift_px: tuple[int, int], last_s: float) -> Array:
        """Delayed components from movie start to ``last_s``, grey after the movie's end, ``(T, F)``."""
        movie = self.data.movies[stimulus]
        key = (stimulus, shift_px)
        n = int((last_s + movie.onset_s) * movie.rate_hz) + 2
        if key not in self.kept or len(self.kept[key]) < n:
            signal = np.zeros((n, self.axes.shape[1]))
            own = self.blocks(*key)[:n] @ self.axes
            signal[: len(own)] = own
            basis = cosines(movie.rate_hz)
            size = 2 ** int(np.ceil(np.log2(n + len(basis))))
            product = np.fft.rfft(signal, size, axis=0)[:, :, None] * np.fft.rfft(basis, size, axis=0)[:, None]
            self.kept[key] = np.fft.irfft(product.reshape(len(product), -1), size, axis=0)[:n].astype(np.float32)
        return self.kept[key]

    def of(self, r: Recording) -> tuple[Array, Array]:
        """Features and trace at the scored samples of a recording."""
        movie = self.data.movies[r.stimulus]
        found = self.delayed(r.stimulus, r.shift_px, float(r.time_s[-1]) + r.exposure_s)
        scored = (r.time_s >= self.start_s - 1e-9) & (np.arange(len(r.time_s)) < len(r.time_s) - 1)
        half_s = r.exposure_s / 2
        at = [self._mean(found, (t + movie.onset_s) * movie.rate_hz, half_s * movie.rate_hz) for t in r.time_s[scored]]
        return np.array(at, np.float32), r.trace[scored].astype(float)

    @staticmethod
    def _mean(found: Array, frame: float, half: float) -> Array:
        first, last = round(frame - half), round(frame + half)
        if last < 0:
            return np.zeros(found.shape[1])
        return found[max(0, first) : last + 1].sum(0) / (last + 1 - first)


class Sums:
    """Normal equations of some recordings, the mean of each neuron taken out."""

    def __init__(self, rows: list[tuple[str, Array, Array]], gain: dict[str, float]) -> None:
        self.rows, self.gain = rows, gain
        n_features = rows[0][1].shape[1]
        self.xx, self.xy = np.zeros((n_features, n_features)), np.zeros(n_features)
        self.mean: dict[str, tuple[Array, float]] = {}
        for neuron, size in gain.items():
            mine = [(x, y) for name, x, y in rows if name == neuron]
            if not mine:
                continue
            x, y = np.concatenate([m[0] for m in mine]), np.concatenate([m[1] for m in mine])
            self.mean[neuron] = x.mean(0), y.mean()
            x = size * (x - x.mean(0))
            self.xx += x.T @ x
            self.xy += x.T @ (y - y.mean())

    def weight(self, penalty: float) -> Array:
        ridge = penalty * self.xx.trace() / len(self.xx) * np.eye(len(self.xx))
        return np.linalg.solve(self.xx + ridge, self.xy)

    def error(self, weight: Array, rows: list[tuple[str, Array, Array]]) -> float:
        total = 0.0
        for neuron, x, y in rows:
            x_mean, y_mean = self.mean.get(neuron, (x.mean(0), y.mean()))
            total += np.square(y - y_mean - self.gain[neuron] * ((x - x_mean) @ weight)).sum()
        return total


Row = tuple[str, int, Array, Array]
"""Neuron, fold, features and trace of a recording."""


def fit_type(rows: list[Row]) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Linear and LN prediction, functions of neuron and features."""
    plain = [(neuron, x, y) for neuron, _, x, y in rows]
    gain = {}
    for neuron in sorted({n for n, *_ in plain}):
        gain[neuron] = max(1e-6, float(np.concatenate([y for n, _, y in plain if n == neuron]).std()))
    for _ in range(PASSES if len(gain) > 1 else 1):
        gain = about_one(gain)
        errors = np.zeros(len(PENALTIES))
        for fold in sorted({row[1] for row in rows}):
            kept = Sums([(n, x, y) for n, k, x, y in rows if k != fold], gain)
            held = [(n, x, y) for n, k, x, y in rows if k == fold]
            errors += [kept.error(kept.weight(p), held) for p in PENALTIES]
        weight = Sums(plain, gain).weight(PENALTIES[errors.argmin()])
        for neuron in gain if len(gain) > 1 else ():
            x = np.concatenate([x for n, x, _ in plain if n == neuron]) @ weight
            y = np.concatenate([y for n, _, y in plain if n == neuron])
            gain[neuron] = max(0.0, float(np.cov(x, y)[0, 1] / max(x.var(ddof=1), 1e-12)))

    pursuit = Pursuit.of(rows, about_one(gain), weight)

    def linear(neuron: str, x: Array) -> Array:
        return gain.get(neuron, 1.0) * (x @ weight)

    def curved(neuron: str, x: Array) -> Array:
        return pursuit.gain.get(neuron, 1.0) * pursuit.curve(x)

    return linear, curved


def about_one(gain: dict[str, float]) -> dict[str, float]:
    """Gains divided by their root mean square."""
    size = np.sqrt(np.mean(np.square(list(gain.values()))))
    return {neuron: each / size for neuron, each in gain.items()}


class Pursuit:
    """A filter and a spline of its drive, fitted to some rows by turns."""

    def __init__(self, rows: list[Row], gain: dict[str, float], weight: Array) -> None:
        self.names = sorted(gain)
        place = {name: number for number, name in enumerate(self.names)}
        self.x = np.concatenate([row[2] for row in rows]).astype(np.float32)
        self.y = np.concatenate([row[3] for row in rows])
        self.of = np.concatenate([np.full(len(row[3]), place[row[0]]) for row in rows])
        self.n = np.bincount(self.of, minlength=len(gain)).clip(1)
        self.size = np.array([gain[name] for name in self.names])
        self.weight = weight

    @classmethod
    def of(cls, rows: list[Row], gain: dict[str, float], weight: Array) -> Pursuit:
        """Choose how far the filter may move from the linear one, then fit all rows so."""
        kept, held = [r for r in rows if r[1] > 0], [r for r in rows if r[1] == 0]
        errors = [cls(kept, gain, weight).fitted(penalty).error(held) for penalty in MOVES]
        return cls(rows, gain, weight).fitted(MOVES[int(np.argmin(errors))])

    @property
    def gain(self) -> dict[str, float]:
        return dict(zip(self.names, self.size.tolist(), strict=True))

    def curve(self, x: Array) -> Array:
        return spline(x @ self.weight, self.knots)[0] @ self.height

    def error(self, rows: list[Row]) -> float:
        """Squared error of other rows, gain and offset of every neuron by regression."""
        total = 0.0
        for neuron in {row[0] for row in rows}:
            said = np.concatenate([self.curve(x) for n, _, x, _ in rows if n == neuron])
            y = np.concatenate([y for n, _, _, y in rows if n == neuron])
            basis = np.stack([said, np.ones_like(said)], 1)
            total += np.square(y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]).sum()
        return total

    def fitted(self, penalty: float) -> Pursuit:
        for turn in range(TURNS):
            self._curve()
            if penalty == np.inf:
                break
            if turn < TURNS - 1:
                self._move(penalty)
        return self

    def _within(self, values: Array) -> tuple[Array, Array]:
        """Values with the mean of their neuron taken out, and those means."""
        of = [np.bincount(self.of, column, len(self.names)) / self.n for column in values.T]
        means = np.stack(of, 1)
        return values - means[self.of], means

    def _curve(self) -> None:
        """Fit the spline, then gain and offset of every neuron, twice."""
        drive = self.x @ self.weight
        self.weight = self.weight / drive.std()
        drive = drive / drive.std()
        knots = np.quantile(drive, np.linspace(0, 1, 8)).tolist()
        apart = [knots[0]]
        apart += [k for k, before in zip(knots[1:-1], knots, strict=False) if k - before > 0.25]
        self.knots = np.array([*apart, knots[-1]])
        value, slope = spline(drive, self.knots)
        y, y_mean = self._within(self.y[:, None])
        for _ in range(2):
            basis, _ = self._within(self.size[self.of][:, None] * value)
            squares = basis.T @ basis
            ridge = 1e-4 * squares.trace() / len(squares) * np.eye(len(squares))
            self.height = np.linalg.solve(squares + ridge, basis.T @ y[:, 0])
            said, said_mean = self._within((value @ self.height)[:, None])
            if len(self.names) > 1:
                products = np.bincount(self.of, (said * y)[:, 0], len(self.names))
                squared = np.bincount(self.of, (said**2)[:, 0], len(self.names))
                self.size = np.maximum(0, products / np.maximum(squared, 1e-12))
                self.size = self.size / np.sqrt(np.mean(self.size**2))
        self.offset = (y_mean - self.size[:, None] * said_mean)[:, 0]
        self.slope = self.size[self.of] * (slope @ self.height)

    def _left(self, weight: Array) -> Array:
        said = spline(self.x @ weight, self.knots)[0] @ self.height
        return self.y - self.offset[self.of] - self.size[self.of] * said

    def _move(self, penalty: float) -> None:
        """Take a step of Gauss-Newton with a ridge; half of it, and so on, where the error would grow."""
        left = self._left(self.weight)
        steep = self.x * self.slope[:, None].astype(np.float32)
        squares = (steep.T @ steep).astype(float)
        ridge = penalty * squares.trace() / len(squares)
        towards = steep.T @ left - ridge * self.weight
        step = np.linalg.solve(squares + ridge * np.eye(len(squares)), towards)
        before = np.square(left).sum() + ridge * self.weight @ self.weight
        for share in 0.5 ** np.arange(6):
            weight = self.weight + share * step
            if np.square(self._left(weight)).sum() + ridge * weight @ weight < before:
                self.weight = weight
                return


def spline(drive: Array, knots: Array) -> tuple[Array, Array]:
    """Cubic B-splines at a drive, straight beyond the outer knots, and their slopes, both ``(S, K)``."""
    low, high = knots[[0, -1]]
    all_knots = np.r_[[low] * 3, knots, [high] * 3]
    inside = np.clip(drive, low, high - 1e-9 * (high - low))
    value = BSpline.design_matrix(inside, all_knots, 3).toarray()
    slope = BSpline(all_knots, np.eye(value.shape[1]), 3).derivative()(inside)
    return value + slope * (drive - inside)[:, None], slope


def correlations(data: Dataset, items: list[int], said: Callable[[int], Array], truth: Callable) -> float:
    """Correlation over all samples of a neuron, mean over neurons, then over cell types."""
    per_neuron: dict[str, dict[str, list[tuple[Array, Array]]]] = {}
    for item in items:
        r = data.recordings[item]
        per_neuron.setdefault(r.cell_type, {}).setdefault(r.neuron, []).append((said(item), truth(item)))
    types = []
    for neurons in per_neuron.values():
        each = [[np.concatenate(part) for part in zip(*pairs, strict=True)] for pairs in neurons.values()]
        with np.errstate(invalid="ignore"):
            types.append(np.nanmean([np.corrcoef(a, b)[0, 1] if a.std() > 0 else 0.0 for a, b in each]))
    return float(np.mean(types))


def compared(name: str) -> Iterator[dict[str, float | str]]:
    """Rows of one data set."""
    config = compose(chosen(name))
    data = config.open_dataset()
    split = split_recordings(data, config.split)
    train, held_out = list(split.train), list(split.validation)
    start = time.perf_counter()
    presented = Presented(data, train, config.batching.loss_start_s)
    said_by_own: list[dict[int, Array]] = [{}, {}]
    truth: dict[int, Array] = {}
    for cell_type in data.cell_types:
        mine = [i for i in train if data.table.cell_type[i] == cell_type]
        each = [data.recordings[i] for i in mine]
        units = [(r.neuron, "" if config.split.kind == "neuron" else r.stimulus) for r in each]
        dealt = {
            unit: k % N_FOLDS
            for k, unit in enumerate(map(tuple, np.random.default_rng(3).permutation(sorted(set(units)))))
        }
        folds = [dealt[unit] for unit in units]
        fits = fit_type([(r.neuron, fold, *presented.of(r)) for r, fold in zip(each, folds, strict=True)])
        for i in held_out:
            if data.table.cell_type[i] == cell_type:
                r = data.recordings[i]
                x, truth[i] = presented.of(r)
                for found, fit in zip(said_by_own, fits, strict=True):
                    found[i] = fit(r.neuron, x)
    independent_s = time.perf_counter() - start

    bench = Workbench(data.subset(train), config.batching, config.split)
    for kind, (model, fit) in enumerate({"linear filter": bench.linear, "LN model": bench.nonlinear}.items()):
        start = time.perf_counter()
        predictions = fit(features.blocks).predict(data.subset(held_out), config.batching)
        seconds = time.perf_counter() - start
        scored = predictions.weight > 0  # rows begin with the grey before a recording's first sample
        numbers = [held_out[int(k)] for k in predictions.item]
        rows = zip(numbers, predictions.prediction.double(), predictions.target.double(), scored, strict=True)
        pairs = {n: (row[mine].numpy(), target[mine].numpy()) for n, row, target, mine in rows}
        said, measured = ({n: pair[k] for n, pair in pairs.items()} for k in (0, 1))
        own = said_by_own[kind].__getitem__
        scores = [
            correlations(data, held_out, own, truth.__getitem__),
            correlations(data, held_out, said.__getitem__, measured.__getitem__),
        ]
        print(name, model, [round(s, 4) for s in scores], f"{independent_s:.0f} s, {seconds:.0f} s", flush=True)
        times = {"independent_s": independent_s, "program_s": seconds}
        yield {"set": name, "model": model, "independent": scores[0], "program": scores[1], **times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    torch.manual_seed(0)
    for name in parser.parse_args().sets:
        rows = list(compared(name))
        others = [row for row in written("independent_baselines") if row["set"] != name]
        write("independent_baselines", others + rows)


if __name__ == "__main__":
    main()
