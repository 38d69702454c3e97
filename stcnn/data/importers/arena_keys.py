"""The keys of an import of an experiment on an LED arena."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializeAsAny

from stcnn.validation import Config


class ArenaConfig(Config):
    """An experiment on an LED arena: its log, patterns and geometry, and the traces that were recorded meanwhile.

    Every presentation becomes a movie of what a fly in the middle of the arena saw. Presentations of one pattern (and
    function) in which the same positions were shown are repeats of one movie.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    kind: Literal["arena"] = "arena"
    """Experiments on LED arenas."""
    path: Path
    """The log: the folder of TDMS files of a G4 rig, or the ``.mat`` that its tools make of it; or a CSV of positions
    (``time_s``, ``x``, ``y``); or, where positions were not logged, the CSV of presentations of ``trials``."""
    arena: Path
    """YAML file of the arena, or of a rig that names one."""
    patterns: Path
    """Folder of the patterns, ``.pat`` or ``.mat``, that are known by their names or by the number in them."""
    functions: Path | None = None
    """Folder of the position functions (``.pfn``, ``.mat``) or tables of positions (CSV)."""
    trials: Path | None = None
    """CSV with a row per presentation on the clock of the log: ``onset_s``, ``pattern`` (name of the file or its
    number), and any of ``stimulus`` (its name), ``stop_s`` or ``duration_s``, ``function``, ``function_y``,
    ``positions_hz``, ``x``, ``y``, ``frames_hz``, ``trial``. None takes the commands in the log."""
    leave_out: tuple[str, ...] = ()
    """Names of stimuli that are not imported, such as the pattern between trials."""
    offset_s: float | None = None
    """Time of the imaging clock at which the clock of the log is zero."""
    clock: Path | None = None
    """Instead, a CSV of moments that both clocks saw: ``log_s``, ``imaging_s``."""
    alike_s: float | None = Field(default=None, ge=0)
    """Repeats show the same positions at times that differ by no more; None is a frame of the movie."""
    picture: dict[str, Any] = Field(default_factory=dict)
    """The picture that a model sees: ``shape_px``, ``deg_per_px``, ``rate_hz``, ``background`` (also beside the arena),
    and the direction in the arena that is its middle, ``azimuth_deg`` and ``elevation_deg``."""
    traces: dict[str, Any] | SerializeAsAny[Config]
    """The keys of the import of the traces, with a ``kind`` of its own: ``suite2p``, ``caiman``, ``nwb``, or
    ``tables``, whose recordings name the stimuli. It needs neither ``onsets`` nor ``stimuli``."""
