"""Temporal filters that remember: values in place, no gradients, any number of frames per call with the same answer.

Convention: frames are rows, ``(T, B P C)``: B clips, P places, C channels. A filter adds an *offset* c of each channel
(a bias, or what normalisation leaves of one) by starting from it:

    v[t] = v[t-1] + b (x[t] - v[t-1]),  v[-1] = 0     and     q = v + c
    q[t] = q[t-1] + b (x[t] + c - q[t-1]),  q[-1] = c

so that the offset may come with the input, as the bias of the convolution in front.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.ops.leaky_integrator import Scan
from stcnn.nn.temporal import (
    SHORT_TAPS,
    Constants,
    FilterConfig,
    leak,
    n_taps,
    power_exponential_kernel,
    truncation_matters,
)

FEW_FRAMES = 8
"""Frames up to which a convolution in time is summed frame by frame; more go through the Fourier transform."""

State = dict[str, Tensor]
"""What a filter remembers: name to rows ``(n, B P C)``."""


class StatefulFilter(ABC):
    """A causal filter over rows, and what it remembers.

    Args:
        offset: added to the output, ``(C,)``.
        places: places P of one clip.
        clips: number of clips B.
    """

    def __init__(self, offset: Tensor, places: int, clips: int) -> None:
        self.offset, self.places, self.clips = offset, places, clips

    @property
    def input_offset(self) -> Tensor | None:
        """What must be added to the input, ``(C,)``; None is nothing."""
        return self.offset

    @abstractmethod
    def filter(self, rows: Tensor) -> Tensor:
        """Filter consecutive rows ``(T, B P C)``, which may be overwritten."""

    @abstractmethod
    def settle(self, row: Tensor) -> Tensor:
        """Remember an input that has been ``row`` ``(B P C,)`` forever; return the output."""

    @abstractmethod
    def rest(self) -> None:
        """Remember nothing but an input of zero."""

    @abstractmethod
    def state(self) -> State:
        """Return a copy of what is remembered."""

    @abstractmethod
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember what :meth:`state` returned; the state of one clip serves all.

        Raises:
            ShapeError: the state is that of another filter.
        """

    def _row(self, per_channel: Tensor) -> Tensor:
        return per_channel.repeat(self.clips * self.places)

    def _fitting(self, state: Mapping[str, Tensor], name: str, like: Tensor) -> Tensor:
        """Return the rows ``name`` of a state, as many as ``like`` has and for as many clips."""
        rows = state.get(name, like.new_empty(0, 0))
        if rows.dim() == 2 and rows.shape[1] * self.clips == like.shape[1]:
            rows = rows.repeat(1, self.clips)
        if rows.shape != like.shape:
            raise ShapeError(
                f"the saved state has '{name}' of shape {tuple(rows.shape)}",
                expected=f"{tuple(like.shape)} for {self.clips} clips",
                remedy="load it into the model, rate and number of clips it was saved from",
            )
        return rows.to(like)


