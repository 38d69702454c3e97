"""Hexagonal columns against square ones: a training step of equal columns, and a frame live from LEDs to neurons.

The default network on 21 x 21 columns of either kind, a clip forwards and backwards in compiled code; processor time,
the two kinds in turn, so that others on the machine matter less. Then a frame of a G6 arena of 2 x 10 panels through
the sparse matrix to the columns of a hexagonal eye, and through the network as a stream.

python benchmarks/hexagonal.py --threads 1
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import record
import torch

from stcnn.config import compose
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from stcnn.stimuli.displays import Arena, Optics
from stcnn.stimuli.sphere import directions

KINDS = ("square", "hexagonal")
MODELS = {"square": "default", "hexagonal": "hexagonal"}
TYPES = {name: ("a", "b") for name in ("lc11", "lc15", "lplc2")}


def main() -> None:
    """Measure both and write the table."""
    options = record.arguments(
        __doc__,
        frames=(640, "frames of a clip"),
        clips=(2, "clips of a batch"),
        repeats=(7, "times; the shortest counts"),
        live=(3000, "frames of the stream"),
    )
    contrast = record.clips(options.clips, options.frames, options.frames // 4)
    models = {kind: network(kind).train() for kind in KINDS}
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for repeat in range(options.repeats + 1):
        for kind, model in models.items():
            taken_s = cpu_of_step(model, contrast)
            if repeat:
                times[kind].append(taken_s)
    rows: list[dict[str, Any]] = [
        {"what": f"training step, {kind}", "cpu_ms": 1e3 * min(times[kind])} for kind in KINDS
    ]
    for row in rows:
        row["relative"] = row["cpu_ms"] / rows[0]["cpu_ms"]
    rows += [{"what": what, "cpu_ms": cpu_ms} for what, cpu_ms in live_ms(models["hexagonal"], options.live).items()]
    record.write("hexagonal", rows, threads=options.threads, frames=options.frames, clips=options.clips)


def network(kind: str) -> STCNN:
    """Return our network of this kind, in compiled code."""
    torch.manual_seed(0)
    model = STCNN(compose([f"model={MODELS[kind]}"]).model, Population(neurons=TYPES))
    model.hidden.compute = "native"
    return model


def cpu_of_step(model: STCNN, contrast: torch.Tensor) -> float:
    """Return the processor time of a batch forwards and backwards."""
    model.zero_grad()
    start = time.process_time()
    model(contrast, record.RATE_HZ).calcium.square().mean().backward()
    return time.process_time() - start


def live_ms(model: STCNN, n_frames: int) -> dict[str, float]:
    """Return the processor time of a frame: display to eye, and both with the network."""
    display = Arena(generation="G6", num_rows=2, num_cols=10).geometry()
    places_deg = model.config.eye.positions_deg().numpy()
    optics = Optics.of(display, directions.unit(places_deg[..., 0], places_deg[..., 1]), 5.0)
    frames = np.random.default_rng(0).random((100, *display.shape_px), np.float32)
    stream = model.eval().for_columns().stream(rate_hz=record.RATE_HZ)
    found = {}
    for what, step in (
        ("frame from LEDs to columns", lambda frame: optics.see(frame, 0.5)),
        ("frame from LEDs to neurons", lambda frame: stream.step(optics.see(frame, 0.5))),
    ):
        for frame in frames:
            step(frame)
        start = time.process_time()
        for number in range(n_frames):
            step(frames[number % len(frames)])
        found[what] = 1e3 * (time.process_time() - start) / n_frames
    return found


if __name__ == "__main__":
    main()
