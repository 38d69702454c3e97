"""Cores: what may stand between the photoreceptors and the readouts in place of hidden layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from stcnn.nn.hidden import HiddenLayer
from stcnn.nn.readout.reading import PlacedReading, Reading
from stcnn.nn.stack.problem import Clips
from stcnn.nn.windows import Pair

CoreState = dict[str, Tensor]
"""What a core remembers of the frames so far: name to ``(B, ...)``, clips first."""


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
    stride: Pair = (1, 1)
    """Columns of the eye from one place of its maps to the next, down and across."""

    @abstractmethod
    def rest(self, clips: int, lattice: Pair, like: Tensor) -> CoreState:
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

    def lattices(self, lattice: Pair) -> list[Pair]:
        """Return the size of the maps of the eye and of those it makes."""
        return [lattice, lattice]

    def forward(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> list[Tensor]:
        """Return what the readouts take of all frames; arguments as of :class:`HiddenStack`."""
        return self.go_on(clips, rate_hz, reading)[0]

    def go_on(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> tuple[list[Tensor], CoreState]:
        """Return the same from ``clips.before`` on, and the state after the last frame, without gradients."""
        eye = clips.rest
        if clips.prefix is not None:
            eye = torch.cat([clips.prefix.expand(-1, eye.shape[1], -1, -1), eye])
        rows, columns = eye.shape[2:]
        start = clips.before or self.rest(eye.shape[1], (rows, columns), eye)
        maps, state = self.advance(eye, rate_hz, start)
        after = {name: each.detach() for name, each in state.items()}
        return [reading.drive(reading.window.crop(maps))], after

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
