"""Cores: what may stand between the photoreceptors and the readouts in place of hidden layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stcnn.nn.filters.kind import Interval
from stcnn.nn.hidden import HiddenLayer
from stcnn.nn.readout.reading import PlacedReading, Reading
from stcnn.nn.stack.problem import Clips
from stcnn.nn.windows import Pair

CoreState = dict[str, Tensor]
"""Memory that a core has of the frames so far: name to ``(B, ...)``, clips first."""


class CoreQuantity(NamedTuple):
    """A number that a core has learned."""

    title: str
    of: str
    """Which of several of this title: a channel, a direction."""
    unit: str
    """``s``, ``deg``, or empty for a ratio."""
    value: float


class Core(nn.Module):
    """A network from maps of the eye to maps of channels, frame by frame, with a state that is carried along.

    It trains through autograd, and is evaluated and streamed by :mod:`stcnn.nn.inference` without gradients. Reports
    draw of it what it has in common with all: readouts, calcium, receptive fields; a core has no hidden layers.
    """

    channels: int
    """Channels C of the maps it makes."""
    compute = "auto"
    """As of :class:`stcnn.nn.hidden_stack.HiddenStack`; a core runs in PyTorch whatever it says."""
    frozen = False
    reach: Pair | None = None
    """Rows and columns around a place on which its maps depend there, the same at every place; None where a core may do
    something else at every place. Neurons that sit elsewhere, and readouts asked at other columns, need it."""
    parameter_bounds: Mapping[str, Interval] = MappingProxyType({})
    """Lower and upper bound of parameters by name, kept in training; None is no bound."""
    stride: Pair = (1, 1)
    """Columns of the eye from one place of its maps to the next, down and across."""

    @abstractmethod
    def initial_state(self, clips: int, lattice: Pair, like: Tensor) -> CoreState:
        """Return the state before the first frame, of the type and on the device of ``like``."""

    @abstractmethod
    def advance(self, maps: Tensor, rate_hz: float, state: CoreState) -> tuple[Tensor, CoreState]:
        """Go on by some frames.

        Args:
            maps: of the eye, ``(T, B, Y, X)``.
            rate_hz: frames per second.
            state: after the frames before.

        Returns:
            Maps ``(T, B, Y, X, C)`` on the same lattice, and the state after the last frame.
        """

    def quantities(self) -> Iterator[CoreQuantity]:
        """Yield what was learned, in numbers that mean the same in all trainings; reports and comparisons show them."""
        return iter(())

    def lattices(self, lattice: Pair) -> list[Pair]:
        """Return the size of the maps of the eye and of those it makes."""
        return [lattice, lattice]

    def forward(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> list[Tensor]:
        """Return what the readouts take of all frames; arguments as of :class:`HiddenStack`."""
        return self.go_on(clips, rate_hz, reading)[0]

    def go_on(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> tuple[list[Tensor], CoreState]:
        """Return the same from ``clips.before`` on, and the state after the last frame, without gradients."""
        eye = clips.maps
        if clips.prefix is not None:
            eye = torch.cat([clips.prefix.expand(-1, eye.shape[1], -1, -1), eye])
        rows, columns = eye.shape[2:]
        start = clips.before or self.initial_state(eye.shape[1], (rows, columns), eye)
        maps, state = self.advance(eye, rate_hz, start)
        after = {name: each.detach() for name, each in state.items()}
        return [reading.drive(reading.window.crop(maps))], after

    def maps(self, eye: Tensor, rate_hz: float) -> Tensor:
        """Return its maps ``(T, B, Y, X, C)`` to all frames of the eye ``(T, B, Y, X)``, from rest."""
        rows, columns = eye.shape[2:]
        return self.advance(eye, rate_hz, self.initial_state(eye.shape[1], (rows, columns), eye))[0]

    def __iter__(self) -> Iterator[HiddenLayer]:
        """Yield its hidden layers: none."""
        return iter(())

    def is_worth_compiling(self, n_values: int) -> bool:
        """Return False: what compiles the eye is compiled for hidden layers."""
        return False

    def freeze(self) -> None:
        """Train it no more."""
        self.frozen = True
        self.requires_grad_(False)
