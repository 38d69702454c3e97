"""Finite kernels of any form, convolved in time: by Fourier transform, and live by overlap and add."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from pydantic import PositiveFloat
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.filters.kind import Constants, FilterKind, FilterState, KernelS, Scale, n_taps
from stcnn.nn.filters.stateful import State, StatefulFilter

FEW_FRAMES = 8
"""Frames up to which a convolution in time is summed frame by frame; more go through the Fourier transform."""


class FiniteKernel(FilterKind):
    """Form of all kinds that are no more than a kernel: they say its :meth:`shape`."""

    kernel_s: KernelS = 1.0
    """Length of the kernel."""
    scale: Scale = "area"
    """Whether a kernel integrates to one (``area``) or its square does (``energy``), times ``gain_hz``."""
    gain_hz: PositiveFloat = 1.0
    """Factor on the output; the published code has its sampling rate here (it omits ``dt``)."""

    @abstractmethod
    def shape(self, k: Tensor, dt_s: float, constants: Constants) -> Tensor:
        """Return the kernel before its scaling, ``(K, C)``, in samples ``k`` ``(K, 1)`` from zero on."""

    def kernel(self, constants: Constants, dt_s: float) -> Tensor:
        """Return the scaled kernel times ``gain_hz dt``, ``(K, C)``.

        Raises:
            ConfigError: it would have one sample.
        """
        taps = n_taps(self.kernel_s, dt_s) or 1
        if taps < 2:
            raise ConfigError(
                f"a kernel of kind '{self.kind}' and kernel_s={self.kernel_s} has one tap at {1 / dt_s:g} Hz",
                expected="two or more",
                remedy="lengthen kernel_s",
            )
        like = next(iter(constants.values()))
        h = self.shape(torch.arange(taps, dtype=like.dtype, device=like.device)[:, None], dt_s, constants)
        area = dt_s * h.sum(0) if self.scale == "area" else torch.sqrt(dt_s * h.square().sum(0))
        return h * (self.gain_hz * dt_s / area)

    def kept(self, constants: Constants, rate_hz: float) -> int:
        """Return the values that the kernel reads of each channel."""
        return (n_taps(self.kernel_s, 1 / rate_hz) or 1) * len(next(iter(constants.values())))

    def filtered(
        self, x: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Convolve with the kernel."""
        return fir_filter(x, self.kernel(constants, 1 / rate_hz), state)

    def stateful(
        self, constants: Constants, rate_hz: float, offset: Tensor, *, places: int, clips: int
    ) -> StatefulFilter:
        """Return the convolution with the kernel."""
        kernel = self.kernel(constants.detached(), 1 / rate_hz)
        return Convolver(kernel, offset, places=places, clips=clips)


def fir_filter(x: Tensor, kernel: Tensor, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
    """Convolve ``x`` ``(T, ..., C)`` causally with ``kernel`` ``(K, C)`` by FFT along time."""
    taps = kernel.shape[0]
    steps = x.shape[0]
    past = x.new_zeros(taps - 1, *x.shape[1:]) if state is None or state.history is None else state.history
    padded = torch.cat([past, x]) if taps > 1 else x
    size = padded.shape[0] + taps - 1
    spectrum = torch.fft.rfft(kernel, size, dim=0)
    spectrum = spectrum.view(-1, *[1] * (x.dim() - 2), kernel.shape[1])
    y = torch.fft.irfft(torch.fft.rfft(padded, size, dim=0) * spectrum, size, dim=0)
    return y[taps - 1 : taps - 1 + steps], FilterState(y[-1], padded[steps:])


class Convolver(StatefulFilter):
    """Any finite kernel, by overlap and add: it remembers what the past will still contribute.

    Args:
        kernel: ``(K, C)``.
        offset: see :class:`StatefulFilter`, as are ``places`` and ``clips``.
    """

    def __init__(self, kernel: Tensor, offset: Tensor, *, places: int, clips: int) -> None:
        super().__init__(offset, places, clips)
        self.kernel = kernel
        self.by_place = kernel.repeat(1, places).unsqueeze(1)
        self.offset_row = offset.repeat(places)
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
        frames = rows.shape[0]
        taps = self.kernel.shape[0]
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

    def reset(self) -> None:
        """Expect nothing."""
        self.to_come.zero_()

    def state(self) -> State:
        """Return ``to_come``."""
        return {"to_come": self.to_come.flatten(1).clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember what :meth:`state` returned."""
        self.to_come.copy_(self._fitting(state, "to_come", self.to_come.flatten(1)).view_as(self.to_come))
