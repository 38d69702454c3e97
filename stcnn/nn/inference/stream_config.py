"""Options of a live stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from stcnn.errors import ConfigError
from stcnn.movie import BACKGROUND, PRE_GREY_S
from stcnn.validation import Config, Fault, validated

Start = Literal["grey", "steady", "rest"]
"""Stimulus before the first frame: ``grey`` for ``grey_s`` seconds, as in the clips of training; grey forever
(``steady``); or nothing at all, not even grey (``rest``)."""
START: Start = "grey"
"""Stimulus before the first frame, unless told."""


class StreamConfig(Config):
    """How frames come in, and what comes out."""

    rate_hz: PositiveFloat = 180.0
    """Frames per second; the filters are made for it."""
    clips: PositiveInt = 1
    """Number of clips B that advance in lockstep."""
    start: Start = START
    grey_s: PositiveFloat = PRE_GREY_S
    """Duration of the grey of ``start="grey"``."""
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
    return validated(StreamConfig, options, _explained)


def _explained(fault: Fault) -> ConfigError:
    remedy = fault.nearest(StreamConfig) if fault.is_unknown else fault.message
    return ConfigError(f"the stream's option {fault.key} is {fault.value!r}", remedy=remedy)
