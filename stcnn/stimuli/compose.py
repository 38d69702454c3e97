"""Stimuli made of stimuli: one after another, or one in front of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from stcnn.stimuli.scene import Layer, complete, paint, stimulus
from stcnn.stimuli.screen import Array, Screen

Parts = Annotated[list[Annotated[dict[str, Any], AfterValidator(complete)]], Field(min_length=1)]
"""Stimuli as mappings ``{kind: name, argument: value, ...}``, each with its own timing."""


@stimulus
def sequence(screen: Screen, *, parts: Parts) -> Layer:
    """Stimuli one after another, each starting at the first frame after the one before; t = 0 is the first onset.

    Args:
        screen: where to draw.
        parts: the stimuli in order.
    """
    layers = [paint(screen, part) for part in parts]
    luminance = [np.broadcast_to(layer.luminance, layer.coverage.shape) for layer in layers]
    return Layer(
        np.concatenate([layer.coverage for layer in layers]),
        np.concatenate(luminance),
        layers[0].onset_s,
        _joined_tracks(layers),
    )


@stimulus
def overlay(screen: Screen, *, parts: Parts) -> Layer:
    """Stimuli one in front of another, from back to front, such as a figure on a moving ground.

    All start with their first frame, and the overlay lasts as long as the longest; t = 0 is the onset of the first.

    Args:
        screen: where to draw.
        parts: the stimuli from back to front. The track is that of the last one.
    """
    layers = [paint(screen, part) for part in parts]
    n_frames = max(len(layer.coverage) for layer in layers)
    coverage = np.zeros((n_frames, *screen.shape_px), np.float32)
    light = np.zeros_like(coverage)  # luminance times coverage
    for layer in layers:
        here = slice(0, len(layer.coverage))
        light[here] += layer.coverage * (layer.luminance - light[here])
        coverage[here] += layer.coverage * (1 - coverage[here])
    luminance = np.divide(light, coverage, out=np.zeros_like(light), where=coverage > 0)
    track = {name: _padded(values, n_frames) for name, values in layers[-1].track.items()}
    return Layer(coverage, luminance, layers[0].onset_s, track)


def _joined_tracks(layers: Sequence[Layer]) -> dict[str, Array]:
    """Tracks end to end; NaN where a part lacks a name."""
    names = {name for layer in layers for name in layer.track}
    return {
        name: np.concatenate([layer.track.get(name, np.full(len(layer.coverage), np.nan)) for layer in layers])
        for name in sorted(names)
    }


def _padded(values: NDArray[Any], n_frames: int) -> Array:
    return np.pad(values, (0, n_frames - len(values)), constant_values=np.nan)
