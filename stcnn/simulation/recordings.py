"""Recordings with a known truth: neurons of simulated cell types, imaged while they see stimuli.

Every animal is looked at in one place of the visual field, where all its neurons have their receptive fields; the
picture is shifted there by whole pixels, as in the published recordings, and a residual below half a pixel remains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from typing import Any, Literal

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stcnn.data import Dataset, Recording
from stcnn.errors import ConfigError, nearest
from stcnn.movie import BACKGROUND, Movie
from stcnn.simulation.detectors import CellType, Lattice, cell_type, voltage
from stcnn.simulation.early import EarlyStage, early_stage
from stcnn.simulation.imaging import Imaging, record
from stcnn.simulation.indicator import INDICATORS, Indicator, fluorescence
from stcnn.stimuli import Screen, render

GREY_LEVELS: NDArray[np.float32] = np.array([*np.arange(255) / 254, BACKGROUND], np.float32)
"""Luminance of the codes of an 8-bit display whose last code is the grey of the background."""


class SimulatedDataConfig(BaseModel):
    """What is recorded from whom; the defaults are the embedded data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["simulated"] = "simulated"
    seed: int = Field(default=0, ge=0)
    cell_types: tuple[str, ...] = ("lc11", "lc15", "lplc2")
    """Names from the table of types: here one each for small objects, long bars and looming."""
    n_animals: int = Field(default=5, ge=1)
    neurons_per_animal: int = Field(default=1, ge=1)
    """Of each cell type."""
    n_trials: int = Field(default=3, ge=1)
    average_trials: bool = True
    """One recording per neuron and stimulus, the mean of its trials; else one per trial."""
    rate_hz: float = Field(default=60.0, gt=0)
    """Of movies and traces."""
    shape_px: tuple[int, int] = (83, 83)
    deg_per_px: float = Field(default=1.0, gt=0)
    stimuli: str | Mapping[str, Mapping[str, Any]] = "mixed"
    """Name to stimulus, as a mapping ``{kind: ..., ...}`` of stcnn.stimuli, or the name of a set in stimuli.yaml."""
    position_sd_deg: float = Field(default=4.0, ge=0)
    """Spread of the places looked at."""
    gain_cv: float = Field(default=0.27, ge=0)
    """Variation of gain across neurons (median of 91 neurons, Klapoetke et al. 2022)."""
    offset_sd_dff: float = Field(default=0.03, ge=0)
    """Spread of the neurons' baselines."""
    indicator: str | Indicator = "gcamp6f"
    imaging: Imaging = Imaging()
    early: EarlyStage = EarlyStage()


@dataclass(frozen=True)
class Neuron:
    """A simulated neuron: where it looks, and how its recordings come out."""

    cell_type: str
    name: str
    animal: str
    position_deg: tuple[float, float]
    """Azimuth and elevation of the receptive field."""
    shift_px: tuple[int, int]
    """Azimuth and elevation of the place looked at in whole pixels."""
    gain: float
    """Of the dF/F, 1 on average."""
    offset_dff: float
    noise_dff: float


@dataclass(frozen=True)
class Responses:
    """What all neurons did while one stimulus was shown.

    Args:
        voltage: ``(N, T)``, in units of dF/F.
        dff: noise-free dF/F with the neuron's gain and offset, ``(N, T)``.
        trials: recorded dF/F, ``(N, trials, T)``.
    """

    voltage: NDArray[np.float32]
    dff: NDArray[np.float32]
    trials: NDArray[np.float32]


@dataclass(frozen=True)
class Simulation:
    """Simulated recordings beside their truth.

    Args:
        config: what was simulated.
        neurons: all neurons, type by type.
        movies: stimulus to movie.
        responses: stimulus to what the neurons did, in the order of ``neurons``.
    """

    config: SimulatedDataConfig
    neurons: Sequence[Neuron]
    movies: Mapping[str, Movie]
    responses: Mapping[str, Responses]

    @cached_property
    def dataset(self) -> Dataset:
        """The recordings alone, ordered by neuron, stimulus and trial."""
        return Dataset.of(self.movies, [recording for recording, _, _ in self._recordings()])

    def truth(self) -> list[NDArray[np.float32]]:
        """Noise-free dF/F of every recording of :attr:`dataset`, in its order."""
        return [self.responses[stimulus].dff[row] for recording, stimulus, row in self._recordings()]

    def _recordings(self) -> list[tuple[Recording, str, int]]:
        """Every recording with its stimulus and the row of its neuron."""
        return [
            (self._recording(row, stimulus, trials), stimulus, row)
            for row in range(len(self.neurons))
            for stimulus in self.movies
            for trials in self._taken()
        ]

    def _taken(self) -> list[tuple[int, ...]]:
        """The trials that make each recording."""
        numbers = tuple(range(self.config.n_trials))
        return [numbers] if self.config.average_trials else [(number,) for number in numbers]

    def _recording(self, row: int, stimulus: str, trials: tuple[int, ...]) -> Recording:
        neuron, movie = self.neurons[row], self.movies[stimulus]
        return Recording(
            cell_type=neuron.cell_type,
            neuron=neuron.name,
            stimulus=stimulus,
            trace=self.responses[stimulus].trials[row, list(trials)].mean(0),
            time_s=movie.time_s,
            rate_hz=movie.rate_hz,
            trials=trials,
            shift_px=neuron.shift_px,
            animal=neuron.animal,
        )


