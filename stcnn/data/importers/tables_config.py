"""Keys of an import of a table of traces, and which keys describe a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from stcnn.validation import Config

MEASURED = ("azi_shift_px", "ele_shift_px", "azimuth_deg", "elevation_deg")
KEYS = ("cell_type", "neuron", "stimulus", "animal", "session", "indicator", "trial", *MEASURED)
"""Columns that describe a recording."""


class TablesConfig(Config):
    """A table of traces, the movies that were shown, and what is what.

    A neuron is one cell in one session of one animal. Where a name stands in several sessions of an animal, the
    session is put before it, and so is the animal where it stands in several.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    kind: Literal["tables"] = "tables"
    """Tables of traces, CSV or Parquet."""
    path: Path
    """The table or the file of arrays."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our name to the name in the file, where they differ."""
    constants: dict[str, str] = Field(default_factory=dict)
    """Values that are the same for all recordings, for instance ``cell_type: lc11``."""
    across_sessions: bool = False
    """Whether a neuron of one name in two sessions of an animal is one cell, as where cells were followed over days."""
    rate_hz: float = Field(gt=0, allow_inf_nan=False)
    """Imaging samples per second; time stamps that say otherwise are refused."""
    exposure_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Time over which light was collected for a sample, centred on its time stamp."""
    time_unit: Literal["s", "ms"] = "s"
    """Unit of the times in the tables."""
    trace_unit: Literal["fraction", "percent"] = "fraction"
    """Whether 0.5 or 50 is a dF/F of one half."""
    movies: Path | None = None
    """Folder of movie files, each named after its stimulus."""
    movie_units: dict[str, Any] = Field(default_factory=dict)
    """Facts that those files lack: ``rate_hz``, ``deg_per_px``, ``background``, or how to read them (``rotation``)."""
    stimulus_table: Path | None = None
    """CSV with a row per stimulus: ``stimulus``, ``kind`` (a generator), and a column per argument."""
    stimuli: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Single stimuli: ``file`` and its units, or ``kind`` and the arguments of a generator."""
