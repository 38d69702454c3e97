"""Pages of models in a browser: opened, asked, and told what to compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.explorer.description import packed
from stcnn.export.probes import Answer
from tests.support.chromium import Tab

SCRIPTS = Path(__file__).parents[1] / "explorer" / "scripts"
Opens = Callable[..., Tab]
"""Opens the text of a page; ``view`` is what its link holds, the rest as of :class:`~tests.support.chromium.Tab`."""


def written(name: str) -> str:
    """A script that runs in the page."""
    return (SCRIPTS / f"{name}.js").read_text()


def carrying(data: Any) -> str:  # noqa: ANN401
    """A script that has data, arrays unpacked."""
    return f"{written('unpack')} const data = unpack({json.dumps(data)});"


def asked_of(answer: Answer, clips: Sequence[NDArray[np.float32]]) -> list[dict[str, Any]]:
    """Clips with what a model answers to them, for the script ``ask``."""
    return [
        {"frames": packed(torch.from_numpy(clip)), "voltage": v.ravel().tolist(), "calcium": c.ravel().tolist()}
        for clip, (v, c) in ((clip, answer(clip)) for clip in clips)
    ]
