"""Causal temporal filters: kernels, their recurrences, and the time step; no other module knows ``dt``.

Convention:
    * Time is the first axis of everything here: ``(T, ..., C)``, one time constant per channel C.
    * A kernel ``h[k]``, ``k = 0..K-1``, acts as ``y[t] = gain_hz * dt * sum_k h[k] x[t-k]`` with zero before the clip.
      The factor ``dt`` makes the response to one physical stimulus independent of the sampling rate; the published
      code leaves it out, which is the same as ``gain_hz`` equal to its sampling rate.
    * ``scale="area"``: ``dt sum h = 1`` (unit response to a constant). ``scale="energy"``: ``dt sum h^2 = 1``
      (Klapoetke et al. 2022).

An exponential kernel is never convolved. The leaky integrator

    v[t] = v[t-1] + b (x[t] - v[t-1]),        b = 1 - exp(-dt/tau) = -expm1(-dt/tau)

answers a constant with that constant, keeps its accuracy for ``tau >> dt`` (``1 - b`` would lose it), and runs at a few
operations per sample whatever the length of the kernel. A kernel of K taps is the difference
``v[t] - exp(-K dt/tau) v[t-K]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Discriminator, Field, PositiveFloat, Tag
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.nn.kernels.triton.launch import leaky_integral_backward, runs_in_triton
from stcnn.nn.ops.leaky_integrator import Scan

Scale = Literal["area", "energy"]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[Positive, Positive]
KernelS = Annotated[float, Field(gt=0, le=60)]


class ExponentialConfig(BaseModel):
    """Kernel ``exp(-t/tau)``, one trained time constant per channel."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    kind: Literal["exponential"] = "exponential"
    tau_init_s: Range = (0.01, 0.16)
    """Initial time constants are drawn log-uniformly from this range."""
    kernel_s: KernelS | None = None
    """Length of the kernel; None is an infinite kernel."""
    scale: Scale = "area"
    gain_hz: PositiveFloat = 1.0
    """Factor on the output; the published code has its sampling rate here (it omits ``dt``)."""


class PowerExponentialConfig(BaseModel):
    """Kernel ``(t/tau)^n exp(-n (t/tau - 1))``, which rises to 1 at ``t = tau``; tau and n trained per channel."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    kind: Literal["power_exponential"] = "power_exponential"
    tau_init_s: Range = (0.01, 0.16)
    n_init: Range = (1.0, 1.0)
    """Initial exponents are drawn uniformly from this range."""
    kernel_s: KernelS = 1.0
    scale: Scale = "area"
    gain_hz: PositiveFloat = 1.0


class NoFilterConfig(BaseModel):
    """No temporal filter: the layer answers instantly."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    kind: Literal["none"] = "none"


FilterConfig = Annotated[
    ExponentialConfig | PowerExponentialConfig | NoFilterConfig,
    Field(discriminator="kind"),
]


def _kind(config: object) -> str:
    found = config.get("kind") if isinstance(config, dict) else getattr(config, "kind", None)
    return "exponential" if found is None else str(found)


ReadoutFilterConfig = Annotated[
    Annotated[ExponentialConfig, Tag("exponential")] | Annotated[PowerExponentialConfig, Tag("power_exponential")],
    Discriminator(_kind),
]
"""Without a ``kind`` it is exponential."""


SHORT_TAPS = 8
"""Kernels of so few taps are summed: as a difference of integrators they would cancel for long time constants."""


class FilterState(NamedTuple):
    """What a filter remembers of the past: its last output and, for a finite kernel, the last K values before it.

    ``last`` is ``(..., C)``; ``history`` is ``(K, ..., C)``, oldest first, or None where nothing needs it.
    """

    last: Tensor
    history: Tensor | None = None


class Constants(NamedTuple):
    """Trained constants of a kernel, one per channel."""

    tau_s: Tensor
    """``(C,)``."""
    n: Tensor | None = None
    """Exponent of a power-exponential kernel, ``(C,)``."""

    @classmethod
    def joined(cls, each: Sequence[Constants]) -> Constants:
        """Return the constants of several filters side by side."""
        exponents = [constants.n for constants in each if constants.n is not None]
        return cls(torch.cat([constants.tau_s for constants in each]), torch.cat(exponents) if exponents else None)

    def detached(self) -> Constants:
        """Return them without gradients."""
        return Constants(self.tau_s.detach(), None if self.n is None else self.n.detach())


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


def n_taps(kernel_s: float | None, dt_s: float) -> int | None:
    """Return the number of taps K of a kernel of ``kernel_s`` seconds, at least one; None for an infinite one."""
    return None if kernel_s is None else max(1, round(kernel_s / dt_s))


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
    rest = torch.exp(-taps * dt_s / tau_s)
    return v - rest * delayed[: shape[0]], FilterState(v[-1], delayed[shape[0] :])


