"""What has a form in the published program; all else is refused with the key that says so."""

from __future__ import annotations

from stcnn.errors import ConfigError
from stcnn.nn.activation import Activation
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.power_exponential import PowerExponentialConfig
from stcnn.nn.model_config import ModelConfig

ACTIVATIONS = {0.01: "leaky_relu", 0.0: "relu", 1.0: "identity"}
"""Names of the published activations by the slope they have for negative values."""


def require_form(config: ModelConfig) -> None:
    """Raise a ConfigError that names the key where a network is of a kind that the published program does not have."""
    kinds = (
        ("core", config.core.kind, ("hidden_layers",)),
        ("eye.arrangement", config.eye.arrangement.kind, ("square",)),
        ("readout.weights", config.readout.weights.kind, ("full",)),
        ("hidden.norm", config.hidden.norm.kind, ("batch", "none")),
    )
    for key, kind, published in kinds:
        if kind not in published:
            raise no_form(f"model.{key}.kind is '{kind}'", " or ".join(published))
    for key, kernel in (("hidden", config.hidden.filter), ("readout", config.readout.filter)):
        if not isinstance(kernel, ExponentialConfig | PowerExponentialConfig):
            raise no_form(f"model.{key}.filter.kind is '{kernel.kind}'", "exponential or power_exponential")
    for key, kernel in (("eye", config.eye.filter), ("calcium", config.calcium.filter)):
        if not isinstance(kernel, ExponentialConfig):
            raise no_form(f"model.{key}.filter.kind is '{kernel.kind}'", "exponential")
    if config.calcium.kind == "none":
        raise no_form("model.calcium.kind is 'none'", "an indicator")
    if config.calcium.tau == "per_indicator":
        raise no_form("model.calcium.tau is 'per_indicator'", "global or per_type")
    if config.calcium.rectifier == "softplus":
        raise no_form("model.calcium.rectifier is 'softplus'", "elu, relu, leaky_relu, tanh or identity")


def published_activation(found: Activation, key: str) -> str:
    """Return the published name of an activation; its leaky rectifier has one slope."""
    if found.curved or found.name != "leaky_relu":
        return found.name
    if found.slope not in ACTIVATIONS:
        raise no_form(f"{key} is {found.slope:g}", "0.01 (leaky_relu), 0 (relu) or 1 (identity)")
    return ACTIVATIONS[found.slope]


def no_form(found: str, expected: str) -> ConfigError:
    """Return the error of what has no published form: what was found, and what would have one."""
    return ConfigError(
        f"{found}, for which the published program has no form",
        expected=expected,
        remedy="train such a network, for instance with model=published",
    )
