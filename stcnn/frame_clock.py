"""From frames that were shown at any times to frames at even times: each is held until the next one appears.

A movie of :class:`stcnn.movie.Movie` has one rate. Videos of variable rate, GIFs, slide shows and time stamps of a
display have not; here is the one rule by which they get it. Times are in seconds, arrays only; nothing is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stcnn.errors import RateError

LIMIT_S = 0.002
"""Default for how far the appearance of a frame may move: an eighth of a frame at 60 Hz."""

EVEN_WITHIN = 0.05
"""Frames count as evenly spaced where none is off by more than this share of the interval (and than the limit)."""

_ROUND_HZ = 240
"""Whole rates up to here, at which every frame is exact, are taken before any other."""

_EXACT_S = 1e-6

_NTSC = 1000 / 1001  # rates of broadcast video: 24, 30 and 60 Hz times this


@dataclass(frozen=True)
class EvenClock:
    """Frames at even times, in terms of those that were shown.

    Args:
        start_s: time of the first frame.
        rate_hz: frames per second.
        frame: number of the frame shown at each time, int64 ``(T,)``, ascending from 0; none is left out.
        greatest_error_s: how far the appearance of a frame is off at most.
        intervals_s: shortest and longest interval between the frames as they were shown.
        even: whether they were evenly spaced already, so that ``frame`` counts 0, 1, 2, ... (the last may be held).
    """

    start_s: float
    rate_hz: float
    frame: NDArray[np.int64]
    greatest_error_s: float
    intervals_s: tuple[float, float]
    even: bool

    def note(self, what: str) -> str:
        """Sentence on what was done to the frames of ``what``; empty where they were even already."""
        if self.even:
            return ""
        shortest, longest = (1000 * interval for interval in self.intervals_s)
        return (
            f"{what} has frames {shortest:.4g} to {longest:.4g} ms apart: each is held until the next at "
            f"{self.rate_hz:.6g} Hz, off by at most {1000 * self.greatest_error_s:.2g} ms"
        )


def held_at(
    times_s: ArrayLike,
    end_s: float | None = None,
    *,
    limit_s: float = LIMIT_S,
    least_hz: float = 0.0,
    most_hz: float = 1000.0,
    what: str = "the movie",
) -> EvenClock:
    """Hold frames at their times on an even clock.

    Even frames keep their rate. Others get the lowest rate at which all of them appear exactly when they did (pauses
    of whole frames), else the lowest at which none is off by more than the limit; no frame is left out.

    Args:
        times_s: when each frame appeared, ``(K,)``, ascending.
        end_s: when the last one disappeared; None gives it the median interval.
        limit_s: how far the appearance of a frame may move.
        least_hz: lowest rate; a slower even clock is multiplied.
        most_hz: highest rate.
        what: what to call the movie in a message.

    Raises:
        RateError: a time is not finite, the clock runs back or stands, the last frame has no duration, or no rate
            up to ``most_hz`` shows every frame within the limit.
    """
    times = np.asarray(times_s, np.float64).ravel()
    _require_ascending(times, what)
    since = times - times[0]
    if end_s is None and len(times) == 1:
        raise RateError(f"{what} has one frame and no end", expected="the time for which it was shown")
    lasts_s = float(np.median(np.diff(times))) if end_s is None else end_s - times[-1]
    if not 0 < lasts_s < np.inf:
        raise RateError(f"{what} ends {lasts_s:.4g} s after its last frame appeared", expected="a duration above zero")
    if len(times) == 1:
        rate_hz, even = max(1 / lasts_s, np.ceil(least_hz * lasts_s) / lasts_s), True
    else:
        rate_hz, even = _rate(since, limit_s, least_hz, most_hz, what)
    place = np.rint(since * rate_hz).astype(np.int64)
    n_frames = max(int(place[-1]) + 1, int(np.rint((since[-1] + lasts_s) * rate_hz)))
    error_s = float(np.abs(place / rate_hz - since).max())
    frame = np.searchsorted(place, np.arange(n_frames), side="right") - 1
    intervals = np.diff(times) if len(times) > 1 else np.array([lasts_s])
    spread = float(intervals.min()), float(intervals.max())
    return EvenClock(float(times[0]), float(rate_hz), frame, error_s, spread, even)


def _require_ascending(times: NDArray[np.float64], what: str) -> None:
    if not len(times):
        raise RateError(f"{what} has no frames", expected="at least one")
    if not np.isfinite(times).all():
        raise RateError(f"{what} has a frame {int((~np.isfinite(times)).argmax())} whose time is not finite")
    steps = np.diff(times)
    if len(steps) and steps.min() <= 0:
        frame = int((steps <= 0).argmax())
        raise RateError(
            f"{what} has a clock that {'runs back' if steps[frame] < 0 else 'stands'} after frame {frame} "
            f"({times[frame]:.6g} s, then {times[frame + 1]:.6g} s)",
            expected="ascending times of its frames",
        )


def _rate(since: NDArray[np.float64], limit_s: float, least_hz: float, most_hz: float, what: str) -> tuple[float, bool]:
    """Rate for frames at these times after the first, and whether they are evenly spaced."""
    exact_s = max(_resolution_s(since) / 2, _EXACT_S / 10, 1e-9 * since[-1])
    if (even_hz := _even_rate(since, limit_s, exact_s)) is not None:
        return even_hz * max(1, np.ceil(least_hz / even_hz * (1 - 1e-9))), True
    shortest_s = float(np.diff(since).min())
    rates = _candidates(since, max(least_hz, 0.1), most_hz)
    rates = rates[rates * shortest_s > 0.5]  # slower ones show two frames at once
    tried: list[tuple[int, float]] = []
    for rate_hz in rates.tolist():
        place = np.rint(since * rate_hz)
        error_s = float(np.abs(place / rate_hz - since).max())
        if error_s <= limit_s and np.diff(place).min() > 0:
            round_and_exact = rate_hz <= _ROUND_HZ and rate_hz.is_integer() and error_s < _EXACT_S
            tried.append((0 if round_and_exact else 1 if error_s <= exact_s else 2, rate_hz))
    if not tried:
        raise RateError(
            f"{what} has frames {1000 * shortest_s:.3g} ms apart, and no rate up to {most_hz:g} Hz shows each within "
            f"{1000 * limit_s:g} ms of its time",
            expected="frames that an even clock can show",
        )
    return min(tried)[1], False


def _candidates(since: NDArray[np.float64], least_hz: float, most_hz: float) -> NDArray[np.float64]:
    """Rates to try, ascending: whole numbers, those of broadcast video, and multiples of one over the intervals."""
    whole = np.arange(1, np.floor(most_hz) + 1)
    intervals = np.quantile(np.diff(since), [0, 0.25, 0.5, 0.75, 1])
    own = (np.arange(1, 33)[:, None] / intervals).ravel()
    own = np.where(np.abs(own - np.rint(own)) < 1e-6, np.rint(own), own)
    rates = np.unique(np.concatenate([whole, whole * _NTSC, own]))
    return rates[(rates >= least_hz) & (rates <= most_hz)]


def _even_rate(since: NDArray[np.float64], limit_s: float, exact_s: float) -> float | None:
    """Rate of evenly spaced frames, a round one where it fits as well as the times are written; None for others."""
    number = np.arange(len(since))
    mean_hz = (len(since) - 1) / since[-1]
    rounds = (np.rint(mean_hz), np.rint(mean_hz / _NTSC) * _NTSC, np.rint(10 * mean_hz) / 10)
    for rate_hz in (r for r in rounds if r > 0):
        if np.abs(number / rate_hz - since).max() <= exact_s:
            return float(rate_hz)
    error_s = np.abs(number / mean_hz - since).max()
    return float(mean_hz) if error_s <= max(exact_s, min(limit_s, EVEN_WITHIN / mean_hz)) else None


def _resolution_s(since: NDArray[np.float64]) -> float:
    """Step in which times are written, where that is a millisecond or a power of ten of it below; else 0."""
    for digits in (3, 4, 5, 6):
        if np.abs(np.round(since, digits) - since).max() < 1e-9:
            return float(10.0**-digits)
    return 0.0