def _sum_of_taps(x: Tensor, kernel: Tensor, state: FilterState | None) -> tuple[Tensor, FilterState]:
    """Convolve ``x`` ``(T, ..., C)`` causally with a few taps ``(K, C)``, term by term."""
    taps, steps = len(kernel), len(x)
    past = x.new_zeros(taps - 1, *x.shape[1:]) if state is None or state.history is None else state.history
    padded = torch.cat([past, x])
    y = sum(kernel[k] * padded[taps - 1 - k : taps - 1 - k + steps] for k in range(taps))
    assert isinstance(y, Tensor)
    return y, FilterState(y[-1], padded[steps:])


def truncation_matters(tau_s: Tensor, dt_s: float, taps: int) -> bool:
    """Tell whether cutting the kernel after ``taps`` changes any digit: ``exp(-K dt/tau)`` against the precision."""
    return float(torch.exp(-taps * dt_s / tau_s.detach().double().max())) > torch.finfo(tau_s.dtype).eps / 100


def power_exponential_kernel(tau_s: Tensor, n: Tensor, dt_s: float, config: PowerExponentialConfig) -> Tensor:
    """Return the scaled kernel times ``gain_hz dt``, ``(K, C)``; its first tap (t = 0) is zero for n > 0."""
    taps = n_taps(config.kernel_s, dt_s) or 1
    if taps < 2:
        raise ConfigError(
            f"a power-exponential kernel of kernel_s={config.kernel_s} has one tap at {1 / dt_s:g} Hz, which is zero",
            remedy="lengthen kernel_s",
        )
    t = torch.arange(taps, dtype=tau_s.dtype, device=tau_s.device)[:, None] * (dt_s / tau_s)
    # t^n as exp(n log t) has no derivative at t = 0, where the kernel is zero whatever tau and n.
    safe = torch.where(t > 0, t, torch.ones_like(t))
    h = torch.where(t > 0, torch.exp(n * (torch.log(safe) + 1 - safe)), torch.zeros_like(t))
    area = dt_s * h.sum(0) if config.scale == "area" else torch.sqrt(dt_s * h.square().sum(0))
    return h * (config.gain_hz * dt_s / area)


def fir_filter(x: Tensor, kernel: Tensor, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
    """Convolve ``x`` ``(T, ..., C)`` causally with ``kernel`` ``(K, C)`` by FFT along time."""
    taps, steps = kernel.shape[0], x.shape[0]
    past = x.new_zeros(taps - 1, *x.shape[1:]) if state is None or state.history is None else state.history
    padded = torch.cat([past, x]) if taps > 1 else x
    size = padded.shape[0] + taps - 1
    spectrum = torch.fft.rfft(kernel, size, dim=0)
    spectrum = spectrum.view(-1, *[1] * (x.dim() - 2), kernel.shape[1])
    y = torch.fft.irfft(torch.fft.rfft(padded, size, dim=0) * spectrum, size, dim=0)
    return y[taps - 1 : taps - 1 + steps], FilterState(y[-1], padded[steps:])


def filtered(
    x: Tensor,
    config: ExponentialConfig | PowerExponentialConfig,
    constants: Constants,
    rate_hz: float,
    state: FilterState | None = None,
) -> tuple[Tensor, FilterState]:
    """Filter ``x`` ``(T, ..., C)``, of which the gain of an exponential kernel is already a factor.

    Args:
        x: input.
        config: the kernel.
        constants: of each channel.
        rate_hz: frames per second.
        state: where an earlier call ended; None starts from zero.

    Returns:
        The output ``(T, ..., C)`` and the state after its last sample.
    """
    dt_s = 1 / rate_hz
    if config.kind == "exponential":
        return exponential_filter(x, constants.tau_s, dt_s, n_taps(config.kernel_s, dt_s), state)
    assert constants.n is not None
    return fir_filter(x, power_exponential_kernel(constants.tau_s, constants.n, dt_s, config), state)


class TemporalFilter(nn.Module):
    """A causal filter with one kernel per channel, at any sampling rate.

    Args:
        config: the kernel.
        channels: number of channels C.
    """

    def __init__(self, config: ExponentialConfig | PowerExponentialConfig | NoFilterConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        if config.kind == "none":
            return
        low, high = config.tau_init_s
        if low > high:
            raise ConfigError(
                f"tau_init_s is [{low}, {high}]", expected="the lower end first", remedy="exchange the two"
            )
        self.tau_s = nn.Parameter(low * (high / low) ** torch.rand(channels))
        if config.kind == "power_exponential":
            low, high = config.n_init
            self.n = nn.Parameter(low + (high - low) * torch.rand(channels))

    @property
    def constants(self) -> Constants:
        """The trained constants of the kernel; a filter of kind ``none`` has none."""
        return Constants(self.tau_s, self.n if self.config.kind == "power_exponential" else None)

    def gain(self, rate_hz: float) -> Tensor | None:
        """Return the factor ``(C,)`` a layer folds into the weights before the filter; None where it is one."""
        if self.config.kind == "exponential":
            return exponential_gain(self.tau_s, 1 / rate_hz, self.config)
        return None

    def forward(self, x: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Filter ``x`` ``(T, ..., C)``, of which :meth:`gain` is already a factor; return output and state."""
        if self.config.kind == "none":
            return x, FilterState(x[-1])
        return filtered(x, self.config, self.constants, rate_hz, state)