class Integrator(StatefulFilter):
    """Exponential kernel of one time constant per channel, infinite or of ``taps`` samples.

    A finite kernel forgets: ``z[t] = q[t] - r (q[t-K] - c)``, ``r = exp(-K dt/tau)``. The last K rows are kept only of
    channels where that changes a digit.

    Args:
        tau_s: time constants ``(C,)``.
        dt_s: time step.
        taps: length K of the kernel; None for an infinite one.
        offset: see :class:`StatefulFilter`, as are ``places`` and ``clips``.
    """

    def __init__(
        self, tau_s: Tensor, dt_s: float, taps: int | None, offset: Tensor, *, places: int, clips: int
    ) -> None:
        super().__init__(offset, places, clips)
        self.scan = Scan(self._row(leak(tau_s, dt_s)))
        self.start = self.last = self._row(offset)
        self.taps = taps or 0
        numbers = range(tau_s.shape[0])
        truncated = [c for c in numbers if taps and truncation_matters(tau_s[c : c + 1], dt_s, taps)]
        self.truncated_channels = torch.tensor(truncated, dtype=torch.long, device=tau_s.device)
        """Channels that still answer when they are cut off."""
        self.is_truncated = bool(truncated)
        neighbours = self.is_truncated and truncated[-1] - truncated[0] + 1 == len(truncated)
        self.truncated_span = slice(truncated[0], truncated[-1] + 1) if neighbours else None
        """The same where they are neighbours, as a single one is: a view of them is cheaper than a copy."""
        self.tail_weight = torch.exp(-self.taps * dt_s / tau_s[self.truncated_channels])
        self.tail_start = self.tail_weight * offset[self.truncated_channels]
        self.ring = self.last.new_zeros(self.taps if truncated else 0, clips * places, len(truncated))
        """``-r (q - c)`` of the last K frames in these channels; frame t lies at ``t mod K``."""
        self.place = 0

    @property
    def leak(self) -> Tensor:
        """``1 - exp(-dt/tau)``, ``(C,)``."""
        return self.scan.leak[: len(self.offset)]

    def filter(self, rows: Tensor) -> Tensor:
        """Filter rows in place."""
        frames = rows.shape[0]
        if frames == 1:  # live, where every call counts
            self.last = torch.lerp(self.last, rows[0], self.scan.leak, out=rows[0]).clone()
        else:
            self.last = self.scan.forwards(self.last, rows, rows)
        start = 0
        while self.is_truncated and start < frames:
            stop = min(frames, start + self.taps - self.place)
            self._truncate(rows[start:stop], self.ring[self.place : self.place + stop - start])
            self.place = (self.place + stop - start) % self.taps
            start = stop
        return rows

    def _truncate(self, rows: Tensor, ring: Tensor) -> None:
        """Cut from the rows what ``ring`` remembers of K frames earlier, and remember the rows there."""
        q = rows.view(ring.shape[0], ring.shape[1], -1)
        if self.truncated_span:
            truncated = q[..., self.truncated_span]
            now = truncated.clone()
            truncated += ring
        else:
            now = q.index_select(2, self.truncated_channels)
            q.index_add_(2, self.truncated_channels, ring)
        torch.addcmul(self.tail_start, now, self.tail_weight, value=-1, out=ring)

    def settle(self, row: Tensor) -> Tensor:
        """Remember a constant input: ``q`` is that input."""
        self.last, settled = row.clone(), row.clone()
        if self.is_truncated:
            q = settled.view(self.ring.shape[1], -1)
            self.ring.copy_(self.tail_start - self.tail_weight * q.index_select(1, self.truncated_channels))
            q.index_add_(1, self.truncated_channels, self.ring[0])
        return settled

    def rest(self) -> None:
        """Start from the offset."""
        self.last = self.start
        self.ring.zero_()

    def state(self) -> State:
        """Return ``last`` and, of a kernel that forgets, K rows of ``history``, oldest first."""
        state = {"last": self.last.unsqueeze(0).clone()}
        if self.is_truncated:
            state["history"] = self.ring.roll(-self.place, 0).flatten(1)
        return state

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember what :meth:`state` returned."""
        self.last = self._fitting(state, "last", self.last.unsqueeze(0))[0].clone()
        if self.is_truncated:
            self.ring.copy_(self._fitting(state, "history", self.ring.flatten(1)).view_as(self.ring))
            self.place = 0


class Convolver(StatefulFilter):
    """Any finite kernel, by overlap and add: it remembers what the past will still contribute.

    Args:
        kernel: ``(K, C)``.
        offset: see :class:`StatefulFilter`, as are ``places`` and ``clips``.
    """

    def __init__(self, kernel: Tensor, offset: Tensor, *, places: int, clips: int) -> None:
        super().__init__(offset, places, clips)
        self.kernel = kernel
        self.by_place, self.offset_row = kernel.repeat(1, places).unsqueeze(1), offset.repeat(places)
        self.to_come = kernel.new_zeros(kernel.shape[0], clips, self.by_place.shape[2])
        """Contributions to the next K - 1 frames, and a last row of zeros."""
        self._spare = torch.zeros_like(self.to_come)

    @property
    def input_offset(self) -> None:
        """Nothing: the offset is added behind the kernel."""
        return None

    def filter(self, rows: Tensor) -> Tensor:
        """Filter rows, frame by frame or through the Fourier transform."""
        if rows.shape[0] > FEW_FRAMES:
            return self._by_fourier(rows)
        for row in rows.view(-1, *self.to_come.shape[1:]).unbind(0):
            torch.addcmul(self.to_come[1:], self.by_place[1:], row, out=self._spare[:-1])
            torch.addcmul(self.to_come[0] + self.offset_row, self.by_place[0], row, out=row)
            self.to_come, self._spare = self._spare, self.to_come
        return rows

    def _by_fourier(self, rows: Tensor) -> Tensor:
        frames, taps = rows.shape[0], self.kernel.shape[0]
        size = frames + taps - 1
        spectrum = torch.fft.rfft(rows.view(frames, -1, self.kernel.shape[1]), size, dim=0)
        spectrum *= torch.fft.rfft(self.kernel, size, dim=0).unsqueeze(1)
        answer = torch.fft.irfft(spectrum, size, dim=0).contiguous().view(size, *self.to_come.shape[1:])
        answer[: taps - 1] += self.to_come[:-1]
        self.to_come[:-1] = answer[frames:]
        return (answer[:frames] + self.offset_row).flatten(1)

    def settle(self, row: Tensor) -> Tensor:
        """Remember a constant input: the sums of the taps that will still meet it."""
        still = self.by_place.flip(0).cumsum(0).flip(0) * row.view(self.clips, -1)
        self.to_come[:-1] = still[1:]
        return (still[0] + self.offset_row).flatten()

    def rest(self) -> None:
        """Expect nothing."""
        self.to_come.zero_()

    def state(self) -> State:
        """Return ``to_come``."""
        return {"to_come": self.to_come.flatten(1).clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember what :meth:`state` returned."""
        self.to_come.copy_(self._fitting(state, "to_come", self.to_come.flatten(1)).view_as(self.to_come))


