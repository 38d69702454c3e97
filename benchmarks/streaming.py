"""Frames per second and latency of a live stream of the published network on one core.

Each frame is shown by ``stream.step``: luminance in, voltage and calcium of every cell type out. The time constants run
from 5 to 312 ms in every layer, as in the trained network, so that the ends of its kernels count. ``cpu_us`` is CPU
time, which other programs on the machine disturb less than ``frames_per_s``; ``offline`` is evaluation of a whole clip.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import record
import torch
from numpy.typing import NDArray

from stcnn.nn.hidden_stack import Compute
from stcnn.nn.inference.evaluator import evaluator
from stcnn.nn.model import STCNN


def trained_size_model() -> STCNN:
    """Return the published network with time constants as after its training."""
    model = record.published_size_model().eval()
    with torch.no_grad():
        for layer in model.hidden:
            tau_s = layer.filter.tau_s
            tau_s.copy_(0.005 * (0.312 / 0.005) ** torch.linspace(0, 1, len(tau_s)))
    return model


def row(path: str, clips: int, n_frames: int, wall_s: NDArray[np.float64], cpu_s: float) -> dict[str, Any]:
    """Return what ``n_frames`` frames cost; ``wall_s`` holds the time of each, or of all together."""
    single = len(wall_s) > 1
    median_ms, p99_ms = np.percentile(wall_s, [50, 99]) * 1000
    return {
        "path": path,
        "clips": clips,
        "frames_per_s": n_frames / wall_s.sum(),
        "cpu_us": cpu_s / n_frames * 1e6,
        "median_ms": median_ms if single else None,
        "p99_ms": p99_ms if single else None,
        "max_ms": wall_s.max() * 1000 if single else None,
    }


def stepped(model: STCNN, clips: int, n_frames: int, compute: Compute) -> dict[str, Any]:
    """Show frames one by one."""
    model.hidden.compute = compute
    stream = model.stream(rate_hz=record.RATE_HZ, clips=clips)
    shape = (83, 83) if clips == 1 else (clips, 83, 83)
    frames = np.random.default_rng(0).integers(0, 256, (50, *shape), dtype=np.uint8)
    for frame in frames:
        stream.step(frame)
    wall_s, cpu_start = np.empty(n_frames), time.process_time()
    for i in range(n_frames):
        start = time.perf_counter()
        stream.step(frames[i % len(frames)])
        wall_s[i] = time.perf_counter() - start
    path = "step" if compute == "auto" else "step, PyTorch"
    return row(path, clips, n_frames, wall_s, time.process_time() - cpu_start)


def offline(model: STCNN) -> dict[str, Any]:
    """Evaluate a whole clip."""
    model.hidden.compute = "auto"
    contrast, folded = record.clips(1), evaluator(model, record.RATE_HZ)
    folded.push(contrast[:, :100])
    start, cpu_start = time.perf_counter(), time.process_time()
    folded.push(contrast)
    wall_s = np.array([time.perf_counter() - start])
    return row("offline", 1, record.N_FRAMES, wall_s, time.process_time() - cpu_start)


def main() -> None:
    """Measure and write the table."""
    options = record.arguments(__doc__, n_frames=(20_000, "frames to show"), clips=([1, 4, 16], "clips in lockstep"))
    torch.set_num_threads(1)
    model = trained_size_model()
    rows = [stepped(model, clips, max(options.n_frames // clips, 100), "auto") for clips in options.clips]
    rows.append(stepped(model, 1, max(options.n_frames // 10, 100), "torch"))
    rows.append(offline(model))
    record.write("streaming", rows, threads=1, shape_px=[83, 83], rate_hz=record.RATE_HZ)


if __name__ == "__main__":
    main()
