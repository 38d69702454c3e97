"""Calcium indicators: from voltage to the fluorescence a microscope would see without noise."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stcnn.simulation.early import low_pass


class Indicator(BaseModel):
    """Kinetics and saturation of a calcium indicator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rise_tau_s: float = Field(gt=0)
    decay_tau_s: float = Field(gt=0)
    dff_max: float = Field(gt=0)
    """dF/F of the saturated indicator."""
    source: str = ""


INDICATORS = {
    "gcamp6f": Indicator(
        rise_tau_s=0.05,
        decay_tau_s=0.4,
        dff_max=10.0,
        source="rise 50-75 ms: Chen et al. 2013; decay in lobula columnar cells: Klapoetke et al. 2022",
    ),
}


def fluorescence(voltage: NDArray[Any], indicator: Indicator, rate_hz: float) -> NDArray[Any]:
    """Noise-free dF/F of a voltage, ``dff = c / (1 + c / dff_max)``.

    The calcium signal ``c`` is the voltage filtered by the kernel ``exp(-t / decay) - exp(-t / rise)`` of unit area,
    so that a small constant voltage of 1 gives a dF/F of 1.

    Args:
        voltage: ``(T, ...)``, not negative.
        indicator: its kinetics and saturation.
        rate_hz: samples per second.
    """
    calcium = low_pass(low_pass(voltage, indicator.decay_tau_s, rate_hz), indicator.rise_tau_s, rate_hz)
    return calcium / (1 + calcium / indicator.dff_max)
