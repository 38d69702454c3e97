"""The runs that a sweep asks for: every combination of its axes, as overrides of ``stcnn train``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from stcnn.config import compose
from stcnn.errors import ConfigError, StcnnError
from stcnn.sweep.spec import SweepSpec

PLAIN = re.compile(r"[A-Za-z0-9_./:+%@-]+")
"""Text that Hydra reads as it stands."""
MOST_RUNS = 100_000


@dataclass(frozen=True)
class Point:
    """A run that is asked for.

    Args:
        axes: what it has on every axis, for people: ``{"dataset": "flies", "training.learning_rate": "1e-3"}``.
        overrides: of ``stcnn train`` that make it so.
    """

    axes: Mapping[str, str]
    overrides: tuple[str, ...]


def points_of(spec: SweepSpec) -> list[Point]:
    """Return the runs of a sweep, seeds next to each other.

    Raises:
        ConfigError: a key stands on two axes, or there are more than :data:`MOST_RUNS`.
    """
    axes = [choices for choices in _axes(spec) if choices]
    n_runs = 1
    for choices in axes:
        n_runs *= len(choices)
    if n_runs > MOST_RUNS:
        raise ConfigError(f"the sweep '{spec.name}' has {n_runs:,} runs", expected=f"at most {MOST_RUNS:,}")
    found = [_joined(spec, combination) for combination in product(*axes)]
    for point in found:
        if broken := [override for override in point.overrides if "\n" in override]:
            raise ConfigError(f"the override {broken[0]!r} of the sweep '{spec.name}' has a line break")
    return found


def _axes(spec: SweepSpec) -> Iterator[list[Point]]:
    yield [Point({"dataset": name}, overrides) for name, overrides in spec.datasets.items()]
    for key, values in spec.grid.items():
        yield [_point({key: value}) for value in values]
    yield [_point(values) for values in spec.points]
    folds = range(spec.folds or 0)
    yield [Point({"fold": str(k)}, (f"split.folds={spec.folds}", f"split.fold={k}")) for k in folds]
    seeds = range(1, spec.seeds + 1) if isinstance(spec.seeds, int) else spec.seeds
    yield [Point({"seed": str(seed)}, (f"seed={seed}",)) for seed in seeds]


def _point(values: Mapping[str, Any]) -> Point:
    return Point(
        {key: override_value(value) for key, value in values.items()},
        tuple(f"{key}={override_value(value)}" for key, value in values.items()),
    )


def _joined(spec: SweepSpec, parts: Sequence[Point]) -> Point:
    axes: dict[str, str] = {}
    for part in parts:
        if again := sorted(axes.keys() & part.axes.keys()):
            raise ConfigError(
                f"the sweep '{spec.name}' has '{again[0]}' on two axes",
                remedy="leave it out of the grid or of the points",
            )
        axes |= part.axes
    return Point(axes, (*spec.base, *(override for part in parts for override in part.overrides)))


def override_value(value: object) -> str:
    """Write a value of the YAML as Hydra reads it on a command line."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "[" + ",".join(map(override_value, value)) + "]"
        case dict():
            return "{" + ",".join(f"{key}:{override_value(each)}" for key, each in value.items()) + "}"
    text = str(value)
    if PLAIN.fullmatch(text):
        return text
    quoted = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", quoted) + "'"  # Hydra halves backslashes in front of a quotation mark alone


def run_name(overrides: Sequence[str]) -> str:
    """Return the name of the run folder of a task, whose configuration is composed and judged.

    Raises:
        ConfigError: it cannot be; the sentence names the task.
    """
    try:
        return compose(overrides).task_name()
    except StcnnError as error:
        raise ConfigError(
            f"a run of the sweep cannot be ({' '.join(overrides)}): {str(error).rstrip('.')}",
            remedy="correct it in the YAML of the sweep",
        ) from error
