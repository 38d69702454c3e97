"""Splits of pooled data: each set is divided as it would be alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.errors import ConfigError, nearest

SET = "set"
"""Column of :attr:`Dataset.table <stcnn.data.dataset.Dataset>` that names the set of each recording in pooled data."""


class PartOfPool(NamedTuple):
    """A set of pooled data.

    Args:
        rows: numbers of its recordings in the whole, ``(R,)``.
        data: these recordings.
        config: how they are split.
    """

    rows: NDArray[np.int64]
    data: Dataset
    config: SplitConfig


def each_set(dataset: Dataset, config: SplitConfig) -> Iterator[PartOfPool]:
    """Yield the sets of pooled data that have recordings, those without a split of their own with the common one.

    Raises:
        ConfigError: ``split.by_set`` names a set that the data have not, or they are not pooled.
    """
    table = dataset.table
    if SET not in table:
        raise ConfigError(
            f"split.by_set names {', '.join(config.by_set)}, but the data are not pooled",
            remedy="leave it out, or choose dataset.kind=pooled",
        )
    known = table[SET].unique().tolist()
    for name in config.by_set:
        if not any(cell_type.startswith(f"{name}_") for cell_type in dataset.neurons):
            raise ConfigError(f"split.by_set names '{name}', which no set is called", remedy=nearest(name, known))
    own = {name: SplitConfig.model_validate(of_set.model_dump()) for name, of_set in config.by_set.items()}
    common = config.model_copy(update={"by_set": {}})
    for name in table[SET].unique():
        rows = np.flatnonzero(table[SET] == name)
        yield PartOfPool(rows, dataset.subset(rows.tolist()), own.get(name, common))
