"""Several sessions as one data set, in which a neuron is one neuron and a presentation stands once.

A cell is (animal, session or field, plane, channel, region of interest) until the user says otherwise: by naming it
alike in the tables of neurons of two sessions of one animal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stcnn.data.dataset import Dataset, concatenate, with_notes
from stcnn.data.edges import beyond_px
from stcnn.data.importers.names import MAY_BE_EMPTY, NAMED, look_alikes, require_name
from stcnn.data.importers.session_keys import SessionConfig
from stcnn.data.on_demand import SelectedRecordings
from stcnn.data.recordings import Recording, neurons_of, rows_by
from stcnn.errors import ConfigError, DataError
from stcnn.movie import Movie


def with_distinct_fields(configs: Sequence[Any]) -> tuple[Any, ...]:
    """Configurations of sessions with a ``field`` where only their paths tell their neurons apart.

    Args:
        configs: those of one import; what is no imaging session stays as it is.

    Raises:
        ConfigError: one file stands in two sessions, or ``combined`` stands beside the planes that it copies.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, config in enumerate(configs):
        if isinstance(config, SessionConfig):
            key = (
                getattr(config, "kind", ""),
                config.animal,
                config.session,
                config.field,
                getattr(config, "channel", 1),
            )
            groups.setdefault(key, []).append(place)
    _require_different(configs)
    _require_no_copies([config.path for config in configs if getattr(config, "kind", "") == "suite2p"])
    told = list(configs)
    for (kind, *_), places in groups.items():
        paths = [configs[place].path for place in places]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ConfigError(
                f"{twice} stands in two sessions", expected="each file or folder once", remedy="take one of them out"
            )
        if kind == "nwb" or len(places) == 1:  # NWB files name their animals and sessions themselves
            continue
        for place, field in zip(places, _differing_parts(paths), strict=True):
            named = "/".join(part for part in (configs[place].field, field) if part)
            told[place] = configs[place].model_copy(update={"field": named})
    return tuple(told)


def _differing_parts(paths: Sequence[Path]) -> list[str]:
    """The part of each path in which they differ, without the ending of a file."""
    parts = [(*path.parts[:-1], path.stem if path.suffix in (".h5", ".hdf5") else path.name) for path in paths]
    shortest = min(map(len, parts))
    start = next((i for i in range(shortest) if len({p[i] for p in parts}) > 1), shortest - 1)
    end = next((i for i in range(shortest - start) if len({p[-1 - i] for p in parts}) > 1), 0)
    return ["/".join(part[start : len(part) - end]) for part in parts]


NAMES = {"animal", "session", "field", "constants", "path"}
"""Keys that say what a file is called, not what is taken of it."""


def _require_different(configs: Sequence[Any]) -> None:
    """Refuse one file under two names, which would count every cell in it twice.

    Raises:
        ConfigError: there is one.
    """
    taken: dict[str, Any] = {}
    for config in configs:
        what = f"{config.path.resolve()} {config.model_dump(exclude=NAMES)}"
        first = taken.setdefault(what, config)
        if first is not config:
            raise ConfigError(
                f"{config.path} stands in two sessions"
                + ("" if first.path == config.path else f", the first time as {first.path}"),
                expected="each file or folder once, or other onsets or series of it",
                remedy="take one of them out",
            )


