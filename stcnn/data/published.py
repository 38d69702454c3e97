"""Reads recordings in the published folder layout (Klapoetke et al. 2022, doi 10.1016/j.neuron.2022.02.013).

    ca_path/TYPE/*.pt      {stimulus: {t_axis (T,), Hz, neuron: {uid: {traces (trials, T), azi_shift, ele_shift}}}}
    mov_path/vstim_*.pt    {stimulus: {rect_mov or hex_mov (T, Y, X), t_axis (T,)}}

The order of files, stimuli, neurons and trials numbers the recordings, and the order in which neurons first appear
numbers the neurons of a cell type. All faults of a folder are collected and reported together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from stcnn.cell_type_names import by_cell_type
from stcnn.data.dataset import Dataset
from stcnn.data.published_faults import Faults
from stcnn.data.published_neurons import RepeatedUids, told_apart
from stcnn.data.recordings import Recording
from stcnn.errors import ConfigError, DataError, FileError, StcnnError, nearest
from stcnn.movie import BACKGROUND, Movie
from stcnn.reading import load_tensors, plain_numbers, readable
from stcnn.validation import Config

MOVIE_KEYS = ("rect_mov", "hex_mov")


T = TypeVar("T")


class PublishedDataConfig(Config):
    """Where recordings in the published layout lie, and how to take them."""

    kind: Literal["published"] = "published"
    """Recordings in the folders of the published study."""
    ca_path: Path
    """Folder with one folder of ``.pt`` files per cell type."""
    mov_path: Path
    """Folder with the movies, ``vstim_*.pt``."""
    cell_types: tuple[str, ...] | None = None
    """Cell types to read, in the order that numbers them; None reads all, sorted."""
    file_order: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Cell type to its file names in the order that numbers the neurons; sorted by name where not given.
    Published runs took the order of their file system."""
    rate_hz: float = Field(default=180.0, gt=0)
    """Rate of traces and movies; files that say otherwise are refused."""
    deg_per_px: float = Field(default=1.0, gt=0)
    """Degrees of visual angle per pixel of the movies."""
    background: float = Field(default=BACKGROUND, ge=0, le=1)
    """Luminance of grey in the movies."""
    average_trials: bool = True
    """One recording per neuron and stimulus, the mean of its trials; else one per trial."""
    repeated_uids: RepeatedUids = "refuse"
    """A uid that stands in several files of a cell type: refused, a neuron of its own in each (named ``FILE/UID``), or
    one neuron, of the animal of the first file, whose stimuli are spread over the files."""
    movie_layout: Literal["rect_mov", "hex_mov"] | None = None
    """Which movie to take from files that hold both; None takes ``rect_mov`` where it exists."""


def read_published(config: PublishedDataConfig) -> Dataset:
    """Read a data set in the published folder layout.

    Raises:
        FileError: a folder is missing or empty, or a file cannot be read.
        DataError: what the files hold is not usable; the message lists the first faults and their number.
    """
    faults = Faults()
    movies = _read_movies(config, faults)
    recordings: list[Recording] = []
    neurons: dict[str, list[str]] = {}
    for cell_type, files in _recording_files(config).items():
        of_files = [_read_recordings(file, cell_type, config, faults) for file in files]
        found, doubt = told_apart(of_files, config.repeated_uids)
        if doubt:
            faults.add(doubt)
        recordings += found
        neurons[cell_type] = list(dict.fromkeys(r.neuron for r in found))
    used = dict.fromkeys(r.stimulus for r in recordings)
    for stimulus in used:
        if stimulus not in movies:
            where = next(r for r in recordings if r.stimulus == stimulus)
            faults.add(
                f"stimulus '{stimulus}' of {where.cell_type}/{where.animal}.pt has no movie in {config.mov_path}"
                f" ({nearest(stimulus, movies)})"
            )
    faults.raise_any(f"{config.ca_path} and {config.mov_path}")
    return Dataset.of({name: movies[name] for name in used}, recordings, neurons)


