"""Films: frames as they come, to mp4 or gif."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from stcnn.errors import FileError
from stcnn.writing import atomic_write

Picture = NDArray[np.uint8]


def write_film(path: str | Path, frames: Iterable[Picture], fps: float = 30.0) -> Path:
    """Write frames ``(H, W, 3)`` as they come; the ending says whether mp4 (H.264) or gif.

    Returns:
        The path. The file appears whole or not at all.

    Raises:
        FileError: the ending is another, there is no frame, or the folder cannot be written to.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in {".mp4", ".gif"}:
        raise FileError(f"'{path}' ends in '{path.suffix}'", expected="an animation as .mp4 or .gif")
    with atomic_write(path) as draft:
        (_write_gif if ending == ".gif" else _write_mp4)(draft, iter(frames), fps)
    return path


def _first(frames: Iterator[Picture]) -> Picture:
    try:
        return next(frames)
    except StopIteration:
        raise FileError("the animation has no frame", remedy="give at least one panel that lasts a frame") from None


def _write_mp4(path: Path, frames: Iterator[Picture], fps: float) -> None:
    picture: Picture | None = _first(frames)
    assert picture is not None
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": "23", "preset": "veryfast", "tune": "animation"}
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.height = picture.shape[0]
        stream.width = picture.shape[1]
        stream.pix_fmt = "yuv420p"
        while picture is not None:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            picture = next(frames, None)
        container.mux(stream.encode())


def _write_gif(path: Path, frames: Iterator[Picture], fps: float) -> None:
    """Write a gif with a palette made for its pictures; it plays at the nearest rate that a gif can state."""
    picture: Picture | None = _first(frames)
    assert picture is not None
    height, width = picture.shape[:2]
    rate = Fraction(100, max(2, round(100 / fps)))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=rate)
        stream.height = height
        stream.width = width
        stream.pix_fmt = "pal8"
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=width, height=height, format=av.VideoFormat("rgb24", width, height), time_base=1 / rate
        )
        split = graph.add("split")
        palette = graph.add("palettegen", "max_colors=128")
        use = graph.add("paletteuse", "dither=none")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(palette, 0)
        split.link_to(use, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        number = 0
        while picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            frame.time_base = 1 / rate
            graph.push(frame)
            number = number + 1
            picture = next(frames, None)
        graph.push(None)
        for place in range(number):
            coloured = graph.pull()
            assert isinstance(coloured, av.VideoFrame)
            coloured.pts = place
            coloured.time_base = 1 / rate
            container.mux(stream.encode(coloured))
        container.mux(stream.encode())
