"""Movies written as videos and GIFs, through PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from stcnn.movie import Movie
from stcnn.stimuli.formats.gif import TICK_S
from stcnn.stimuli.formats.source import facts_text, grey
from stcnn.stimuli.formats.video import pyav


def write_video(movie: Movie, path: Path) -> None:
    """Write a movie without loss, in 8 bits.

    An mp4 is H.264 with full-range luminance and a comment that says what a file can hold of a movie. A gif keeps every
    frame and plays at the next slower rate it can state; viewers slow down frames shorter than two of its ticks.
    """
    av = pyav()
    frames = grey(movie)
    gif = path.suffix == ".gif"
    ticks = max(2, int(np.ceil(1 / (movie.rate_hz * TICK_S) - 1e-9)))
    rate = Fraction(100, ticks) if gif else Fraction(movie.rate_hz).limit_denominator(10_000)
    full = av.video.reformatter.ColorRange.JPEG
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = facts_text(movie)
        stream = container.add_stream("gif" if gif else "libx264", rate=rate, options={} if gif else {"crf": "0"})
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "gray" if gif else "yuv444p"  # 4:2:0 would ask for even sides
        stream.codec_context.color_range = full
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            frame = frame.reformat(format=stream.pix_fmt, src_color_range=full, dst_color_range=full)
            frame.color_range = full
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
