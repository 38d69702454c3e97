"""By what recordings are known again, in another data set and under other names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from stcnn.data.dataset import Dataset
from stcnn.data.splitting.by_set import each_set
from stcnn.data.splitting.duplicates import content_name, fingerprint_of
from stcnn.data.splitting.split_config import SplitConfig


def footprints(dataset: Dataset, config: SplitConfig) -> list[set[str]]:
    """Footprints that give each recording away, as words of 16 hexadecimal digits.

    Two recordings share a word where they are of one neuron and stimulus by their names; of one neuron by its name and
    of the same content by the movie's pixels (as a split with these settings sees it, but for shifts that are cut off);
    or where a trial of both has the very same samples.

    Args:
        dataset: the recordings.
        config: says whether shifted movies are the same.

    Returns:
        One set for each of the R recordings.
    """
    if config.by_set:
        words: list[set[str]] = [set() for _ in range(len(dataset))]
        for part in each_set(dataset, config):
            for row, of_row in zip(part.rows, footprints(part.data, part.config), strict=True):
                words[row] = of_row
        return words
    table = dataset.table
    shifted = config.shifted_movies == "together"
    content = {name: content_name(fingerprint_of(dataset, name), shifted=shifted) for name in table.stimulus.unique()}
    neurons = zip(table.cell_type, table.animal, table.neuron, table.stimulus, strict=True)
    return [
        {_word("name", *neuron, stimulus), _word("content", *neuron, content[stimulus])}
        | {_word("trace", str(number)) for number in prints if number}
        for (*neuron, stimulus), prints in zip(neurons, dataset.trace_prints(), strict=True)
    ]


def _word(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def known_again(dataset: Dataset, trained_on: Sequence[str], config: SplitConfig) -> list[int]:
    """Places of the recordings that share a word of their footprints with those that a model was trained on."""
    words = set(trained_on)
    return [place for place, footprint in enumerate(footprints(dataset, config)) if footprint & words]
