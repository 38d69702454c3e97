"""Models that are asked together: those of one run, of an ensemble, of several runs, or of published checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stcnn.cell_type_names import cell_type_name
from stcnn.errors import ConfigError, RateError, nearest
from stcnn.nn.model import PUBLISHED_RATE_HZ, STCNN
from stcnn.published import open_published, published_epochs
from stcnn.run_folder import open_run
from stcnn.stimuli import Screen


@dataclass(frozen=True)
class AskedModels:
    """Models that see the same stimuli.

    Args:
        models: one or more, in evaluation mode.
        names: of each, for figures and records.
        screen: on which they are shown stimuli: resolution and rate of their training.
        runs: path and epoch of each, as plain values.
    """

    models: tuple[STCNN, ...]
    names: tuple[str, ...]
    screen: Screen
    runs: tuple[dict[str, Any], ...]

    @property
    def cell_types(self) -> tuple[str, ...]:
        """Cell types that all of them have, in the order of the first."""
        others = [set(model.cell_types) for model in self.models[1:]]
        return tuple(name for name in self.models[0].cell_types if all(name in other for other in others))

    def cell_type(self, name: str) -> str:
        """Return a cell type by its name in any case.

        Raises:
            ConfigError: not all models have it.
        """
        known = cell_type_name(name)
        if known not in self.cell_types:
            has = "no model" if len(self.models) == 1 else "not every model"
            raise ConfigError(f"{has} here has a cell type '{name}'", remedy=nearest(known, self.cell_types))
        return known


def asked_models(folders: Sequence[str | Path]) -> AskedModels:
    """Open run folders, ensembles or folders of published checkpoints, to be asked together.

    Raises:
        FileError: a folder is no run.
        RateError: they were trained at different resolutions or rates.
        ConfigError: they have no cell type in common.
    """
    models: list[STCNN] = []
    names: list[str] = []
    runs: list[dict[str, Any]] = []
    screens = []
    for folder in map(Path, folders):
        mine, screen, about = _opened(folder)
        numbered = [f"{folder.name} {i}" for i in range(1, len(mine) + 1)] if len(mine) > 1 else [folder.name]
        models += mine
        names += numbered
        runs.append({"path": str(folder), "n_models": len(mine), **about})
        screens.append(screen)
    for other, screen in zip(folders[1:], screens[1:], strict=True):
        if (screen.deg_per_px, screen.rate_hz) != (screens[0].deg_per_px, screens[0].rate_hz):
            raise RateError(
                f"{other} was trained on {screen.deg_per_px:g} deg per pixel at {screen.rate_hz:g} Hz",
                expected=f"{screens[0].deg_per_px:g} deg at {screens[0].rate_hz:g} Hz, as {folders[0]}",
                remedy="ask models of one resolution and rate together",
            )
    asked = AskedModels(tuple(models), tuple(names), screens[0], tuple(runs))
    if not asked.cell_types:
        raise ConfigError(
            f"{', '.join(map(str, folders))} have no cell type in common", remedy="ask each of them by itself"
        )
    return asked


def _opened(folder: Path) -> tuple[list[STCNN], Screen, dict[str, Any]]:
    """Models of a folder, the screen they were trained on, and what tells them from others."""
    if published := published_epochs(folder):
        model = open_published(folder, published[-1])
        return [model], Screen(deg_per_px=model.deg_per_px, rate_hz=PUBLISHED_RATE_HZ), {"epoch": published[-1]}
    run = open_run(folder)
    found = run.models()
    dataset = run.config().get("dataset") or {}
    facts: dict[str, Any] = {
        "deg_per_px": found[0].deg_per_px,
        "rate_hz": float(dataset.get("rate_hz") or PUBLISHED_RATE_HZ),
    }
    epochs = [one.finished_epoch() for one in (run.members() or [run])]
    if dataset.get("shape_px"):
        facts["shape_px"] = tuple(dataset["shape_px"])
    return found, Screen(**facts), {"epochs": epochs, "seed": run.config().get("seed")}
