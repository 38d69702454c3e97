"""From the frames of a video to codes and luminance: pixel formats, ranges, bits, opacity, and how the picture lies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import FileError
from stcnn.stimuli.coverage import overlaps
from stcnn.stimuli.formats.luminance import has_alpha, without_colour

LIMITED = 1
FULL = 2
"""Names that FFmpeg has for ranges of values (``AVCOL_RANGE_MPEG``, ``AVCOL_RANGE_JPEG``)."""
HDR = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}
"""Transfer functions, as FFmpeg numbers them, whose values are no luminance of a common screen."""


@dataclass(frozen=True)
class PixelFormat:
    """How the values of a frame stand for luminance.

    Args:
        name: as FFmpeg has it.
        n_bits: of each value.
        rgb: whether colours are red, green and blue; others have a luma plane.
        alpha: whether there may be opacity.
        limited: whether black and white are 16 and 235 (of 8 bits) instead of the ends of the range.
    """

    name: str
    n_bits: int
    rgb: bool
    alpha: bool
    limited: bool

    @classmethod
    def of(cls, frame: Any) -> PixelFormat:  # noqa: ANN401 - of PyAV
        """The format of a frame."""
        format_ = frame.format
        n_bits = max(component.bits for component in format_.components)
        rgb = format_.is_rgb or format_.has_palette
        named = [component for component in format_.components if component.is_alpha]
        grey = format_.name.startswith(("gray", "mono", "ya"))
        said = int(frame.color_range)
        limited = said == LIMITED or (said != FULL and not rgb and not grey and not format_.name.startswith("yuvj"))
        return cls(format_.name, n_bits, rgb, bool(named) or format_.has_palette, limited)

    @property
    def levels(self) -> NDArray[np.float32] | None:
        """Luminance of each code; None where :func:`luminance_in` gives luminance."""
        return None if self.n_bits > 8 or self.alpha else self._luminance(np.arange(256), 8).astype(np.float32)

    def _luminance(self, codes: NDArray[Any], n_bits: int) -> NDArray[np.float32]:
        if not self.limited:
            return (codes / np.float32(2**n_bits - 1)).astype(np.float32)
        black = 16 * 2 ** (n_bits - 8)
        white = 235 * 2 ** (n_bits - 8)
        return np.clip((codes - np.float32(black)) / np.float32(white - black), 0, 1).astype(np.float32)

    def note(self) -> str:
        """Planes that are luminance."""
        if self.rgb:
            return "luminance is 0.299 red + 0.587 green + 0.114 blue, as the values stand (no gamma undone)"
        black = 16 * 2 ** (self.n_bits - 8)
        white = 235 * 2 ** (self.n_bits - 8)
        values = f"{black:g} to {white:g}" if self.limited else f"0 to {2**self.n_bits - 1}"
        return f"luminance is the luma of the video ({self.name}), {values} as black to white (no gamma undone)"

    def picture(self, frame: Any, background: float) -> NDArray[Any]:  # noqa: ANN401 - of PyAV
        """Codes (uint8) or luminance (float32) of a frame, ``(Y, X)``; ``background`` is behind what is not opaque."""
        if self.rgb:
            deep = self.n_bits > 8
            colours = frame.to_ndarray(format=("rgba64le" if deep else "rgba") if self.alpha else _plain(deep))
            largest = 65535.0 if deep else 255.0
            if self.alpha:
                flat = without_colour(colours.astype(np.float32), background, largest)
                return self._luminance(flat, 16 if deep else 8)
            codes: NDArray[Any] = without_colour(colours, background)
            return self._luminance(codes, 16) if deep else codes
        codes, alpha = _luma_and_alpha(frame, self)
        if self.levels is not None:
            return codes
        luminance = self._luminance(codes, self.n_bits)
        if alpha is None:
            return luminance
        share: NDArray[Any] = alpha / np.float32(2**self.n_bits - 1)
        mixed: NDArray[Any] = luminance * share + np.float32(background) * (1 - share)
        return mixed

    def is_opaque(self, frame: Any) -> bool:  # noqa: ANN401 - of PyAV
        """Whether nothing of a frame lets the background through."""
        if not self.alpha:
            return True
        if self.rgb:
            deep = self.n_bits > 8
            return not has_alpha(frame.to_ndarray(format="rgba64le" if deep else "rgba"), 65535 if deep else 255)
        alpha = _luma_and_alpha(frame, self)[1]
        return alpha is None or bool((alpha == 2**self.n_bits - 1).all())


def _plain(deep: bool) -> str:
    return "rgb48le" if deep else "rgb24"


def _luma_and_alpha(frame: Any, pixels: PixelFormat) -> tuple[NDArray[Any], NDArray[Any] | None]:  # noqa: ANN401
    """The planes of luma and of opacity, as they are coded."""
    planes = {component.plane for component in frame.format.components}
    if pixels.n_bits < 8 or len(planes) < len(frame.format.components):  # packed, or fewer bits than a byte
        wanted = "gray" if pixels.n_bits <= 8 else "gray16le"
        if pixels.n_bits > 8 or pixels.alpha or not frame.format.name.startswith(("mono", "yuy", "uyvy", "yvyu", "nv")):
            raise FileError(
                f"its pixels are coded as {pixels.name}, which is not read",
                remedy="convert it, for instance with: ffmpeg -i VIDEO -pix_fmt yuv444p -crf 0 CONVERTED.mp4",
            )
        if frame.format.name.startswith("mono"):
            return frame.to_ndarray(format=wanted), None
        if frame.format.name.startswith("nv"):
            return _plane(frame, 0, 8), None
        side = int(frame.color_range) or LIMITED
        return _plane(frame.reformat(format="yuv422p", src_color_range=side, dst_color_range=side), 0, 8), None
    alpha = next((i for i, component in enumerate(frame.format.components) if component.is_alpha), None)
    return _plane(frame, 0, pixels.n_bits), None if alpha is None else _plane(frame, alpha, pixels.n_bits)


def _plane(frame: Any, number: int, n_bits: int) -> NDArray[Any]:  # noqa: ANN401 - of PyAV
    plane = frame.planes[number]
    dtype = np.dtype(np.uint8 if n_bits <= 8 else ">u2" if frame.format.is_big_endian else "<u2")
    rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
    return rows[: plane.height, : plane.width].copy()


@dataclass(frozen=True)
class Layout:
    """How a stored picture is to be seen.

    Args:
        swap: rows and columns change places, first of all.
        flip_y: then the rows are turned upside down.
        flip_x: and the columns mirrored.
        stretch: width of a pixel over its height; the columns are stretched by it.
    """

    swap: bool = False
    flip_y: bool = False
    flip_x: bool = False
    stretch: Fraction = Fraction(1)

    @classmethod
    def of(cls, matrix: NDArray[np.int32] | None, stretch: Fraction) -> Layout | None:
        """The layout of a display matrix, nine numbers as ``libavutil/display.h`` has them; None for other angles."""
        if matrix is None:
            return cls(stretch=stretch)
        (a, b) = matrix[0:2] / 2**16
        (c, d) = matrix[3:5] / 2**16
        if np.allclose([abs(b), abs(c), abs(a) - abs(d)], 0, atol=1e-3) and abs(a) > 0.5:
            return cls(False, bool(d < 0), bool(a < 0), stretch)
        if np.allclose([abs(a), abs(d), abs(b) - abs(c)], 0, atol=1e-3) and abs(b) > 0.5:
            return cls(True, bool(b < 0), bool(c < 0), stretch)
        return None

    @property
    def turned(self) -> bool:
        """Whether the picture is not seen as it is stored."""
        return self.swap or self.flip_x or self.flip_y

    def describe(self) -> str:
        """The turn in words."""
        if not self.swap:
            return {(True, True): "180 degrees", (True, False): "upside down"}.get(
                (self.flip_y, self.flip_x), "mirrored"
            )
        quarter = {(False, True): "90 degrees clockwise", (True, False): "90 degrees counterclockwise"}
        return quarter.get((self.flip_y, self.flip_x), "rows and columns exchanged")

    def applied(self, picture: NDArray[Any], levels: NDArray[np.float32] | None) -> NDArray[Any]:
        """The picture as it is to be seen; luminance (float32) where its pixels are stretched."""
        if self.stretch != 1:
            light = (picture if levels is None else levels[picture]).astype(np.float32)
            picture = light @ _stretching(light.shape[1], self.stretch)
        picture = picture.T if self.swap else picture
        return np.ascontiguousarray(picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])

    def shape_px(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of what is seen."""
        wide = _stretched(width, self.stretch) if self.stretch != 1 else width
        return (wide, height) if self.swap else (height, wide)


def _stretched(width: int, stretch: Fraction) -> int:
    return max(1, round(width * stretch))


def _stretching(width: int, stretch: Fraction) -> NDArray[np.float32]:
    """Weights ``(X, stretched X)`` that average columns by the share of each that a new column covers."""
    n_columns = _stretched(width, stretch)
    old = np.linspace(0, 1, width + 1)
    new = np.linspace(0, 1, n_columns + 1)
    weights = overlaps(new, old)
    return (weights / weights.sum(1, keepdims=True)).T.astype(np.float32)
