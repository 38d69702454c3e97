"""A temporal filter of any kind as a part of a network, with its trained constants."""

from __future__ import annotations

from torch import Tensor, nn

from stcnn.nn.filters.kind import Constants, FilterKind, FilterState


class TemporalFilter(nn.Module):
    """A causal filter with one kernel per channel, at any sampling rate.

    Args:
        config: the kernel.
        channels: number of channels C.
    """

    tau_s: Tensor
    n: Tensor

    def __init__(self, config: FilterKind, channels: int) -> None:
        super().__init__()
        self.config = config
        for name, values in config.draw(channels).items():
            self.register_parameter(name, nn.Parameter(values))

    @property
    def constants(self) -> Constants:
        """The trained constants of the kernel; a filter of kind ``none`` has none."""
        return Constants({name: getattr(self, name) for name in self.config.PARAMETERS})

    def gain(self, rate_hz: float) -> Tensor | None:
        """Return the factor ``(C,)`` a layer folds into the weights before the filter; None where it is one."""
        return self.config.gain(self.constants, rate_hz)

    def forward(self, x: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Filter ``x`` ``(T, ..., C)``, of which :meth:`gain` is already a factor; return output and state."""
        return self.config.filtered(x, self.constants, rate_hz, state)
