"""The clock of a video: when each of its frames is presented, and the even rate at which a movie shows the same."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, RateError
from stcnn.frame_clock import EvenClock, held_at
from stcnn.stimuli.formats.gif import delays_of
from stcnn.stimuli.formats.source import Choices
from stcnn.stimuli.formats.survey import Survey

TO_GO_ON = "say clock: even to show its frames one after the other at one rate"


class Times(NamedTuple):
    """When frames are presented, in seconds; NaN where it is not known."""

    seconds: NDArray[np.float64]
    end_s: float | None
    notes: tuple[str, ...] = ()


class Clock(NamedTuple):
    """An even clock: its rate, the picture that each frame shows (None for each once), and what is to be said."""

    rate_hz: float
    frame: NDArray[np.int64] | None
    notes: tuple[str, ...] = ()


def shown_times_s(found: Survey, path: Path) -> Times:
    """Presentation times of the frames of a video, and when the last one ends."""
    if found.container == "gif":
        return _gif_times(found, path)
    ticks: list[int | None] = found.pts
    if found.container == "avi":  # it has no presentation times: frames follow each other as they are decoded
        decoded = sorted(tick for tick in found.dts if tick is not None)
        if len(decoded) == len(found.pts) == len(found.dts):
            ticks = list(decoded)
    seconds = np.array([np.nan if tick is None else float(tick * found.tick_s) for tick in ticks])
    last_s = float(found.last * found.tick_s)
    end_s = float(seconds[-1]) + last_s if last_s > 0 else None
    if end_s is None and len(seconds) == 1 and found.rate_hz:
        end_s = float(seconds[-1] + 1 / found.rate_hz)
    late = len(seconds) and np.isfinite(seconds[0]) and seconds[0] != 0
    note = f"its first picture stands at {seconds[0]:.4g} s of the file; the movie starts with it" if late else ""
    return Times(seconds, end_s, (note,) if note else ())


def _gif_times(found: Survey, path: Path) -> Times:
    """Times of a GIF by its delays, as browsers show them."""
    delays = delays_of(path.read_bytes())
    shown_s = delays.shown_s[: found.n_pictures]
    if not delays.complete:
        found.end_s = 0.0
    if len(shown_s) < found.n_pictures:  # FFmpeg made something of what is left of the last one
        shown_s += [shown_s[-1] if shown_s else 0.1] * (found.n_pictures - len(shown_s))
    notes: tuple[str, ...] = ()
    if delays.n_hurried:
        n = f"{delays.n_hurried} of {len(delays.hundredths)}"
        notes = (f"{n} pictures have a delay of 0 or 0.01 s, shown for 0.1 s as browsers do",)
    starts = np.concatenate([[0.0], np.cumsum(shown_s)]).round(2)
    return Times(starts[:-1], float(starts[-1]), notes)


def clock_of(found: Survey, times: Times, choices: Choices, path: Path) -> Clock:
    """The even clock on which a movie shows the frames of a video.

    Raises:
        RateError: frames have no times, or such as no clock can show.
        DataError: at the rate that is asked for, frames would be left out.
    """
    if choices.clock == "even":
        rate_hz = choices.rate_hz or (float(found.rate_hz) if found.rate_hz else None)
        if rate_hz is None:
            raise DataError(f"'{path}' does not say its rate", remedy="give rate_hz")
        return Clock(rate_hz, None, (f"its frames are shown one after the other at {rate_hz:.6g} Hz, as told",))
    seconds = times.seconds
    if np.isnan(seconds).any():
        n = int(np.isnan(seconds).sum())
        raise RateError(f"'{path}' has {n} of {len(seconds)} frames without a time", remedy=TO_GO_ON)
    try:
        even = _as_stated(found, times) or held_at(seconds, times.end_s, what="it")
    except RateError as error:
        if choices.rate_hz is None or not (np.diff(seconds) > 0).all():
            raise RateError(f"'{path}': {error.found}", expected=error.expected, remedy=TO_GO_ON) from None
        return _at_given_rate(times, choices.rate_hz, path)
    if not even.even:
        _require_known_order(found, path)
        if choices.rate_hz is not None:
            return _at_given_rate(times, choices.rate_hz, path)
        return Clock(even.rate_hz, even.frame, (even.note("it"),))
    frame = None if len(even.frame) == len(seconds) else even.frame
    notes: tuple[str, ...] = ()
    if frame is not None:
        notes = (f"its last picture is held for {(len(frame) - len(seconds) + 1) / even.rate_hz:.4g} s",)
    if choices.rate_hz is not None and abs(choices.rate_hz / even.rate_hz - 1) > 1e-4:
        told = f"it states {even.rate_hz:.6g} Hz and is shown at {choices.rate_hz:.6g} Hz, as told"
        return Clock(choices.rate_hz, frame, (*notes, told))
    return Clock(even.rate_hz, frame, notes)


def _require_known_order(found: Survey, path: Path) -> None:
    """Refuse uneven frames of an AVI that are coded in another order: when each is shown is not in the file."""
    if found.container == "avi" and found.reordered:
        raise RateError(
            f"'{path}' holds pictures for different times and in another order than they are shown (B-frames), and an "
            "AVI does not say when each is shown",
            remedy=f"take the file it was made from, as MP4 or Matroska, or {TO_GO_ON}",
        )


def _as_stated(found: Survey, times: Times) -> EvenClock | None:
    """The clock at the exact rate that the file states, if all frames fit it to the unit of its times."""
    if not found.rate_hz or found.container == "gif":
        return None
    since = times.seconds - times.seconds[0]
    rate_hz = float(found.rate_hz)
    error_s = float(np.abs(np.arange(len(since)) / rate_hz - since).max())
    if error_s > float(found.tick_s) + 1e-9 or error_s > 0.1 / rate_hz:
        return None
    n_last = 1 if times.end_s is None else max(1, round((times.end_s - times.seconds[-1]) * rate_hz))
    frame = np.minimum(np.arange(len(since) - 1 + n_last), len(since) - 1)
    return EvenClock(float(times.seconds[0]), rate_hz, frame, error_s, (1 / rate_hz, 1 / rate_hz), True)


def _at_given_rate(times: Times, rate_hz: float, path: Path) -> Clock:
    """Hold frames at their times at a rate that was asked for."""
    since = times.seconds - times.seconds[0]
    place = np.rint(since * rate_hz).astype(np.int64)
    n_hidden = int((np.diff(place) == 0).sum())
    if n_hidden:
        raise DataError(
            f"'{path}' has frames {1000 * np.diff(since).min():.4g} ms apart: at {rate_hz:g} Hz {n_hidden} of "
            f"{len(since)} would be left out",
            remedy=f"give a higher rate_hz, or leave it out, or {TO_GO_ON}",
        )
    last_s = float(np.median(np.diff(since))) if times.end_s is None else times.end_s - times.seconds[-1]
    n_frames = max(int(place[-1]) + 1, int(np.rint((since[-1] + last_s) * rate_hz)))
    frame = np.searchsorted(place, np.arange(n_frames), side="right") - 1
    error_ms = 1000 * float(np.abs(place / rate_hz - since).max())
    note = f"its frames are not evenly spaced: held at {rate_hz:.6g} Hz, as told, off by at most {error_ms:.2g} ms"
    return Clock(rate_hz, frame.astype(np.int64), (note,))
