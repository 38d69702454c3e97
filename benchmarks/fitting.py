"""Fitting simulated cell types to measured peak responses, by gradient descent through the code that simulates them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import yaml
from pydantic import BaseModel
from record import ROOT
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from stcnn.simulation import SimulatedDataConfig
from stcnn.simulation.detectors import Channel, Detector, Extent, Lattice, Radial, voltage
from stcnn.simulation.early import CHANNELS, EarlyStage, early_stage
from stcnn.simulation.indicator import INDICATORS, fluorescence
from stcnn.simulation.recordings import movies_of
from stcnn.stimuli import load_protocol

TYPES = ROOT / "stcnn" / "simulation" / "types.yaml"


class Bench:
    """All protocols on the lattice of columns, joined in time, for a neuron in the middle of them.

    Everything lies a quarter of the spacing off the nearest column, which stands for the average over all places.
    """

    def __init__(self, protocols: Sequence[str], n_averaged: int) -> None:
        """Average so many samples of the 180 Hz signals: the fits take three, at a small error in the scale."""
        early, self.rate_hz = EarlyStage(), 180.0 / n_averaged
        off_deg = early.spacing_deg / 4
        moved = {"azimuth_deg": off_deg, "elevation_deg": off_deg}
        stimuli = {n: shown | moved for name in protocols for n, shown in load_protocol(name).parameters.items()}
        config = SimulatedDataConfig(stimuli=stimuli, rate_hz=180.0, before_s=0.0, after_s=0.3)
        columns = [early_stage(movie, early).every(n_averaged) for movie in movies_of(config).values()]
        joined = {
            name: torch.from_numpy(np.concatenate([c.signals[name] for c in columns])).float()
            for name in columns[0].signals
        }
        y_deg, x_deg = (torch.tensor(p).float() for p in (columns[0].elevation_deg, columns[0].azimuth_deg))
        self.lattice = Lattice(joined, y_deg, x_deg)
        self.position = torch.full((1, 2), off_deg)
        self.lengths = [len(c.signals["off"]) for c in columns]
        indicator = INDICATORS["lobula"]
        linear = indicator.model_copy(update={"dff_max": math.inf})
        self.calcium = torch.from_numpy(fluorescence(np.eye(max(self.lengths)), linear, self.rate_hz)).float()
        self.dff_max = indicator.dff_max

    def peaks(self, detector: Detector) -> Tensor:
        """Peak dF/F to every stimulus of the protocols, ``(S,)``."""
        volts = voltage(detector, self.lattice, self.position)[:, 0]
        together = pad_sequence(volts.split(self.lengths), batch_first=True)
        calcium = (together @ self.calcium.T).amax(1)
        return calcium / (1 + calcium / self.dff_max)


class Free(torch.nn.Module):
    """The free parameters of a detector: weights as they are, positive ones as logarithms, extents between bounds."""

    weights = dict.fromkeys(CHANNELS, 0.5) | {"dark": 1.0, "radial": 0.2}
    positive = {f"surround_{c}": 1.0 for c in CHANNELS} | {
        "inward": 1.0,
        "arm": 0.3,
        "local": 0.05,
        "gain": 0.05,
        "end": 0.1,
    }
    bounds_deg: ClassVar = {"surround": (4.5, 20.0), "pool": (6.0, 18.0), "norm": (5.0, 30.0)}
    """Surround: LC18 model, 13.5 deg. Pool: receptive fields of 15 to 40 deg half width (Klapoetke et al. 2022)."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        noise = torch.Generator().manual_seed(seed)
        start = self.weights | {k: math.log(v) for k, v in self.positive.items()}
        start |= {f"{name}_{axis}": -0.5 for name in self.bounds_deg for axis in "yx"}
        jitter = 0.2 * torch.randn(len(start), generator=noise)
        self.values = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(torch.tensor(v) + j) for (k, v), j in zip(start.items(), jitter, strict=True)}
        )
        self.start = {name: value.detach().clone() for name, value in self.values.items()}

    def detector(self, scale: float = 1.0) -> Detector:
        """The detector, with tensors in place of its numbers; ``scale`` multiplies its response."""
        v = self.values

        def extent(name: str) -> Extent:
            low, high = self.bounds_deg[name]
            y, x = (low + (high - low) * torch.sigmoid(v[f"{name}_{axis}"]) for axis in "yx")
            return Extent.model_construct(elevation_deg=y, azimuth_deg=x)

        channels = {
            c: Channel.model_construct(weight=v[c] * scale, surround=v[f"surround_{c}"].exp()) for c in CHANNELS
        }
        radial = Radial.model_construct(weight=v["radial"] * scale, inward=v["inward"].exp(), threshold=v["arm"].exp())
        return Detector.model_construct(
            channels=channels,
            surround=extent("surround"),
            local_threshold=v["local"].exp(),
            pool=extent("pool"),
            radial=radial,
            normalisation=v["gain"].exp(),
            normalisation_deg=extent("norm").elevation_deg,
            threshold=v["end"].exp() * scale,
        )

    def penalty(self) -> Tensor:
        """Pulls weights to zero and everything else to where it started, gently."""
        sizes = sum(self.values[name].abs() for name in self.weights)
        moved = sum((v - self.start[k]).square() for k, v in self.values.items() if k not in self.weights)
        return 2e-4 * sizes + 1e-3 * moved


