"""Kinds of temporal filters: what every kind can do, in the eye, in hidden layers, readouts and calcium alike.

Convention:
    * Time is the first axis of everything here: ``(T, ..., C)``, with constants of each channel C.
    * A kernel ``h[k]``, ``k = 0..K-1``, acts as ``y[t] = gain_hz * dt * sum_k h[k] x[t-k]`` with zero before the clip.
      The factor ``dt`` makes the response to one physical stimulus independent of the sampling rate; the published
      code leaves it out, which is the same as ``gain_hz`` equal to its sampling rate.
    * ``scale="area"``: ``dt sum h = 1`` (unit response to a constant). ``scale="energy"``: ``dt sum h^2 = 1``
      (Klapoetke et al. 2022).

No module outside this room knows ``dt``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.filters.stateful import StatefulFilter
from stcnn.nn.kinds import KindOfPart

Scale = Literal["area", "energy"]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[Positive, Positive]
KernelS = Annotated[float, Field(gt=0, le=60)]
"""Length of a kernel."""
Interval = tuple[float | None, float | None]


class FilterState(NamedTuple):
    """State of a filter: its last output and, for a finite kernel, the last K values before it.

    ``last`` is ``(..., C)``; ``history`` is ``(K, ..., C)``, oldest first, or None where nothing needs it.
    """

    last: Tensor
    history: Tensor | None = None

    def detached(self) -> FilterState:
        """Return it without gradients."""
        return FilterState(self.last.detach(), None if self.history is None else self.history.detach())


class Constants(dict[str, Tensor]):
    """Constants of a filter by name, one value per channel, ``(C,)``."""

    @classmethod
    def concatenated(cls, each: Sequence[Constants]) -> Constants:
        """Return the constants of several filters of one kind side by side."""
        return cls({name: torch.cat([constants[name] for constants in each]) for name in each[0]})

    def of(self, channel: Tensor | slice) -> Constants:
        """Return the constants of some channels, by their numbers."""
        return Constants({name: values[channel] for name, values in self.items()})

    def detached(self) -> Constants:
        """Return them without gradients."""
        return Constants({name: values.detach() for name, values in self.items()})


class FilterParameter(NamedTuple):
    """A constant of a kind of filter that is trained, one number per channel."""

    title: str
    unit: str
    """``s``, or empty for a number."""
    bounds: Interval
    """Between which training keeps it, unless a recipe says otherwise; None is no bound."""
    initial: str
    """Field of the configuration with the range in which it starts."""
    is_log: bool = False
    """Whether it is drawn, and shown, on a logarithmic axis."""


class FilterKind(KindOfPart):
    """Configuration of a filter, and what its kind computes.

    A kind is a subclass with a ``kind`` of its own, in a file of this room that ``__init__`` imports.
    """

    PARAMETERS: ClassVar[Mapping[str, FilterParameter]] = {}
    """Constants of the kernel by name."""
    INPUTS: ClassVar[int] = 1
    """Drives of each channel: one, or excitation and inhibition, those of all channels one after the other."""
    ALL: ClassVar[list[type[FilterKind]]] = []
    """Every kind that has been imported."""

    def draw(self, channels: int) -> Constants:
        """Draw initial constants.

        Raises:
            ConfigError: a range has its higher end first.
        """
        return Constants({name: self._at(name, torch.rand(channels)) for name in self.PARAMETERS})

    def middle(self) -> Constants:
        """Return the constants ``(1,)`` in the middle of the ranges in which they start."""
        return Constants({name: self._at(name, torch.full((1,), 0.5)) for name in self.PARAMETERS})

    def _at(self, name: str, share: Tensor) -> Tensor:
        """Return values at shares 0..1 of the initial range of a constant."""
        parameter = self.PARAMETERS[name]
        low, high = getattr(self, parameter.initial)
        if low > high:
            raise ConfigError(
                f"{parameter.initial} is [{low}, {high}]", expected="the lower end first", remedy="exchange the two"
            )
        return low * (high / low) ** share if parameter.is_log else low + (high - low) * share

    def gain(self, constants: Constants, rate_hz: float) -> Tensor | None:
        """Return the factor ``(C,)`` a layer folds into the weights before the filter; None where it is one."""
        return None

    def kept(self, constants: Constants, rate_hz: float) -> int:
        """Return how many values of the past the filter keeps at a place, those of all channels together."""
        return 0

    @abstractmethod
    def filtered(
        self, x: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Filter ``x``, of which :meth:`gain` is already a factor; differentiable in ``x`` and the constants.

        Args:
            x: input ``(T, ..., C)``.
            constants: of each channel.
            rate_hz: frames per second.
            state: where an earlier call ended; None starts from zero.

        Returns:
            The output ``(T, ..., C)`` and the state after its last sample.
        """

    @abstractmethod
    def stateful(
        self, constants: Constants, rate_hz: float, offset: Tensor, *, places: int, clips: int
    ) -> StatefulFilter:
        """Return the same filter, :meth:`gain` left out too, plus ``offset``: without gradients, its state in place.

        Args:
            constants: of each channel.
            rate_hz: frames per second.
            offset: added to the output, ``(C,)``.
            places: places P of one clip.
            clips: number of clips B.
        """


def n_taps(kernel_s: float | None, dt_s: float) -> int | None:
    """Return the number of taps K of a kernel of ``kernel_s`` seconds, at least one; None for an infinite one."""
    return None if kernel_s is None else max(1, round(kernel_s / dt_s))


def require_unused_tau(filter: FilterKind, used: str) -> FilterKind:
    """Return a filter whose time constant stands elsewhere.

    Args:
        filter: the filter.
        used: key of the configuration where it stands.

    Raises:
        ValueError: it is given in the filter as well.
    """
    field = type(filter).model_fields.get("tau_init_s")
    if field is not None and getattr(filter, "tau_init_s") != field.default:  # noqa: B009 - not of every kind
        raise ValueError(f"filter.tau_init_s would not be used, for the time constant here is {used}: give that")
    return filter


def require_one_drive(filter: FilterKind) -> FilterKind:
    """Return a filter that can stand in the eye or behind a hidden layer; raises ValueError for one of two drives."""
    if filter.INPUTS != 1:
        raise ValueError(f"a filter of kind '{filter.kind}' reads excitation and inhibition, which only readouts have")
    return filter
