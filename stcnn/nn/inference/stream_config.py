"""Options of a live stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from stcnn.errors import ConfigError, nearest
from stcnn.movie import BACKGROUND

Start = Literal["grey", "steady", "rest"]
"""What was shown before the first frame: ``grey`` for ``grey_s`` seconds, as in the clips of training; grey forever
(``steady``); or nothing at all, not even grey (``rest``), as the offline pass starts."""


class StreamConfig(BaseModel):
    """How frames come in, and what comes out."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    rate_hz: PositiveFloat = 180.0
    """Frames per second; the filters are made for it."""
    clips: PositiveInt = 1
    """Number of clips B that advance in lockstep."""
    start: Start = "grey"
    grey_s: PositiveFloat = 4.0
    """Duration of the grey of ``start="grey"``; 4 s: padding and onset of the published clips."""
    deg_per_px: PositiveFloat | None = None
    """Degrees per pixel of the frames; None is the resolution of the model."""
    background: float = Field(BACKGROUND, ge=0, le=1)
    """Luminance of grey."""
    neurons: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Neurons of each cell type whose calcium is wanted; of other types it is that of the average neuron."""


def stream_config(options: Mapping[str, Any]) -> StreamConfig:
    """Return the options of a stream, judged.

    Raises:
        ConfigError: an option is unknown or out of range.
    """
    try:
        return StreamConfig.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        known = nearest(name, StreamConfig.model_fields) if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"the stream's option {name} is {first['input']!r}", remedy=known) from None
