"""The seam of the trackers: what each of them takes. A module of ``stcnn.tracking`` has ``begin(run) -> Tracker``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from stcnn.reading import read_saved_yaml


class Tracker(Protocol):
    """A run as one tracker shows it."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values after an optimiser step, by names such as ``lc4/loss``."""

    def end(self) -> None:
        """Hand over what waits, and close the run."""


def settings(run: Path) -> dict[str, str]:
    """Return the configuration of a run as text by dotted key."""
    return dict(_leaves(read_saved_yaml(run / "config.yaml", "the configuration of a run"), ""))


def _leaves(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
