"""Power-exponential kernels, which rise to a peak before they decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from stcnn.nn.filters.convolution import FiniteKernel
from stcnn.nn.filters.kind import Constants, FilterParameter, Range


class PowerExponentialConfig(FiniteKernel):
    """Kernel ``(t/tau)^n exp(-n (t/tau - 1))``, which rises to 1 at ``t = tau``; tau and n trained per channel."""

    kind: Literal["power_exponential"] = "power_exponential"
    """Kernel in time; the page on the model has the formula of each kind."""
    PARAMETERS: ClassVar[Mapping[str, FilterParameter]] = {
        "tau_s": FilterParameter("time constant", "s", (0.005, None), "tau_init_s", is_log=True),
        "n": FilterParameter("exponent", "", (0.5, 10.0), "n_init"),
    }
    tau_init_s: Range = (0.01, 0.16)
    """Initial time constants are drawn log-uniformly from this range."""
    n_init: Range = (1.0, 1.0)
    """Initial exponents are drawn uniformly from this range."""

    def shape(self, k: Tensor, dt_s: float, constants: Constants) -> Tensor:
        """Return the kernel before its scaling; its first tap (t = 0) is zero for n > 0."""
        t = k * (dt_s / constants["tau_s"])
        # t^n as exp(n log t) has no derivative at t = 0, where the kernel is zero whatever tau and n.
        safe = torch.where(t > 0, t, torch.ones_like(t))
        rising = torch.exp(constants["n"] * (torch.log(safe) + 1 - safe))
        return torch.where(t > 0, rising, torch.zeros_like(t))
