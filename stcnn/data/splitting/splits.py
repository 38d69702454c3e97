"""Which recordings train the model, which choose between models, and which are only looked at in the end.

Recordings are held out in groups that may not be torn apart: the trials of one neuron to one stimulus stay
together, and so do all movies that show the same content to a neuron, whatever they are called
(see :mod:`stcnn.data.splitting.duplicates`), and recordings with the very same samples, whatever their neuron is
called. Each cell type contributes its share to every side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stcnn.data.dataset import Dataset
from stcnn.data.splitting.by_set import each_set
from stcnn.data.splitting.drawing import FIRST_FOLD, Drawing
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.data.splitting.units import groups, known_family
from stcnn.errors import ConfigError, DataError, nearest

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Indices of the recordings on each side, in ascending order."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def outside_test(self) -> tuple[int, ...]:
        """Recordings that may be looked at: those that were trained on or validated with."""
        return tuple(sorted((*self.train, *self.validation)))

    def to_json(self, dataset: Dataset) -> dict[str, list[str]]:
        """The split as lists of recording keys, which stay valid when recordings are added or reordered."""
        keys = recording_keys(dataset.table)
        return {side: [keys[i] for i in getattr(self, side)] for side in SIDES}

    @classmethod
    def from_json(cls, sides: Mapping[str, list[str]], dataset: Dataset) -> Split:
        """Find the recordings of a stored split again.

        Raises:
            DataError: the data set lacks one of them.
        """
        place = {key: i for i, key in enumerate(recording_keys(dataset.table))}
        missing = [key for side in SIDES for key in sides[side] if key not in place]
        if missing:
            raise DataError(
                f"the split names {len(missing)} recordings that the data set lacks, first '{missing[0]}'",
                remedy="open the data set that the split was made from, with the same average_trials",
            )
        return cls(*(tuple(sorted(place[key] for key in sides[side])) for side in SIDES))


def require_no_leak(split: Split, dataset: Dataset, config: SplitConfig) -> None:
    """Check that nothing stands on two sides of a split, whoever made it.

    Args:
        split: a split of the data set, perhaps read from a file.
        dataset: the recordings.
        config: what was held out, by which recordings belong together.

    Raises:
        DataError: a recording is on two sides, or two that belong together are on different ones.
    """
    group_of = groups(dataset, config)
    keys = recording_keys(dataset.table)
    seen: dict[int, tuple[str, int]] = {}
    for side in SIDES:
        for item in getattr(split, side):
            other_side, other = seen.setdefault(int(group_of[item]), (side, item))
            if side != other_side:
                same = "is" if other == item else f"belongs together with '{keys[other]}', which is"
                raise DataError(
                    f"the split leaks: '{keys[item]}' of the {_set_of(side)} {same} in the {_set_of(other_side)}",
                    expected=f"sets that share no {WHAT[config.kind]}",
                    remedy="split the recordings anew, by starting a new training",
                )


def _set_of(side: str) -> str:
    return f"{'training' if side == 'train' else side} set"


def recording_keys(table: pd.DataFrame) -> list[str]:
    """A lasting name for each recording: cell type, animal, neuron, stimulus and trials."""
    columns = (table.cell_type, table.animal, table.neuron, table.stimulus, table.trials)
    return [f"{t}/{a}/{n}/{s}/{'+'.join(map(str, trials))}" for t, a, n, s, trials in zip(*columns, strict=True)]


def split_recordings(dataset: Dataset, config: SplitConfig) -> Split:
    """Split the recordings by groups that stay together.

    Raises:
        ConfigError: validation and test leave nothing to train on.
        DataError: a cell type has too few groups to be held out.
    """
    if config.by_set:
        return _split_by_set(dataset, config)
    if config.folds is None and config.validation + config.test >= 1:
        raise ConfigError(
            f"split.validation + split.test = {config.validation + config.test:g}",
            expected="less than 1, so that something is left to train on",
        )
    group_of = groups(dataset, config)
    side = _assigned(dataset.table, group_of, config, _named_for_test(dataset, config))
    return Split(*(tuple(np.flatnonzero(side == i).tolist()) for i in range(len(SIDES))))


def _split_by_set(dataset: Dataset, config: SplitConfig) -> Split:
    """Split every set of pooled data as it would be split alone."""
    sides: tuple[list[int], ...] = ([], [], [])
    for part in each_set(dataset, config):
        split = split_recordings(part.data, part.config)
        for side, name in zip(sides, SIDES, strict=True):
            side += part.rows[list(getattr(split, name))].tolist()
    return Split(*(tuple(sorted(side)) for side in sides))


def _named_for_test(dataset: Dataset, config: SplitConfig) -> np.ndarray:
    """Whether each recording is of one of ``test_families``.

    Raises:
        ConfigError: there is no stimulus of such a family.
    """
    stimulus = dataset.table.stimulus
    if not config.test_families:
        return np.zeros(len(stimulus), bool)
    family = {name: known_family(name, dataset, config.families) for name in stimulus.unique()}
    for wanted in config.test_families:
        if wanted not in family.values():
            known = sorted({name for name in family.values() if name})
            raise ConfigError(
                f"split.test_families names '{wanted}', but no stimulus is of that family",
                remedy=nearest(wanted, known) if known else "describe it in split.families",
            )
    return stimulus.map(family).isin(config.test_families).to_numpy()


def _assigned(table: pd.DataFrame, groups: np.ndarray, config: SplitConfig, named: np.ndarray) -> np.ndarray:
    """Side of each recording, an index into SIDES: groups in random order go where a cell type lacks its share.

    Nobody is left without training data: a cell type keeps a group, and with pairs held out so does each neuron.
    Groups with a recording that is ``named`` for the test set are there from the start.
    """
    keepers = table.cell_type
    if config.kind in ("stimulus_x_neuron", "repeat"):
        keepers = keepers + "/" + table.neuron + ("/" + table.stimulus if config.kind == "repeat" else "")
    drawing = Drawing(
        sizes=_counts(groups, table.cell_type),
        shared_by=_counts(groups, keepers) > 0,
        side_of_group=np.zeros(groups.max() + 1, int),
        order=np.random.default_rng(config.seed).permutation(groups.max() + 1),
    )
    drawing.side_of_group[groups[named]] = 2
    cell_types = np.unique(table.cell_type)
    left = drawing.sizes_left().sum(0)  # of what is not named, whatever the test set takes
    shares = [(2, config.test * left)]
    shares += [(1, config.validation * left)] if config.folds is None else []
    for side, wanted in shares:
        for cell_type in cell_types[drawing.hold_out(side, wanted)]:
            raise _too_few_groups(str(cell_type), SIDES[side], config)
    if config.folds is None:
        return drawing.side_of_group[groups]
    for cell_type in cell_types[drawing.divide(config.folds)]:
        raise _too_few_groups(str(cell_type), f"each of {config.folds} folds", config)
    sides = np.where(drawing.side_of_group == 2, 2, drawing.side_of_group == FIRST_FOLD + (config.fold or 0))
    return sides.astype(int)[groups]


def _counts(groups: np.ndarray, label: pd.Series) -> np.ndarray:
    """Recordings of each group (rows) under each label (columns, sorted)."""
    labels, place = np.unique(label.to_numpy(str), return_inverse=True)
    counts = np.zeros((groups.max() + 1, len(labels)), int)
    np.add.at(counts, (groups, place), 1)
    return counts


WHAT = {
    "stimulus_x_neuron": "stimuli per neuron",
    "stimulus": "stimuli",
    "family": "families of stimuli",
    "neuron": "neurons",
    "animal": "animals",
    "session": "sessions",
    "repeat": "repeats",
}


def _too_few_groups(cell_type: str, side: str, config: SplitConfig) -> DataError:
    what = WHAT[config.kind]
    by_content = config.kind in ("stimulus_x_neuron", "stimulus", "family")
    apart = " or, where position is the stimulus parameter, set split.shifted_movies=apart"
    return DataError(
        f"cell type '{cell_type}' has too few {what} to hold some out for {side}"
        + (" (movies that differ by a shift or a mirror count as one)" if by_content else ""),
        expected="one more than the sides of the split",
        remedy="choose another split.kind, set split.validation or split.test to 0"
        + (apart if by_content and config.shifted_movies == "together" else ""),
    )
