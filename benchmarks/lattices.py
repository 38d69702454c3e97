"""Training of the hidden layers in compiled code on lattices of several sizes: time for each column and frame.

A lattice of another size has transforms of another length (a multiple of four that holds the lattice and half a
kernel). What is measured is whether a wide lattice, on which all neurons of a movie read, costs more for each of its
columns than the published 21 x 21; processor time, so that others on the machine matter less.

python benchmarks/lattices.py --sizes 21x21 33x21 29x29
"""

from __future__ import annotations

import time

import record
import torch

from stcnn.nn.model import STCNN
from stcnn.nn.sites import Neurons


def main() -> None:
    """Measure every size and write the table."""
    options = record.arguments(
        __doc__,
        sizes=(["21x21", "29x29", "33x21", "37x33", "45x45"], "rows x columns"),
        frames=(640, "frames of a clip"),
        neurons=(66, "neurons that read it"),
        repeats=(3, "times; the shortest counts"),
    )
    rows = []
    for size in options.sizes:
        lattice = tuple(map(int, size.split("x")))
        rows.append({"lattice": size, **timed(lattice, options.frames, options.neurons, options.repeats)})
    for row in rows:
        row["relative"] = row["ns_per_column_frame"] / rows[0]["ns_per_column_frame"]
    record.write("lattices", rows, threads=options.threads, frames=options.frames)


def timed(lattice: tuple[int, int], n_frames: int, n_neurons: int, repeats: int) -> dict[str, float]:
    """Return processor time of a step with no neuron to speak of, and what the neurons add to it."""
    model = published_on(lattice)
    contrast = torch.rand(1, n_frames, 83, 83, generator=torch.Generator().manual_seed(1)) - 0.5
    few, all_s = (shortest(lambda n=n: step(model, contrast, n), repeats) for n in (1, n_neurons))
    values = n_frames * lattice[0] * lattice[1]
    return {"step_s": few, "ns_per_column_frame": 1e9 * few / values, "reading_share": (all_s - few) / few}


def published_on(lattice: tuple[int, int]) -> STCNN:
    """Return the published network on a lattice, its readouts in the middle."""
    model = record.published_size_model()
    eye = model.config.eye.model_copy(update={"lattice": lattice})
    readout = model.config.readout.model_copy(update={"centre": None})
    config = model.config.model_copy(update={"eye": eye, "readout": readout})
    found = STCNN(config, model.population).train()
    found.hidden.compute = "native"
    return found


def step(model: STCNN, contrast: torch.Tensor, n_neurons: int) -> None:
    """Run one clip forwards and backwards, neurons within five columns of the middle."""
    place_deg = 20 * (torch.rand(n_neurons, 2, generator=torch.Generator().manual_seed(2)) - 0.5)
    types = torch.arange(n_neurons) % len(model.cell_types)
    who = Neurons(torch.zeros(n_neurons, dtype=torch.long), types, torch.zeros_like(types), place_deg)
    model.zero_grad()
    model.voltage_at(contrast, who, record.RATE_HZ).square().mean().backward()


def shortest(call: object, repeats: int) -> float:
    """Return the shortest processor time of ``repeats`` calls after one that compiles."""
    assert callable(call)
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