def _folder(path: Path, what: str, pattern: str) -> list[Path]:
    """The entries of a folder, sorted by name.

    Raises:
        FileError: the folder is missing or holds no such entry.
    """
    if not path.is_dir():
        raise FileError(f"{path} is not a folder", expected=f"the folder of {what}", remedy="correct the path")
    entries = sorted(entry for entry in path.glob(pattern) if not entry.name.startswith("."))  # drafts and the like
    if not entries:
        raise FileError(f"{path} holds no {pattern}", expected=what, remedy="correct the path or add the files")
    return entries


def _recording_files(config: PublishedDataConfig) -> dict[str, list[Path]]:
    """Cell type to its files, in the order that numbers types and neurons."""
    paths = [p for p in _folder(config.ca_path, "one folder per cell type", "*") if p.is_dir()]
    if not paths:
        raise FileError(f"{config.ca_path} holds no folder", expected="one folder per cell type")
    folders = _by_cell_type({p.name: p for p in paths}, f"{config.ca_path} holds two folders of one cell type")
    chosen = dict.fromkeys(config.cell_types or ())
    if len(chosen) < len(config.cell_types or ()):
        raise ConfigError(f"cell_types names one twice: {', '.join(config.cell_types or ())}", expected="each once")
    wanted = list(_by_cell_type(chosen, "cell_types names one twice")) or sorted(folders)
    file_order = _by_cell_type(config.file_order, "file_order names one cell type twice")
    for name in [*wanted, *file_order]:
        if name not in folders:
            raise FileError(f"cell type '{name}' has no folder in {config.ca_path}", remedy=nearest(name, folders))
    return {t: _in_order(_folder(folders[t], f"recordings of {t}", "*.pt"), file_order.get(t)) for t in wanted}


def _by_cell_type(given: Mapping[str, T], what: str) -> dict[str, T]:
    try:
        return by_cell_type(given)
    except ValueError as error:
        raise ConfigError(f"{what}: {error}", remedy="rename or remove one of them") from None


def _in_order(files: list[Path], names: Sequence[str] | None) -> list[Path]:
    if names is None:
        return files
    by_name = {file.name: file for file in files}
    if sorted(names) != sorted(by_name):
        raise FileError(
            f"file_order names {', '.join(names)} but {files[0].parent} holds {', '.join(by_name)}",
            expected="every file exactly once",
        )
    return [by_name[name] for name in names]


def _read_recordings(file: Path, cell_type: str, config: PublishedDataConfig, faults: Faults) -> list[Recording]:
    recordings: list[Recording] = []
    for stimulus, entry in _entries(file, faults, ("t_axis", "neuron")):
        where = f"{file}, stimulus '{stimulus}'"
        with faults.collected(where):
            time_s = plain_numbers(entry["t_axis"], "t_axis", 1).astype(np.float64)
            if not _rate_agrees(where, _number(entry, "Hz", config.rate_hz), time_s, config.rate_hz, faults):
                continue
            for uid, neuron in _dictionary(entry["neuron"], "neuron").items():
                with faults.collected(f"{where}, neuron {uid}"):
                    names = (cell_type, str(uid), stimulus)
                    recordings += _of_neuron(names, _dictionary(neuron, str(uid)), time_s, config, file.stem)
    return recordings


def _of_neuron(
    names: tuple[str, str, str], neuron: Mapping[str, Any], time_s: NDArray, config: PublishedDataConfig, animal: str
) -> list[Recording]:
    trials = _read_trials(neuron, len(time_s))
    shift_px = (round(_number(neuron, "azi_shift", 0)), round(_number(neuron, "ele_shift", 0)))
    return [
        Recording(
            *(*names, trace, time_s, config.rate_hz, numbers, shift_px, animal),
            repeats=trials if len(numbers) > 1 else None,
        )
        for numbers, trace in _taken(trials, config.average_trials)
    ]


def _number(entry: Mapping[str, Any], name: str, default: float) -> float:
    value = plain_numbers(entry.get(name, default), name)
    if value.size != 1 or not np.isfinite(value).all():
        raise DataError(f"'{name}' is {readable(value.tolist(), 40)}", expected="a finite number")
    return float(value.ravel()[0])


def _dictionary(value: object, name: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"'{name}' is a {type(value).__name__}", expected="a dictionary")
    return value


