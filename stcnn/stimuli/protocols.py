"""Protocols: named, ordered sets of stimuli, written in YAML.

A protocol file lists stimuli by name, or says what to vary, or both::

    description: A dark square at five speeds, in both directions.
    source: who used it, with a doi               # optional
    background: 0.5                               # optional: grey of the screen while the protocol is shown
    common: {kind: moving_rectangle, width_deg: 9, height_deg: 9, luminance: 0, timing: {before_s: 0.5}}
    vary:                                         # every combination; the last line varies fastest
      way: {left: {direction_deg: 180}, right: {direction_deg: 0}}   # a label for several arguments at once
      speed_deg_s: [20, 40, 80, 160, 320]                            # or values of one argument
    label: "{way}_{speed_deg_s}"                  # optional name of each; "{speed_deg_s_n}" counts its values from 1
    first_number: 100                             # or names are numbers that count up from here
    stimuli:
      bright: {speed_deg_s: 80, luminance: 1}                        # on top of ``common``

The protocols that come with the package lie in the folder ``protocols`` beside this file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ConfigDict, Field

from stcnn.errors import ConfigError, FileError, nearest
from stcnn.movie import Movie
from stcnn.reading import core_value, read_yaml
from stcnn.stimuli.scene import complete, render
from stcnn.stimuli.screen import Fraction, Screen
from stcnn.validation import Config, Fault, validated

_TYPED = ("common", "vary", "stimuli")
"""Keys under which values are arguments of stimuli, which may be anything."""
_FOLDER = resources.files("stcnn.stimuli") / "protocols"


class Protocol(Config):
    """A set of stimuli in order; see the module for the keys.

    Args:
        name: of the protocol; the file's name without its ending.
        description: what is shown, in a sentence.
        source: where the numbers come from.
        background: grey of the screen; by default that of the screen.
        common: arguments of every stimulus.
        vary: arguments of which every combination is a stimulus.
        label: name of a varied stimulus, as a format of the varied values.
        first_number: number of the first varied stimulus; the others count up.
        stimuli: further stimuli by name.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    name: str
    description: str
    source: str = ""
    background: Fraction | None = None
    common: dict[str, Any] = Field(default_factory=dict)
    vary: dict[str, list[Any] | dict[str | int | float, dict[str, Any]]] = Field(default_factory=dict)
    label: str | None = None
    first_number: int | None = None
    stimuli: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Kind and all arguments of every stimulus, by name and in order.

        Raises:
            ConfigError: a stimulus is not valid, or two have the same name.
        """
        stimuli: dict[str, dict[str, Any]] = {}
        for name, _, arguments in itertools.chain(self._combinations(), self._named()):
            if name in stimuli:
                raise ConfigError(f"protocol '{self.name}' has two stimuli named '{name}'", remedy="change its label")
            try:
                stimuli[name] = complete(arguments)
            except ConfigError as error:
                raise ConfigError(
                    f"in protocol '{self.name}', {error.found}", expected=error.expected, remedy=error.remedy
                ) from None
        return stimuli

    @cached_property
    def axes(self) -> pd.DataFrame:
        """The varied values, a row per stimulus and a column per key of ``vary``: the axes of a tuning curve."""
        rows = {name: values for name, values, _ in self._combinations()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(self.vary)).rename_axis("stimulus")

    def table(self) -> pd.DataFrame:
        """Kind and arguments of every stimulus, a row each; the columns carry their units in their names."""
        rows = {name: _flat(arguments) for name, arguments in self.parameters.items()}
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        return pd.DataFrame(
            [[row.get(column) for column in columns] for row in rows.values()],
            index=pd.Index(rows, name="stimulus"),
            columns=columns,
        )

    def movie(self, name: str, screen: Screen) -> Movie:
        """Render one stimulus.

        Raises:
            ConfigError: the protocol has no stimulus of that name.
        """
        if name not in self.parameters:
            raise ConfigError(
                f"protocol '{self.name}' has no stimulus '{name}'", remedy=nearest(name, list(self.parameters))
            )
        if self.background is not None:
            screen = screen.model_copy(update={"background": self.background})
        return render(screen, self.parameters[name])

    def movies(self, screen: Screen) -> Iterator[tuple[str, Movie]]:
        """Render one stimulus after another, with its name."""
        return ((name, self.movie(name, screen)) for name in self.parameters)

    def _combinations(self) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
        """Name, varied values and arguments of every combination of ``vary``."""
        if not self.vary:
            return
        choices = [list(enumerate(values, start=1)) for values in self.vary.values()]
        for count, chosen in enumerate(itertools.product(*choices)):
            arguments = self.common
            values = []
            for (key, options), (_, value) in zip(self.vary.items(), chosen, strict=True):
                arguments = _merged(arguments, options[value] if isinstance(options, dict) else {key: value})
                values.append(tuple(value) if isinstance(value, list) else value)
            yield self._name(count, values, [place for place, _ in chosen]), values, arguments

    def _name(self, count: int, values: list[Any], places: list[int]) -> str:
        if self.first_number is not None:
            return str(self.first_number + count)
        short = ["x".join(f"{part:g}" for part in value) if isinstance(value, tuple) else value for value in values]
        if self.label is None:
            return "_".join(map(str, short))
        fields = dict(zip(self.vary, short, strict=True))
        fields |= {f"{key}_n": place for key, place in zip(self.vary, places, strict=True)}
        try:
            return self.label.format(**fields)
        except (KeyError, ValueError, IndexError) as error:
            raise ConfigError(
                f"protocol '{self.name}' has the label '{self.label}', which does not work ({error})",
                expected=f"a format of {', '.join(fields)}",
            ) from None

    def _named(self) -> Iterator[tuple[str, list[Any], dict[str, Any]]]:
        for name, arguments in self.stimuli.items():
            yield name, [], _merged(self.common, arguments)


def protocol_names() -> tuple[str, ...]:
    """Names of the protocols that come with the package."""
    return tuple(sorted(Path(file.name).stem for file in _FOLDER.iterdir() if file.name.endswith(".yaml")))


def load_protocol(name: str | Path) -> Protocol:
    """Read a protocol by its name, or by the path of a YAML file.

    Raises:
        FileError: there is no such protocol or file, or it is not YAML.
        ConfigError: a key is unknown or missing, or a stimulus is not valid.
    """
    path = Path(name)
    if str(name) in protocol_names():
        file = str(_FOLDER / f"{name}.yaml")
    elif path.suffix in {".yaml", ".yml"}:
        file = str(path)
    else:
        raise FileError(f"there is no protocol '{name}'", remedy=nearest(str(name), protocol_names()))
    content = read_yaml(file, "a protocol, with 'description' and 'stimuli' or 'vary'", typed_under=_TYPED)
    protocol = _validated(path.stem, content)
    if not protocol.parameters:
        raise ConfigError(f"protocol '{name}' has no stimuli", remedy="add 'stimuli' or 'vary'")
    return protocol


def _validated(name: str, content: dict[str, Any]) -> Protocol:
    vary = content.get("vary")
    if isinstance(vary, dict):  # its labels are values too: the axes of a tuning curve
        content["vary"] = {key: _with_values_as_labels(options) for key, options in vary.items()}

    def explained(fault: Fault) -> ConfigError:
        if fault.is_unknown:
            return ConfigError(f"protocol '{name}' has the key '{fault.key}'", remedy=fault.nearest(Protocol))
        return ConfigError(f"protocol '{name}', key '{fault.key}': {fault.message.lower()}")

    return validated(Protocol, {"name": name, **content}, explained)


def _with_values_as_labels(options: Any) -> Any:  # noqa: ANN401 - judged later
    return {core_value(label): value for label, value in options.items()} if isinstance(options, dict) else options


def _merged(arguments: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with others on top; mappings such as ``timing`` are merged key by key."""
    merged = dict(arguments)
    for key, value in more.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def _flat(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with those of ``timing`` as columns of their own."""
    flat = {key: value for key, value in arguments.items() if key != "timing"}
    return flat | dict(arguments.get("timing", {}))
