"""The audit: does each recording fit its movie, and do stimulus and response fit together?

Every finding is a flag, amber (look at it) or red (do not train on it), with its reason; what has no flag is green.
Recordings are read one at a time, so that the audit of a large store needs little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.audit.arrival import Changes, StimulusChange, changes_of
from stcnn.data.audit.consistency import deviations
from stcnn.data.audit.labels import exchanged_labels
from stcnn.data.audit.places import looks_beyond
from stcnn.data.audit.responses import is_usable, mean_responses, on_clock, responses_without
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording, rows_by

GREEN = "green"
AMBER = "amber"
RED = "red"
SATURATED = 0.02
"""Share of samples at the very maximum from which on a trace counts as clipped."""
LEAST_RELIABILITY = 0.05
"""Mean correlation between repeats below which a neuron is flagged."""
LARGEST_DRIFT = 1.5
"""Spread of the baseline over recordings, in units of the spread within them, above which a neuron is flagged."""
LEAST_EXPLAINED = 0.1
"""Share of a neuron's mean responses that stimulus changes must explain for a latency to be given."""
LEAST_LEAD = 1.3
"""A response leads the stimulus where that explains so many times more than any lag from zero on."""


@dataclass(frozen=True)
class Flag:
    """One finding: its colour, the check, what it concerns, and the reason."""

    colour: str
    check: str
    what: str
    reason: str


@dataclass
class Audit:
    """Findings of the audit.

    Args:
        flags: all findings.
        neurons: one row per neuron: ``cell_type``, ``neuron``, ``animal``, ``recordings``, ``reliability`` (mean
            correlation between repeats, NaN without repeats), ``follows`` (darkening or brightening), ``latency_s``,
            ``drift``, ``colour``.
    """

    flags: list[Flag] = field(default_factory=list)
    neurons: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def colour(self) -> str:
        """The worst colour."""
        return worst(flag.colour for flag in self.flags)

    def worst_first(self) -> list[Flag]:
        """All flags, red ones first, else in the order in which they were found."""
        return sorted(self.flags, key=lambda flag: flag.colour != RED)


def neurons_by_colour(found: Audit) -> list[dict[str, str]]:
    """Neurons by cell type and colour, with medians, in words: heading to cell."""
    rows = []
    for cell_type, own in found.neurons.groupby("cell_type", sort=False):
        counts = {colour: str((own.colour == colour).sum()) for colour in (GREEN, AMBER, RED)}
        reliability = f"{own.reliability.median():.2f}" if own.reliability.notna().any() else "unknown"
        latency = f"{own.latency_s.median():.2f} s" if own.latency_s.notna().any() else "unknown"
        measured = {"repeats correlate": reliability, "follow": str(own.follows.mode()[0]), "latency": latency}
        rows.append({"cell type": str(cell_type), **counts, **measured})
    return rows


def worst(colours: Iterable[str]) -> str:
    """The worst of some colours, green if there is none."""
    found = set(colours)
    return next((colour for colour in (RED, AMBER) if colour in found), GREEN)


def audit(data: Dataset, progress: Callable[[str, int, int], None] = lambda what, done, total: None) -> Audit:
    """Check a data set of single trials.

    Args:
        data: what to check.
        progress: told what is done, how far, and of how much.
    """
    flags = list(_movie_flags(data))
    changes = changes_of(data)
    traces: dict[str, str] = {}
    rows = []
    groups = rows_by(data.table, "cell_type", "neuron")
    for done, ((cell_type, neuron), numbers) in enumerate(groups.items(), 1):
        recordings = [data.recordings[i] for i in numbers]
        own: list[Flag] = []
        for recording in recordings:
            own += _recording_flags(recording, changes[recording.stimulus, recording.shift_px])
            own += _repeated_trace(recording, traces)
        if beyond := looks_beyond(data, numbers):
            own.append(Flag(AMBER, "place", f"{cell_type}, neuron {neuron}", beyond))
        rows.append(_neuron_row(cell_type, neuron, recordings, changes, own))
        flags += own
        progress("neurons", done, len(groups))
    neurons = pd.DataFrame(rows)
    flags += _compare(data, changes, neurons)
    return Audit(flags, neurons)


def _compare(data: Dataset, changes: Changes, neurons: pd.DataFrame) -> Iterator[Flag]:
    """Flags on animals, sessions or neurons that differ from the others; colours their neurons in the table."""
    responses = mean_responses(data, changes)
    if responses is None:
        return
    found = list(deviations(responses))
    found += exchanged_labels(responses_without(responses, [g for one in found for g in one.groups]))
    place = {key: i for i, key in enumerate(zip(neurons.cell_type, neurons.neuron, strict=True))}
    for deviation in found:
        colour = RED if deviation.red else AMBER
        yield Flag(colour, deviation.check, deviation.what, deviation.reason)
        for key in responses.members(deviation.groups):
            neurons.loc[place[key], "colour"] = worst((neurons.colour[place[key]], colour))


