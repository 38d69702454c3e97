"""Movies in video files and GIFs, through PyAV (FFmpeg): every frame at the time at which it is presented.

A file is decoded twice. The first pass, :func:`survey`, keeps no picture: it finds the times, how the pictures lie, and
whether all of the file is there, so that everything can be judged before memory is taken. The second pass yields the
pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError
from stcnn.reading import reading, require_file, require_room
from stcnn.stimuli.formats.pixels import Layout, PixelFormat
from stcnn.stimuli.formats.source import Choices, Source, facts_in
from stcnn.stimuli.formats.survey import Survey
from stcnn.stimuli.formats.video_checks import CONTAINERS, refusals, require_whole
from stcnn.stimuli.formats.video_clock import Clock, clock_of, shown_times_s

WHAT = "a video"
MOST_SIDE_PX = 16_384
"""Rows and columns of the largest picture; a damaged header can ask for 65,535, which takes gigabytes a frame."""
FRAMES_HELD = 8
"""So many pictures a decoder may hold at once."""


def open_video(path: Path, choices: Choices) -> Source:
    """Find out what a video holds; its pictures are decoded when they are asked for.

    Raises:
        FileError: it cannot be read, breaks off, or is coded in a way that is not read.
        DataError: it has to be said whether a rotation, other pixels than square ones or fields are meant, or which of
            several videos.
        RateError: its frames have no times, or times that no clock can show.
    """
    size = require_file(path, WHAT)
    if path.suffix.lower() == ".gif":  # FFmpeg searches all that follows the last picture for another one
        require_room(size, f"'{path}'", WHAT)
    with reading(path, WHAT, "check that it is complete and plays elsewhere"):
        found = survey(path, choices)
        if not found.n_pictures or found.pixels is None:
            raise FileError(f"'{path}' cannot be read as a video (it holds no pictures)", expected=WHAT)
        times = shown_times_s(found, path)
        notes = [*refusals(found, choices, path), *times.notes]
        clock = clock_of(found, times, choices, path)
        require_whole(found, times.seconds, clock, choices, path)
    if found.faults or choices.incomplete:
        notes += [f"incomplete or damaged: {fault}" for fault in found.faults[:1]]
    facts = {"rate_hz": clock.rate_hz, **facts_in(found.comment)}
    if clock.frame is not None or found.container == "gif":
        facts["rate_hz"] = clock.rate_hz
    return _source(path, found, choices, facts=facts, clock=clock, notes=(*notes, *clock.notes))


def _source(
    path: Path, found: Survey, choices: Choices, *, facts: dict[str, Any], clock: Clock, notes: tuple[str, ...]
) -> Source:
    assert found.pixels is not None
    pixels = replace(found.pixels, alpha=found.pixels.alpha and not found.opaque)
    stretch = found.stretch if choices.pixel_aspect == "apply" else Fraction(1)
    layout = Layout.of(found.matrix if choices.rotation == "apply" else None, stretch)
    assert layout is not None
    stretched = layout.stretch != 1

    def pictures(background: float) -> Iterator[NDArray[Any]]:
        with reading(path, WHAT), _opened(path, choices) as (container, stream):
            for frame in _frames(container, stream, []):
                yield layout.applied(pixels.picture(frame, background), pixels.levels)

    ours = "deg_per_px" in facts
    return Source(
        *(pictures, layout.shape_px(*found.size_px), found.n_pictures, facts),
        levels=None if stretched else pixels.levels,
        snapped=True,
        frame=clock.frame,
        notes=notes if ours else (pixels.note(), *notes),
    )


def survey(path: Path, choices: Choices) -> Survey:
    """The first pass through a video.

    Raises:
        FileError: its frames change their size or format on the way.
    """
    with _opened(path, choices) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        found = Survey(
            *(container.format.name.split(",")[0], container.metadata.get("comment", ""), rate, stream.time_base),
            n_declared=stream.frames,
            end_s=_declared_end_s(container, stream),
            stretch=stream.sample_aspect_ratio or Fraction(1),
        )
        for frame in _frames(container, stream, found.faults, found):
            _take(frame, found, path)
        found.reordered = bool(stream.codec_context.has_b_frames)
    if found.container == "mov" and found.n_declared > found.n_packets:
        found.n_cut += max(0, _n_stored(path, choices) - found.n_packets)
    return found


def _n_stored(path: Path, choices: Choices) -> int:
    """Return how many frames lie in a file, those included that its edit list leaves out with their neighbours."""
    with _opened(path, choices, ignore_editlist="1") as (container, stream):
        return sum(packet.stream is stream and bool(packet.size) for packet in container.demux())


def _take(frame: Any, found: Survey, path: Path) -> None:  # noqa: ANN401 - of PyAV
    """Add what a frame says."""
    pixels = PixelFormat.of(frame)
    size_px = (frame.height, frame.width)
    if found.pixels is None:
        found.pixels = pixels
        found.size_px = size_px
        found.matrix = _display_matrix(frame)
        found.transfer = int(frame.color_trc or 0)
    elif (pixels, size_px) != (found.pixels, found.size_px):
        raise FileError(
            f"'{path}' changes from {found.size_px[0]} x {found.size_px[1]} px ({found.pixels.name}) to "
            f"{size_px[0]} x {size_px[1]} px ({pixels.name}) at frame {found.n_pictures}",
            expected="frames of one size and format",
            remedy="encode it again",
        )
    if frame.is_corrupt:
        found.faults.append(f"frame {found.n_pictures} is damaged")
    found.opaque = found.opaque and pixels.is_opaque(frame)
    found.n_interlaced += bool(frame.interlaced_frame)
    found.pts.append(frame.pts)
    found.last = int(frame.duration or 0)


def _frames(container: Any, stream: Any, faults: list[str], found: Survey | None = None) -> Iterator[Any]:  # noqa: ANN401
    """Decode a video, past what cannot be decoded."""
    error_of = pyav().FFmpegError
    for packet in container.demux():
        if packet.stream is not stream:
            _reach(packet, found)
            continue
        if found is not None and packet.size:
            found.n_packets += 1
            found.n_cut += bool(packet.is_discard)
            found.dts.append(packet.dts)
            if packet.is_corrupt:
                faults.append(f"packet {found.n_packets - 1} is cut short")
            _reach(packet, found)
        try:
            yield from packet.decode()
        except error_of as error:
            if found is not None:
                found.n_lost += 1
                faults.append(f"packet {found.n_packets - 1} cannot be decoded ({error.strerror})")


def _reach(packet: Any, found: Survey | None) -> None:  # noqa: ANN401 - of PyAV
    """Note how far the file goes, sound included."""
    if found is not None and packet.pts is not None:
        end = (packet.pts + (packet.duration or 0)) * packet.time_base
        found.reached_s = max(found.reached_s, float(end))


def _declared_end_s(container: Any, stream: Any) -> float | None:  # noqa: ANN401 - of PyAV
    """When the video ends as the file says, on the clock of its frames."""
    said = next((text for name, text in stream.metadata.items() if name.upper().startswith("DURATION")), "")
    try:
        hours, minutes, seconds = said.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        pass
    if container.format.name == "avi" and stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if container.format.name.startswith("matroska") and container.duration:
        return float(container.duration) / 1e6
    return None


def _display_matrix(frame: Any) -> NDArray[np.int32] | None:  # noqa: ANN401 - of PyAV
    data = frame.side_data.get("DISPLAYMATRIX")
    matrix = None if data is None else np.frombuffer(bytes(data), np.int32)
    return None if matrix is None or len(matrix) != 9 else matrix


@contextmanager
def _opened(path: Path, choices: Choices, **more: str) -> Iterator[tuple[Any, Any]]:
    """A container and the video in it; ``more`` are options of the demuxer.

    Raises:
        DataError: it has several videos, and which is meant is not said.
        FileError: it has none.
    """
    av = pyav()
    options = {"protocol_whitelist": "file", "format_whitelist": ",".join([*CONTAINERS, "mp4", "webm"]), **more}
    try:
        container = av.open(f"file:{path}", options=options)
    except (av.FFmpegError, ValueError) as error:
        raise FileError(
            f"'{path}' cannot be read as a video ({getattr(error, 'strerror', None) or error})",
            remedy="check that it is complete and plays elsewhere",
        ) from None
    with container:
        streams = [s for s in container.streams.video if not _is_cover(s)]
        if not streams:
            raise FileError(f"'{path}' cannot be read as a video (it holds no pictures)", expected=WHAT)
        if len(streams) > 1 and choices.series is None:
            sizes = ", ".join(f"{i}: {s.width} x {s.height} px" for i, s in enumerate(streams))
            raise DataError(f"'{path}' holds {len(streams)} videos ({sizes})", remedy="say which is meant (series: 0)")
        if (choices.series or 0) >= len(streams):
            found = f"'{path}' holds {len(streams)} videos, and number {choices.series} is asked for"
            raise DataError(found, expected=f"a number from 0 to {len(streams) - 1}")
        stream = streams[choices.series or 0]
        if max(stream.width, stream.height) > MOST_SIDE_PX:
            raise FileError(
                f"'{path}' says that its pictures are {stream.width} x {stream.height} px",
                expected=f"sides of at most {MOST_SIDE_PX:,} px",
                remedy="copy it again if it is damaged, or make it smaller",
            )
        require_room(FRAMES_HELD * 4 * stream.width * stream.height, f"'{path}'", WHAT)
        stream.thread_type = "AUTO"
        yield container, stream


def _is_cover(stream: Any) -> bool:  # noqa: ANN401 - of PyAV
    """Whether it is a picture that stands for the file, such as the cover of an album."""
    return "attached_pic" in str(getattr(stream, "disposition", "")).lower()


def pyav() -> ModuleType:
    """The package of FFmpeg.

    Raises:
        FileError: it is not installed.
    """
    try:
        import av
        import av.video.reformatter
    except ImportError:
        raise FileError("videos need the package 'av'", remedy="install it with: pip install av") from None
    return av
