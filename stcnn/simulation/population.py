"""The neurons of a simulation: where they look and how strongly they answer.

Every animal is looked at in one place of the visual field, where all its neurons have their receptive fields; the
picture is shifted there by whole pixels, as in the published recordings, and a residual below half a pixel remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from stcnn.simulation.detectors import CellType
from stcnn.validation import Config


class Population(Config):
    """How many neurons there are, and how they differ."""

    n_animals: int = Field(default=5, ge=1, le=1000)
    """Animals."""
    neurons_per_animal: int = Field(default=2, ge=1, le=1000)
    """Of each cell type."""
    position_sd_deg: float = Field(default=4.0, ge=0)
    """Spread of the places looked at."""
    gain_cv: float = Field(default=0.27, ge=0)
    """Variation of gain across neurons (median of 91 neurons, Klapoetke et al. 2022)."""
    offset_sd_dff: float = Field(default=0.03, ge=0)
    """Spread of the neurons' baselines; chosen."""


@dataclass(frozen=True)
class Neuron:
    """A simulated neuron.

    Args:
        cell_type: name of its type.
        name: unique name.
        animal: name of its animal.
        position_deg: azimuth and elevation of its receptive field.
        shift_px: azimuth and elevation of the place looked at, in whole pixels.
        gain: factor on its dF/F, 1 on average.
        offset_dff: its baseline.
        noise_dff: standard deviation of the noise at rest.
    """

    cell_type: str
    name: str
    animal: str
    position_deg: tuple[float, float]
    shift_px: tuple[int, int]
    gain: float
    offset_dff: float
    noise_dff: float


def draw_neurons(
    population: Population, types: Mapping[str, CellType], deg_per_px: float, rng: np.random.Generator
) -> list[Neuron]:
    """Draw places, gains and offsets of all neurons, type by type."""
    places = rng.normal(0, population.position_sd_deg / deg_per_px, (population.n_animals, 2))
    places_px = [(round(azimuth), round(elevation)) for azimuth, elevation in places.tolist()]
    neurons = []
    for name, cell in types.items():
        for animal, (x_px, y_px) in enumerate(places_px):
            for number in range(population.neurons_per_animal):
                dx_px, dy_px = rng.uniform(-0.5, 0.5, 2).tolist()
                neuron = Neuron(
                    cell_type=name,
                    name=f"{name}_{animal}_{number}",
                    animal=f"animal_{animal}",
                    position_deg=((x_px + dx_px) * deg_per_px, (y_px + dy_px) * deg_per_px),
                    shift_px=(x_px, y_px),
                    gain=log_normal(rng, population.gain_cv),
                    offset_dff=rng.normal(0, population.offset_sd_dff),
                    noise_dff=cell.noise_dff,
                )
                neurons.append(neuron)
    return neurons


def log_normal(rng: np.random.Generator, cv: float) -> float:
    """A positive number of mean 1 and coefficient of variation ``cv``."""
    spread = math.sqrt(math.log1p(cv**2))
    return rng.lognormal(-(spread**2) / 2, spread)