class Instant(StatefulFilter):
    """No filter: every frame stands for itself."""

    def filter(self, rows: Tensor) -> Tensor:
        """Return the rows."""
        return rows

    def settle(self, row: Tensor) -> Tensor:
        """Return the row."""
        return row

    def rest(self) -> None:
        """There is nothing to forget."""

    def state(self) -> State:
        """Return nothing."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """There is nothing to remember."""


def exponential(
    tau_s: Tensor, dt_s: float, kernel_s: float | None, offset: Tensor, *, places: int, clips: int
) -> StatefulFilter:
    """Return the filter with kernel ``(1 - a) a^k``, as :func:`stcnn.nn.temporal.exponential_filter` computes it.

    A kernel of a few taps is summed: as a difference of two integrators it would lose digits.
    """
    taps = n_taps(kernel_s, dt_s)
    if taps is None or taps > SHORT_TAPS:
        return Integrator(tau_s, dt_s, taps, offset, places=places, clips=clips)
    k = torch.arange(taps, device=tau_s.device)[:, None]
    return Convolver(leak(tau_s, dt_s) * torch.exp(-k * dt_s / tau_s), offset, places=places, clips=clips)


def stateful(
    config: FilterConfig, constants: Constants | None, rate_hz: float, offset: Tensor, *, places: int, clips: int
) -> StatefulFilter:
    """Return what a filter computes plus ``offset`` ``(C,)``, without gradients and with a state of its own.

    Args:
        config: the kernel.
        constants: of each channel; None only for a filter of kind ``none``.
        rate_hz: frames per second.
        offset: added to the output, ``(C,)``.
        places: places P of one clip.
        clips: number of clips B.
    """
    if config.kind == "none" or constants is None:
        return Instant(offset, places, clips)
    tau_s, n = constants.detached()
    if config.kind == "exponential":
        return exponential(tau_s, 1 / rate_hz, config.kernel_s, offset, places=places, clips=clips)
    assert n is not None
    kernel = power_exponential_kernel(tau_s, n, 1 / rate_hz, config)
    return Convolver(kernel, offset, places=places, clips=clips)
