"""First pass through a video, before any picture is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stcnn.stimuli.formats.pixels import PixelFormat


@dataclass
class Survey:
    """Findings of the first pass through a video.

    Args:
        container: name of the format.
        comment: text beside the pictures.
        rate_hz: that the file states; None where it states none.
        tick_s: unit of its times.
        pixels: how its values stand for luminance.
        size_px: height and width as stored.
        matrix: display matrix, nine numbers; None where there is none.
        stretch: width over height of a pixel.
        pts: presentation time of each frame in ticks, as the decoder gives it; None where it gives none.
        dts: decoding time of each packet, likewise.
        last: duration of the last frame in ticks; 0 where the file does not say it.
        n_packets: packets of the video.
        n_declared: frames that the file says it has; 0 where it does not.
        end_s: end of the video, as the file says it; None where it does not.
        n_cut: frames outside of the part that the file says is to be shown (edit list).
        faults: what could not be decoded.
        n_lost: packets that could not be decoded.
        n_interlaced: frames of two fields.
        reordered: whether frames may be coded in another order than they are shown (B-frames).
        opaque: whether nothing of any frame lets the background through.
        transfer: transfer function, as FFmpeg numbers it.
    """

    container: str
    comment: str
    rate_hz: Fraction | None
    tick_s: Fraction
    pixels: PixelFormat | None = None
    size_px: tuple[int, int] = (0, 0)
    matrix: NDArray[np.int32] | None = None
    stretch: Fraction = Fraction(1)
    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    last: int = 0
    n_packets: int = 0
    n_declared: int = 0
    end_s: float | None = None
    reached_s: float = 0.0
    n_cut: int = 0
    faults: list[str] = field(default_factory=list)
    n_lost: int = 0
    n_interlaced: int = 0
    reordered: bool = False
    transfer: int = 0
    opaque: bool = True

    @property
    def n_pictures(self) -> int:
        """Frames that could be decoded."""
        return len(self.pts)
