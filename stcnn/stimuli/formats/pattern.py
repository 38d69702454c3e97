"""Movies as patterns of the G4 LED arena; the bytes are those of :mod:`stcnn.stimuli.arena`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stcnn.movie import Movie
from stcnn.reading import reading, require_file
from stcnn.stimuli.arena import Pattern, decode_pattern, encode_pattern
from stcnn.stimuli.formats.source import Choices, Source, source_of

WHAT = "a pattern of a G4 arena"


def write_pattern(movie: Movie, path: Path) -> None:
    """Write a movie in 16 grey levels, or two where it has no more."""
    luminance = movie.luminance()
    n_levels = 2 if np.isin(luminance, (0, 1)).all() else 16
    codes = np.round(luminance * (n_levels - 1)).astype(np.uint8)
    path.write_bytes(encode_pattern(Pattern(codes, n_levels)))


def read_pattern(path: Path, _: Choices) -> Source:
    """Read a pattern."""
    require_file(path, WHAT)
    with reading(path, WHAT):
        codes, n_levels = decode_pattern(path.read_bytes())
    levels = (np.arange(n_levels) / (n_levels - 1)).astype(np.float32)
    return source_of(codes, levels=levels, snapped=n_levels > 2)
