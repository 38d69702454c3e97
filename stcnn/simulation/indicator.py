"""Calcium indicators: from voltage to the fluorescence a microscope would see without noise."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray
from pydantic import Field

from stcnn.errors import ConfigError, nearest
from stcnn.simulation.early import low_pass
from stcnn.validation import Config

_CHEN = (
    "Chen et al. 2013 (doi 10.1038/nature12354), one spike in mouse visual cortex: rise stated, decay as often quoted"
)
_ZHANG = (
    "Zhang et al. 2023 (doi 10.1038/s41586-023-05828-9), one spike in cultured neurons; saturation from the slopes "
    "of 1-10 and 1-40 spikes in their extended data figure 6"
)


class Indicator(Config):
    """Kinetics and saturation of a calcium indicator.

    The times to half maximum and to half decay are what papers report of a brief response.
    """

    half_rise_s: float = Field(ge=0)
    """Time to half of the peak of a brief response."""
    half_decay_s: float = Field(gt=0)
    """Time from the peak of a brief response to half of it."""
    dff_max: float = Field(default=15.0, gt=0)
    """dF/F of the saturated indicator; 15 is chosen, for those that stay linear over the measured range."""
    source: str = ""
    """Where the numbers are from."""

    @property
    def rise_tau_s(self) -> float:
        """Time constant of an exponential rise."""
        return self.half_rise_s / math.log(2)

    @property
    def decay_tau_s(self) -> float:
        """Time constant of an exponential decay."""
        return self.half_decay_s / math.log(2)


INDICATORS = {
    "lobula": Indicator(
        half_rise_s=0.035,
        half_decay_s=0.277,
        source="decay of 0.4 s as in the models of Klapoetke et al. 2022 (their LC18 traces decay with 0.6 to 1 s); "
        "rise as fast as that of GCaMP6f",
    ),
    "gcamp6s": Indicator(half_rise_s=0.125, half_decay_s=0.55, source=_CHEN),
    "gcamp6m": Indicator(half_rise_s=0.088, half_decay_s=0.27, source=_CHEN),
    "gcamp6f": Indicator(half_rise_s=0.062, half_decay_s=0.142, source=_CHEN),
    "jgcamp7f": Indicator(half_rise_s=0.0248, half_decay_s=0.182, source=_ZHANG),
    "jgcamp8s": Indicator(half_rise_s=0.0101, half_decay_s=0.307, dff_max=5.3, source=_ZHANG),
    "jgcamp8m": Indicator(half_rise_s=0.0071, half_decay_s=0.118, dff_max=5.3, source=_ZHANG),
    "jgcamp8f": Indicator(half_rise_s=0.0071, half_decay_s=0.0674, dff_max=5.3, source=_ZHANG),
}
"""Known indicators. ``lobula`` is what the calcium of fly lobula columnar cells looks like, whatever the indicator."""


def find_indicator(named: str | Indicator) -> Indicator:
    """The indicator of a name, or the one given.

    Raises:
        ConfigError: no indicator has this name.
    """
    if isinstance(named, Indicator):
        return named
    if named not in INDICATORS:
        raise ConfigError(f"the simulation knows no indicator '{named}'", remedy=nearest(named, INDICATORS))
    return INDICATORS[named]


def fluorescence(voltage: NDArray[Any], indicator: Indicator, rate_hz: float) -> NDArray[Any]:
    """Noise-free dF/F of a voltage, ``dff = c / (1 + c / dff_max)``.

    The calcium signal ``c`` is the voltage filtered with the kernel ``exp(-t / decay) - exp(-t / rise)`` of unit
    area, so that a small constant voltage of 1 gives a dF/F of 1.

    Args:
        voltage: ``(T, ...)``, not negative.
        indicator: its kinetics and saturation.
        rate_hz: samples per second.
    """
    calcium = low_pass(voltage, indicator.decay_tau_s, rate_hz)
    if indicator.rise_tau_s > 0:
        calcium = low_pass(calcium, indicator.rise_tau_s, rate_hz)
    return calcium / (1 + calcium / indicator.dff_max)