def simulate(config: SimulatedDataConfig) -> Simulation:
    """Simulate recordings; the same configuration always gives the same.

    Raises:
        ConfigError: an unknown cell type, indicator, stimulus set, or stimulus.
    """
    types = {name: cell_type(name) for name in config.cell_types}
    find_indicator(config.indicator)
    movies = movies_of(config)
    neurons = draw_neurons(config, types)
    responses = {}
    for number, (name, movie) in enumerate(movies.items()):
        rng = np.random.default_rng([config.seed, 1, number])
        responses[name] = _responses(config, types, neurons, movie, rng)
    return Simulation(config, neurons, movies, responses)


def find_indicator(named: str | Indicator) -> Indicator:
    """The indicator of a name, or the one given.

    Raises:
        ConfigError: no indicator has this name.
    """
    if isinstance(named, Indicator):
        return named
    if named not in INDICATORS:
        raise ConfigError(f"the simulation knows no indicator '{named}'", remedy=nearest(named, INDICATORS))
    return INDICATORS[named]


def movies_of(config: SimulatedDataConfig) -> dict[str, Movie]:
    """Render the stimuli of a configuration in the grey levels of an 8-bit display.

    Raises:
        ConfigError: an unknown set or stimulus, or a faulty argument.
    """
    stimuli = config.stimuli
    if isinstance(stimuli, str):
        sets = yaml.safe_load(resources.files(__package__).joinpath("stimuli.yaml").read_text())
        if stimuli not in sets:
            raise ConfigError(f"the simulation knows no stimulus set '{stimuli}'", remedy=nearest(stimuli, sets))
        stimuli = sets[stimuli]
    screen = Screen(shape_px=config.shape_px, deg_per_px=config.deg_per_px, rate_hz=config.rate_hz)
    return {str(name): _in_8_bits(render(screen, parameters)) for name, parameters in stimuli.items()}


def _in_8_bits(movie: Movie) -> Movie:
    luminance = movie.luminance()
    codes = np.rint(luminance * 254).astype(np.uint8)
    codes[luminance == np.float32(movie.background)] = 255
    return replace(movie, frames=codes, levels=GREY_LEVELS)


def draw_neurons(config: SimulatedDataConfig, types: Mapping[str, CellType]) -> list[Neuron]:
    """Draw places, gains and offsets of all neurons."""
    rng = np.random.default_rng([config.seed, 0])
    places = rng.normal(0, config.position_sd_deg / config.deg_per_px, (config.n_animals, 2))
    places_px = [(round(azimuth), round(elevation)) for azimuth, elevation in places.tolist()]
    neurons = []
    for name, kind in types.items():
        for animal, place_px in enumerate(places_px):
            for number in range(config.neurons_per_animal):
                residual_px = rng.uniform(-0.5, 0.5, 2).tolist()
                neuron = Neuron(
                    cell_type=name,
                    name=f"{name}_{animal}_{number}",
                    animal=f"animal_{animal}",
                    position_deg=tuple((p + r) * config.deg_per_px for p, r in zip(place_px, residual_px, strict=True)),
                    shift_px=place_px,
                    gain=_log_normal(rng, config.gain_cv),
                    offset_dff=rng.normal(0, config.offset_sd_dff),
                    noise_dff=kind.noise_dff,
                )
                neurons.append(neuron)
    return neurons


def _log_normal(rng: np.random.Generator, cv: float) -> float:
    """A positive number of mean 1 and coefficient of variation ``cv``."""
    spread = math.sqrt(math.log1p(cv**2))
    return rng.lognormal(-(spread**2) / 2, spread)


def _responses(
    config: SimulatedDataConfig,
    types: Mapping[str, CellType],
    neurons: Sequence[Neuron],
    movie: Movie,
    rng: np.random.Generator,
) -> Responses:
    """Show one movie to all neurons and record all trials."""
    lattice = Lattice.of(early_stage(movie, config.early))
    parts = []
    for name, kind in types.items():
        positions = torch.tensor([n.position_deg for n in neurons if n.cell_type == name], dtype=torch.float64)
        parts.append(kind.reference_dff * voltage(kind.detector, lattice, positions))
    volts = torch.cat(parts, dim=-1).numpy()
    gain, offset, noise = np.array([(n.gain, n.offset_dff, n.noise_dff) for n in neurons]).T[:, :, None]
    evoked = gain * fluorescence(volts, find_indicator(config.indicator), movie.rate_hz).T
    trials = []
    for _ in range(config.n_trials):
        shared = {
            animal: _log_normal(rng, config.imaging.trial_gain_cv)
            for animal in dict.fromkeys(n.animal for n in neurons)
        }
        trial_gain = np.array([shared[n.animal] for n in neurons])[:, None]
        trials.append(record(trial_gain * evoked + offset, noise[:, 0], movie.time_s, config.imaging, rng))
    single = np.float32
    return Responses(volts.T.astype(single), (evoked + offset).astype(single), np.stack(trials, 1).astype(single))
