"""The seam of the trackers: what each of them takes. A module of ``stcnn.tracking`` has ``begin(run) -> Tracker``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import yaml

from stcnn.reading import read_saved_yaml
from stcnn.run_files import by_dotted_key


class Tracker(Protocol):
    """A run as one tracker shows it."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values after an optimiser step, by names such as ``lc4/loss``."""

    def end(self) -> None:
        """Hand over what waits, and close the run."""


def settings(run: Path) -> dict[str, str]:
    """Return the configuration of a run as text by dotted key."""
    values = read_saved_yaml(run / "config.yaml", "the configuration of a run")
    return {key: _as_yaml(value) for key, value in by_dotted_key(values)}


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
