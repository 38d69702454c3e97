"""Design of a baseline: the signals it may filter, the traces, and the folds that choose its penalty.

Axes: T frame, B clip, R recording, S sample, C signal, L lag, F = C L feature, N cell type, K fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from stcnn.baselines.features import Features
from stcnn.baselines.lags import Lags
from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig, loader
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.data.splitting.units import held_out_units
from stcnn.errors import DataError

VARIANCE = 0.9999
"""Share of the variance of the signals whose principal components are used."""
FOLDS = 5
"""Parts of the training recordings, made of what the split holds out; stretches of time where that is a single unit."""
CLIPS = 64
"""Clips whose signals are computed at a time."""


def centred(batching: BatchingConfig) -> BatchingConfig:
    """Return batches in which every picture is shifted so that its neuron sits in the middle, where baselines read."""
    return batching.model_copy(update={"kind": "presentations"}) if batching.kind == "movies" else batching


class Signals(NamedTuple):
    """Principal components of features, from pictures to ``(T, B, C)``.

    Args:
        features: what is read from the pictures.
        components: directions ``(F, C)``, scaled so that the signals have a mean variance of one.
        places: row and column of each feature, ``(F, 2)``; None where features have no place.
    """

    features: Features
    components: Tensor
    places: Tensor | None

    def of(self, batch: Batch, deg_per_px: float) -> Tensor:
        """Compute the signals of a batch, without its grey frames: ``(T - n_grey, B, C)``."""
        with torch.no_grad():
            return self.features(batch, batch.rate_hz, deg_per_px)[batch.n_grey :].flatten(2) @ self.components


@dataclass(frozen=True)
class Part:
    """A batch without its pictures, and what a fit needs of it.

    Args:
        batch: clips and recordings; no pictures.
        signals: ``(T - n_grey, B, C)``; they are zero before.
        folds: fold of every sample, ``(R, S)``.
    """

    batch: Batch
    signals: Tensor
    folds: Tensor


@dataclass(frozen=True)
class Design:
    """Signals and targets of all recordings that a fit may see.

    Args:
        parts: batches.
        signals: how the signals are computed.
        neurons: number of neurons of each cell type.
        slowest_hz: lowest frame rate.
        deg_per_px: degrees per pixel.
    """

    parts: Sequence[Part]
    signals: Signals
    neurons: dict[str, int]
    slowest_hz: float
    deg_per_px: float

    @classmethod
    def of(cls, features: Features, train: Dataset, batching: BatchingConfig, split: SplitConfig) -> Design:
        """Compute the signals of every presentation once; folds are made of what ``split`` holds out.

        Raises:
            DataError: nothing that the features read changes in the training recordings.
        """
        by_presentation = batching.model_copy(update={"kind": "presentations", "batch_size": CLIPS})
        batches: list[Batch] = []
        maps: list[Tensor] = []
        places = None
        for batch in loader(train, by_presentation):
            with torch.no_grad():
                found = features(batch, batch.rate_hz, train.deg_per_px)[batch.n_grey :]
            places = _places(found)
            maps.append(found.flatten(2).clone())
            batches.append(replace(batch, codes=batch.codes[:0].clone(), n_grey=batch.n_grey))
        components = principal(maps)
        fold_of = recording_folds(train, split)
        parts = [
            Part(batch, each @ components, folds_of_samples(batch, fold_of))
            for batch, each in zip(batches, maps, strict=True)
        ]
        neurons = {name: len(each) for name, each in train.neurons.items()}
        slowest_hz = min(batch.rate_hz for batch in batches)
        return cls(parts, Signals(features, components, places), neurons, slowest_hz, train.deg_per_px)


def _places(found: Tensor) -> Tensor | None:
    """Row and column of features ``(T, B, Y, X)``; None where they are not laid out so."""
    if found.ndim != 4:
        return None
    rows, columns = found.shape[2:]
    return torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).float()


def principal(maps: Sequence[Tensor]) -> Tensor:
    """Directions ``(F, C)`` that hold :data:`VARIANCE` of features ``(T, B, F)``, scaled to a mean variance of one.

    Raises:
        DataError: the features are zero throughout.
    """
    count = sum(each.shape[0] * each.shape[1] for each in maps)
    squares = torch.stack([each.flatten(0, 1).T @ each.flatten(0, 1) for each in maps]).sum(0) / max(1, count)
    variance, directions = torch.linalg.eigh(squares.double())
    variance = variance.flip(0).clamp(min=0)
    if not variance.sum() > 0:
        raise DataError(
            "nothing that this model reads changes in the training stimuli", expected="stimuli with contrast"
        )
    n_kept = int((variance.cumsum(0) < VARIANCE * variance.sum()).sum()) + 1
    return (directions.flip(1)[:, :n_kept] / variance[:n_kept].mean().sqrt()).float()


def recording_folds(train: Dataset, split: SplitConfig) -> dict[int, int] | None:
    """Fold of each recording: units such as the split holds out are dealt, those of each cell type in turn.

    What chooses a penalty is then what the fit is judged by. Chosen by whole stimuli where there are two and neurons
    are held out, for instance, it would smooth away what the filter needs for both. None where a type has one unit.
    """
    units = held_out_units(train, split)
    of_type = [units[(train.table.cell_type == name).to_numpy()] for name in train.cell_types]
    if min(len(set(each)) for each in of_type if len(each)) < 2:
        return None
    dealt: dict[int, int] = {}
    for each in of_type:
        for unit in np.random.default_rng(0).permutation(np.unique(each)).tolist():
            dealt.setdefault(unit, len(dealt))
    return {item: dealt[unit] % min(FOLDS, len(dealt)) for item, unit in enumerate(units.tolist())}


def folds_of_samples(batch: Batch, fold_of: dict[int, int] | None) -> Tensor:
    """Fold of every sample, ``(R, S)``: that of its recording, or else one of equal stretches of time."""
    if fold_of is not None:
        return torch.tensor([fold_of[int(item)] for item in batch.item])[:, None].expand(batch.target.shape)
    scored = batch.weight.cumsum(1) / batch.weight.sum(1, keepdim=True).clamp(min=1)
    return (scored * FOLDS).long().clamp(max=FOLDS - 1)


def rows(part: Part, lags: Lags) -> Iterator[tuple[Tensor, list[int]]]:
    """Lagged signals ``(S, F)`` of each clip, and the recordings that they belong to.

    Recordings on clocks of their own come one by one, their signals brought to their samples.
    """
    batch = part.batch
    basis = lags.basis(batch.rate_hz)
    for clip in range(part.signals.shape[1]):
        mine = torch.nonzero(batch.clip == clip).flatten().tolist()
        features = lagged(part.signals[:, clip], basis)
        if batch.exposure is None:
            yield features, mine
            continue
        features = torch.cat([features.new_zeros(batch.n_grey, features.shape[1]), features])
        for r in mine:
            one = replace(batch, exposure=batch.exposure[:, r : r + 1].expand(2, features.shape[1], -1))
            yield one.at_samples(features.T).T, [r]


def lagged(signals: Tensor, basis: Tensor) -> Tensor:
    """Filter signals ``(T, C)`` with every function of a basis ``(J, L)``: ``(T, C L)``."""
    n, channels = signals.shape
    found = signals.new_zeros(n, channels, basis.shape[1])
    for function in range(basis.shape[1]):
        for lag in torch.nonzero(basis[:, function]).flatten().tolist():
            if lag < n:
                found[lag:, :, function] += basis[lag, function] * signals[: n - lag]
    return found.flatten(1)


class Spectra(NamedTuple):
    """Signals in the frequency domain, in which a filter of any length is a product.

    Args:
        signals: ``(W, B, C)``, complex.
        basis: that of the lags, ``(W, L)``, complex.
        n: length of the transform.
        n_frames: frames without the grey ones.
    """

    signals: Tensor
    basis: Tensor
    n: int
    n_frames: int

    @classmethod
    def of(cls, signals: Tensor, lags: Lags, rate_hz: float) -> Spectra:
        """Transform signals ``(T, B, C)``."""
        basis = lags.basis(rate_hz)
        n = next_fast_len(len(signals) + len(basis), real=True)
        return cls(torch.fft.rfft(signals, n, dim=0), torch.fft.rfft(basis, n, dim=0), n, len(signals))

    def filtered(self, weight: Tensor) -> Tensor:
        """Filter with weights ``(C, L, N)``: ``(T, B, N)``."""
        channels, n_lags, n_types = weight.shape
        kernels = self.basis @ weight.permute(1, 0, 2).reshape(n_lags, -1).to(self.basis.dtype)
        product = self.signals @ kernels.view(-1, channels, n_types)
        return torch.fft.irfft(product, self.n, dim=0)[: self.n_frames]
