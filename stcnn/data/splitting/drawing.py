"""Groups of recordings drawn for what is held out: shares of a data set, or the folds of a cross-validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIRST_FOLD = 3
"""Number of the side of the first fold while groups are drawn."""


@dataclass
class Drawing:
    """Groups on their way to the sides of a split.

    Args:
        sizes: recordings of each group of each cell type, ``(G, cell types)``.
        shared_by: whether each of those who must keep a group has this one, ``(G, keepers)``.
        side_of_group: where each group is, an index into SIDES or of a fold; 0 while it is not held out.
        order: in which groups are asked.
    """

    sizes: np.ndarray
    shared_by: np.ndarray
    side_of_group: np.ndarray
    order: np.ndarray

    def sizes_left(self) -> np.ndarray:
        """Recordings of the groups that are not held out, zero for the others."""
        return np.where((self.side_of_group == 0)[:, None], self.sizes, 0)

    def hold_out(self, side: int, lacking: np.ndarray, left: np.ndarray | None = None) -> np.ndarray:
        """Hold out groups until no cell type lacks its share.

        Args:
            side: where they go.
            lacking: recordings that are wanted of each cell type.
            left: groups of each keeper that may be trained on; None is those that are not held out.

        Returns:
            Whether each cell type got none although it lacks some.
        """
        left = self.shared_by[self.side_of_group == 0].sum(0) if left is None else left
        without = lacking > 0
        for group in self.order:
            size = self.sizes[group]
            wanted = (size > 0) & (lacking > 0) & (without | (lacking >= size / 2))
            if self.side_of_group[group] == 0 and wanted.any() and (left[self.shared_by[group]] > 1).all():
                self.side_of_group[group] = side
                left = left - self.shared_by[group]
                lacking = lacking - size
                without = without & (size == 0)
        return without

    def divide(self, n_folds: int) -> np.ndarray:
        """Divide what is not held out into folds; returns as :meth:`hold_out`.

        A group is trained on in every fold but its own; who has one alone keeps it in all of them.
        """
        left = self.shared_by[self.side_of_group == 0].sum(0)
        without = np.zeros(self.sizes.shape[1], bool)
        for fold in range(n_folds):
            share = self.sizes_left().sum(0) / (n_folds - fold)
            without |= self.hold_out(FIRST_FOLD + fold, share, left)
        self._place_what_is_left(n_folds, left)
        return without | (self.sizes_of_a_fold(n_folds) == 0).any(0)

    def _place_what_is_left(self, n_folds: int, left: np.ndarray) -> None:
        """Put groups that would have been the last of a keeper in their fold into the smallest where they are not."""
        for group in self.order[self.side_of_group[self.order] == 0]:
            folds = [self.side_of_group == FIRST_FOLD + fold for fold in range(n_folds)]
            held = np.stack([self.shared_by[fold].sum(0) for fold in folds])
            is_open = ((left - held)[:, self.shared_by[group]] > 1).all(1)
            if is_open.any():
                sizes = np.where(is_open, self.sizes_of_a_fold(n_folds).sum(1), np.inf)
                self.side_of_group[group] = FIRST_FOLD + int(sizes.argmin())

    def sizes_of_a_fold(self, n_folds: int) -> np.ndarray:
        """Recordings of each cell type in each fold, ``(folds, cell types)``."""
        return np.stack([self.sizes[self.side_of_group == FIRST_FOLD + fold].sum(0) for fold in range(n_folds)])
