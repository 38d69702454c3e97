"""The tensors of a network of ours under their published names, with the published shapes, types and order.

Whatever the published layers lack is folded into the weights in front of it, which is exact: the scale of our filters
(theirs have unit energy and leave out the time step), that of the eye; and a network without normalisation gets one
that changes nothing as long as nothing is trained.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.filters.exponential import ExponentialConfig, exponential_gain
from stcnn.nn.filters.kind import Constants, FilterKind
from stcnn.nn.filters.power_exponential import PowerExponentialConfig
from stcnn.nn.filters.temporal_filter import TemporalFilter
from stcnn.nn.hidden import HiddenLayer
from stcnn.nn.model import STCNN
from stcnn.nn.norms.batch import WeightedBatchNorm
from stcnn.published.names import published_name

EPS = 1e-5
"""Of the published normalisation."""
OPTIONS: Mapping[str, Any] = {
    "lr": 5e-4,
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0,
    "amsgrad": False,
    "maximize": False,
}
"""Of the published Adam."""
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

CalciumTaus = Literal["kept", "trained"]


@dataclass(frozen=True)
class Exported:
    """A network and what a published folder says of it.

    Args:
        model: the network.
        rate_hz: frames per second of the published form.
        epoch: number of the checkpoint.
        optimizer: Adam's ``step``, ``exp_avg`` and ``exp_avg_sq`` by our parameter name; may be empty.
        optimizer_options: those of Adam; published ones where not given.
        facts: further keys of ``config.json``.
    """

    model: STCNN
    rate_hz: float
    epoch: int
    optimizer: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class PublishedForm:
    """The tensors of a network under their published names.

    Args:
        exported: the network.
        described: its sections of ``config.json``.
        calcium_tau: see :func:`stcnn.export.published.export_published`.
    """

    def __init__(self, exported: Exported, described: Mapping[str, Any], calcium_tau: CalciumTaus) -> None:
        self.exported = exported
        self.described = described
        self.calcium_tau = calcium_tau
        self.model = exported.model
        self.dt_s = 1 / exported.rate_hz
        self.notes: list[str] = []
        self.folded = False
        """Whether any weight was scaled."""
        self.ours: dict[str, str] = {}
        """Our parameter by published name."""

    def state(self) -> OrderedDict[str, Tensor]:
        """Return the state dictionary, float32, in the published order.

        Raises:
            ConfigError: gains of single neurons cannot be folded without changing the average one.
        """
        found = OrderedDict((*self._calcium(), *self._eye(), *self._hidden(), *self._norms(), *self._readouts()))
        if self.folded:
            self.notes.append(
                f"filters of another scale than the published ones: their factor at {self.exported.rate_hz:g} Hz is in "
                "the weights"
            )
        return found

    def _named(self, ours: str, factor: Tensor | float = 1.0, shape: tuple[int, ...] = ()) -> tuple[str, Tensor]:
        """A tensor under its published name, scaled, in its published shape if that is another."""
        value = self.model.state_dict()[ours].detach().cpu()
        if isinstance(factor, Tensor) or factor != 1:
            value = value.double() * factor
        return self._under_its_name(ours, value.reshape(shape) if shape else value)

    def _under_its_name(self, ours: str, value: Tensor) -> tuple[str, Tensor]:
        theirs = published_name(ours, self.model.cell_types)
        self.ours[theirs] = ours
        return theirs, value.to(torch.float32, copy=True)

    def _calcium(self) -> Iterator[tuple[str, Tensor]]:
        config = self.model.config.calcium
        taus = self.model.calcium.time_constants().detach().cpu()
        unused = [neurons.tau_s.detach().cpu() for neurons in self.model.calcium.each]
        yield self._named("calcium.tau_s")
        for name, neurons, used in zip(self.model.cell_types, self.model.calcium.each, taus, strict=True):
            ours = f"calcium.types.{name}"
            yield self._named(f"{ours}.offset")
            factor = float(self._factor(config.filter, used.reshape(1), self._taps("ca_config")))
            yield self._under_its_name(f"{ours}.gain", self._gain(name, neurons.gain.detach().cpu(), factor))
            if self.calcium_tau == "trained":
                yield self._under_its_name(f"{ours}.tau_s", used.reshape(1))
            else:
                yield self._named(f"{ours}.tau_s")
        if self.calcium_tau == "kept" and not torch.allclose(torch.cat(unused), taus):
            self.notes.append(
                f"the published program predicts with the constants of the types, {float(unused[0]):g} s, which were "
                f"not trained; here {float(taus[0]):g} s filters (--calcium-tau trained writes that)"
            )

    def _gain(self, cell_type: str, raw: Tensor, factor: float) -> Tensor:
        """Raw gains with a factor behind their softplus."""
        if math.isclose(factor, 1, rel_tol=1e-6):
            return raw.to(torch.float32, copy=True)
        if not torch.allclose(raw, raw[:1]):
            raise ConfigError(
                f"model.calcium.filter is scaled otherwise than the published indicator (by {1 / factor:.4g}), and the "
                f"gains of the {len(raw)} neurons of '{cell_type}' differ, so that they cannot take up the factor "
                "without changing the average neuron",
                expected="model.calcium.filter.scale=energy and model.calcium.filter.gain_hz the frame rate",
                remedy=self._remedy_of_the_indicator(),
            )
        self.folded = True
        gain = torch.nn.functional.softplus(raw.double()) * factor
        return (gain + torch.log(-torch.expm1(-gain))).float()

    def _remedy_of_the_indicator(self) -> str:
        config = self.model.config.calcium.filter
        assert isinstance(config, ExponentialConfig)
        if config.scale == "energy":
            return f"export at the rate it is scaled for, --rate-hz {config.gain_hz:g}"
        return "train such a network, for instance with model=published"

    def _eye(self) -> Iterator[tuple[str, Tensor]]:
        """The fixed Gaussian of the eye, ``exp(-4 ln 2 r^2 / fwhm^2)`` of sum one, and its time constant."""
        config = self.described["pr_config"]
        axes = []
        for width, deg_per_px in zip(config["x_kernel_size"], config["ds_input"], strict=True):
            axes.append((torch.arange(width) - (width - 1) / 2) * deg_per_px)
        r_squared = axes[0][:, None] ** 2 + axes[1] ** 2
        window = torch.exp(-4 * math.log(2) * r_squared / (config["pr_sigma"][0] * config["pr_sigma"][1]))
        yield "pr.x_weight", (window / window.sum())[None, None]
        yield "pr.tau", torch.tensor([[config["tau"]]], dtype=torch.float32)

    def _hidden(self) -> Iterator[tuple[str, Tensor]]:
        tau_s = self.model.eye.tau_s.detach()
        of_the_eye = self._factor(self.model.config.eye.filter, tau_s, self._taps("pr_config"))
        for i, layer in enumerate(self.model.hidden):
            ours = f"hidden.{i}"
            factor = self._factor_of(layer.filter, "network_config") * (of_the_eye if i == 0 else 1)
            yield self._named(f"{ours}.weight", self._unless_one(factor))
            yield self._named(f"{ours}.filter.tau_s", shape=(-1, 1))
            if "n" in layer.filter.constants:
                yield self._named(f"{ours}.filter.n", shape=(-1, 1))
            if layer.bias is None:
                yield published_name(f"{ours}.bias", self.model.cell_types), torch.zeros(len(layer.weight))
            else:
                yield self._named(f"{ours}.bias")

    def _norms(self) -> Iterator[tuple[str, Tensor]]:
        n_steps = max((int(moments["step"]) for moments in self.exported.optimizer.values()), default=0)
        for i, layer in enumerate(self.model.hidden):
            ours = f"hidden.{i}.norm"
            theirs = f"norm_layers.{i}"
            channels = len(layer.weight)
            if layer.norm is None:
                yield f"{theirs}.weight", torch.ones(channels)
                yield f"{theirs}.bias", torch.zeros(channels)
                yield f"{theirs}.running_mean", torch.zeros(channels)
                yield f"{theirs}.running_var", torch.full((channels,), 1 - EPS)
            else:
                yield self._named(f"{ours}.weight")
                yield self._named(f"{ours}.bias")
                yield self._named(f"{ours}.running_mean")
                yield self._under_its_name(f"{ours}.running_var", self._variance(layer))
            yield f"{theirs}.num_batches_tracked", torch.tensor(n_steps)
        if any(layer.norm is None for layer in self.model.hidden):
            self.notes.append(
                "the network has no normalisation (model.hidden.norm.kind=none): it was given one that changes nothing "
                "until the published program trains it, which would then normalise"
            )

    def _variance(self, layer: HiddenLayer) -> Tensor:
        """Running variance, with what our small constant in the root has more than the published one."""
        assert isinstance(layer.norm, WeightedBatchNorm)  # others were refused
        variance = layer.norm.running_var.detach().cpu()
        if layer.norm.eps != EPS:
            variance = variance.double() + (layer.norm.eps - EPS)
            self.folded = True
        if (variance + EPS <= 0).any():
            raise ConfigError(f"model.hidden.norm.eps is {layer.norm.eps:g}", expected=f"{EPS:g} as published")
        return variance.to(torch.float32, copy=True)

    def _readouts(self) -> Iterator[tuple[str, Tensor]]:
        for name, readout in zip(self.model.cell_types, self.model.readouts.each, strict=True):
            ours = f"readouts.{name}"
            weight = readout.weight
            assert isinstance(weight, Tensor)  # other kinds of readouts were refused
            shape = (1, *weight.shape)
            factor = self._factor_of(readout.filter, "L_config").view(1, 1, 1)
            yield self._named(f"{ours}.weight", self._unless_one(factor), shape)
            yield self._named(f"{ours}.filter.tau_s", shape=(1, 1))
            if "n" in readout.filter.constants:
                yield self._named(f"{ours}.filter.n", shape=(1, 1))
            yield self._named(f"{ours}.bias")

    def _taps(self, section: str) -> int:
        return int(self.described[section]["t_kernel_size"])

    def _factor(self, config: FilterKind, tau_s: Tensor, n_taps: int) -> Tensor:
        """Our gain behind the leaky integrator over the published one, float64 ``(C,)``."""
        assert isinstance(config, ExponentialConfig)
        published = ExponentialConfig(kernel_s=n_taps * self.dt_s, scale="energy", gain_hz=1 / self.dt_s)
        gains = (exponential_gain(tau_s.cpu().double(), self.dt_s, each) for each in (config, published))
        return next(gains) / next(gains)

    def _factor_of(self, kernel: TemporalFilter, section: str) -> Tensor:
        """The same of a trained filter, ``(C, 1, 1, 1)``."""
        config = kernel.config
        if isinstance(config, PowerExponentialConfig):
            published = config.model_copy(update={"scale": "energy", "gain_hz": 1 / self.dt_s})
            exact = Constants({name: value.detach().cpu().double() for name, value in kernel.constants.items()})
            ours = config.kernel(exact, self.dt_s).sum(0)
            theirs = published.kernel(exact, self.dt_s).sum(0)
            return (ours / theirs).view(-1, 1, 1, 1)
        return self._factor(config, kernel.tau_s.detach(), self._taps(section)).view(-1, 1, 1, 1)

    def _unless_one(self, factor: Tensor) -> Tensor | float:
        """A factor, or one where no digit of it counts, so that weights stay as they are to the bit."""
        if torch.allclose(factor, torch.ones_like(factor), rtol=1e-7, atol=0):
            return 1.0
        self.folded = True
        return factor

    def optimizer(self, names: list[str]) -> dict[str, Any]:
        """Return Adam's state in the published numbering; without moments where weights were scaled, or none are known.

        Args:
            names: all published tensors in their order.
        """
        trained = [name for name in names if name != "pr.tau" and name.rpartition(".")[2] not in BUFFERS]
        known = self.exported.optimizer
        if known and self.folded:
            self.notes.append("the state of the optimiser is not exported, since the weights were scaled")
            known = {}
        shapes = self.model.state_dict()
        state = {}
        for index, name in enumerate(trained):
            ours = self.ours.get(name, "")
            if ours in known:
                state[index] = self._moments(name, shapes[ours], known[ours])
        options = {**OPTIONS, **{k: v for k, v in self.exported.optimizer_options.items() if k in OPTIONS}}
        return {"state": state, "param_groups": [{**options, "params": list(range(len(trained)))}]}

    def _moments(self, name: str, like: Tensor, known: Mapping[str, Tensor]) -> dict[str, Any]:
        """Adam's state of one tensor in its published shape."""
        shape = tuple(like.shape)
        if name.endswith((".tau", ".n_power")):
            shape = (len(like), 1)
        elif name.startswith("lc_layers") and name.endswith("x_weight"):
            shape = (1, *shape)
        averages = {key: known[key].detach().cpu().reshape(shape).float() for key in ("exp_avg", "exp_avg_sq")}
        return {"step": int(known["step"]), **averages}
