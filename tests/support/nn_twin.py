"""A small network of ours and its twin in the direct form: they see the same movies and learn from the same loss."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

import pytest
import torch
from torch import Tensor

from stcnn.nn.filters.convolution import FiniteKernel
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.kind import FilterKind, n_taps
from stcnn.nn.hidden_stack import Compute
from stcnn.nn.kernels.native.compile import why_unavailable as why_no_native
from stcnn.nn.kernels.triton.launch import interpreted
from stcnn.nn.kernels.triton.launch import why_unavailable as why_no_triton
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from tests.reference import direct

IMPLEMENTATIONS = ("reference", "torch", "native", "triton")
"""Every way to run the hidden layers in training; the whole battery runs for each."""
FINEST = {name: torch.float32 if name == "native" else torch.float64 for name in IMPLEMENTATIONS}
"""The most exact numbers that each computes in."""
OUTPUT_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
"""Largest difference from the direct form in float64, in units of the largest magnitude."""
GRADIENT_TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-4}
"""Relative L2 error of the gradient of a parameter."""

MovieKind = Literal["random", "looming", "bar"]

POPULATION = Population(neurons={"lc11": ("a", "b", "c"), "lc4": ("d",)})


def choose_implementation(model: STCNN, name: str) -> None:
    """Make the hidden layers train in one of the ways of :data:`IMPLEMENTATIONS`, or as they choose ("auto")."""
    if name == "native" and (reason := why_no_native()):
        pytest.skip(f"the native core cannot be compiled here: {reason}")
    if name == "triton":
        if reason := why_no_triton():
            pytest.skip(f"the kernels of the GPU cannot run here: {reason}")
        model.to("cpu" if interpreted() else "cuda")
    model.hidden.compute = cast(Compute, name)


@dataclass(frozen=True)
class Case:
    """A network small enough for the direct form in float64, and what it is shown.

    The eye's columns lie two pixels apart, so that a lattice of (Y, X) sees a picture of (2 Y - 1, 2 X - 1) pixels.
    """

    lattice: tuple[int, int] = (6, 7)
    channels: tuple[int, ...] = (3, 4)
    tau_s: tuple[float, float] = (0.01, 0.2)
    kernel_s: float | None = None
    scale: str = "area"
    gain_hz: float = 1.0
    rate_hz: float = 180.0
    n_frames: int = 40
    n_clips: int = 2
    movie: MovieKind = "random"
    hidden: Mapping[str, Any] = field(default_factory=dict)
    calcium: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape_px(self) -> tuple[int, int]:
        return 2 * self.lattice[0] - 1, 2 * self.lattice[1] - 1

    def config(self) -> ModelConfig:
        """Return the network as our configuration, every filter with this case's kernel."""
        kernel = {"kernel_s": self.kernel_s, "scale": self.scale, "gain_hz": self.gain_hz}
        trained = {**kernel, "tau_init_s": self.tau_s}
        return ModelConfig.model_validate(
            {
                "eye": {
                    "acceptance_fwhm_deg": 3.0,
                    "window_deg": 7.0,
                    "column_spacing_deg": 2.0,
                    "lattice": self.lattice,
                    "filter": kernel,
                },
                "hidden": {
                    "channels": self.channels,
                    "kernel_columns": 3,
                    "filter": {"kind": "exponential", **trained},
                    **self.hidden,
                },
                "readout": {"filter": trained},
                "cell_types": {"default": {"window_columns": 3}, "lc11": {"window_columns": 5}},
                "calcium": {"filter": kernel, **self.calcium},
            }
        )

    def model(self, dtype: torch.dtype, implementation: str = "reference") -> STCNN:
        """Return the network in training mode, its time constants spread evenly between the case's two."""
        model = STCNN(self.config(), POPULATION).to(dtype)
        choose_implementation(model, implementation)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("filter.tau_s"):
                    low, high = self.tau_s
                    parameter.copy_(low * (high / low) ** torch.linspace(0, 1, len(parameter)))
                elif name.endswith((".bias", ".offset", ".gain", "norm.weight")):
                    parameter.add_(0.3 * torch.randn_like(parameter))
        return model

    def contrast(self, dtype: torch.dtype) -> Tensor:
        """Return the movie ``(B, T, Y, X)``: noise, a dark disc that grows, or a dark bar that moves; one per clip."""
        shape = (self.n_clips, self.n_frames, *self.shape_px)
        if self.movie == "random":
            return torch.randn(shape, dtype=dtype) / 2
        time = torch.arange(self.n_frames)[:, None, None] / self.n_frames
        row, column = (torch.arange(n) - (n - 1) / 2 for n in self.shape_px)
        if self.movie == "looming":
            dark = row[:, None].square() + column.square() < (time * max(self.shape_px)).square()
        else:
            dark = ((column - (2 * time - 1) * column[-1]).abs() < 1.5).expand(shape[1:])
        return torch.stack([-0.498 * dark.roll(i, 1).to(dtype) for i in range(self.n_clips)])


class Recordings(NamedTuple):
    """Which clip each recording belongs to and what the loss compares it with."""

    clip: Tensor
    cell_type: Tensor
    neuron: Tensor
    target: Tensor


class Outcome(NamedTuple):
    """All that two implementations must agree in."""

    voltage: Tensor
    traces: Tensor
    loss: Tensor
    gradients: dict[str, Tensor]
    running: dict[str, Tensor]


