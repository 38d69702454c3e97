"""stcnn: models of visual neurons from calcium recordings; movies in, calcium traces out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stcnn.errors import StcnnError as StcnnError
from stcnn.movie import Movie as Movie

if TYPE_CHECKING:
    from stcnn.nn.published import open_published as open_published
    from stcnn.runs import open_run as open_run

__version__ = "0.1.0"

_HOMES = {"open_published": "stcnn.nn.published", "open_run": "stcnn.runs"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import what needs PyTorch only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'stcnn' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, those not yet imported included."""
    return sorted({*globals(), *_HOMES})
