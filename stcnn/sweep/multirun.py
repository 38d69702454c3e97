"""``python train.py --multirun KEY=1,2 ...``: a sweep that is described on the command line.

Overrides with several values are the axes of its grid, all others hold for every run, and keys below ``where`` say what
runs them, as in the YAML of a sweep. Its folder is that of ``name``; without one, a name that follows from what is
asked for, so that the same command finds it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString, Transformer, ValueType

from stcnn.errors import ConfigError
from stcnn.folders import experiments_folder
from stcnn.overrides import choices, explaining_hydra, with_cell_type_name
from stcnn.run_folder import folder_name
from stcnn.sweep.folder import Sweep
from stcnn.sweep.spec import SweepSpec, spec_of

OPTIONS = frozenset({"-m", "--multirun"})
DRY_RUN = "--dry-run"


@dataclass
class _Asked:
    """What the command line asks for, as it is read."""

    base: list[str] = field(default_factory=list)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=dict)
    own: dict[str, Any] = field(default_factory=dict)
    """``name``, ``experiments_dir`` and ``report``, which belong to the sweep as a whole, and ``seeds``."""


def is_multirun(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for several runs."""
    return not OPTIONS.isdisjoint(arguments)


def sweep_of(arguments: Sequence[str]) -> Sweep:
    """Return the sweep that a command line describes; its folder is not made yet.

    Args:
        arguments: overrides, ``--multirun`` and perhaps ``--dry-run``.

    Raises:
        ConfigError: an override cannot be read, or is none that several runs can have.
    """
    options = [argument for argument in arguments if argument.startswith("-")]
    if foreign := [option for option in options if option not in {*OPTIONS, DRY_RUN}]:
        found = f"'{foreign[0]}' cannot be given with --multirun"
        raise ConfigError(found, expected=f"overrides, and perhaps {DRY_RUN}, which shows the runs")
    words = [with_cell_type_name(argument) for argument in arguments if argument not in options]
    with explaining_hydra():
        overrides = OverridesParser.create().parse_overrides(words)
    asked = _Asked()
    for override in overrides:
        _take(override, asked)
    values = {
        "base": asked.base,
        "grid": asked.grid,
        "where": {"kind": "local", **asked.where},
        "reports": asked.own.get("report", False),
        "seeds": asked.own.get("seeds", 1),
    }
    spec = spec_of(values, "the command line")
    name = folder_name(str(asked.own["name"])) if "name" in asked.own else _name(spec)
    parent = Path(asked.own.get("experiments_dir") or experiments_folder()).expanduser()
    return Sweep((parent / name).absolute(), spec.model_copy(update={"name": name}))


def _take(override: Override, asked: _Asked) -> None:
    key = override.key_or_group.lstrip("+")
    is_axis = override.is_sweep_override()
    if key in ("resume", "time_limit_s") or key.partition(".")[0].partition("/")[0] == "hydra":
        remedy = "leave it out: the same command goes on with what was stopped, and where.kind says what runs it"
        raise ConfigError(f"'{override.input_line}' cannot be given with --multirun", remedy=remedy)
    if key in ("name", "experiments_dir", "report") or key.partition(".")[0] == "where":
        if is_axis:
            raise ConfigError(f"'{override.input_line}' has several values", expected=f"one '{key}' for all runs")
        value = _plain(override.value())
        if key.startswith("where."):
            asked.where[key.removeprefix("where.")] = value
        elif key == "where":
            asked.where |= value if isinstance(value, dict) else {"kind": value}
        else:
            asked.own[key] = value
    elif key == "seed":
        asked.own["seeds"] = _values(override) if is_axis else [_plain(override.value())]
    elif is_axis:
        asked.grid[override.get_key_element().lstrip("+")] = _values(override)
    else:
        asked.base.append(str(override.input_line))


def _values(override: Override) -> list[Any]:
    value: Any = override.value()
    if isinstance(value, Glob):
        names = choices().get(override.key_or_group, [])
        return list(value.filter(names))
    if override.value_type is ValueType.INTERVAL_SWEEP:
        found = f"'{override.input_line}' names an interval, not values"
        raise ConfigError(found, remedy="describe a search in a YAML and call stcnn sweep")
    return [_plain(each) for each in override.sweep_iterator(Transformer.identity)]


def _plain(value: object) -> Any:  # noqa: ANN401 - what the override says
    match value:
        case QuotedString():
            return value.text
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {str(_plain(key)): _plain(each) for key, each in value.items()}
    return value


def _name(spec: SweepSpec) -> str:
    """Return a name that follows from the runs that are asked for."""
    runs = json.dumps(spec.model_dump(mode="json", exclude={"name", "where"}), sort_keys=True)
    return f"multirun_{hashlib.sha256(runs.encode()).hexdigest()[:12]}"
