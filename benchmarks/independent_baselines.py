"""Linear filter and LN model of the program against a computation that shares no code with them: numpy alone.

    python benchmarks/independent_baselines.py simulated t5_voltage t4_edges t4_stripes

Fits both to the training part of each data set and predicts its validation part. The independent filter is a ridge
regression on principal components of block means, delayed through raised cosines on a logarithmic axis (Pillow et al.
2008, doi 10.1038/nature07140) where the program has hats; its penalty is chosen on one held-out fifth of the stimuli,
gains of neurons by regression in turn with the filter. Its output nonlinearity is the mean of the traces in 30 bins.
Scores are correlations with the trial mean, means over cell types. Results go to
``benchmarks/results/independent_baselines.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from record import write

from stcnn.baselines import Workbench, features
from stcnn.baselines.features import COLUMNS, SPACING_DEG
from stcnn.config import compose
from stcnn.data import Dataset, Recording
from stcnn.data.splitting.splits import split_recordings

MEMORY_S = 2.0
N_COSINES = 12
PENALTIES = 10.0 ** np.arange(-5, 3)
PASSES = 2
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


def fit_type(rows: list[tuple[str, str, Array, Array]]) -> tuple[Callable, Callable]:
    """Linear and LN prediction, functions of neuron and features; ``rows`` are neuron, stimulus, features, trace."""
    plain = [(neuron, x, y) for neuron, _, x, y in rows]
    names = sorted({row[1] for row in rows})
    fifth = set(np.random.default_rng(3).permutation(names)[: max(1, len(names) // 5)])
    kept = [(n, x, y) for n, s, x, y in rows if s not in fifth] or plain
    held = [(n, x, y) for n, s, x, y in rows if s in fifth]
    if len(names) < 2:  # one stimulus: neurons are held out
        neurons = sorted({n for n, *_ in plain})
        out = set(neurons[::5])
        kept, held = [r for r in plain if r[0] not in out], [r for r in plain if r[0] in out]
    gain = dict.fromkeys(sorted({n for n, *_ in plain}), 1.0)
    for neuron in gain:
        gain[neuron] = max(1e-6, float(np.concatenate([y for n, _, y in plain if n == neuron]).std()))
    for _ in range(PASSES if len(gain) > 1 else 1):
        size = np.sqrt(np.mean(np.square(list(gain.values()))))
        gain = {n: g / size for n, g in gain.items()}
        some = Sums(kept, gain)
        penalty = min(PENALTIES, key=lambda p: some.error(some.weight(p), held))
        everything = Sums(plain, gain)
        weight = everything.weight(penalty)
        for neuron in gain if len(gain) > 1 else ():
            x = np.concatenate([x for n, x, _ in plain if n == neuron]) @ weight
            y = np.concatenate([y for n, _, y in plain if n == neuron])
            gain[neuron] = max(0.0, float(np.cov(x, y)[0, 1] / max(x.var(ddof=1), 1e-12)))

    drive = np.concatenate([x @ weight for _, x, _ in plain])
    scaled = np.concatenate([(y - everything.mean[n][1]) * gain[n] for n, _, y in plain])
    counts = np.concatenate([np.full(len(y), gain[n] ** 2) for n, _, y in plain])
    edges = np.unique(np.quantile(drive, np.linspace(0, 1, 31)))
    place = np.digitize(drive, edges[1:-1])
    filled = [k for k in range(max(1, len(edges) - 1)) if counts[place == k].sum() > 0]
    middle = [drive[place == k].mean() for k in filled]
    height = [scaled[place == k].sum() / counts[place == k].sum() for k in filled]

    def linear(neuron: str, x: Array) -> Array:
        return gain.get(neuron, 1.0) * (x @ weight)

    def curved(neuron: str, x: Array) -> Array:
        return gain.get(neuron, 1.0) * np.interp(x @ weight, middle, height)

    return linear, curved


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
            types.append(np.nanmean([np.corrcoef(a, b)[0, 1] if a.std() > 0 else np.nan for a, b in each]))
    return float(np.mean(types))


def compared(name: str) -> Iterator[dict[str, float | str]]:
    """Rows of one data set."""
    overrides = [f"dataset={name}", *(["model=t5"] if name == "t5_voltage" else [])]
    config = compose(overrides)
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
        described = [(r.neuron, r.stimulus, *presented.of(r)) for r in each]
        fits = fit_type(described)
        for i in held_out:
            if data.table.cell_type[i] == cell_type:
                r = data.recordings[i]
                x, truth[i] = presented.of(r)
                for found, fit in zip(said_by_own, fits, strict=True):
                    found[i] = fit(r.neuron, x)
    independent_s = time.perf_counter() - start

    bench = Workbench(data.subset(train), config.batching)
    for kind, (rung, fit) in enumerate({"linear filter": bench.linear, "LN model": bench.nonlinear}.items()):
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
        print(name, rung, [round(s, 4) for s in scores], f"{independent_s:.0f} s, {seconds:.0f} s", flush=True)
        times = {"independent_s": independent_s, "program_s": seconds}
        yield {"set": name, "rung": rung, "independent": scores[0], "program": scores[1], **times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    torch.manual_seed(0)
    results: list[dict[str, float | str]] = []
    for name in parser.parse_args().sets:
        results += compared(name)
        write("independent_baselines", results)


if __name__ == "__main__":
    main()
