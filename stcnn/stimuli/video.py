"""Frames in and out of video files (mp4, gif and what else ffmpeg reads), through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import FileError

Grey = NDArray[np.uint8]

GIF_TICK_S = 0.01
"""A gif counts time in hundredths of a second, and viewers slow down frames shorter than two of them."""


def encode_video(path: Path, frames: Grey, rate_hz: float, note: str) -> None:
    """Write grey frames ``(T, Y, X)`` without loss.

    An mp4 is H.264 with full-range luminance. A gif keeps every frame and plays at the next slower rate it can state.

    Args:
        path: ends in .mp4 or .gif.
        frames: 8-bit grey.
        rate_hz: frames per second.
        note: text kept in an mp4 as its comment; a gif cannot hold it.
    """
    av = _pyav()
    gif = path.suffix == ".gif"
    ticks = max(2, int(np.ceil(1 / (rate_hz * GIF_TICK_S) - 1e-9)))
    rate = Fraction(100, ticks) if gif else Fraction(rate_hz).limit_denominator(10_000)
    full = av.video.reformatter.ColorRange.JPEG
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = note
        stream = container.add_stream("gif" if gif else "libx264", rate=rate, options={} if gif else {"crf": "0"})
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "gray" if gif else "yuv444p"  # 4:2:0 would ask for even sides
        stream.codec_context.color_range = full
        for grey in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(grey), format="gray")
            frame = frame.reformat(format=stream.pix_fmt, src_color_range=full, dst_color_range=full)
            frame.color_range = full
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def describe_video(path: Path) -> tuple[float, str]:
    """Frame rate and comment of a video file.

    Raises:
        FileError: ffmpeg cannot read it, or it has no pictures.
    """
    av = _pyav()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            return float(stream.average_rate or stream.base_rate), container.metadata.get("comment", "")
    except (av.FFmpegError, IndexError, TypeError) as error:
        raise _unreadable(path, error) from None


def decode_video(path: Path, rate_hz: float) -> Iterator[Grey]:
    """Yield grey frames ``(Y, X)`` at an even rate; a picture that stays longer is repeated.

    Raises:
        FileError: ffmpeg cannot read it.
    """
    av = _pyav()
    shown, last = 0, None
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for frame in container.decode(stream):
                start_s = frame.time or 0.0
                while last is not None and shown / rate_hz < start_s - 0.5 / rate_hz:
                    shown += 1
                    yield last
                last = frame.to_ndarray(format="gray")
    except av.FFmpegError as error:
        raise _unreadable(path, error) from None
    if last is None:
        raise _unreadable(path, ValueError("it holds no pictures"))
    yield last


def _unreadable(path: Path, error: Exception) -> FileError:
    return FileError(
        f"'{path}' cannot be read as a video ({error})", remedy="check that it is complete and plays elsewhere"
    )


def _pyav() -> ModuleType:
    try:
        import av
        import av.video.reformatter
    except ImportError:
        raise FileError("videos need the package 'av'", remedy="install it with: pip install av") from None
    return av
