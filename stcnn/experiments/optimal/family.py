"""Families of stimuli to search in: a generator, what stays, and bounds of what is varied, in YAML.

    description: A rectangle that crosses the middle of the field.
    kind: moving_rectangle
    common: {luminance: 0}                            # optional: arguments that stay
    search:
      width_deg: {low: 2, high: 60, scale: log}       # or linear (the default), or circular
      direction_deg: {low: 0, high: 360, scale: circular}

The families that come with the package lie in the folder ``families`` beside this file: a new one is a new file.
"""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from stcnn.errors import ConfigError, FileError, nearest
from stcnn.reading import read_yaml
from stcnn.stimuli.scene import checked_arguments, complete, kinds
from stcnn.stimuli.screen import Screen
from stcnn.stimuli.showable import screen_limits
from stcnn.validation import Config, Fault, validated

DIGITS = 4
"""Significant digits of parameters: as a person writes them, and finer than any screen."""
_FOLDER = resources.files("stcnn.experiments.optimal") / "families"


class Interval(Config):
    """Bounds of one argument.

    Args:
        low: lowest value.
        high: highest value; of a circle the same as the lowest.
        scale: how values are spread: evenly, by their logarithm, or around a circle.
    """

    low: float
    high: float
    scale: Literal["linear", "log", "circular"] = "linear"

    @model_validator(mode="after")
    def _rises(self) -> Interval:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}; low must be below high")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low is {self.low:g}; on a logarithmic scale it must be above 0")
        return self

    def at(self, place: float) -> float:
        """Return the value at a place from 0 to 1, in :data:`DIGITS` significant digits, never beyond the bounds."""
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** place
        else:
            value = self.low + (self.high - self.low) * place
        digits = DIGITS - 1 - math.floor(math.log10(abs(value))) if value else 0
        return float(min(max(round(value, digits), self.low), self.high))


class Family(Config):
    """A family of stimuli; see the module for the keys.

    Args:
        name: of the family; the file's name without its ending.
        description: what is shown, in a sentence.
        kind: the generator, see :func:`stcnn.stimuli.kinds`.
        common: arguments of all its stimuli.
        search: bounds of the arguments that are varied.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: str
    description: str = ""
    kind: str
    common: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Interval] = Field(min_length=1)

    def within(self, screen: Screen) -> Family:
        """Return the family with its bounds inside what a screen can show (:mod:`stcnn.stimuli.showable`).

        Raises:
            ConfigError: nothing of an interval can be shown.
        """
        narrowed = {}
        for argument, interval in self.search.items():
            least, most = screen_limits(argument, screen)
            low = max(interval.low, least)
            high = min(interval.high, most)
            if not low < high:
                raise ConfigError(
                    f"the family '{self.name}' varies {argument} from {interval.low:g} to {interval.high:g}",
                    expected=f"some of it between {least:.4g} and {most:.4g}, which is what the screen can show",
                    remedy="change its bounds, or leave the family out",
                )
            narrowed[argument] = interval.model_copy(update={"low": low, "high": high})
        return self.model_copy(update={"search": narrowed})

    def parameters(self, place: NDArray[np.floating]) -> dict[str, Any]:
        """Return the stimulus at a place in the unit cube, ``(P,)``, as ``{kind: ..., argument: value, ...}``."""
        values = {name: interval.at(float(x)) for (name, interval), x in zip(self.search.items(), place, strict=True)}
        return {"kind": self.kind, **self.common, **values}

    def holds(self, parameters: dict[str, Any]) -> bool:
        """Whether a stimulus lies within the bounds."""
        return all(interval.low <= parameters[name] <= interval.high for name, interval in self.search.items())


def family_names() -> tuple[str, ...]:
    """Names of the families that come with the package."""
    return tuple(sorted(Path(file.name).stem for file in _FOLDER.iterdir() if file.name.endswith(".yaml")))


def load_family(name: str | Path) -> Family:
    """Read a family by its name, or by the path of a YAML file.

    Raises:
        FileError: there is no such family or file, or it is not YAML.
        ConfigError: a key is unknown or missing, or its generator has no such argument.
    """
    path = Path(name)
    if str(name) in family_names():
        file = str(_FOLDER / f"{name}.yaml")
    elif path.suffix in {".yaml", ".yml"}:
        file = str(path)
    else:
        raise FileError(f"there is no family of stimuli '{name}'", remedy=nearest(str(name), family_names()))
    content = read_yaml(file, "a family of stimuli, with 'kind' and 'search'", typed_under=("common",))

    def explained(fault: Fault) -> ConfigError:
        if fault.is_unknown:
            return ConfigError(f"the family '{path.stem}' has the key '{fault.key}'", remedy=fault.nearest(Family))
        return ConfigError(f"the family '{path.stem}', key '{fault.key}': {fault.rule}")

    family = validated(Family, {"name": path.stem, **content}, explained, unknown_first=True)
    if family.kind not in kinds():
        found = f"the family '{family.name}' is of kind '{family.kind}', which is unknown"
        raise ConfigError(found, remedy=nearest(family.kind, kinds()))
    known = checked_arguments(family.kind).model_fields
    for argument in family.search:
        if argument not in known:
            found = f"the family '{family.name}' varies '{argument}', which {family.kind} does not have"
            raise ConfigError(found, remedy=nearest(argument, known))
    complete(family.parameters(np.full(len(family.search), 0.5)))
    return family
