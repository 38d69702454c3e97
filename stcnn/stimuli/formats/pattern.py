"""Movies as patterns of LED arenas; the bytes are those of :mod:`stcnn.stimuli.patterns`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stcnn.movie import Movie
from stcnn.reading import reading, require_file, require_room
from stcnn.stimuli.formats.source import Choices, Source, source_of
from stcnn.stimuli.patterns import (
    PANEL_PX,
    Generation,
    Pattern,
    decode_pattern,
    encode_pattern,
    read_mat_pattern,
    write_mat_pattern,
)

WHAT = "a pattern of an arena"


def pattern_of(movie: Movie, generation: Generation) -> Pattern:
    """Return a movie in 16 grey levels, or two where it has no more."""
    luminance = movie.luminance()
    n_levels = 2 if np.isin(luminance, (0, 1)).all() else 16
    codes = np.round(luminance * (n_levels - 1)).astype(np.uint8)
    return Pattern(codes, n_levels, generation)


def write_pattern(movie: Movie, path: Path) -> None:
    """Write a movie as a ``.pat``: of G6 where its sides are multiples of 20 pixels and not of 16, otherwise of G4."""

    def fits(generation: Generation) -> bool:
        return not any(side % PANEL_PX[generation] for side in movie.shape_px)

    generation: Generation = "G6" if fits("G6") and not fits("G4") else "G4"
    path.write_bytes(encode_pattern(pattern_of(movie, generation)))


def write_mat(movie: Movie, path: Path) -> None:
    """Write a movie as a ``.mat`` of a G3 arena."""
    write_mat_pattern(pattern_of(movie, "G3"), path)


def read_pattern(path: Path, _: Choices) -> Source:
    """Read a ``.pat``."""
    require_room(17 * require_file(path, WHAT), str(path), WHAT)
    with reading(path, WHAT):
        pattern = decode_pattern(path.read_bytes())
    return _source(pattern)


def read_mat(path: Path, _: Choices) -> Source:
    """Read a ``.mat``."""
    return _source(read_mat_pattern(path))


def _source(pattern: Pattern) -> Source:
    levels = (np.arange(pattern.n_levels) / (pattern.n_levels - 1)).astype(np.float32)
    notes = []
    if pattern.n_y > 1:
        notes.append(
            f"its {pattern.n_y} rows of {pattern.n_x} frames (positions along y) are shown one after the other"
        )
    if pattern.brightness is not None and len(np.unique(pattern.brightness)) > 1:
        least, most = pattern.brightness.min(), pattern.brightness.max()
        notes.append(
            f"brightness bytes of its frames run from {least} to {most}; luminance is that of the levels alone"
        )
    return source_of(pattern.codes, levels=levels, snapped=pattern.n_levels > 2, notes=tuple(notes))
