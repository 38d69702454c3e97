"""What may not be torn apart by a split: what is held out, movies of one content, and copies of the same samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stcnn.data.dataset import Dataset
from stcnn.data.splitting.by_set import each_set
from stcnn.data.splitting.duplicates import fingerprint_of, same_content
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.errors import DataError


def groups(dataset: Dataset, config: SplitConfig) -> np.ndarray:
    """Return the number of the group of each recording, ``(R,)``; a group stays on one side."""
    if config.by_set:
        numbers = np.zeros(len(dataset.table), int)
        for part in each_set(dataset, config):
            numbers[part.rows] = numbers.max() + 1 + groups(part.data, part.config)
        return _numbers(pd.Series(numbers))
    return _with_copies(held_out_units(dataset, config), dataset, config)


def _with_copies(units: np.ndarray, dataset: Dataset, config: SplitConfig) -> np.ndarray:
    """Join units that have the same samples in a trial of the same content, such as one neuron under two names."""
    prints = [(row, number) for row, numbers in enumerate(dataset.trace_prints()) for number in set(numbers) if number]
    often = Counter(number for _, number in prints)
    copies = [(row, number) for row, number in prints if often[number] > 1]
    if not copies:
        return units
    content = dataset.table.stimulus.map(_contents(dataset, config))
    shown = pd.factorize(pd.Series([(content[row], number) for row, number in copies]))[0]
    n_units = units.max() + 1
    n_shown = shown.max() + 1
    ends = units[[row for row, _ in copies]], n_units + shown
    links = coo_array((np.ones(len(copies)), ends), shape=(n_units + n_shown,) * 2)
    return _numbers(pd.Series(connected_components(links, directed=False)[1][units]))


def held_out_units(dataset: Dataset, config: SplitConfig) -> np.ndarray:
    """Number of what is held out for each recording, ``(R,)``, by its names and the content of its movie.

    Raises:
        DataError: repeats are held out, and the recordings are means of trials.
    """
    table = dataset.table
    if config.kind == "repeat" and table.trials.map(len).max() > 1:
        raise DataError("split.kind=repeat needs single trials", remedy="set dataset.average_trials to false")
    neuron = _numbers(table.cell_type + "/" + table.neuron)
    if config.kind == "neuron":
        return neuron
    if config.kind in ("animal", "session"):
        return _numbers(table.animal if config.kind == "animal" else table.animal + "/" + table.session)
    content = _contents(dataset, config)
    stimulus = table.stimulus.map(content).to_numpy(int)
    if config.kind in ("stimulus", "family"):
        return _numbers(pd.Series(stimulus))
    pair = pd.Series(stimulus).astype(str) + "/" + pd.Series(neuron).astype(str)
    return _numbers(pair + "/" + table.trials.astype(str) if config.kind == "repeat" else pair)


def _numbers(labels: pd.Series) -> np.ndarray:
    return pd.factorize(labels)[0]


def _contents(dataset: Dataset, config: SplitConfig) -> dict[str, int]:
    """Number of the content of each stimulus; with families one number for all contents of a family."""
    used = list(dataset.table.stimulus.unique())
    prints = {name: fingerprint_of(dataset, name) for name in used}
    content = same_content(prints, shifted=config.shifted_movies == "together")
    if config.kind != "family":
        return content
    members: dict[str, list[str]] = {}
    for name in used:
        # a name may look like that of others; only what is known binds movies together
        family = known_family(name, dataset, config.families) or f"stimulus {name}"
        members.setdefault(family, []).append(name)
    for names in members.values():  # a copy of a movie joins the families that it stands in
        joined = {content[name] for name in names}
        content = {name: min(joined) if number in joined else number for name, number in content.items()}
    return content


def known_family(stimulus: str, dataset: Dataset, families: Mapping[str, Sequence[str]]) -> str | None:
    """Return the family of a stimulus: the first of ``families`` whose pattern fits, else its generator, else None."""
    for family, patterns in families.items():
        if any(fnmatch(stimulus, pattern) for pattern in patterns):
            return family
    kind = dataset.movies[stimulus].parameters.get("kind")
    return str(kind) if kind else None
