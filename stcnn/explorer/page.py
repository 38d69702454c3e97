"""``stcnn explore``: one HTML file with models, stimuli and recordings, which needs no server and no network.

The scripts in ``js`` are modules that import each other; the page has them one after the other in one script, in the
order of :data:`SCRIPTS`, without their ``import`` lines. What the page computes is theirs alone, nothing from elsewhere
(``docs/decisions/0007-explorer.md`` says why).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from stcnn.explorer.controls import protocols, stimuli
from stcnn.explorer.description import described
from stcnn.explorer.recordings import LaidOver
from stcnn.export.step_network import StepNetwork
from stcnn.nn.model import STCNN
from stcnn.version import __version__
from stcnn.writing import atomic_write

SCRIPTS = (
    *("packed", "convolution", "filters", "network", "numpy_random", "scenes", "coverage", "stimulus_faults"),
    *("moving_shapes", "noise", "stimuli", "painting", "clips", "own_pictures", "movies", "live", "view_link"),
    *("tuning", "controls", "session", "results", "live_session", "answering", "stimulus_controls"),
    *("network_controls", "app"),
)
"""Scripts in their order, each after what it imports."""


@dataclass(frozen=True)
class Explored:
    """A model of the page.

    Args:
        name: as it is shown.
        models: the network, or all members of an ensemble.
        rate_hz: frames per second.
        movie_px: rows and columns of the frames.
        laid_over: recordings of the page.
        scores: a sentence on how well it does; may be empty.
    """

    name: str
    models: list[STCNN]
    rate_hz: float
    movie_px: tuple[int, int]
    laid_over: LaidOver = field(default_factory=LaidOver)
    scores: str = ""

    def told(self) -> dict[str, Any]:
        """Return it as the page takes it."""
        fitting = [model.for_picture(self.movie_px) for model in self.models]
        return {
            "name": self.name,
            "scores": self.scores,
            "members": [described(m, StepNetwork(m, self.rate_hz, self.movie_px)) for m in fitting],
            "recordings": self.laid_over.recordings,
            "recordings_in_all": self.laid_over.n_in_all,
            "movies": self.laid_over.movies,
        }


def page(explored: Sequence[Explored]) -> str:
    """Return the page.

    Args:
        explored: one model or several, of which two can be compared.

    Raises:
        ConfigError: a core is not made of hidden layers.
    """
    data = {
        "version": __version__,
        "models": [each.told() for each in explored],
        "stimuli": stimuli(),
        "protocols": protocols(),
    }
    # In a script element '<' could end it, and U+2028 was once a line end of JavaScript.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    return Template(_read("page.html")).substitute(
        style=_read("page.css"), script=script(), data=text, version=__version__
    )


def write_page(explored: Sequence[Explored], path: Path) -> Path:
    """Write the page whole or not at all; errors as of :func:`page`, and FileError where it cannot be written."""
    text = page(explored)
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


def script() -> str:
    """Return all scripts as one, without imports and exports."""
    parts = []
    for name in SCRIPTS:
        text = re.sub(r"^import [^;]*;\n", "", _read(f"js/{name}.js"), flags=re.MULTILINE)
        parts.append(re.sub(r"^export (?=class|const|function|async)", "", text, flags=re.MULTILINE))
    return "\n".join(parts)


def _read(name: str) -> str:
    return (files("stcnn.explorer") / name).read_text(encoding="utf-8")