def _movie_flags(data: Dataset) -> Iterator[Flag]:
    first_with: dict[bytes, str] = {}
    for name in data.movies:
        movie = data.movies[name]
        content = hashlib.sha256(repr(movie.frames.shape).encode())
        for frame in movie.frames:
            content.update(frame.tobytes() if movie.levels is None else movie.levels[frame].tobytes())
        same = first_with.setdefault(content.digest(), name)
        if same != name:
            yield Flag(AMBER, "duplicate movie", f"movie {name}", f"shows the same as '{same}', frame by frame")


def _recording_flags(recording: Recording, change: StimulusChange) -> Iterator[Flag]:
    what = f"{recording.cell_type}, neuron {recording.neuron}, {recording.stimulus}, trial {recording.trials[0]}"
    trace = recording.trace
    time_s = recording.time_s
    rate_hz = recording.rate_hz
    bad = np.flatnonzero(~np.isfinite(trace))
    if len(bad):
        yield Flag(RED, "NaN", what, f"{len(bad)} samples are not finite, the first is sample {bad[0]}")
    if time_s[0] > 0 or time_s[-1] < 0:
        yield Flag(RED, "duration", what, f"lasts from {time_s[0]:.2f} to {time_s[-1]:.2f} s, without stimulus onset")
    elif time_s[-1] < change.end_s - 1.5 / rate_hz:
        yield Flag(AMBER, "duration", what, f"ends at {time_s[-1]:.2f} s, before its movie at {change.end_s:.2f} s")
    back = np.flatnonzero(~(np.diff(time_s) > 0))
    if len(back):
        reason = (
            f"its clock does not run forward: sample {back[0] + 1} is at {time_s[back[0] + 1]:.3f} s, the one before"
        )
        yield Flag(RED, "clock", what, f"{reason} at {time_s[back[0]]:.3f} s")
    elif len(time_s) > 2:
        steps = np.diff(time_s) * rate_hz
        if not steps.min() > 0:  # also where a time stamp is NaN
            yield Flag(RED, "clock", what, f"{(~(steps > 0)).sum()} time stamps do not come after the one before them")
        if abs(np.median(steps) - 1) > 0.05:
            measured = rate_hz / np.median(steps)
            yield Flag(RED, "rate", what, f"time stamps run at {measured:.4g} Hz, the stated rate is {rate_hz:.4g} Hz")
        missing = int(np.rint(steps[steps > 1.5] - 1).sum())
        if missing:
            yield Flag(AMBER, "dropped frames", what, f"{missing} samples are missing between time stamps")
    at_top = _samples_at_top(trace)
    if at_top > max(3, SATURATED * len(trace)):
        yield Flag(AMBER, "saturation", what, f"{at_top} samples are at the maximum of {np.nanmax(trace):.3g}")


def _samples_at_top(trace: NDArray[np.float32]) -> int:
    """How many samples are at the very maximum, but for runs at the ends, with which resampling continues a trace."""
    changes = np.flatnonzero(np.diff(trace) != 0)
    inner = trace[changes[0] + 1 : changes[-1] + 1] if len(changes) > 1 else trace[:0]
    return int(np.count_nonzero(inner == np.nanmax(trace))) if np.isfinite(inner).any() else 0


def _repeated_trace(recording: Recording, seen: dict[str, str]) -> Iterator[Flag]:
    what = f"{recording.cell_type}, neuron {recording.neuron}, {recording.stimulus}, trial {recording.trials[0]}"
    same = seen.setdefault(hashlib.sha256(recording.trace.tobytes()).hexdigest(), what)
    if same != what:
        yield Flag(RED, "duplicate trace", what, f"has the very samples of {same}")


