"""Request for an export, whatever the form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stcnn.errors import ConfigError, FileError
from stcnn.export.tensors import CalciumTaus


@dataclass(frozen=True)
class Request:
    """Request: what to export and how.

    Args:
        source: run folder, or a folder of published checkpoints.
        to: folder to make; None is one in the run with the name of the form.
        epoch: which checkpoint; None is the finished model.
        rate_hz: frames per second; None is that of the training.
        movie_px: rows and columns of the frames; None is 83 degrees each way.
        at: azimuth and elevation of the neurons' place in degrees; None is where the readouts are trained for.
        single_neurons: whether calcium is that of every recorded neuron, not of the average one of each type.
        calcium_tau: of the published form only.
        licence: of the recordings, which the model card of the hub form names.
    """

    source: Path
    to: Path | None = None
    epoch: int | None = None
    rate_hz: float | None = None
    movie_px: tuple[int, int] | None = None
    at: tuple[float, float] | None = None
    single_neurons: bool = False
    calcium_tau: CalciumTaus = "kept"
    licence: str = ""

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not 0 < self.rate_hz < float("inf"):
            raise ConfigError(f"--rate-hz is {self.rate_hz:g}", expected="frames per second, greater than 0")
        if self.movie_px is not None and min(self.movie_px) < 1:
            found = f"--movie-px is {self.movie_px[0]} {self.movie_px[1]}"
            raise ConfigError(found, expected="rows and columns, at least 1")

    def folder(self, form: str) -> Path:
        """Return the folder to make; raises FileError where there is something of that name."""
        folder = self.source / form if self.to is None else self.to.expanduser()
        if folder.exists():
            raise FileError(f"{folder} exists already", remedy="choose another name")
        return folder

    def require_no_places(self, form: str) -> None:
        """Raise a ConfigError where a place or single neurons are asked for, which a form does not have."""
        if self.at is not None or self.single_neurons:
            option = "--single-neurons" if self.at is None else "--at"
            raise ConfigError(f"{option} is given", expected=f"nothing of the kind for the {form} form")
