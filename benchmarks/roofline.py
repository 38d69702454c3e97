"""Bytes and operations of the GPU path, stage by stage, and the shortest time a GPU of given roofs could take.

A stage takes at least its bytes over the memory's rate and its operations over the arithmetic's rate, whichever is
longer; stages follow each other, so their times add. Nothing here is measured: ``python benchmarks/roofline.py`` prints
what is computed for the roofs given, and ``benchmarks/gpu.py`` sets measured times beside it.

Bytes are those that a stage must move once (a cache that holds a whole map between two stages would save some).
Operations are those of the direct convolution with its padding, as cuDNN counts them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

DFT_SAVES = 6.8
"""Operations of the direct convolution per operation of the 24-point DFT form: 7 x 7 on 21 x 21, 10 channels."""


class Roofs(NamedTuple):
    """Rates of one GPU; the defaults are an H200: a copy and a bf16 product seen on one, float32 from its datasheet."""

    bytes_s: float = 4.3e12
    float32_s: float = 67e12
    bfloat16_s: float = 788e12


class Stage(NamedTuple):
    """One pass over memory."""

    name: str
    n_bytes: float
    operations: float = 0.0

    def seconds(self, roofs: Roofs, conv_bytes: int) -> float:
        """Return the shortest time; operations of convolutions run at the rate of their type."""
        rate = roofs.bfloat16_s if conv_bytes == 2 else roofs.float32_s
        return max(self.n_bytes / roofs.bytes_s, self.operations / rate)


@dataclass(frozen=True)
class Network:
    """The published network and clip.

    Args:
        channels: of each hidden layer.
        width: columns of the square lattice along one side.
        kernel: columns of the spatial kernel along one side.
        window: columns that the readouts see along one side.
        movie_px: pixels of a frame.
        frames: frames of a clip.
        taps: samples of the temporal kernel where its end matters, else 0.
    """

    channels: tuple[int, ...] = (10, 10, 10, 10)
    width: int = 21
    kernel: int = 7
    window: int = 11
    movie_px: tuple[int, int] = (83, 83)
    frames: int = 1980
    taps: int = 0

    def late(self) -> float:
        """Share of the frames of which ``v[t - K]`` is looked up."""
        return max(0, self.frames - self.taps) / self.frames if self.taps else 0.0

    def eye(self, clips: int) -> Iterator[Stage]:
        """Sampling by the columns and the low-pass of the photoreceptors, in float32."""
        frames, (y, x), n = clips * self.frames, self.movie_px, self.width
        yield Stage("eye", 4 * frames * (y * x + 2 * y * n + n * n), 2 * frames * (y * x * n + n * y * n))
        yield Stage("eye, filter", 8 * frames * n * n)

    def training(self, clips: int, conv_bytes: int) -> Iterator[Stage]:
        """One training step of ``stcnn.nn.stack.triton``, without loss and readouts, which read the window alone."""
        s, late, frames = conv_bytes, self.late(), clips * self.frames
        yield from self.eye(clips)
        below = 1
        for i, channels in enumerate(self.channels):
            reads, makes = frames * self.width**2 * below, frames * self.width**2 * channels
            products = 2 * reads * channels * self.kernel**2
            seen = frames * self.window**2 * channels if i + 1 == len(self.channels) else makes
            if i:
                yield Stage("activate", (4 * (1 + late) + s) * reads)
            yield Stage("convolution", s * (reads + makes), products)
            yield Stage("integrate", (s + 4 * (1 + late)) * makes)
            extra = (4 * late + 4 * (1 + late)) * makes if self.taps else 0  # v[t-K], h written and looked up
            yield Stage("integrate_backward", s * seen + (4 + s) * makes + extra)
            yield Stage("convolution, weights", s * (reads + makes), products)
            if i:
                yield Stage("convolution, input", s * (reads + makes), products)
                yield Stage("sum_adjoint", (s + 4 * (1 + late)) * reads)
            below = channels
        yield Stage("window", 4 * 4 * seen)

    def inference(self, clips: int, conv_bytes: int) -> Iterator[Stage]:
        """Evaluation in the folded form, each layer on the columns that the readouts see through those above."""
        frames, s = clips * self.frames, conv_bytes
        yield from self.eye(clips)
        half, last, below, reads_width = self.kernel // 2, len(self.channels) - 1, 1, self.width
        for i, channels in enumerate(self.channels):
            makes_width = min(self.width, self.window + 2 * half * (last - i))
            reads, makes = frames * reads_width**2 * below, frames * makes_width**2 * channels
            if i:
                yield Stage("rectifier", 8 * reads)
            if s < 4:
                yield Stage("rounding", (4 + s) * reads)
            yield Stage("convolution", s * (reads + makes), 2 * makes * below * self.kernel**2)
            yield Stage("filter", (s + 4) * makes)
            below, reads_width = channels, makes_width


def total(stages: Iterator[Stage], roofs: Roofs, conv_bytes: int) -> dict[str, float]:
    """Return bytes, operations, the shortest time, and how much of it is bytes and convolutions."""
    listed = list(stages)
    return {
        "GB": sum(stage.n_bytes for stage in listed) / 1e9,
        "GFLOP": sum(stage.operations for stage in listed) / 1e9,
        "bytes_ms": 1e3 * sum(stage.n_bytes for stage in listed) / roofs.bytes_s,
        "roofline_ms": 1e3 * sum(stage.seconds(roofs, conv_bytes) for stage in listed),
    }


def by_stage(stages: Iterator[Stage], roofs: Roofs, conv_bytes: int) -> dict[str, list[float]]:
    """Return bytes (GB), operations (GFLOP) and shortest time (ms) of each kind of stage."""
    found: dict[str, list[float]] = {}
    for stage in stages:
        row = found.setdefault(stage.name, [0.0, 0.0, 0.0])
        row[0] += stage.n_bytes / 1e9
        row[1] += stage.operations / 1e9
        row[2] += 1e3 * stage.seconds(roofs, conv_bytes)
    return found


def main() -> None:
    """Print what is computed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in Roofs()._asdict().items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=value, help=f"(default: {value:g})")
    parser.add_argument("--taps", type=int, default=0, help="samples of the kernels, 0: endless (published: 900)")
    options = parser.parse_args()
    roofs, network = Roofs(options.bytes_s, options.float32_s, options.bfloat16_s), Network(taps=options.taps)
    print(f"computed, not measured: {network}\n{roofs}")
    for name, size in (("float32", 4), ("bfloat16", 2)):
        for kind, stages in (("training", network.training), ("inference", network.inference)):
            print(f"\n{kind}, convolutions in {name}, per clip")
            for stage, (gigabytes, operations, time_ms) in by_stage(stages(1, size), roofs, size).items():
                print(f"  {stage:22}{gigabytes:8.3f} GB {operations:8.2f} GFLOP {time_ms:8.3f} ms")
            found = total(stages(1, size), roofs, size)
            print("  " + "  ".join(f"{key} {value:.3f}" for key, value in found.items()))
    dft_ms = 1e3 * sum(s.operations for s in network.training(1, 4) if s.name.startswith("conv"))
    print(f"\nconvolutions of a step in float32: direct {dft_ms / roofs.float32_s:.3f} ms, as DFT in one kernel "
          f"{dft_ms / DFT_SAVES / roofs.float32_s:.3f} ms of operations")  # fmt: skip


if __name__ == "__main__":
    main()
