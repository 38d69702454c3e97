"""Temporal filters as pure functions of a frame and a state, as other programs run them.

The frozen filters of :mod:`stcnn.nn.filters` keep their state in place; here it goes in and comes out. The
arithmetic is theirs. A frame is ``(C, P)``, channels first, at P places; a state is a flat tensor.
"""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor, nn

from stcnn.nn.filters.adapting import Adapting, divided
from stcnn.nn.filters.conductance import Membrane
from stcnn.nn.filters.convolution import Convolver
from stcnn.nn.filters.exponential import Integrator
from stcnn.nn.filters.instant import Instant
from stcnn.nn.filters.kind import Constants
from stcnn.nn.filters.stateful import StatefulFilter


class StepFilter(nn.Module):
    """A filter of one frame at a time.

    Args:
        filter: the frozen filter of one clip, whose constants it takes; its offset comes with the input where the
            filter says so.
    """

    rest: Tensor
    """State before the first frame, flat."""

    def __init__(self, filter: StatefulFilter) -> None:
        super().__init__()
        self.places = filter.places
        self.channels = len(filter.offset)

    def keep(self, **values: Tensor) -> None:
        """Note constants, which are not trained."""
        for name, value in values.items():
            self.register_buffer(name, value.detach().clone().contiguous())

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the answer ``(C, P)`` to a frame, and the state after it."""
        raise NotImplementedError


@singledispatch
def step_filter(filter: StatefulFilter) -> StepFilter:
    """Return a frozen filter of one clip as a pure function."""
    raise TypeError(f"no form of {type(filter).__name__} as a pure function")


@step_filter.register
def _(filter: Integrator) -> StepFilter:
    return LeakyStep(filter) if not filter.is_truncated else ForgettingStep(filter)


class LeakyStep(StepFilter):
    """A leaky integrator."""

    leak: Tensor

    def __init__(self, filter: Integrator) -> None:
        super().__init__(filter)
        rest = filter.offset[:, None].expand(-1, self.places)
        self.keep(leak=filter.leak[:, None], rest=rest.flatten())

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Move the state towards the drive by a share of the way."""
        before = state.view(self.channels, self.places)
        after = before + self.leak * (drive - before)
        return after, after.flatten()


class ForgettingStep(LeakyStep):
    """A leaky integrator whose kernel ends, where that changes a digit."""

    which: Tensor
    back: Tensor
    tail_weight: Tensor
    tail_start: Tensor

    def __init__(self, filter: Integrator) -> None:
        super().__init__(filter)
        channels = filter.truncated_channels
        back = torch.zeros(self.channels, len(channels)).to(filter.offset)
        back[channels, torch.arange(len(channels))] = 1
        self.taps = filter.taps
        self.ending = len(channels)
        self.keep(
            which=channels,
            back=back,
            tail_weight=filter.tail_weight[:, None],
            tail_start=filter.tail_start[:, None],
        )
        self.split = [self.channels * self.places, self.taps * self.ending * self.places]
        self.rest = torch.cat([self.rest, self.rest.new_zeros(self.split[1])])

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Move towards the drive, and take away what fell out of the kernel."""
        last, history = torch.split(state, self.split)
        after, last = super().forward(drive, last)
        history = history.view(self.taps, self.ending, self.places)
        kept = self.tail_start - self.tail_weight * after.index_select(0, self.which)
        answer = after + self.back @ history[0]
        return answer, torch.cat([last, history[1:].flatten(), kept.flatten()])


@step_filter.register
def _(filter: Convolver) -> StepFilter:
    return KernelStep(filter)


class KernelStep(StepFilter):
    """Any finite kernel: the state is what the past will still contribute."""

    kernel: Tensor
    offset: Tensor

    def __init__(self, filter: Convolver) -> None:
        super().__init__(filter)
        self.taps = len(filter.kernel)
        rest = filter.kernel.new_zeros((self.taps - 1) * self.channels * self.places)
        self.keep(kernel=filter.kernel[:, :, None], offset=filter.offset[:, None], rest=rest)

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Add the kernel times the drive to what is to come, of which the first frame is now."""
        coming = self.kernel * drive
        if self.taps == 1:
            return coming[0] + self.offset, state
        past = state.view(self.taps - 1, self.channels, self.places)
        later = torch.cat([past[1:] + coming[1:-1], coming[-1:]]) if self.taps > 2 else coming[1:]
        return past[0] + coming[0] + self.offset, later.flatten()


@step_filter.register
def _(filter: Instant) -> StepFilter:
    return InstantStep(filter)


class InstantStep(StepFilter):
    """No filter."""

    def __init__(self, filter: Instant) -> None:
        super().__init__(filter)
        self.keep(rest=filter.offset.new_zeros(0))

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the drive, to which the offset was added."""
        return drive, state


@step_filter.register
def _(filter: Adapting) -> StepFilter:
    return AdaptingStep(filter)


class AdaptingStep(StepFilter):
    """A low-pass that a slower one divides."""

    leaks: Tensor
    weight: Tensor
    offset: Tensor

    def __init__(self, filter: Adapting) -> None:
        super().__init__(filter)
        self.grey = filter.grey
        leaks = torch.stack([each.leak for each in filter.each.values()])[:, :, None]
        weight = filter.weight[: self.channels, None]
        rest = filter.offset.new_zeros(2 * self.channels * self.places)
        self.keep(leaks=leaks, weight=weight, offset=filter.offset[:, None], rest=rest)

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Advance both low-passes and divide."""
        before = state.view(2, self.channels, self.places)
        after = before + self.leaks * (drive - before)
        return divided(after[0], after[1], self.weight, self.grey) + self.offset, after.flatten()


@step_filter.register
def _(filter: Membrane) -> StepFilter:
    return MembraneStep(filter)


class MembraneStep(StepFilter):
    """A membrane with two conductances; its drive is ``(2 C, P)``, excitation first."""

    offset: Tensor

    def __init__(self, filter: Membrane) -> None:
        super().__init__(filter)
        self.config = filter.config
        self.dt_s = filter.dt_s
        self.names = tuple(filter.constants)
        constants = {f"constant_{name}": value for name, value in filter.constants.items()}
        rest = filter.start.view(self.places, self.channels).T.flatten()
        self.keep(offset=filter.offset[:, None], rest=rest, **constants)

    def forward(self, drive: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Move the voltage towards where the drives lead."""
        constants = {name: getattr(self, f"constant_{name}") for name in self.names}
        before = state.view(self.channels, self.places)
        target, share = self.config.towards(drive.T, Constants(constants), self.dt_s)
        after = before + share.T * (target.T - before)
        return after + self.offset, after.flatten()
