"""The keys of every import of an imaging session."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from stcnn.addresses import Location
from stcnn.data.importers.dff import DffConfig
from stcnn.validation import Config


class Onset(Config):
    """A presentation."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    stimulus: str
    """Name of the stimulus."""
    onset_s: float
    """When it began, on the imaging clock."""
    trial: int | None = Field(default=None, ge=0)
    """Number of the repeat."""


class SessionConfig(Config):
    """Keys that every import of an imaging session has to give or may give."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    path: Location
    """The file or folder of the session; of NWB also the address of a file elsewhere (:mod:`stcnn.remote`)."""
    cell_type: str = ""
    """Cell type of neurons whose type is given nowhere else."""
    neurons: Path | None = None
    """CSV with a row per neuron: ``roi`` (its number in the file; in NWB its row in the plane segmentation), and any of
    ``neuron``, ``cell_type``, ``azimuth_deg``, ``elevation_deg`` (middle of the receptive field). Only neurons listed
    there are taken."""
    onsets: Path | None = None
    """CSV with a row per presentation: ``stimulus``, ``onset_s`` on the imaging clock; optionally ``trial``, else
    presentations of a stimulus are numbered in the order of their onsets."""
    presentations: tuple[Onset, ...] = ()
    """Instead, the presentations listed here."""
    animal: str = ""
    """Identifier of the animal."""
    session: str = ""
    """Identifier of the recording session; cells of other sessions are other cells."""
    field: str = ""
    """Mark of the neurons of this file among those of the same animal and session; a part of their names
    where no table names them. Of files that are imported together it is the part of the paths in which they differ."""
    indicator: str = ""
    """Name of the calcium indicator."""
    pre_s: float = Field(default=1.0, ge=0)
    """How much of the trace before stimulus onset belongs to a recording."""
    post_s: float = Field(default=2.0, ge=0)
    """How much of the trace after the end of the movie belongs to it."""
    exposure_s: float | None = Field(default=None, ge=0)
    """Time over which light was collected for a sample; None is the whole imaging interval, 0 an instant."""
    time_stamps: Literal["start", "middle"] = "start"
    """Whether time stamps mark the start or the middle of the exposure."""
    stimuli: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Stimulus to what its movie is made from: ``file`` with ``rate_hz``, ``deg_per_px``, ``background``, or
    ``kind`` and the arguments of a generator."""
    dff: DffConfig = DffConfig()
