"""One look at every trace of a session: which neurons and samples can be used, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.dff import NoBaselineError, require_no_sentinel, require_signal
from stcnn.data.importers.rois import Roi
from stcnn.errors import DataError, ShapeError

MOST_NAMED = 12
"""How many of what was left out a note names."""


@dataclass(frozen=True)
class Survey:
    """Findings of one look at every trace of a session.

    Args:
        rois: the neurons that have dF/F.
        bad: for each, the frames that are not finite, in order.
        left_out: the others, and why.
        below: for each, how many samples of dF/F are below -1, which is fluorescence below zero.
    """

    rois: list[Roi]
    bad: list[NDArray[np.int64]]
    left_out: list[tuple[Roi, str]]
    below: list[int]

    @classmethod
    def of(cls, rois: Sequence[Roi], read: Callable[[int], NDArray[np.float32]], n_frames: int, path: object) -> Survey:
        """Look at every trace of a session.

        Args:
            rois: the neurons.
            read: number of a neuron in the file to its dF/F.
            n_frames: how many samples each must have.
            path: file or folder, for messages.

        Raises:
            DataError: no neuron is left.
            ShapeError: a trace has another length than the clock.
        """
        found = cls([], [], [], [])
        for roi in rois:
            where = f"{path}, neuron {roi.number}"
            try:
                trace = read(roi.number)
                if trace.shape != (n_frames,):
                    raise ShapeError(f"{where} has a trace of shape {trace.shape}", expected=f"{(n_frames,)}")
                finite = np.isfinite(trace)
                require_signal(trace[finite], where)
                require_no_sentinel(trace[finite], where)
            except NoBaselineError as error:
                found.left_out.append((roi, error.found.removeprefix(f"{where} ")))
                continue
            found.rois.append(roi)
            found.bad.append(np.flatnonzero(~finite))
            found.below.append(int((trace[finite] < -1).sum()))
        if not found.rois:
            reason = f"; neuron {found.left_out[0][0].number} {found.left_out[0][1]}" if found.left_out else ""
            raise DataError(
                f"none of {len(rois)} neurons of {path} has a trace that can be used{reason}",
                expected="a positive baseline and samples that are finite and change",
                remedy="lower dff.neuropil_factor, or set dff.baseline to none if the traces are dF/F already",
            )
        return found

    def kept(self, index: int, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Which frames of a window are finite for a neuron; None for all."""
        bad = self.bad[index]
        inside = bad[np.searchsorted(bad, start) : np.searchsorted(bad, stop)]
        if not len(inside):
            return None
        finite = np.ones(stop - start, bool)
        finite[inside - start] = False
        return finite

    def n_samples(self, index: int, start: int, stop: int) -> int:
        """How many samples of a window are finite for a neuron."""
        kept = self.kept(index, start, stop)
        return stop - start if kept is None else int(kept.sum())

    def notes(self, path: object) -> list[str]:
        """Sentences about what was left out."""
        notes = []
        if self.left_out:
            named = [f"{roi.neuron} ({reason})" for roi, reason in self.left_out]
            total = len(self.left_out) + len(self.rois)
            notes.append(f"{path}: {len(named)} of {total} neurons were left out: {_some(named)}.")
        named = [f"{roi.neuron} ({len(bad)})" for roi, bad in zip(self.rois, self.bad, strict=True) if len(bad)]
        if named:
            total = sum(map(len, self.bad))
            notes.append(
                f"{path}: {total} samples that are not finite were left out, of {len(named)} neurons: {_some(named)}."
            )
        named = [f"{roi.neuron} ({n})" for roi, n in zip(self.rois, self.below, strict=True) if n]
        if named:
            notes.append(
                f"{path}: {sum(self.below)} samples have dF/F below -1, which is fluorescence below zero, of "
                f"{len(named)} neurons: {_some(named)}. Blanked frames should be NaN; or too much neuropil is "
                "subtracted."
            )
        return notes


def _some(named: Sequence[str]) -> str:
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return ", ".join(named[:MOST_NAMED]) + more
