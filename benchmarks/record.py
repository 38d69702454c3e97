"""What all benchmarks share: the network of published size, repeated timing, and results with their circumstances."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from stcnn.nn.model import STCNN, Population  # noqa: E402
from stcnn.nn.model_config import ModelConfig  # noqa: E402
from stcnn.training.environment import environment  # noqa: E402
from stcnn.writing import atomic_write  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"
CELL_TYPES = {"lc11": 10, "lc18": 19, "lc17": 20, "lc12": 10, "lc21": 7}
"""Types and numbers of neurons of the published run lc_small_3."""
N_FRAMES, N_GREY, RATE_HZ = 1980, 720, 180.0
"""A published clip: 11 s, of which the first 4 s are grey."""


def published_size_model(seed: int = 0) -> STCNN:
    """Return the published network, freshly initialised."""
    described = yaml.safe_load((ROOT / "stcnn/conf/model/published.yaml").read_text())["model"]
    torch.manual_seed(seed)
    population = Population(neurons={name: tuple(map(str, range(n))) for name, n in CELL_TYPES.items()})
    return STCNN(ModelConfig.model_validate(described), population)


def clips(n_clips: int, n_frames: int = N_FRAMES, n_grey: int = N_GREY) -> torch.Tensor:
    """Return contrast ``(B, T, Y, X)``: grey, then noise that changes in every frame."""
    contrast = torch.rand(n_clips, n_frames, 83, 83, generator=torch.Generator().manual_seed(1)) - 0.5
    contrast[:, :n_grey] = 0
    return contrast


def seconds(call: Callable[[], Any], repeats: int, at_least_s: float = 0.0) -> float:
    """Return the shortest wall time of ``repeats`` calls, after one that is not counted unless there is only one.

    Args:
        call: what is timed.
        repeats: number of calls.
        at_least_s: quick calls are repeated until they have taken this long together.
    """
    if repeats > 1:
        call()
    times: list[float] = []
    while len(times) < repeats or sum(times) < at_least_s:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def arguments(description: str | None, **options: tuple[Any, str]) -> argparse.Namespace:
    """Parse ``--threads`` and the given options (name to default and help), and set the number of threads."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of PyTorch")
    for name, (default, text) in options.items():
        kind = {"nargs": "+", "type": type(default[0])} if isinstance(default, list) else {"type": type(default)}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, help=f"{text} (default: {default})", **kind)
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    return parsed


def write(name: str, rows: list[dict[str, Any]], **notes: Any) -> None:
    """Print a table and write it with hardware, versions and commit to ``benchmarks/results/<name>.json``."""
    table(rows)
    circumstances = {**environment(), "load_at_end": os.getloadavg()[0]}
    text = json.dumps({"benchmark": name, "notes": notes, "environment": circumstances, "rows": rows}, indent=1)
    with atomic_write(RESULTS / f"{name}.json") as draft:
        draft.write_text(text + "\n")
    print(f"written to {RESULTS / f'{name}.json'}")


def written(name: str) -> list[dict[str, Any]]:
    """Return the rows of a benchmark as they were written last; empty where it was not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def table(rows: list[dict[str, Any]]) -> None:
    """Print rows in aligned columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names] + [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _cell(value: float | str | bool | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