def _entries(file: Path, faults: Faults, keys: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """The usable stimuli of a file: dictionaries that have all keys."""
    try:
        content = load_tensors(file, "a complete file of stimuli, written by torch.save")
    except StcnnError as error:
        faults.add(str(error).rstrip("."))
        return []
    usable = []
    for stimulus, entry in content.items():
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if not isinstance(entry, dict):
            faults.add(f"{file}, stimulus '{stimulus}' is a {type(entry).__name__}, expected a dictionary")
        elif missing:
            faults.add(f"{file}, stimulus '{stimulus}' has no '{missing[0]}'")
        else:
            usable.append((str(stimulus), entry))
    return usable


def _rate_agrees(where: str, file_hz: float, time_s: NDArray, rate_hz: float, faults: Faults) -> bool:
    if not np.isclose(file_hz, rate_hz):
        faults.add(f"{where} was sampled at {file_hz:g} Hz, expected rate_hz = {rate_hz:g} Hz of the configuration")
        return False
    steps = np.diff(time_s) * rate_hz
    if len(steps) and np.abs(steps - 1).max() > 0.01:
        worst = int(np.abs(steps - 1).argmax())
        faults.add(
            f"{where} has a t_axis whose step after sample {worst} is {steps[worst] / rate_hz:.4g} s, "
            f"expected {1 / rate_hz:.4g} s at {rate_hz:g} Hz"
        )
        return False
    return True


def _read_trials(neuron: Mapping[str, Any], n_samples: int) -> NDArray[np.float32]:
    """Traces ``(trials, T)`` of one neuron.

    Raises:
        DataError: they cannot be used.
    """
    if "traces" not in neuron:
        raise DataError("has no 'traces'")
    traces = neuron["traces"]
    each = traces if isinstance(traces, list) else np.atleast_2d(plain_numbers(traces, "traces"))
    rows = [plain_numbers(row, "traces", 1).astype(np.float32) for row in each]
    lengths = {row.size for row in rows}
    if len(lengths) != 1:
        raise DataError(f"has trials of unequal lengths {sorted(lengths)}", expected=f"{n_samples} samples each")
    if lengths != {n_samples}:
        raise DataError(f"has traces of {rows[0].size} samples but a t_axis of {n_samples}")
    trials = np.stack(rows)
    bad = np.argwhere(~np.isfinite(trials))
    if len(bad):
        trial, sample = bad[0]
        raise DataError(
            f"has {len(bad)} values that are not finite, the first in trial {trial}, sample {sample}"
            " (leave out the trial or mend the trace)"
        )
    return trials


def _taken(trials: NDArray[np.float32], average: bool) -> list[tuple[tuple[int, ...], NDArray[np.float32]]]:
    if average:
        return [(tuple(range(len(trials))), trials.mean(0))]
    return [((number,), trace) for number, trace in enumerate(trials)]


def _read_movies(config: PublishedDataConfig, faults: Faults) -> dict[str, Movie]:
    movies: dict[str, Movie] = {}
    files: dict[str, Path] = {}
    for file in _folder(config.mov_path, "movies", "vstim_*.pt"):
        for stimulus, entry in _entries(file, faults, ()):
            layouts = (config.movie_layout,) if config.movie_layout else MOVIE_KEYS
            frames = next((entry[key] for key in layouts if key in entry), None)
            if frames is None:
                faults.add(f"{file}, stimulus '{stimulus}' has no {' or '.join(layouts)}, it has {', '.join(entry)}")
                continue
            if stimulus in files:
                faults.add(f"the movie of stimulus '{stimulus}' stands in {files[stimulus]} and again in {file}")
            files.setdefault(stimulus, file)
            with faults.collected(f"{file}, stimulus '{stimulus}'"):
                movies[stimulus] = _movie(frames, entry, config)
    return movies


def _movie(frames: ArrayLike, entry: Mapping[str, Any], config: PublishedDataConfig) -> Movie:
    time_s = plain_numbers(entry.get("t_axis", [0.0]), "t_axis", 1)
    luminance = plain_numbers(frames, "the movie", 3)
    if "t_axis" in entry and len(time_s) != len(luminance):
        raise DataError(f"the movie has {len(luminance)} frames but a t_axis of {len(time_s)}")
    return Movie.from_luminance(
        luminance, config.rate_hz, deg_per_px=config.deg_per_px, background=config.background, onset_s=-float(time_s[0])
    )
