"""stcnn: models of visual neurons from calcium recordings; movies in, calcium traces out.

What is offered stands in ``__all__``; rooms such as ``stcnn.stimuli`` and ``stcnn.data`` are reached by their names.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from stcnn.version import __version__

if TYPE_CHECKING:
    from stcnn.asked_run import Run
    from stcnn.data.dataset import Dataset
    from stcnn.data.store import open_store
    from stcnn.errors import ConfigError, DataError, FileError, RateError, ShapeError, StcnnError, TrainingError
    from stcnn.movie import Movie
    from stcnn.nn.bounds import Bounds
    from stcnn.nn.model import STCNN
    from stcnn.nn.model_config import ModelConfig
    from stcnn.nn.population import Population
    from stcnn.product import (
        compare,
        example_run,
        explore,
        from_pretrained,
        latest_run,
        open_recordings,
        open_run,
        runs,
        simulate,
        train,
    )
    from stcnn.published import open_published

__all__ = [
    "STCNN",
    "Bounds",
    "ConfigError",
    "DataError",
    "Dataset",
    "FileError",
    "ModelConfig",
    "Movie",
    "Population",
    "RateError",
    "Run",
    "ShapeError",
    "StcnnError",
    "TrainingError",
    "__version__",
    "compare",
    "example_run",
    "explore",
    "from_pretrained",
    "latest_run",
    "open_published",
    "open_recordings",
    "open_run",
    "open_store",
    "runs",
    "simulate",
    "train",
]

_HOMES = {
    "stcnn.data.dataset": ("Dataset",),
    "stcnn.asked_run": ("Run",),
    "stcnn.data.store": ("open_store",),
    "stcnn.errors": (
        *("ConfigError", "DataError", "FileError", "RateError", "ShapeError", "StcnnError", "TrainingError"),
    ),
    "stcnn.movie": ("Movie",),
    "stcnn.nn.bounds": ("Bounds",),
    "stcnn.nn.model": ("STCNN", "ModelConfig"),
    "stcnn.nn.population": ("Population",),
    "stcnn.published": ("open_published",),
    "stcnn.product": (
        *("compare", "example_run", "explore", "from_pretrained", "latest_run", "open_recordings", "open_run"),
        *("runs", "simulate", "train"),
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import a public name, or a room, when it is asked for; PyTorch waits until then."""
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    if name in {module.name for module in iter_modules(__path__)}:
        return import_module(f"stcnn.{name}")
    raise AttributeError(f"module 'stcnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the public names."""
    return list(__all__)