def _require_no_copies(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.name == "combined" and any(other != path and other.parent == path.parent for other in paths):
            raise ConfigError(
                f"{path} holds the same neurons as the planes beside it",
                expected="the planes or their combination",
                remedy=f"set path to {path.parent}, which takes the planes",
            )


def merge_sessions(sessions: Sequence[Dataset]) -> Dataset:
    """Several sessions as one data set; neurons of one name in two animals take the animal into their names.

    Raises:
        DataError: two movies have one name, or a presentation stands twice.
        ShapeError: the movies differ in size or resolution.
    """
    whole = concatenate(sessions)
    for name in whole.movies:
        first, *others = (session.movies for session in sessions if name in session.movies)
        if not all(_same_movie(first[name], movies[name]) for movies in others):
            raise DataError(f"two sessions have different movies under the name '{name}'", remedy="rename one of them")
    return whole


def _same_movie(movie: Movie, other: Movie) -> bool:
    units, others = ((m.frames.shape, m.rate_hz, m.background, m.onset_s) for m in (movie, other))
    return units == others and np.array_equal(movie.luminance(), other.luminance())


def with_distinct_names(data: Dataset) -> Dataset:
    """The data set with names that tell its cells apart, and notes on names that look alike.

    Raises:
        DataError: a name is empty or cannot be told from another, or a presentation stands twice.
    """
    for column in NAMED:
        for name in data.table[column].unique():
            if name or column not in MAY_BE_EMPTY:
                require_name(str(name), f"the {column.replace('_', ' ')}")
    data = _animals_apart(data)
    _require_each_once(data.table)
    return with_notes(data, *_alike(data), *_beyond(data))


def _beyond(data: Dataset) -> Iterator[str]:
    """A sentence about neurons that look beyond the edge of the pictures."""
    rows, columns = data.shape_px
    outside = (beyond_px(data.table, data.shape_px) > 0).any(axis=1)
    if outside.any():
        neurons = data.table[outside].drop_duplicates(["cell_type", "neuron"])
        total = len(data.table.drop_duplicates(["cell_type", "neuron"]))
        first = neurons.iloc[0]
        yield (
            f"{len(neurons)} of {total} neurons look beyond the edge of the pictures, which are {columns} px wide and "
            f"{rows} px high; the first is {first.neuron} ({first.cell_type}), {first.azi_shift_px} px to the right "
            f"and {first.ele_shift_px} px up. Nothing is shown there: make them larger if the screen went on."
        )


def _alike(data: Dataset) -> Iterator[str]:
    for column, plural in (("animal", "animals"), ("session", "sessions"), ("stimulus", "stimuli")):
        yield from look_alikes(map(str, data.table[column].unique()), plural)
    for cell_type, neurons in neurons_of(data.table).items():
        yield from look_alikes(map(str, neurons), f"neurons of {cell_type}")


def _animals_apart(data: Dataset) -> Dataset:
    """Put the animal before the name of each neuron whose name stands in several animals."""
    table = data.table
    animals: dict[tuple[str, str], list[str]] = {}
    for cell_type, neuron, animal in rows_by(table, "cell_type", "neuron", "animal"):
        animals.setdefault((cell_type, neuron), []).append(animal)
    shared = {key for key, found in animals.items() if len(found) > 1}
    if not shared:
        return data
    columns = (table[name].astype(str) for name in ("cell_type", "neuron", "animal"))
    names = [f"{animal or 'unnamed'}/{n}" if (t, n) in shared else n for t, n, animal in zip(*columns, strict=True)]
    cell_type, neuron = next(key for key in animals if key in shared)
    listed = "', '".join(animals[cell_type, neuron])
    note = (
        f"{len(shared)} names stand for neurons of several animals and have the animal before them: "
        f"'{neuron}' ({cell_type}) stands in '{listed}'."
    )
    return with_notes(renamed(data, names), note)


def renamed(data: Dataset, neurons: Sequence[str]) -> Dataset:
    """The data set with other names for its neurons.

    Args:
        data: the data set.
        neurons: the name of the neuron of each recording.

    Raises:
        DataError: two neurons would have one name.
    """
    table = data.table.assign(neuron=list(neurons))
    before = data.table.neuron.astype(str)
    pairs = pd.DataFrame(
        {"cell_type": table.cell_type, "animal": table.animal, "now": table.neuron, "before": before}
    ).drop_duplicates()
    clash = pairs[pairs.duplicated(["cell_type", "now"], keep=False)]
    if len(clash):
        raise DataError(
            f"the neurons '{clash.before.iloc[0]}' and '{clash.before.iloc[1]}' of the animals "
            f"'{clash.animal.iloc[0]}' and '{clash.animal.iloc[1]}' would both be called '{clash.now.iloc[0]}'",
            expected="a name of its own for each neuron",
            remedy="rename one of them",
        )
    recordings = _Renamed(data.recordings, list(neurons))
    return replace(data, table=table, recordings=recordings, neurons=neurons_of(table), known_hash=None)


class _Renamed(SelectedRecordings):
    """Recordings under other names of their neurons."""

    def __init__(self, recordings: Sequence[Recording], neurons: Sequence[str]) -> None:
        super().__init__(recordings, range(len(recordings)))
        self.neurons = neurons

    def read(self, index: int) -> Recording:
        """The recording at this place, under its new name."""
        return replace(super().read(index), neuron=self.neurons[index])


def _require_each_once(table: pd.DataFrame) -> None:
    """Refuse two recordings of one neuron, stimulus, session and trial.

    Raises:
        DataError: there are two.
    """
    columns = ["cell_type", "neuron", "animal", "session", "stimulus", "trials"]
    twice = table.duplicated([*columns, "azi_shift_px", "ele_shift_px"])
    if twice.any():
        cell_type, neuron, animal, session, stimulus, trials = table[columns].iloc[int(twice.to_numpy().argmax())]
        raise DataError(
            f"trial {trials[0]} of stimulus '{stimulus}' stands twice for neuron '{neuron}' "
            f"({cell_type}; animal '{animal}', session '{session}')",
            expected="each neuron, stimulus and trial once in a session",
            remedy="import each session once; give two sessions or fields different keys 'session' or 'field', and two "
            "neurons different names",
        )
