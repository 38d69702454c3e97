"""Several data sets as one, so that one core learns from all of them, each with cell types and clocks of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from stcnn.cell_type_names import cell_type_name
from stcnn.data.borders import with_border
from stcnn.data.dataset import Dataset, concatenate, with_notes
from stcnn.data.on_demand import JoinedMovies, NamedMovies, NamedRecordings
from stcnn.data.splitting.by_set import SET
from stcnn.errors import ConfigError, DataError


def pool(sets: Mapping[str, Dataset]) -> Dataset:
    """Join data sets; nothing is read.

    Cell types and movies get the name of their set and an underscore in front, so that readout, indicator and neurons
    of each set are its own. Rates may differ: a batch holds movies of one rate, and traces keep their own clocks. Sizes
    of pictures may, too: smaller ones get a border of their background (:mod:`stcnn.data.borders`).

    Args:
        sets: name to data set, with movies of one resolution.

    Raises:
        ConfigError: the names cannot tell the sets apart.
        ShapeError: the movies differ in resolution, or in size by an odd number of pixels.
        DataError: two sets hold the very same trace, which could then be learned from in one and held out in the other.
    """
    names = [cell_type_name(name) for name in sets]
    for name in names:
        if others := [other for other in names if other != name and other.startswith(f"{name}_")]:
            raise ConfigError(
                f"dataset.sets names '{name}' and '{others[0]}'",
                expected="names of which none begins with another and an underscore: they stand before cell types",
                remedy="rename one of them",
            )
    _require_apart(sets)
    rows, columns = (max(data.shape_px[axis] for data in sets.values()) for axis in (0, 1))
    parts = [_named(with_border(data, (rows, columns)), cell_type_name(name)) for name, data in sets.items()]
    whole = concatenate(parts)
    hashes = [(name, data.content_hash()) for name, data in zip(names, sets.values(), strict=True)]
    return replace(
        whole,
        neurons={name: of_type for part in parts for name, of_type in part.neurons.items()},
        known_hash=hashlib.sha256(repr(hashes).encode()).hexdigest(),
        known_prints=JoinedMovies([part.known_prints for part in parts]),
    )


def _named(data: Dataset, name: str) -> Dataset:
    """The same data with the name of their set before cell types and movies."""
    prefix = f"{name}_"
    table = data.table.assign(
        cell_type=prefix + data.table.cell_type,
        stimulus=prefix + data.table.stimulus,
        **{SET: name},
    )
    if "prints" not in table:
        table["prints"] = data.trace_prints()
    named = replace(
        data,
        movies=NamedMovies(data.movies, prefix),
        recordings=NamedRecordings(data.recordings, prefix),
        table=table,
        neurons={prefix + cell_type: neurons for cell_type, neurons in data.neurons.items()},
        known_hash=None,
        known_prints=NamedMovies(data.known_prints, prefix),
        notes=(),
    )
    return with_notes(named, *(f"{name}: {note}" for note in data.notes))


def _require_apart(sets: Mapping[str, Dataset]) -> None:
    first: dict[int, str] = {}
    for name, data in sets.items():
        for numbers in data.trace_prints():
            for number in filter(None, numbers):
                if first.setdefault(number, name) != name:
                    raise DataError(
                        f"the sets '{first[number]}' and '{name}' hold the very same trace",
                        expected="recordings that are in one set alone: what one learns from, the other may hold out",
                        remedy="take them out of one of the sets",
                    )
