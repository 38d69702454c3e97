"""Exponential kernels: a leaky integrator, which is never convolved.

    v[t] = v[t-1] + b (x[t] - v[t-1]),        b = 1 - exp(-dt/tau) = -expm1(-dt/tau)

answers a constant with that constant, keeps its accuracy for ``tau >> dt`` (``1 - b`` would lose it), and runs at a few
operations per sample whatever the length of the kernel. A kernel of K taps is the difference
``v[t] - exp(-K dt/tau) v[t-K]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from stcnn.nn.filters.convolution import Convolver
from stcnn.nn.filters.kind import Constants, FilterKind, FilterParameter, FilterState, KernelS, Range, Scale, n_taps
from stcnn.nn.filters.stateful import State, StatefulFilter
from stcnn.nn.kernels.triton.launch import leaky_integral_backward, runs_in_triton
from stcnn.nn.ops.leaky_integrator import Scan

SHORT_TAPS = 8
"""Kernels of so few taps are summed: as a difference of integrators they would cancel for long time constants."""


class ExponentialConfig(FilterKind):
    """Kernel ``exp(-t/tau)``, one trained time constant per channel."""

    kind: Literal["exponential"] = "exponential"
    """Kernel in time; the page on the model has the formula of each kind."""
    PARAMETERS: ClassVar[Mapping[str, FilterParameter]] = {
        "tau_s": FilterParameter("time constant", "s", (0.005, None), "tau_init_s", is_log=True)
    }
    tau_init_s: Range = (0.01, 0.16)
    """Initial time constants are drawn log-uniformly from this range."""
    kernel_s: KernelS | None = None
    """Length of the kernel; None is an infinite kernel."""
    scale: Scale = "area"
    """Whether a kernel integrates to one (``area``) or its square does (``energy``), times ``gain_hz``."""
    gain_hz: PositiveFloat = 1.0
    """Factor on the output; the published code has its sampling rate here (it omits ``dt``)."""

    def gain(self, constants: Constants, rate_hz: float) -> Tensor:
        """Return the factor between the leaky integrator and the scaled kernel, ``(C,)``."""
        return exponential_gain(constants["tau_s"], 1 / rate_hz, self)

    def kept(self, constants: Constants, rate_hz: float) -> int:
        """Return the values that a kernel takes back when it ends, none where its end changes no digit."""
        tau_s = constants["tau_s"]
        taps = n_taps(self.kernel_s, 1 / rate_hz)
        if taps is None or (taps > SHORT_TAPS and not truncation_matters(tau_s, 1 / rate_hz, taps)):
            return 0
        return taps * len(tau_s)

    def filtered(
        self, x: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Filter with the leaky integrator."""
        dt_s = 1 / rate_hz
        return exponential_filter(x, constants["tau_s"], dt_s, n_taps(self.kernel_s, dt_s), state)

    def stateful(
        self, constants: Constants, rate_hz: float, offset: Tensor, *, places: int, clips: int
    ) -> StatefulFilter:
        """Return the leaky integrator; a kernel of a few taps is summed, since a difference would lose digits."""
        dt_s = 1 / rate_hz
        tau_s = constants["tau_s"].detach()
        taps = n_taps(self.kernel_s, dt_s)
        if taps is None or taps > SHORT_TAPS:
            return Integrator(tau_s, dt_s, taps, offset, places=places, clips=clips)
        k = torch.arange(taps, device=tau_s.device)[:, None]
        kernel = leak(tau_s, dt_s) * torch.exp(-k * dt_s / tau_s)
        return Convolver(kernel, offset, places=places, clips=clips)


