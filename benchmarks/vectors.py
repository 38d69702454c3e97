"""A training step and inference in compiled code and in PyTorch, with AVX-512 and on a machine that is denied it.

Each vector unit is measured in a process of its own, whose compiler and PyTorch are told what they may use.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import paths
import record
import torch

from stcnn.nn.kernels.native.compile import compiler, machine

UNITS: dict[str, tuple[str, dict[str, str]]] = {
    "AVX-512": ("", {}),
    "AVX2": (
        "-mno-avx512f",
        {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    ),
}
"""Option of the compiler and settings of PyTorch's libraries by vector unit."""


def measure(n_clips: int, repeats: int) -> list[dict[str, Any]]:
    """Return the times of both paths per clip in this process."""
    model, contrast = record.published_size_model(), record.clips(n_clips)
    rows = []
    for path in ("torch", "native"):
        train_s, infer_s = (record.seconds(c, repeats) / n_clips for c in paths.our_calls(model, contrast, path))
        rows.append({"path": path, "clips": n_clips, "train_s": train_s, "infer_s": infer_s})
    for row in rows:
        row |= {f"{name}_ratio": rows[0][f"{name}_s"] / row[f"{name}_s"] for name in ("train", "infer")}
    return rows


def measured_with(unit: str, arguments: list[str]) -> list[dict[str, Any]]:
    """Return what another process measures with a vector unit."""
    option, settings = UNITS[unit]
    environment = {**os.environ, **settings, "CXX": " ".join((*compiler(), option)).strip()}
    command = [sys.executable, __file__, *arguments, "--unit", unit]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return [{"unit": unit, **row} for row in json.loads(done.stdout)]


def main() -> None:
    """Measure and write the table."""
    options = record.arguments(
        __doc__,
        clips=(2, "clips per step"),
        repeats=(2, "timed calls, of which the shortest counts"),
        unit=("", "measure this vector unit only, print it, write nothing"),
    )
    if options.unit:
        found = "AVX-512" if b"__AVX512F__" in machine() else "AVX2"
        assert found == options.unit, f"this is {found}"
        assert options.unit != "AVX2" or torch.backends.cpu.get_cpu_capability() == "AVX2"
        print(json.dumps(measure(options.clips, options.repeats)))
        return
    units = [unit for unit in UNITS if unit != "AVX-512" or b"__AVX512F__" in machine()]
    rows = [row for unit in units for row in measured_with(unit, sys.argv[1:])]
    record.write("vectors", rows, n_frames=record.N_FRAMES, seconds="per clip", ratio="to PyTorch, fused")


if __name__ == "__main__":
    main()
