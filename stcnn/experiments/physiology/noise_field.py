"""Receptive fields by reverse correlation with sparse noise, and where they are significant.

Axes: M member, N cell type, T frame, K lag, V row of cells (bottom first), W column of cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.cells import Cells
from stcnn.experiments.physiology.curves import Axis, Map, Number, Result
from stcnn.experiments.physiology.subject import Values
from stcnn.stimuli import render

FLASH_S = 0.1
PER_FLASH = 4
SEEDS = range(24)
"""Of the orders of flashes; each shows every cell dark and bright once, in some ten seconds."""
LAGS_S = 0.4
SHUFFLES = 199
LEVEL = 0.05
"""Chance that a field without any relation to the noise has a single significant cell at any lag."""
RESPONSE = "change of activity after a check"


@dataclass(frozen=True)
class Trial:
    """Noise and the answer to it, while the noise lasts.

    Args:
        onsets: where and when checks of one polarity appear, ``(T, C)``, cells of the grid one after the other.
        activity: ``(M, N, T)``.
    """

    onsets: Values
    activity: Values


def noise_field(bench: Bench) -> Result:
    """Receptive field of dark and of bright checks by reverse correlation.

    Checks of some 6 degrees (a whole number of pixels) flash for 0.1 s, four at a time, black or white, on grey, in
    random order. The field is the mean activity a lag after a check appeared at a place, less the mean of all,
    ``F(k, y, x) = <a(t + k)> - <a>`` over the onsets t (Jones & Palmer 1987, doi 10.1152/jn.1987.58.6.1187). Outlined
    is what exceeds the 95th percentile of the largest ``|F|`` over all places and lags when the activity is shifted in
    time against the noise, 199 times: the maximum statistic, which holds the chance of any false cell at 0.05 (Nichols
    & Holmes 2002, doi 10.1002/hbm.1058).
    A cell without a significant neighbour is not counted: after few flashes it may have shared some with a strong one.
    Maps are drawn at the lag of the strongest cell that counts. The middle is the centre of gravity of those that count
    at that lag, the diameter that of a disc of their area.
    """
    cells = Cells.of(bench.screen)
    n_lags = max(2, round(LAGS_S * bench.screen.rate_hz))
    maps: list[Map] = []
    numbers: list[Number] = []
    trials = _shown(bench, cells)
    for name, of_polarity in trials.items():
        fields, limits = field_and_limit(of_polarity, n_lags)
        fields = fields.reshape(*fields.shape[:3], len(cells.elevation.values), len(cells.azimuth.values))
        drawn, found = _described(bench, cells, name, fields, limits)
        maps += drawn
        numbers += found
    return Result("noise_field", maps=maps, numbers=numbers)


def _shown(bench: Bench, cells: Cells) -> dict[str, list[Trial]]:
    """Show all noise; dark and bright checks apart."""
    grey = bench.screen.background
    trials: dict[str, list[Trial]] = {"dark": [], "bright": []}
    for seed in SEEDS:
        stimulus = {
            **{"kind": "sparse_noise", "check_deg": cells.side_deg, "flash_s": FLASH_S, "per_flash": PER_FLASH},
            **{"luminances": [0.0, 1.0], "seed": seed},
        }
        movie = render(bench.screen, stimulus)
        answer = bench.show(movie)
        picture = cells.means(movie.contrast())
        noisy = (answer.time_s > -1e-9) & (answer.time_s < len(picture) / bench.screen.rate_hz - 1e-9)
        lit = picture.reshape(len(picture), -1)
        for name, there in (("dark", lit < -grey / 2), ("bright", lit > (1 - grey) / 2)):
            appears = there & ~np.concatenate([np.zeros_like(there[:1]), there[:-1]])
            trials[name].append(Trial(appears.astype(float), answer.activity[..., noisy]))
    return trials


def field_and_limit(trials: Sequence[Trial], n_lags: int) -> tuple[Values, Values]:
    """Average activity after onsets, and how large it gets by chance.

    Args:
        trials: noise and answers.
        n_lags: lags from zero on.

    Returns:
        Fields ``(M, N, K, C)``, less the mean activity, and the limit of ``|field|`` at :data:`LEVEL`, ``(M, N)``.
    """
    every = []
    count = np.zeros(trials[0].onsets.shape[1])
    mean = np.mean([trial.activity.mean(-1) for trial in trials], 0)[..., None]
    for trial in trials:
        onsets = trial.onsets.copy()
        onsets[len(onsets) - n_lags :] = 0  # their lags would reach beyond the noise
        count += onsets.sum(0)
        every.append(_correlated(trial.activity - mean, onsets))
    count = np.maximum(count, 1)
    field = sum(each[..., :n_lags, :] for each in every) / count
    rng = np.random.default_rng(0)
    largest = np.empty((SHUFFLES, *field.shape[:2]))
    for shuffle in largest:
        moved = sum(each[..., _lags(each.shape[-2], n_lags, rng), :] for each in every) / count
        shuffle[:] = np.abs(moved).max((-2, -1))
    return np.asarray(field), np.asarray(np.quantile(largest, 1 - LEVEL, axis=0, method="higher"))


def _correlated(activity: Values, onsets: Values) -> Values:
    """Return ``sum_t activity(t + k) onsets(t)`` for every k of the circle, ``(M, N, T, C)``."""
    length = len(onsets)
    spectra = np.fft.rfft(activity, axis=-1)[..., None] * np.conj(np.fft.rfft(onsets, axis=0))
    return np.asarray(np.fft.irfft(spectra, length, axis=-2))


def _lags(length: int, n_lags: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return as many lags from a random one on that is far from zero."""
    first = int(rng.integers(n_lags, length - n_lags))
    return (first + np.arange(n_lags)) % length


