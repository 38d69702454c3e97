"""The past that finite kernels keep, judged before memory is taken for it.

A kernel of K frames keeps K values of every channel at every place in every clip. At the frame rate of a movie a
`kernel_s` slipped by a factor of a hundred would take the memory of a machine before anything is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.parts import Parts
from stcnn.nn.shares import Share, require_at_most
from stcnn.nn.windows import Pair

MOST_KEPT = 500_000_000
"""Values of the past of all clips that are computed together, 2 GB: the published network keeps 1.6 million a clip."""


def require_past(model: Parts, rate_hz: float, clips: int, shapes: Sequence[Pair] | None = None) -> None:
    """Refuse filters that would keep more than :data:`MOST_KEPT` values of the past.

    Args:
        model: the network.
        rate_hz: frames per second.
        clips: number of clips that are computed together.
        shapes: sizes of the maps of the eye and of each hidden layer; None is the whole lattice.

    Raises:
        ConfigError: they would; the sentence names the key.
    """
    whole = model.hidden.lattices(model.eye.config.lattice) if shapes is None else shapes
    kept = [
        Share(clips * frames * places, f"{section}.filter.kernel_s", _said(section, frames, places, rate_hz, clips))
        for section, frames, places in _kept(model, rate_hz, whole)
        if frames
    ]
    require_at_most(kept, MOST_KEPT, "values of the past to keep")


def _kept(model: Parts, rate_hz: float, shapes: Sequence[Pair]) -> Iterator[tuple[str, int, int]]:
    """Yield sections of the configuration with the values kept at a place, and the number of places."""
    rows, columns = shapes[0]
    eye = model.eye.config.filter
    yield "eye", eye.kept(model.eye.constants(model.calcium.tau_s), rate_hz), rows * columns
    if isinstance(model.hidden, HiddenStack):
        for layer, (rows, columns) in zip(model.hidden, shapes[1:], strict=True):
            yield "hidden", layer.filter.config.kept(layer.filter.constants, rate_hz), rows * columns
    yield "readout", model.readouts.config.filter.kept(model.readouts.constants, rate_hz), 1
    yield "calcium", model.calcium.filter.kept(model.calcium.constants(), rate_hz), 1


def _said(section: str, frames: int, places: int, rate_hz: float, clips: int) -> str:
    kept = f"{frames:,} in all channels at each of {places:,} places"
    return f"{kept} in {clips} clip{'' if clips == 1 else 's'} at {rate_hz:g} Hz by model.{section}.filter"
