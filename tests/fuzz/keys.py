"""Numeric keys of the configuration, and values that they should refuse or take at their word."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from tests.fuzz.samples import SMALL, Kind, store

VALUES = (
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e300",
    "1e-300",
    "1000000000000",
    "1e18",
    "true",
    "null",
    "x",
    "[]",
    "{}",
    "[1,2]",
    "0.5",
    *(f"1e{power}" for power in range(3, 9)),
    *(str(10**power) for power in range(3, 9)),
)
LONG = ("training.epochs", "n_models", "training.n_workers")
"""Keys whose large values mean a long training, and are right."""


def numeric_keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Paths of all keys that hold numbers, and whether as one or as a tuple of them."""
    for name, field in model.model_fields.items():
        members = [*_members(field.annotation)]
        if any(member in (int, float) for member in members):
            yield f"{path}{name} {'tuple' if 'uple[' in str(field.annotation) else 'one'}"
        for member in members:
            if isinstance(member, type) and issubclass(member, BaseModel):
                yield from numeric_keys(member, f"{path}{name}.{'default.' if name == 'cell_types' else ''}")


def _members(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (dict, Mapping):
        yield from _members(get_args(annotation)[-1])
    elif origin in (Union, UnionType, tuple, list):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def make(folder: Path) -> None:
    """A store to train on, and the keys."""
    from stcnn.config import Config

    store(folder)
    (folder / "keys.txt").write_text("\n".join(sorted(set(numeric_keys(Config)))))


def enter(folder: Path, rng: random.Random) -> str:
    """Train for a moment with one odd value."""
    from stcnn.command_line import main
    from tests.fuzz.samples import Refused

    key, kind = rng.choice((folder / "keys.txt").read_text().splitlines()).split()
    value = rng.choice(VALUES)
    if kind == "tuple" and rng.random() < 0.7:
        value = f"[{value},{value}]" if rng.random() < 0.7 else f"[1,{value}]"
    if key in LONG and (value in ("inf", "null") or (value[:1].isdigit() and float(value) > 1)):
        value = "-1"
    dataset = ["dataset=store", f"dataset.path={folder / 'set.zarr'}", f"experiments_dir={folder / 'runs'}"]
    if key.startswith("dataset."):
        dataset = ["dataset=simulated", "dataset.cell_types=[lc11]", "dataset.n_animals=2", "dataset.shape_px=[25,25]"]
        dataset += ["dataset.stimuli={dot: {kind: moving_rectangle, width_deg: 9, height_deg: 9}}"]
        dataset += [f"experiments_dir={folder / 'runs'}"]
    (folder / "said.txt").write_text(f"{key}={value}")
    left = main([*SMALL, *dataset, f"{key}={value}"])
    if left:
        raise Refused(str(left))
    return "trained"


KEYS = Kind(make, enter)
