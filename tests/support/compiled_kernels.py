"""Compile the kernels of the GPU for an NVIDIA chip, which takes Triton and no GPU; print registers and stack of each.

    TRITON_INTERPRET=0 python -m tests.support.compiled_kernels BATCH FINITE

A program of its own, since Triton decides for the whole process whether kernels are compiled or interpreted.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from stcnn.nn.kernels.triton import kernels
from stcnn.nn.kernels.triton.launch import LANES

HOPPER = 90
FLOAT32 = "v start earlier leak tail_weight scale shift mean h later after slopes constants"
POINTERS = dict.fromkeys(FLOAT32.split(), "*fp32") | dict.fromkeys(("u", "x", "d", "du"), "*bf16") | {"slope": "fp32"}


def compiled(kernel: triton.JITFunction, constants: dict[str, Any]) -> dict[str, int]:
    """Return registers and bytes of stack per thread."""
    sums = "*fp32" if kernel is kernels.sum_adjoint else "*fp64"
    types = POINTERS | {"sums": sums}
    signature = {name: types.get(name, "i32") for name in kernel.arg_names if not name.isupper()}
    made = triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", HOPPER, 32))
    cuobjdump = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        usage = subprocess.run(
            [cuobjdump, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        )
    found = re.search(r"REG:(\d+) STACK:(\d+)", usage.stdout)
    assert found, usage.stdout
    return {"registers": int(found[1]), "stack": int(found[2])}


def main(batch: int, finite: bool) -> None:
    """Print all kernels as JSON."""
    every = {"FINITE": finite, "SHARED": finite, "BATCH": batch, "LANES": LANES}
    own: dict[Any, dict[str, Any]] = {
        kernels.integrate: {"MOMENTS": True},
        kernels.activate: {"WINDOW": True},
        kernels.sum_adjoint: {"BATCHES": 8},
        kernels.integrate_backward: {"NORMALISED": True, "WINDOW": True, "LATER": finite},
    }
    print(json.dumps({kernel.__name__: compiled(kernel, every | constants) for kernel, constants in own.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "finite")