def recordings(case: Case, dtype: torch.dtype) -> Recordings:
    """Return four recordings, of both cell types and of the first and last clip, with noise as targets."""
    last = case.n_clips - 1
    clip, cell_type, neuron = torch.tensor([[0, last, 0, last], [0, 0, 0, 1], [0, 2, 1, 0]])
    return Recordings(clip, cell_type, neuron, torch.randn(4, case.n_frames, dtype=dtype))


def ours(
    model: STCNN,
    contrast: Tensor,
    recorded: Recordings,
    case: Case,
    multiplicity: Tensor | None = None,
    n_grey: int = 0,
) -> Outcome:
    """Run our network forward and, where it trains, backward."""
    device = model.calcium.tau_s.device
    contrast, recorded = contrast.to(device), Recordings(*(tensor.to(device) for tensor in recorded))
    multiplicity = None if multiplicity is None else multiplicity.to(device)
    voltage = model.voltage_of(contrast, case.rate_hz, multiplicity, n_grey)
    traces = model.calcium_of(voltage, recorded.clip, recorded.cell_type, recorded.neuron, case.rate_hz)
    loss = (traces - recorded.target).square().mean()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(loss, list(trained.values())) if model.training else ()
    running = {name: value.cpu().clone() for name, value in model.state_dict().items() if "running" in name}
    found = dict(zip(trained, (gradient.cpu() for gradient in gradients), strict=False))
    return Outcome(voltage.detach().cpu(), traces.detach().cpu(), loss.detach().cpu(), found, running)


def theirs(model: STCNN, contrast: Tensor, recorded: Recordings, case: Case) -> Outcome:
    """Run the twin of ``model`` in the direct form in float64; the model is left as it is."""
    parameters = {name: value.detach().double().cpu().clone() for name, value in model.state_dict().items()}
    trained = {name: parameters[name].requires_grad_() for name, p in model.named_parameters() if p.requires_grad}
    parameters["eye.filter.tau_s"] = model.eye.tau_s.double().cpu()
    geometry = twin_geometry(model, case.rate_hz)
    answer = direct.forward(contrast.double(), parameters, geometry, model.training)
    traces = torch.stack(
        [
            direct.calcium(answer.voltage[name][clip, None], name, parameters, geometry, neuron[None])[0]
            for clip, name, neuron in (
                (clip, model.cell_types[cell_type], neuron)
                for clip, cell_type, neuron in zip(*recorded[:3], strict=True)
            )
        ]
    )
    loss = (traces - recorded.target.double()).square().mean()
    gradients = torch.autograd.grad(loss, list(trained.values())) if model.training else ()
    voltage = torch.stack([answer.voltage[name] for name in model.cell_types], -1)
    return Outcome(
        voltage.detach(), traces.detach(), loss.detach(), dict(zip(trained, gradients, strict=False)), answer.running
    )


def twin_geometry(model: STCNN, rate_hz: float) -> direct.Geometry:
    """Express a network of :class:`Case` as a geometry of the direct form."""
    config = model.config

    def kernel(given: FilterKind) -> direct.Filter:
        if not isinstance(given, ExponentialConfig | FiniteKernel):
            return direct.Filter()
        return direct.Filter(n_taps(given.kernel_s, 1 / rate_hz), given.scale, given.gain_hz)

    widths = {name: config.cell_types.get(name, config.cell_types["default"]) for name in model.cell_types}
    return direct.Geometry(
        rate_hz=rate_hz,
        fwhm_px=config.eye.acceptance_fwhm_deg,
        window_px=round(config.eye.window_size_deg[0]),
        stride_px=round(config.eye.spacing_deg[0]),
        eye_filter=kernel(config.eye.filter),
        hidden_filter=kernel(config.hidden.filter),
        readout_filter=kernel(config.readout.filter),
        calcium_filter=kernel(config.calcium.filter),
        readouts={
            name: direct.Readout(width.window[0] // 2, 1, model.readouts.centre) for name, width in widths.items()
        },
        rectifier="softplus" if config.calcium.rectifier == "softplus" else "elu",
        global_calcium_tau=config.calcium.tau == "global",
        form="matrix",
    )


def largest_error(found: Tensor, right: Tensor) -> float:
    """Largest difference in units of the largest magnitude."""
    return float((found.double() - right).abs().max() / right.abs().max())


def gradient_errors(found: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> dict[str, float]:
    """Relative L2 error of each gradient; those of a few numbers per cell type are compared together.

    A gradient that is zero in exact arithmetic (of a bias in front of a normalisation, of the time constant of a kernel
    of one tap) is compared with the largest of all.
    """
    assert found.keys() == right.keys()
    largest = max(float(value.norm()) for value in right.values())
    kinds: dict[str, list[str]] = {}
    for name in right:
        per_type = re.sub(r"^(readouts|calcium\.types)\.\w+\.(?!weight)", r"\1.*.", name)
        kinds.setdefault(per_type, []).append(name)
    errors = {}
    for kind, names in kinds.items():
        ours_, theirs_ = (torch.cat([g[name].double().flatten() for name in names]) for g in (found, right))
        size = float(theirs_.norm())
        errors[kind] = float((ours_ - theirs_).norm()) / (size if size > 1e-9 * largest else largest)
    return errors
