"""Mean responses of all neurons, grouped as they are compared: by animal, else by session, else by neuron."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stcnn.data.audit.arrival import Changes, StimulusChange, delay_s
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording, rows_by

LEAST_WITNESSES = 2
"""So many others must agree for a verdict on which one is at fault."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """One way in which an animal (a session, a neuron) differs from the rest.

    Args:
        check: name of the comparison.
        what: who differs, in words: one, or two of which one is at fault.
        reason: in what.
        red: whether it is sure enough to leave the recordings out of a training.
        groups: numbers of the groups concerned.
    """

    check: str
    what: str
    reason: str
    red: bool
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Responses:
    """Mean responses of all neurons.

    Args:
        neurons: cell type and name of each neuron, N pairs.
        group: number of the animal (session, neuron) that each neuron is compared as part of, ``(N,)``.
        names: of the groups, in words.
        by: what the groups are: ``animal``, ``session`` or ``neuron``.
        rate_hz: of the traces.
        means: stimulus to the mean response of each neuron less its mean, ``(N, T)``; NaN without recordings.
        distrusted: groups that differ and that others are not held against.
    """

    neurons: list[tuple[str, str]]
    group: NDArray[np.int64]
    names: list[str]
    by: str
    rate_hz: float
    means: dict[str, Array]
    distrusted: frozenset[int] = field(default_factory=frozenset)

    @property
    def trusted(self) -> list[int]:
        """Groups that are not known to differ."""
        return [group for group in range(len(self.names)) if group not in self.distrusted]

    @cached_property
    def same_type(self) -> NDArray[np.bool_]:
        """Whether two neurons have one cell type, ``(N, N)``."""
        types = np.array([cell_type for cell_type, _ in self.neurons])
        return types[:, None] == types

    @cached_property
    def expected(self) -> dict[str, Array]:
        """For each stimulus and neuron the mean over the neurons of its cell type in other groups, ``(N, T)``."""
        others = self.same_type & (self.group[:, None] != self.group)
        weights = (others & np.isin(self.group, self.trusted)).astype(float)
        found = {}
        for stimulus, means in self.means.items():
            recorded = ~np.isnan(means[:, 0])
            counts = weights[:, recorded].sum(1, keepdims=True)
            total = weights[:, recorded] @ means[recorded]
            found[stimulus] = np.divide(total, counts, out=np.full_like(means, np.nan), where=counts > 0)
        return found

    @cached_property
    def witnesses(self) -> list[list[int]]:
        """For each group the trusted others that have one of its cell types."""
        linked = [np.unique(self.group[self.same_type[self.group == g].any(0)]) for g in range(len(self.names))]
        return [[g for g in found.tolist() if g != group and g in self.trusted] for group, found in enumerate(linked)]

    def of_group(self, values: Array, group: int) -> Array:
        """The values of the neurons of a group that have one."""
        chosen = values[self.group == group]
        return chosen[~np.isnan(chosen)]

    def members(self, groups: tuple[int, ...]) -> set[tuple[str, str]]:
        """Cell type and name of the neurons of some groups."""
        return {neuron for neuron, group in zip(self.neurons, self.group, strict=True) if group in groups}

    def deviation(self, check: str, group: int, reason: str, *, red: bool = True) -> Deviation:
        """Sentence on a group that differs: of it alone where others agree, else of it and its counterpart."""
        concerned: tuple[int, ...] = (group,)
        if self.by == "neuron":  # it may be of another kind, without any fault
            red = False
        elif len(self.witnesses[group]) < LEAST_WITNESSES:
            concerned = tuple(sorted([group, *self.witnesses[group]]))
            reason = f"{reason}; two {self.by}s do not tell which of them is at fault"
            red = False
        return Deviation(check, " and ".join(self.names[g] for g in concerned), reason, red, concerned)


def mean_responses(data: Dataset, changes: Changes) -> Responses | None:
    """The mean responses of all neurons; one recording at a time is in memory. None where there is nothing to compare.

    Args:
        data: single trials.
        changes: what :func:`stcnn.data.audit.arrival.changes_of` finds; the first shift of a stimulus is its reference.
    """
    by = _compared(data)
    neurons = rows_by(data.table, "cell_type", "neuron", "animal", *(["session"] if by == "session" else []))
    keys = {"animal": lambda key: key[2:3], "session": lambda key: key[2:4], "neuron": lambda key: key[:2]}
    places: dict[tuple[str, ...], int] = {}
    group = np.array([places.setdefault(keys[by](key), len(places)) for key in neurons])
    if len(places) < (3 if by == "neuron" else 2):
        return None
    means = _means(data, changes, list(neurons.values()))
    names = [_in_words(by, key) for key in places]
    pairs = [(cell_type, neuron) for cell_type, neuron, *_ in neurons]
    return Responses(pairs, group, names, by, float(data.table.rate_hz.median()), means)


def _compared(data: Dataset) -> str:
    """Groups that are compared: animals, else the sessions of the only animal, else its neurons."""
    if data.table.animal.nunique() > 1:
        return "animal"
    return "session" if data.table.session.nunique() > 1 else "neuron"


def _in_words(by: str, key: tuple[str, ...]) -> str:
    if by == "animal":
        return key[0]
    return f"session {key[1]}" if by == "session" else f"{key[0]}, neuron {key[1]}"


def _means(data: Dataset, changes: Changes, rows_of: list[list[int]]) -> dict[str, Array]:
    """Stimulus to the mean response of each neuron, less its mean over time, on the clock of the first recording."""
    sums: dict[str, Array] = {}
    counts: dict[str, Array] = {}
    clocks: dict[str, Array] = {}
    reference: dict[str, StimulusChange] = {}
    delays_s = {key: delay_s(change, reference.setdefault(key[0], change)) for key, change in changes.items()}
    for place, rows in enumerate(rows_of):
        for recording in (data.recordings[i] for i in rows):
            if not is_usable(recording):
                continue
            stimulus = recording.stimulus
            clock = clocks.setdefault(stimulus, recording.time_s)
            trace = on_clock(recording, clock + delays_s[stimulus, recording.shift_px])
            sums.setdefault(stimulus, np.zeros((len(rows_of), len(clock))))[place] += trace
            counts.setdefault(stimulus, np.zeros((len(rows_of), 1)))[place] += 1
    means = {s: np.divide(sums[s], n, out=np.full_like(sums[s], np.nan), where=n > 0) for s, n in counts.items()}
    return {stimulus: values - values.mean(1, keepdims=True) for stimulus, values in means.items()}


def is_usable(recording: Recording) -> bool:
    """Whether all samples are finite and their clock runs forward, so that the trace can be held against others."""
    return bool(np.isfinite(recording.trace).all() and (np.diff(recording.time_s) > 0).all())


def on_clock(recording: Recording, clock: Array) -> Array:
    """The trace at the times of another clock, by straight lines."""
    same = len(clock) == len(recording.time_s) and np.allclose(clock, recording.time_s)
    trace = np.asarray(recording.trace, np.float64)
    return trace if same else np.interp(clock, recording.time_s, trace)


def responses_without(responses: Responses, groups: Iterable[int]) -> Responses:
    """The same responses, none of them held against those of some groups."""
    return replace(responses, distrusted=responses.distrusted.union(groups))