def best_scale(found: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Factor that brings peaks nearest to their target."""
    return (weight * found * target).sum() / ((weight * found.square()).sum() + 1e-9)


def fit(bench: Bench, target: Tensor, weight: Tensor, n_steps: int, seed: int) -> tuple[Free, float]:
    """Fit a detector to peaks, up to their scale, by gradient descent on the squared error relative to the variance."""
    free = Free(seed)
    variance = (weight * (target - (weight * target).sum() / weight.sum()).square()).sum()
    error = torch.tensor(torch.inf)
    for steps, rate, gentle in ((n_steps, 0.06, 1.0), (2 * n_steps // 5, 0.02, 0.0)):
        optimiser = torch.optim.Adam(free.parameters(), lr=rate)
        decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda i, n=steps: min(1.0, 2 * (1 - i / n)))
        for _ in range(steps):
            found = bench.peaks(free.detector())
            error = (weight * (best_scale(found, target, weight) * found - target).square()).sum() / variance
            optimiser.zero_grad()
            (error + gentle * free.penalty()).backward()
            optimiser.step()
            decay.step()
    return free, error.item()


def fitted(bench: Bench, target: Tensor, weight: Tensor, n_steps: int) -> tuple[Free, float]:
    """Fit as :func:`fit`, from a second start where the first leaves more than a tenth of the variance."""
    free, error = fit(bench, target, weight, n_steps, seed=0)
    if error > 0.1:
        again = fit(bench, target, weight, n_steps, seed=1)
        free, error = min((free, error), again, key=lambda result: result[1])
    return free, error


def plain(part: object) -> float | dict:
    """Tensors as numbers of three digits, models as mappings."""
    if isinstance(part, BaseModel):
        return {name: plain(value) for name, value in part}
    if isinstance(part, dict):
        return {name: plain(value) for name, value in part.items()}
    return float(f"{float(part):.3g}")


def write_type(name: str, detector: dict) -> None:
    """Put a fitted detector into the table of types; the comments at its head and all other entries stay."""
    head = "".join(line for line in TYPES.open() if line.startswith("#"))
    table = yaml.safe_load(TYPES.read_text())
    table[name]["detector"] = detector
    text = "\n".join(
        yaml.safe_dump({name: entry}, sort_keys=False, default_flow_style=None) for name, entry in table.items()
    )
    TYPES.write_text(f"{head}\n{text}")