def _counted(fields: Values, limits: Values) -> NDArray[np.bool_]:
    """Return which cells of ``(..., V, W)`` exceed their limit ``(...)`` together with one beside, above or below."""
    high = np.pad(np.abs(fields) > limits[..., None, None], [(0, 0)] * (fields.ndim - 2) + [(1, 1), (1, 1)])
    beside = high[..., 1:-1, :-2] | high[..., 1:-1, 2:] | high[..., :-2, 1:-1] | high[..., 2:, 1:-1]
    return np.asarray(high[..., 1:-1, 1:-1] & beside)


def _described(bench: Bench, cells: Cells, name: str, fields: Values, limits: Values) -> tuple[list[Map], list[Number]]:
    """Return maps and numbers of fields ``(M, N, K, V, W)`` with limits ``(M, N)``."""
    lag_s = np.arange(fields.shape[2]) / bench.screen.rate_hz
    mean = fields.mean(0)
    types = np.arange(len(mean))
    counted = _counted(mean, np.repeat(limits.mean(0)[:, None], fields.shape[2], 1))
    among = np.where(counted.any((-3, -2, -1), keepdims=True), counted, True)
    strongest = np.where(among, np.abs(mean), 0).reshape(len(mean), -1).argmax(1)
    lag, row, _ = np.unravel_index(strongest, mean.shape[1:])
    where = fields[:, types, lag]
    when = np.stack([fields[:, i, :, y] for i, y in enumerate(row.tolist())], 1)
    lags = Axis("lag_s", "lag", "s", lag_s)
    slices = counted[types, :, row]
    drawn = [
        Map(name, cells.azimuth, cells.elevation, where, RESPONSE, signed=True, outline=counted[types, lag]),
        Map(f"{name}, by lag", cells.azimuth, lags, when, RESPONSE, signed=True, outline=slices),
    ]
    weight = np.where(_counted(where, limits), np.abs(where), 0.0)
    total = weight.sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        azimuth = (weight.sum(-2) * cells.azimuth.values).sum(-1) / total
        elevation = (weight.sum(-1) * cells.elevation.values).sum(-1) / total
    n_cells = (weight > 0).sum((-2, -1))
    diameter = np.where(n_cells > 0, 2 * np.sqrt(n_cells * cells.side_deg**2 / np.pi), np.nan)
    at_s = np.where(n_cells > 0, lag_s[lag], np.nan)
    about = f"field of {name} checks"
    numbers = [
        Number(f"{name}_field_azimuth_deg", f"{about}: azimuth", "°", azimuth),
        Number(f"{name}_field_elevation_deg", f"{about}: elevation", "°", elevation),
        Number(f"{name}_field_diameter_deg", f"{about}: diameter", "°", diameter),
        Number(f"{name}_field_lag_s", f"{about}: lag", "s", at_s),
    ]
    return drawn, numbers
