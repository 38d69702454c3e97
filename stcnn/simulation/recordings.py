"""Recordings with a known truth: neurons of simulated cell types, imaged while they see stimuli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from stcnn.cell_type_names import cell_type_name
from stcnn.data import Dataset, Recording
from stcnn.errors import ConfigError
from stcnn.movie import BACKGROUND, Movie
from stcnn.reading import require_room
from stcnn.simulation.detectors import CellType, Lattice, cell_type, voltage
from stcnn.simulation.early import EarlyStage, early_stage
from stcnn.simulation.faults import Fault, plant
from stcnn.simulation.imaging import Imaging, expose, noise, sample_times
from stcnn.simulation.indicator import Indicator, find_indicator, fluorescence
from stcnn.simulation.population import Neuron, Population, draw_neurons, log_normal
from stcnn.stimuli import Screen, load_protocol, render

GREY_LEVELS: NDArray[np.float32] = np.array([*np.arange(255) / 254, BACKGROUND], np.float32)
"""Luminance of the codes of an 8-bit display whose last code is the grey of the background."""


class SimulatedDataConfig(Population):
    """Plan of the recordings; the defaults are the embedded data set."""

    kind: Literal["simulated"] = "simulated"
    """Recordings with a known truth, drawn anew from the seed."""
    seed: int = Field(default=0, ge=0)
    """Seed of neurons, noise and trials."""
    cell_types: tuple[str, ...] = Field(default=("lc11", "lc15", "lplc2"), min_length=1)
    """Names from the table of types: here one each for small objects, long bars and looming."""
    stimuli: str | tuple[str, ...] | Mapping[str, Mapping[str, Any]] = "mixed"
    """Protocols of stcnn.stimuli by name or path, or name to stimulus as a mapping ``{kind: ..., ...}``."""
    before_s: float = Field(default=0.5, ge=0, le=60)
    """Grey before every stimulus."""
    after_s: float = Field(default=0.6, ge=0, le=60)
    """Grey after every stimulus."""
    rate_hz: float = Field(default=60.0, ge=1, le=1000)
    """Frames per second of the movies."""
    shape_px: tuple[int, int] = (83, 83)
    """Rows and columns of the movies."""
    deg_per_px: float = Field(default=1.0, gt=0, le=90)
    """Degrees of visual angle per pixel."""
    n_trials: int = Field(default=3, ge=1, le=1000)
    """Trials of every neuron and stimulus."""
    average_trials: bool = True
    """One recording per neuron and stimulus, the mean of its trials; else one per trial."""
    indicator: str | Indicator = "lobula"
    """Calcium indicator, by name or by its kinetics."""
    imaging: Imaging = Imaging()
    early: EarlyStage = EarlyStage()
    faults: tuple[Fault, ...] = ()
    """Faults planted into the recordings, for the audit to find; the truth stays as it is."""

    @field_validator("cell_types")
    @classmethod
    def _whatever_case(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(map(cell_type_name, given))
        if len(set(names)) < len(names):
            raise ValueError(f"of {', '.join(given)} one stands twice")
        return names

    @model_validator(mode="after")
    def _averages_share_a_clock(self) -> SimulatedDataConfig:
        if self.imaging.clock == "imaging" and self.average_trials:
            raise ValueError("trials with their own time stamps cannot be averaged: set average_trials to false")
        return self


@dataclass(frozen=True)
class Responses:
    """Responses of all neurons while one stimulus was shown.

    Args:
        voltage: ``(N, T)`` at the frames of the movie, in units of dF/F.
        dff: noise-free dF/F with the neuron's gain and offset, ``(N, T)`` at the frames of the movie.
        trials: recorded dF/F of each trial, ``(N, S)``.
        times_s: times of the samples of each trial, ``(S,)``.
    """

    voltage: NDArray[np.float32]
    dff: NDArray[np.float32]
    trials: Sequence[NDArray[np.float32]]
    times_s: Sequence[NDArray[Any]]


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
        """The recordings alone, ordered by neuron, stimulus and trial, with the faults that were asked for."""
        clean = Dataset.of(self.movies, [self._recording(*place) for place in self._places()])
        return plant(clean, self.config.faults)

    @cached_property
    def truth(self) -> Dataset:
        """The same recordings in the same order without noise, drift, faults or variation from trial to trial.

        Their samples are those of the movie's frames, whatever the clock of the recordings.
        """
        recordings = [
            replace(
                self._recording(row, name, trials),
                trace=self.responses[name].dff[row],
                repeats=None,
                time_s=self.movies[name].time_s,
                rate_hz=self.config.rate_hz,
                exposure_s=0.0,
            )
            for row, name, trials in self._places()
        ]
        return Dataset.of(self.movies, recordings)

    def _places(self) -> list[tuple[int, str, tuple[int, ...]]]:
        """Row of the neuron, stimulus, and trials of every recording."""
        numbers = tuple(range(self.config.n_trials))
        taken = [numbers] if self.config.average_trials else [(number,) for number in numbers]
        return [(row, name, trials) for row in range(len(self.neurons)) for name in self.movies for trials in taken]

    def _recording(self, row: int, stimulus: str, trials: tuple[int, ...]) -> Recording:
        neuron = self.neurons[row]
        imaging = self.config.imaging
        named = self.config.indicator
        responses = self.responses[stimulus]
        own_clock = imaging.clock == "imaging"
        repeats = np.stack([responses.trials[trial][row] for trial in trials])
        return Recording(
            cell_type=neuron.cell_type,
            neuron=neuron.name,
            stimulus=stimulus,
            trace=repeats.mean(0),
            time_s=responses.times_s[trials[0]],
            rate_hz=imaging.volume_rate_hz if own_clock else self.config.rate_hz,
            trials=trials,
            shift_px=neuron.shift_px,
            animal=neuron.animal,
            indicator=named if isinstance(named, str) else "",
            exposure_s=imaging.exposure_s if own_clock else 0.0,
            position_deg=neuron.position_deg,
            repeats=repeats if len(trials) > 1 else None,
        )


def simulate(config: SimulatedDataConfig) -> Simulation:
    """Simulate recordings; the same configuration always gives the same.

    Raises:
        ConfigError: an unknown cell type, indicator or stimulus.
        FileError: an unknown protocol.
    """
    types = {name: cell_type(name) for name in config.cell_types}
    find_indicator(config.indicator)
    movies = movies_of(config)
    _require_samples(config.imaging, movies)
    _require_room(config, len(types), movies)
    neurons = draw_neurons(config, types, config.deg_per_px, np.random.default_rng([config.seed, 0]))
    responses = {}
    for number, (name, movie) in enumerate(movies.items()):
        volts = voltages(movie, types, neurons, config.early)
        responses[name] = _record(config, neurons, movie, volts, np.random.default_rng([config.seed, 1, number]))
    return Simulation(config, neurons, movies, responses)


def _require_samples(imaging: Imaging, movies: Mapping[str, Movie]) -> None:
    """Refuse an exposure and a rate at which a stimulus may end before one whole sample was taken.

    Raises:
        ConfigError: a stimulus is too short; the message names it.
    """
    needed_s = imaging.exposure_s + 1 / imaging.volume_rate_hz
    for name, movie in movies.items():
        if (lasts_s := movie.n_frames / movie.rate_hz) < needed_s:
            raise ConfigError(
                f"the stimulus '{name}' lasts {lasts_s:.3g} s with the grey around it, and imaging.exposure_s = "
                f"{imaging.exposure_s:g} s at imaging.volume_rate_hz = {imaging.volume_rate_hz:g} Hz takes up to "
                f"{needed_s:.3g} s for one sample",
                remedy="shorten the exposure, image faster, or show more grey (before_s, after_s)",
            )


def _require_room(config: SimulatedDataConfig, n_types: int, movies: Mapping[str, Movie]) -> None:
    """Refuse more neurons, trials and samples than the memory holds."""
    n_neurons = n_types * config.n_animals * config.neurons_per_animal
    sampled = 1.0 if config.imaging.clock == "movie" else config.imaging.volume_rate_hz / config.rate_hz
    n_values = n_neurons * sum(movie.n_frames for movie in movies.values()) * (2 + config.n_trials * max(sampled, 1.0))
    require_room(int(4 * n_values), f"a simulation of {n_neurons} neurons in {config.n_trials} trials")


def movies_of(config: SimulatedDataConfig) -> dict[str, Movie]:
    """Render the stimuli of a configuration, in the grey levels of an 8-bit display and with grey before and after.

    Raises:
        FileError: an unknown protocol.
        ConfigError: an unknown kind of stimulus, or a faulty argument.
    """
    stimuli = config.stimuli
    if isinstance(stimuli, str):
        stimuli = (stimuli,)
    if not isinstance(stimuli, Mapping):
        stimuli = {name: shown for protocol in stimuli for name, shown in load_protocol(protocol).parameters.items()}
    screen = Screen(shape_px=config.shape_px, deg_per_px=config.deg_per_px, rate_hz=config.rate_hz)
    return {
        str(name): _between_grey(_in_8_bits(render(screen, parameters)), config.before_s, config.after_s)
        for name, parameters in stimuli.items()
    }


def _in_8_bits(movie: Movie) -> Movie:
    luminance = movie.luminance()
    codes = np.rint(luminance * 254).astype(np.uint8)
    codes[luminance == np.float32(movie.background)] = 255
    return replace(movie, frames=codes, levels=GREY_LEVELS)


def _between_grey(movie: Movie, before_s: float, after_s: float) -> Movie:
    """Put grey frames before and after a movie in :data:`GREY_LEVELS`."""
    n_frames = round(before_s * movie.rate_hz), round(after_s * movie.rate_hz)
    frames = np.pad(movie.frames, (n_frames, (0, 0), (0, 0)), constant_values=255)
    track = {name: np.pad(values, n_frames, constant_values=np.nan) for name, values in movie.track.items()}
    return replace(movie, frames=frames, track=track, onset_s=movie.onset_s + n_frames[0] / movie.rate_hz)


def voltages(
    movie: Movie, types: Mapping[str, CellType], neurons: Sequence[Neuron], early: EarlyStage | None = None
) -> NDArray[np.float64]:
    """Voltage ``(N, T)`` of neurons that see a movie, in units of dF/F; the neurons stand in the order of ``types``."""
    columns = early_stage(movie, early)
    lattice = Lattice.of(columns)
    n_steps = round(columns.rate_hz / movie.rate_hz)
    parts = []
    for name, cell in types.items():
        positions = torch.tensor([n.position_deg for n in neurons if n.cell_type == name], dtype=torch.float64)
        volts = cell.reference_dff * voltage(cell.detector, lattice, positions)
        parts.append(volts.unflatten(0, (-1, n_steps)).mean(1))
    return torch.cat(parts, dim=-1).numpy().T


def _record(
    config: SimulatedDataConfig,
    neurons: Sequence[Neuron],
    movie: Movie,
    volts: NDArray[np.float64],
    rng: np.random.Generator,
) -> Responses:
    """Record all trials of all neurons to one movie."""
    imaging = config.imaging
    time_s = movie.time_s
    gain, offset, sigma = np.array([(n.gain, n.offset_dff, n.noise_dff) for n in neurons]).T[:, :, None]
    evoked = gain * fluorescence(volts.T, find_indicator(config.indicator), movie.rate_hz).T
    trials = []
    times = []
    for _ in range(config.n_trials):
        shared = {name: log_normal(rng, imaging.trial_gain_cv) for name in dict.fromkeys(n.animal for n in neurons)}
        at_s = sample_times(time_s[0], time_s[-1] + 1 / movie.rate_hz, imaging, rng.uniform())
        trial_gain = np.array([[shared[n.animal]] for n in neurons])
        seen = expose(trial_gain * evoked + offset, time_s, at_s, imaging.exposure_s)
        seen = seen + noise(seen, sigma[:, 0], at_s, imaging, rng)
        if imaging.clock == "movie":
            seen = expose(seen, at_s, time_s, 0.0)
            at_s = time_s
        trials.append(seen.astype(np.float32))
        times.append(at_s)
    return Responses(volts.astype(np.float32), (evoked + offset).astype(np.float32), trials, times)