def _neuron_row(
    cell_type: str,
    neuron: str,
    recordings: list[Recording],
    changes: Changes,
    flags: list[Flag],
) -> dict[str, object]:
    """Flags of one neuron, whose recordings have some flags already; adds its own."""
    what = f"{cell_type}, neuron {neuron}"
    reliability = repeat_reliability(recordings)
    drift = baseline_drift(recordings)
    follows, latency_s = polarity_and_latency(recordings, changes)
    if reliability < LEAST_RELIABILITY:
        flags.append(Flag(AMBER, "reliability", what, f"repeats correlate by {reliability:.2f} only"))
    if drift > LARGEST_DRIFT:
        flags.append(Flag(AMBER, "drift", what, f"its baseline wanders by {drift:.1f} times the spread within a trial"))
    if latency_s < 0:
        flags.append(Flag(AMBER, "latency", what, f"its responses lead the stimulus by {-latency_s:.2f} s"))
    return {
        **{"cell_type": cell_type, "neuron": neuron, "animal": recordings[0].animal, "recordings": len(recordings)},
        **{
            "reliability": reliability,
            "follows": follows,
            "latency_s": latency_s,
            "drift": drift,
            "colour": worst(flag.colour for flag in flags),
        },
    }


def repeats(recordings: list[Recording]) -> Iterator[tuple[Recording, NDArray[np.float64]]]:
    """For each stimulus its first recording, and all repeats on the clock of that one, ``(trials, T)``."""
    by_stimulus: dict[str, list[Recording]] = {}
    for recording in recordings:
        if is_usable(recording):
            by_stimulus.setdefault(recording.stimulus, []).append(recording)
    for trials in by_stimulus.values():
        yield trials[0], np.stack([on_clock(recording, trials[0].time_s) for recording in trials])


def repeat_reliability(recordings: list[Recording]) -> float:
    """Mean correlation between pairs of repeats of a stimulus; NaN without repeats."""
    found = []
    for _, traces in repeats(recordings):
        if len(traces) > 1 and (np.ptp(traces, axis=1) > 0).all():
            found.append(float(np.atleast_2d(np.corrcoef(traces))[np.triu_indices(len(traces), 1)].mean()))
    return float(np.mean(found)) if found else float("nan")


def baseline_drift(recordings: list[Recording]) -> float:
    """Spread of the mean before stimulus onset over recordings, relative to the spread of samples within."""
    before = [r.trace[r.time_s < 0] for r in recordings if (r.time_s < 0).sum() > 2 and is_usable(r)]
    if len(before) < 3:
        return float("nan")
    within = float(np.sqrt(np.mean([np.var(r.trace) for r in recordings if np.isfinite(r.trace).all()])))
    return float(np.std([b.mean() for b in before]) / within) if within > 0 else float("nan")


def polarity_and_latency(recordings: list[Recording], changes: Changes) -> tuple[str, float]:
    """Whether responses follow darkening or brightening, and how long after it they come.

    At each lag, from half a second before to one second after, the mean responses are fitted by darkening and
    brightening; the lag that explains most is the latency. NaN where even that explains hardly anything.
    """
    rate_hz = min(r.rate_hz for r in recordings)
    lags = np.arange(-round(0.5 * rate_hz), round(rate_hz) + 1)
    gram = np.zeros((len(lags), 2, 2))
    products = np.zeros((len(lags), 2))
    power = 0.0
    for first, trials in repeats(recordings):
        mean = trials.mean(0) - trials.mean()
        change = changes[first.stimulus, first.shift_px]
        times = first.time_s - lags[:, None] / rate_hz
        parts = (change.darkening, change.brightening)
        shifted = np.stack([np.interp(times, change.time_s, values, left=0, right=0) for values in parts], axis=1)
        shifted -= shifted.mean(-1, keepdims=True)
        gram += shifted @ shifted.swapaxes(1, 2)
        products += shifted @ mean
        power += float(mean @ mean)
    explained, weights = _explained(gram, products)
    best = int(explained.argmax())
    if power == 0 or explained[best] < LEAST_EXPLAINED * power:
        return "neither", float("nan")
    dark, bright = weights[best] * np.sqrt(np.diagonal(gram[best]))
    follows = "darkening" if dark > 2 * bright else "brightening" if bright > 2 * dark else "both"
    if lags[best] < 0 and explained[best] < LEAST_LEAD * explained[lags >= 0].max():
        best = int(np.where(lags >= 0, explained, -np.inf).argmax())
    return follows, float(lags[best] / rate_hz)


def _explained(gram: NDArray[np.float64], products: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Share that the best weights that are not negative explain at each lag, ``(L,)``, and the weights, ``(L, 2)``."""
    squares = np.maximum(np.diagonal(gram, axis1=1, axis2=2), 1e-30)
    alone = np.maximum(products, 0) / squares
    better = (alone * products).argmax(1)[:, None] == np.arange(2)
    both = np.linalg.solve(gram + (1e-9 * squares.max() + 1e-30) * np.eye(2), products[..., None])[..., 0]
    weights = np.where((both >= 0).all(1, keepdims=True), both, np.where(better, alone, 0))
    return (weights * products).sum(1), weights