class _LeakyIntegrator(torch.autograd.Function):
    """``v[t] = v[t-1] + b (x[t] - v[t-1])`` along the first axis, with its exact adjoint.

    Adjoint, with ``g = dL/dv`` and ``h[t] = h[t+1] + b (g[t] - h[t+1])`` running backwards from ``h[T] = 0``:
    ``dL/dx = h``,  ``dL/db = sum_t h[t] (v[t] - v[t-1]) / b^2``,  ``dL/dv[-1] = h[0] (1 - b) / b``.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, b: Tensor, start: Tensor) -> Tensor:
        v = torch.empty_like(x, memory_format=torch.contiguous_format)
        Scan(b).forwards(start, x.contiguous(), v)
        ctx.save_for_backward(v, b, start)
        return v

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "the temporal filter has no second derivative: call backward without create_graph=True, "
                "or differentiate the direct convolution instead"
            )
        (g,) = grads
        v, b, start = ctx.saved_tensors  # type: ignore[attr-defined]
        if runs_in_triton(g):
            h, total = leaky_integral_backward(g, v, b, start)
            return h, total / b**2, h[0] * (1 - b) / b
        h = g.clone(memory_format=torch.contiguous_format)
        Scan(b).backwards(torch.zeros_like(start), h)
        grad_b = (h[0] * (v[0] - start) + (h[1:] * (v[1:] - v[:-1])).sum(0)) / b**2
        return h, grad_b, h[0] * (1 - b) / b


def leak(tau_s: Tensor, dt_s: float) -> Tensor:
    """Return ``b = 1 - exp(-dt/tau)``, accurate for long time constants."""
    return -torch.expm1(-dt_s / tau_s)


def exponential_gain(tau_s: Tensor, dt_s: float, config: ExponentialConfig) -> Tensor:
    """Return the factor between the leaky integrator and the scaled kernel, one per channel, differentiable in tau.

    With ``a = exp(-dt/tau)`` and K taps (``a^K = 0`` for an infinite kernel) the closed sums
    ``sum a^k = (1 - a^K)/(1 - a)`` and ``sum a^2k = (1 - a^2K)/(1 - a^2)`` give
    ``gain_hz / (1 - a^K)`` times ``dt/dt`` for unit area and
    ``gain_hz sqrt(dt (1 - a^2)/(1 - a^2K)) / (1 - a)`` for unit energy.
    """
    taps = n_taps(config.kernel_s, dt_s)
    steps = dt_s / tau_s
    if config.scale == "area":
        return config.gain_hz / (leak(tau_s, taps * dt_s) if taps else torch.ones_like(tau_s))
    energy = torch.expm1(-2 * steps) / (torch.expm1(-2 * taps * steps) if taps else -torch.ones_like(tau_s))
    return config.gain_hz * torch.sqrt(dt_s * energy) / leak(tau_s, dt_s)


def exponential_filter(
    x: Tensor, tau_s: Tensor, dt_s: float, taps: int | None = None, state: FilterState | None = None
) -> tuple[Tensor, FilterState]:
    """Filter with ``(1 - a) a^k``, ``k < taps``: a leaky integrator that forgets after ``taps`` samples.

    Args:
        x: input ``(T, ..., C)``; computed in at least float32 whatever its type.
        tau_s: time constants ``(C,)``.
        dt_s: time step.
        taps: length of the kernel; None for an infinite one.
        state: where an earlier call ended; None starts from zero.

    Returns:
        The output ``(T, ..., C)`` and the state after its last sample. Multiply the output, or the weights in front
        of it, by :func:`exponential_gain` for the scaled kernel.
    """
    x = x if x.dtype == torch.float64 else x.float()
    tau_s = tau_s.to(x.dtype)
    shape = x.shape
    if taps is not None and taps <= SHORT_TAPS:
        return _sum_of_taps(x, leak(tau_s, dt_s) * torch.exp(-torch.arange(taps)[:, None].to(x) * dt_s / tau_s), state)
    b = leak(tau_s, dt_s).expand(shape[1:]).reshape(-1)
    rows = x.reshape(shape[0], -1)
    start = rows.new_zeros(rows.shape[1]) if state is None else state.last.reshape(-1).to(rows.dtype)
    v = _LeakyIntegrator.apply(rows, b, start).view(shape)
    if taps is None or not truncation_matters(tau_s, dt_s, taps):
        return v, FilterState(v[-1])
    past = x.new_zeros(taps, *shape[1:]) if state is None or state.history is None else state.history
    delayed = torch.cat([past, v])
    tail_weight = torch.exp(-taps * dt_s / tau_s)
    return v - tail_weight * delayed[: shape[0]], FilterState(v[-1], delayed[shape[0] :])


def _sum_of_taps(x: Tensor, kernel: Tensor, state: FilterState | None) -> tuple[Tensor, FilterState]:
    """Convolve ``x`` ``(T, ..., C)`` causally with a few taps ``(K, C)``, term by term."""
    taps = len(kernel)
    steps = len(x)
    past = x.new_zeros(taps - 1, *x.shape[1:]) if state is None or state.history is None else state.history
    padded = torch.cat([past, x])
    y = sum(kernel[k] * padded[taps - 1 - k : taps - 1 - k + steps] for k in range(taps))
    assert isinstance(y, Tensor)
    return y, FilterState(y[-1], padded[steps:])


def truncation_matters(tau_s: Tensor, dt_s: float, taps: int) -> bool:
    """Tell whether cutting the kernel after ``taps`` changes any digit: ``exp(-K dt/tau)`` against the precision."""
    return float(torch.exp(-taps * dt_s / tau_s.detach().double().max())) > torch.finfo(tau_s.dtype).eps / 100


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
        self.last = row.clone()
        settled = row.clone()
        if self.is_truncated:
            q = settled.view(self.ring.shape[1], -1)
            self.ring.copy_(self.tail_start - self.tail_weight * q.index_select(1, self.truncated_channels))
            q.index_add_(1, self.truncated_channels, self.ring[0])
        return settled

    def reset(self) -> None:
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
