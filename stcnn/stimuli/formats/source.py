"""Sources of movies in any format: the pictures of a file with their clock, and the choices of who reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.errors import ConfigError
from stcnn.movie import Movie
from stcnn.validation import Config, Fault, validated

LUMA = np.array([0.299, 0.587, 0.114])
"""Luminance of red, green and blue by ITU-R BT.601, what ffmpeg uses too."""
FACTS = ("rate_hz", "deg_per_px", "background")
"""Facts that must be known of a movie, by its file or by who reads it."""
MORE_FACTS = ("onset_s", "parameters")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pictures = Iterable[NDArray[Any]]


class Choices(Config):
    """Choices of who reads a file; see :func:`stcnn.stimuli.files.read_movie` for the meaning of each."""

    rate_hz: Positive | None = None
    deg_per_px: Positive | None = None
    background: Annotated[float, Field(ge=0, le=1)] | None = None
    white: Positive | None = None
    axes: Annotated[str, Field(pattern="^[A-Z]{2,8}$")] | None = None
    series: Annotated[int, Field(ge=0)] | None = None
    clock: Literal["file", "even"] = "file"
    rotation: Literal["apply", "ignore"] | None = None
    pixel_aspect: Literal["apply", "ignore"] | None = None
    interlaced: Literal["ignore"] | None = None
    incomplete: Literal["accept"] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any], what: str = "a movie file") -> Choices:
        """Judge choices that were written down, as text or typed; ``what`` they are said of begins a sentence.

        Raises:
            ConfigError: a key is unknown, or a value is not one of those it may have.
        """

        def explained(fault: Fault) -> ConfigError:
            key = fault.key.partition(".")[0]
            if fault.is_unknown:
                return ConfigError(f"{what} has the key '{key}'", remedy=fault.nearest(cls))
            return ConfigError(f"{what} has {key}={fault.value!r}", remedy=fault.rule)

        return validated(cls, dict(values), explained)

    def said(self) -> dict[str, float]:
        """The facts among the choices."""
        values = {name: getattr(self, name) for name in FACTS}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Source:
    """Content of a file.

    Args:
        pictures: function of the background that gives the pictures ``(Y, X)`` one by one, or all as an array
            ``(T, Y, X)``: uint8 codes into ``levels``, or luminance.
        shape_px: rows and columns.
        n_pictures: how many there are.
        facts: what the file says of the movie.
        levels: luminance of each code, float32 of at most 256 entries; None where pictures are luminance.
        snapped: whether the level nearest to the background is the background.
        frame: number of the picture that each frame of the movie shows, ascending; None for each once.
        notes: sentences about what was applied or chosen.
        guesses: those of them that who reads the file should confirm.
    """

    pictures: Callable[[float], Pictures]
    shape_px: tuple[int, int]
    n_pictures: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    levels: NDArray[np.float32] | None = None
    snapped: bool = False
    frame: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Number of frames of the movie."""
        return self.n_pictures if self.frame is None else len(self.frame)

    def shown(self) -> NDArray[np.int64]:
        """Number of the picture that each frame shows, ``(n_frames,)``."""
        return np.arange(self.n_pictures) if self.frame is None else self.frame

    def levels_for(self, background: float) -> NDArray[np.float32] | None:
        """Luminance of each code; among many, the one nearest to the background is the background."""
        if self.levels is None or not self.snapped:
            return self.levels
        levels = self.levels.copy()
        levels[np.abs(levels - background).argmin()] = background
        return levels


def source_of(frames: NDArray[Any], **fields: Any) -> Source:
    """The source of pictures that are in memory, ``(T, Y, X)``."""
    return Source(lambda _: frames, (int(frames.shape[1]), int(frames.shape[2])), len(frames), **fields)


def grey(movie: Movie) -> NDArray[np.uint8]:
    """The movie in 8 bits."""
    return np.round(movie.luminance() * 255).astype(np.uint8)


def facts_text(movie: Movie) -> str:
    """Facts of a movie besides its frames that a file can hold, as JSON."""
    facts = {name: getattr(movie, name) for name in (*FACTS, "onset_s")}
    return json.dumps({"stcnn": {**facts, "parameters": dict(movie.parameters)}}, default=str)


def facts_in(note: str | None) -> dict[str, Any]:
    """The facts in a note of :func:`facts_text`; none if somebody else wrote it."""
    try:
        content = json.loads(note or "")
    except (ValueError, RecursionError):
        return {}
    facts = content.get("stcnn") if isinstance(content, dict) else None
    if not isinstance(facts, dict):
        return {}
    numbers = {k: float(facts[k]) for k in (*FACTS, "onset_s") if isinstance(facts.get(k), int | float)}
    parameters = facts.get("parameters")
    return numbers | ({"parameters": parameters} if isinstance(parameters, dict) else {})


def ending_of(path: Path) -> str:
    """The ending by which the format of a file is chosen."""
    return path.suffix.lower()
