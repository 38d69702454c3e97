"""The direct form of tests/reference as a yardstick: what ``paths.py`` and ``gpu.py`` hold ours against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.reference import direct


def parameters_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """Return the parameters under the names of the direct form, detached and ready for gradients."""
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    state["eye.filter.tau_s"] = next(model.parameters()).new_tensor([0.006])
    return {n: v.requires_grad_() if "running" not in n and "eye" not in n else v for n, v in state.items()}


def direct_calls(model: torch.nn.Module, contrast: Tensor) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the training step and the inference of the direct form, on the device of the model."""
    parameters, geometry = parameters_of(model), direct.Geometry()

    def step() -> None:
        voltage = direct.forward(contrast, parameters, geometry, training=True).voltage
        torch.stack(list(voltage.values())).square().mean().backward()

    @torch.no_grad()
    def infer() -> None:
        direct.forward(contrast, parameters, geometry)

    return step, infer
