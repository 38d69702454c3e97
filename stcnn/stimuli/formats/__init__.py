"""Formats of movie files, one in a module each; a new one is its module and a line in :data:`FORMATS`.

A format writes a movie to a path and reads a path into a :class:`~stcnn.stimuli.formats.source.Source`, given the
:class:`~stcnn.stimuli.formats.source.Choices` of who reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from stcnn.movie import Movie
from stcnn.stimuli.formats.arrays import read_npy_movie, read_npz_movie, write_npy, write_npz
from stcnn.stimuli.formats.encoding import write_video
from stcnn.stimuli.formats.pattern import read_mat, read_pattern, write_mat, write_pattern
from stcnn.stimuli.formats.source import Choices as Choices
from stcnn.stimuli.formats.source import Source as Source
from stcnn.stimuli.formats.tiff import read_tiff, write_tiff
from stcnn.stimuli.formats.video import open_video


class Format(NamedTuple):
    """How files of some endings are read and written (``write`` is None where they are only read)."""

    endings: tuple[str, ...]
    read: Callable[[Path, Choices], Source]
    write: Callable[[Movie, Path], None] | None = None


FORMATS = (
    Format((".npz",), read_npz_movie, write_npz),
    Format((".npy",), read_npy_movie, write_npy),
    Format((".mp4", ".gif"), open_video, write_video),
    Format((".avi", ".mov", ".mkv", ".webm"), open_video),
    Format((".tif", ".tiff"), read_tiff, write_tiff),
    Format((".pat",), read_pattern, write_pattern),
    Format((".mat",), read_mat, write_mat),
)
