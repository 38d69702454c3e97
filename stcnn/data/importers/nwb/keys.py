"""The keys of an import of NWB files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from stcnn.data.importers.sessions import SessionConfig


class NwbConfig(SessionConfig):
    """An NWB file, and what it does not say."""

    kind: Literal["nwb"] = "nwb"
    """Neurodata Without Borders."""
    series: str | None = None
    """Name or path of the response series, or of the container of some; None takes those of DfOverF, and those of
    Fluorescence for cells without dF/F."""
    neuropil: str | None = None
    """Name or path of the neuropil of the fluorescence; None finds it by its cells, ``none`` subtracts none."""
    intervals: str | None = None
    """Name of the table of intervals in which stimuli were shown; None takes ``trials``, else the one that names
    stimuli."""
    stimulus_column: str | None = None
    """Its column with the name of the stimulus; None takes the first of the usual names."""
    deg_per_px: float | None = Field(default=None, gt=0)
    """Degrees per pixel of movies that say neither this nor their field of view and distance."""
    background: float | None = Field(default=None, ge=0, le=1)
    """Luminance of grey of movies that do not say it."""
    movie_axes: Literal["time_row_column", "time_column_row"] | None = None
    """Order of the axes of movies and pictures in the file. The schema says (time, x, y), that is ``time_column_row``,
    many labs write the other; None believes the field of view or the dimension where they decide."""
    movie_white: float | None = Field(default=None, gt=0)
    """Stored value that is white, after ``conversion`` and ``offset``; None is 255 for 8 bits, the largest value for
    16 bits, and 1 for others."""
    picture_s: PositiveFloat | Literal["until_next"] | None = None
    """How long each picture of an IndexSeries was shown before the screen was grey; each is then a stimulus of its own.
    ``until_next`` shows each until the next one. NWB does not store this; None takes ``until_next`` where pictures
    follow each other within half a second, and asks otherwise."""
    pause_s: float | None = Field(default=None, gt=0)
    """Interval from which on the screen of an IndexSeries counts as grey, so that its sequence ends; None is five times
    the median interval, and at least a second."""
    name_by_order: bool = False
    """Whether a sequence of pictures in another order than the set's is named after it, so that files in which pictures
    were shown in different orders can be imported together."""
    trace_unit: Literal["fraction", "percent"] | None = None
    """Whether dF/F is given as a fraction or in percent; None believes the file."""
