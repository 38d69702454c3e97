"""Checks of a video before its pictures are decoded: parts that are missing, and how it lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError
from stcnn.stimuli.formats.pixels import HDR, Layout
from stcnn.stimuli.formats.source import Choices, ending_of
from stcnn.stimuli.formats.video_clock import Clock

if TYPE_CHECKING:
    from stcnn.stimuli.formats.survey import Survey

CONTAINERS = {
    "gif": (".gif",),
    "mov": (".mp4", ".mov"),
    "matroska": (".mkv", ".webm"),
    "avi": (".avi",),
}
"""Formats by what FFmpeg calls them, with their endings; no other is opened, whatever a file is called."""


def require_whole(found: Survey, times_s: NDArray[np.float64], clock: Clock, choices: Choices, path: Path) -> None:
    """Refuse a video of which a part is missing."""
    fault = next(iter(found.faults), "")
    n_whole = found.n_pictures + found.n_lost
    interval_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / clock.rate_hz
    reached_s = max(found.reached_s, float(times_s[-1]) + interval_s)
    if (
        found.container == "mov"
        and found.n_declared > found.n_pictures + found.n_cut
        and (fault or found.n_declared > found.n_packets)
    ):
        fault = fault or "it breaks off"
        n_whole = max(n_whole, found.n_declared)
    elif found.end_s is not None and found.end_s - reached_s > 1.5 * interval_s:
        n_whole = max(n_whole, found.n_pictures + round((found.end_s - reached_s) / interval_s))
        fault = fault or f"it breaks off at {reached_s:.4g} s of {found.end_s:.4g} s"
    elif found.container == "gif" and found.end_s == 0:
        fault = fault or "its last block is missing"
    if not fault:
        return
    read = f"{found.n_pictures} of {n_whole} frames could be read"
    found.faults[:] = [f"{read} ({fault})" if n_whole > found.n_pictures else fault]
    if choices.incomplete is None:
        raise FileError(
            f"'{path}' is incomplete or damaged: {found.faults[0]}",
            remedy="copy it again, or say incomplete: accept to take what can be read",
        )


def refusals(found: Survey, choices: Choices, path: Path) -> list[str]:
    """Refuse what has to be said by who reads the file; otherwise what was applied."""
    notes = _layout_notes(found, choices, path)
    if found.transfer in HDR:
        raise FileError(
            f"'{path}' has the high dynamic range {HDR[found.transfer]}, whose values are no luminance of 0 to 1",
            remedy="convert it to standard dynamic range first",
        )
    if found.n_interlaced and choices.interlaced is None:
        raise DataError(
            f"'{path}' is interlaced: {found.n_interlaced} of its {found.n_pictures} frames hold two fields, taken at "
            "two times",
            remedy="deinterlace it first (ffmpeg -i VIDEO -vf bwdif ...), or say interlaced: ignore",
        )
    if found.n_interlaced:
        notes.append("it is interlaced: both fields of a frame are shown at once")
    if not found.opaque:
        notes.append("what is not opaque lets the background through")
    if ending_of(path) not in CONTAINERS.get(found.container, ()):
        notes.append(f"its content is that of a {CONTAINERS[found.container][0]} file, whatever its ending")
    if found.n_cut:
        notes.append(f"{found.n_cut} frames are left out that the file itself cuts (edit list)")
    return notes


def _layout_notes(found: Survey, choices: Choices, path: Path) -> list[str]:
    layout = Layout.of(found.matrix, found.stretch)
    notes = []
    if layout is None and choices.rotation != "ignore":
        found_text = f"'{path}' is to be turned by an angle that is no multiple of 90 degrees"
        raise DataError(found_text, remedy="turn it first, or say rotation: ignore to read it as stored")
    if layout is not None and layout.turned:
        if choices.rotation is None:
            raise DataError(
                f"'{path}' notes that it is to be turned ({layout.describe()}) when it is shown",
                remedy="say rotation: apply to turn it, or rotation: ignore to read it as stored",
            )
        notes.append(f"it is turned as the file notes ({layout.describe()})" if choices.rotation == "apply" else "")
    if found.matrix is not None and choices.rotation == "ignore":
        notes.append("a rotation that the file notes is ignored, as told")
    if found.stretch != 1:
        ratio = f"{found.stretch.numerator}:{found.stretch.denominator}"
        if choices.pixel_aspect is None:
            raise DataError(
                f"'{path}' has pixels that are not square ({ratio})",
                remedy="say pixel_aspect: apply to stretch its columns, or pixel_aspect: ignore to take them as square",
            )
        done = "its columns are stretched" if choices.pixel_aspect == "apply" else "taken as square, as told"
        notes.append(f"its pixels are not square ({ratio}): {done}")
    return [note for note in notes if note]
