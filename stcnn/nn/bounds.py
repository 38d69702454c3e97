"""Bounds on trained parameters, kept by projection after each step, and the report of parameters that sit on one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from pydantic import field_validator
from torch import Tensor, nn

from stcnn.nn.filters import PARAMETERS
from stcnn.nn.filters.kind import Interval
from stcnn.validation import Config


class Bounds(Config):
    """Lower and upper bound of each kind of parameter; None is no bound."""

    filter_tau_s: Interval = PARAMETERS["tau_s"].bounds
    """Time constants of hidden layers and readouts."""
    filter_n: Interval = PARAMETERS["n"].bounds
    """Exponents of power-exponential kernels."""
    calcium_tau_s: Interval = (0.35, 0.45)
    """The indicator's time constant shared by all cell types."""
    calcium_type_tau_s: Interval = (0.1, 1.0)
    """The indicator's time constant of each cell type."""
    calcium_indicator_tau_s: Interval = (0.01, 3.0)
    """The time constant of each of several indicators."""

    @field_validator("*")
    @classmethod
    def _ordered(cls, interval: Interval) -> Interval:
        low, high = interval
        if low is not None and high is not None and low > high:
            raise ValueError(f"the lower bound {low} lies above the upper bound {high}")
        return interval

    def of(self, name: str) -> Interval | None:
        """Return the bounds of the parameter ``name`` of a model, None where it has none."""
        if name == "calcium.tau_s":
            return self.calcium_tau_s
        if name == "calcium.indicator_tau_s":
            return self.calcium_indicator_tau_s
        if name.startswith("calcium.types.") and name.endswith(".tau_s"):
            return self.calcium_type_tau_s
        owner, _, constant = name.rpartition(".")
        if owner == "calcium" or owner.startswith("calcium.types."):
            constant = constant.removeprefix("indicator_")
            return self.of_filter(constant) if constant in PARAMETERS else None
        return self.of_filter(constant) if owner.endswith(".filter") else None

    def of_filter(self, constant: str) -> Interval:
        """Return the bounds of a constant of hidden layers' and readouts' filters; those of its kind unless told."""
        known: Interval | None = getattr(self, f"filter_{constant}", None)
        return PARAMETERS[constant].bounds if known is None else known


class OnBound(NamedTuple):
    """One element of a parameter that sits on a bound."""

    name: str
    element: int
    """Position in the flattened parameter: the channel or neuron."""
    value: float
    bound: str
    """``lower`` or ``upper``."""


def _own_bounds(model: nn.Module) -> Iterator[tuple[str, Interval]]:
    """Yield the bounds that parts of a model say themselves, by the name of the parameter."""
    for path, part in model.named_modules():
        for name, interval in getattr(part, "parameter_bounds", {}).items():
            yield f"{path}.{name}", interval


def _bounded(model: nn.Module, bounds: Bounds) -> Iterator[tuple[str, Tensor, Interval]]:
    own = dict(_own_bounds(model))
    for name, parameter in model.named_parameters():
        interval = own[name] if name in own else bounds.of(name)
        if interval is not None and parameter.requires_grad:
            yield name, parameter, interval


@torch.no_grad()
def project(model: nn.Module, bounds: Bounds) -> None:
    """Move every trained parameter that left its bounds back onto the nearest one, in place."""
    for _, parameter, (low, high) in _bounded(model, bounds):
        if low is not None or high is not None:
            parameter.clamp_(low, high)


def on_bounds(model: nn.Module, bounds: Bounds, tolerance: float = 1e-6) -> list[OnBound]:
    """List the elements within a relative ``tolerance`` of a bound, in the order of the parameters."""
    found = []
    for name, parameter, interval in _bounded(model, bounds):
        for element, value in enumerate(parameter.detach().double().flatten().tolist()):
            for bound, limit in zip(("lower", "upper"), interval, strict=True):
                if limit is not None and abs(value - limit) <= tolerance * abs(limit):
                    found.append(OnBound(name, element, value, bound))
    return found
