"""Movies in TIFF (plain, BigTIFF, ImageJ, OME): polarity, palette, colour, bits, series and time axis as they are said.

Resolution tags are not used: what they say is seldom degrees of visual angle.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError, ShapeError
from stcnn.movie import Movie
from stcnn.reading import reading, require_room
from stcnn.stimuli.formats.arrays import colour_source, with_axes_in_order
from stcnn.stimuli.formats.luminance import luminance_of
from stcnn.stimuli.formats.source import LUMA, Choices, Source, facts_in, facts_text, grey, source_of

WHAT = "a movie (TIFF)"
JOINED = ("generic", "uniform", "shaped")
"""Kinds of series, as tifffile calls them, that are no more than the order of pages in the file."""
DOUBTFUL = {"Z": "plane", "C": "channel"}
"""Axes that many programs write where they mean time."""
SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "min": 60.0}


def write_tiff(movie: Movie, path: Path) -> None:
    """Write a movie in 8 bits."""
    _tifffile().imwrite(path, grey(movie), photometric="minisblack", description=facts_text(movie), metadata=None)


def read_tiff(path: Path, choices: Choices) -> Source:
    """Read a movie.

    Raises:
        FileError: the file is damaged or incomplete, or its compression or photometric interpretation is not read.
        ShapeError: it holds several movies, or more axes than time, row, column and colour.
    """
    pages = _read(path, choices)
    if pages.photometric == "PALETTE":
        return _palette_source(pages)
    if pages.coloured:
        source = colour_source(pages.frames, choices, pages.facts, pages.notes)
        return source
    light = luminance_of(pages.frames, choices.white, pages.n_bits)
    frames = light.frames
    levels = light.levels
    notes = (*pages.notes, *light.notes)
    if pages.photometric == "MINISWHITE":
        notes = (*notes, "it is white-is-zero (photometric interpretation): inverted")
        if frames.dtype.kind == "f":
            frames = np.float32(1) - frames
        levels = None if levels is None else np.float32(1) - levels
    fields = {"facts": pages.facts, "levels": levels, "snapped": light.snapped, "notes": notes}
    return source_of(frames, **fields, guesses=(*pages.guesses, *light.guesses))


class _Pages(NamedTuple):
    """Frames ``(T, Y, X)`` or ``(T, Y, X, C)`` and what the file says of them."""

    frames: NDArray[Any]
    coloured: bool
    photometric: str
    n_bits: int | None
    colours: NDArray[np.uint16] | None
    facts: dict[str, Any]
    notes: tuple[str, ...]
    guesses: tuple[str, ...]


def _read(path: Path, choices: Choices) -> _Pages:
    tifffile = _tifffile()
    with reading(path, WHAT), _complaints() as complaints, tifffile.TiffFile(path) as file:
        series = [one for one in file.series if not one.keyframe.is_reduced]
        chosen, notes = _chosen(series, choices, path)
        _require_whole(file, complaints, choices, path)
        require_room(sum(one.nbytes for one in chosen), f"'{path}'", WHAT)
        photometric, n_bits = _photometric(chosen[0].keyframe, path)
        letters, guesses = _axes(chosen[0], choices, path)
        stacks = [_decoded(one, path, choices) for one in chosen]
        _require_whole(file, complaints, choices, path)
        colours = chosen[0].keyframe.colormap
        facts, more = _facts(file)
    size = dict(zip(chosen[0].axes, chosen[0].shape, strict=True))
    if choices.axes is None:
        stacks = [_squeezed(stack, chosen[0].axes, letters) for stack in stacks]
    ordered = [with_axes_in_order(stack, letters) for stack in stacks]
    if ordered[0].coloured and photometric not in ("RGB", "YCBCR"):
        found = f"'{path}' has {size.get('S', size.get('C'))} samples a pixel but is no picture in colour"
        raise ShapeError(found, expected="grey, or red, green and blue")
    frames = ordered[0].frames if len(ordered) == 1 else np.concatenate([one.frames for one in ordered])
    return _Pages(
        *(frames, ordered[0].coloured, photometric, n_bits, colours),
        *(facts, (*notes, *more), guesses),
    )


def _chosen(series: list[Any], choices: Choices, path: Path) -> tuple[list[Any], tuple[str, ...]]:
    """The series that make the movie, and what is to be said of them."""
    if choices.series is not None:
        if choices.series >= len(series):
            found = f"'{path}' has {len(series)} series of pages, and series {choices.series} is asked for"
            raise DataError(found, expected=f"a number from 0 to {len(series) - 1}")
        return [series[choices.series]], ()
    if not series:
        raise FileError(f"'{path}' holds no pages", expected=WHAT)
    if len(series) == 1:
        return series, ()
    alike = {(one.shape, one.axes, one.dtype, one.keyframe.photometric, one.kind in JOINED) for one in series}
    same = len({(one.keyframe.shape, one.dtype, one.keyframe.photometric) for one in series}) == 1
    apart = [one.keyframe.index for one in series]
    in_turn = all(max(p.index for p in a.pages if p) < start for a, start in zip(series, apart[1:], strict=False))
    if not same or not all(one.kind in JOINED for one in series) or not in_turn or len({o.axes for o in series}) > 1:
        listed = "; ".join(f"{i}: {' x '.join(map(str, o.shape))} {o.dtype}" for i, o in enumerate(series[:8]))
        raise ShapeError(
            f"'{path}' has {len(series)} series of {'like' if len(alike) == 1 else 'different'} pages ({listed})",
            expected="one movie",
            remedy="say which is meant (series: 0), or save the movie alone",
        )
    lengths = ", ".join(str(len(one.pages)) for one in series)
    return series, (f"its pages stand in {len(series)} series ({lengths}), joined in the order of the file",)


def _axes(series: Any, choices: Choices, path: Path) -> tuple[str, tuple[str, ...]]:  # noqa: ANN401 - of tifffile
    """Letters of the axes as :func:`in_order` takes them, of those that are longer than 1, and what was guessed."""
    if choices.axes is not None:
        return choices.axes, ()
    letters = "".join(_kept(series.axes, series.shape))
    stack = [letter for letter in letters if letter not in "YXS"]
    if "Y" not in letters or "X" not in letters or len(stack) > 1:
        shape = " x ".join(f"{letter} {n}" for letter, n in zip(series.axes, series.shape, strict=True))
        raise ShapeError(
            f"'{path}' has the axes {shape}",
            expected="one axis besides row (Y), column (X) and colour (S): time",
            remedy="save one plane and one channel as a stack over time",
        )
    guesses: tuple[str, ...] = ()
    if stack and stack[0] in DOUBTFUL:
        guesses = (f"its only axis besides row and column is {DOUBTFUL[stack[0]]} ({stack[0]}), taken as time",)
    return "".join("T" if letter in stack else letter for letter in letters), guesses


def _kept(axes: str, shape: tuple[int, ...]) -> Iterator[str]:
    for letter, length in zip(axes, shape, strict=True):
        if letter in "YXS" or length > 1:
            yield letter


def _squeezed(stack: NDArray[Any], axes: str, letters: str) -> NDArray[Any]:
    """Without the axes of length 1 that are none of row, column and colour."""
    drop = [i for i, letter in enumerate(axes) if letter not in "YXS" and stack.shape[i] == 1]
    squeezed = stack.squeeze(tuple(drop))
    assert squeezed.ndim == len(letters)
    return squeezed


def _decoded(series: Any, path: Path, choices: Choices) -> NDArray[Any]:  # noqa: ANN401 - of tifffile
    try:
        return np.asarray(series.asarray())
    except Exception as error:
        if choices.incomplete is not None and series.axes.startswith(("I", "Q", "T")):
            return np.stack(list(_readable(series.pages)))
        if "imagecodecs" not in str(error) and not isinstance(error, ImportError):
            raise
        compression = series.keyframe.compression.name
        raise FileError(
            f"'{path}' is compressed ({compression}, {series.keyframe.bitspersample} bits), which needs imagecodecs",
            remedy="install it with: pip install imagecodecs, or save the movie without compression",
        ) from None


def _readable(pages: Any) -> Iterator[NDArray[Any]]:  # noqa: ANN401 - of tifffile
    """The pages up to the first that cannot be read."""
    for page in pages:
        try:
            yield page.asarray()
        except Exception:  # tifffile raises many kinds
            return


def _photometric(page: Any, path: Path) -> tuple[str, int | None]:  # noqa: ANN401 - of tifffile
    """Meaning of the values, and the bits of each."""
    name = getattr(page.photometric, "name", str(page.photometric))
    if name not in ("MINISBLACK", "MINISWHITE", "PALETTE", "RGB", "YCBCR"):
        found = f"'{path}' has the photometric interpretation {name}"
        raise FileError(found, expected="grey, a palette or RGB", remedy="save it as 8-bit grey")
    if name == "MINISWHITE" and page.dtype.kind == "f":
        raise FileError(f"'{path}' is white-is-zero with values of type {page.dtype}", expected="whole numbers")
    bits = page.bitspersample
    return name, int(bits) if isinstance(bits, int) and page.dtype.kind == "u" else None


def _palette_source(pages: _Pages) -> Source:
    """Codes with the luma of the colours they stand for."""
    if pages.colours is None or pages.frames.dtype.kind != "u" or pages.coloured:
        raise FileError("it says that it has a palette and has none", expected=WHAT)
    colours = np.asarray(pages.colours, np.float64)
    largest = 255 if colours.max() <= 255 else 65535  # some write colours of 8 bits where 16 are due
    levels = (LUMA @ colours / largest).astype(np.float32)
    note = f"its palette of {len(levels)} colours is applied: luminance is 0.299 red + 0.587 green + 0.114 blue"
    frames = pages.frames
    notes = (*pages.notes, note)
    if int(frames.max()) >= len(levels):
        found = f"it holds code {int(frames.max())} but its palette has {len(levels)} colours"
        raise FileError(found, expected="every code to have its colour")
    if frames.dtype != np.uint8:
        return source_of(levels[frames], facts=pages.facts, notes=notes, guesses=pages.guesses)
    return source_of(frames, facts=pages.facts, levels=levels[:256], notes=notes, guesses=pages.guesses)


def _facts(file: Any) -> tuple[dict[str, Any], tuple[str, ...]]:  # noqa: ANN401 - of tifffile
    """Our own facts, or the frame interval of ImageJ or OME."""
    if ours := facts_in(file.pages[0].description):
        return ours, ()
    interval_s = 0.0
    whose = "ImageJ"
    if file.is_imagej:
        said = file.imagej_metadata or {}
        interval_s = _number(said.get("finterval")) * SECONDS.get(str(said.get("tunit", "s")).lower(), 0.0)
    elif file.is_ome and "<!DOCTYPE" not in (file.ome_metadata or "<!DOCTYPE"):
        whose = "OME"
        for element in ElementTree.fromstring(file.ome_metadata).iter():
            if element.tag.endswith("}Pixels"):
                unit = SECONDS.get(element.get("TimeIncrementUnit", "s"), 0.0)
                interval_s = _number(element.get("TimeIncrement")) * unit
                break
    if not 0 < interval_s < math.inf:
        return {}, ()
    return {"rate_hz": 1 / interval_s}, (f"its frames are {interval_s:.6g} s apart by its {whose} metadata",)


def _number(value: Any) -> float:  # noqa: ANN401 - whatever stands in a file
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _require_whole(file: Any, complaints: list[str], choices: Choices, path: Path) -> None:  # noqa: ANN401
    """Refuse what ends early or contradicts itself."""
    found = list(complaints)
    said = (file.imagej_metadata or {}).get("images", 0) if file.is_imagej else 0
    if len(file.pages) > 1 and isinstance(said, int) and len(file.pages) != said > 0:
        found.append(f"ImageJ noted {said} pages, there are {len(file.pages)}")
    if found and choices.incomplete is None:
        raise FileError(
            f"'{path}' is damaged or incomplete ({found[0]})",
            expected=WHAT,
            remedy="copy it again, or say incomplete: accept to take what can be read",
        )


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Errors that tifffile writes to its log, where it goes on with what it could read."""
    said: list[str] = []

    def heard(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.levelno >= logging.ERROR or "corrupt" in text or "invalid" in text:
            said.append(" ".join(text.split())[:160])
        return False

    log = logging.getLogger("tifffile")
    log.addFilter(heard)
    try:
        yield said
    finally:
        log.removeFilter(heard)


def _tifffile() -> ModuleType:
    try:
        import tifffile
    except ImportError:
        raise FileError("TIFF needs the package 'tifffile'", remedy="install it with: pip install tifffile") from None
    return tifffile
