"""Compilation of the C++ core (``csrc``) on first use, for this machine and this geometry.

Sizes are constants to the compiler, so every network runs at full speed and the code has one path. A library is kept
in the cache under a name that says all it depends on: sources, compiler and its flags, processor, geometry.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from stcnn import writing
from stcnn.errors import FileError
from stcnn.nn.kernels.native.interface import require_same_structs

SOURCES = Path(__file__).resolve().parent / "csrc"
FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-fPIC", "-shared",
    # The order of additions may not change, but a product may be added without rounding in between.
    "-ffp-contract=fast", "-fno-signed-zeros", "-fno-trapping-math", "-fno-math-errno",
)  # fmt: skip
COMPILE_LIMIT_S = 300


class Geometry(NamedTuple):
    """Everything that is a constant in a layer compiled for training; fields are the macros of ``layer.cpp``."""

    rows: int
    columns: int
    ny: int
    nx: int
    inputs: int
    outputs: int

    @classmethod
    def of(cls, lattice: tuple[int, int], weight_shape: Iterable[int]) -> Geometry:
        """Return the geometry of a layer with weights ``(O, C, kY, kX)`` on a lattice ``(Y, X)``.

        A circular grid of ``size + k // 2`` points (and the kernel) holds the correlation; one of a multiple of four
        points has the shortest transform.
        """
        outputs, inputs, *kernel = weight_shape
        grid = (max(size + k // 2, k) for size, k in zip(lattice, kernel, strict=True))
        ny, nx = (-(-points // 4) * 4 for points in grid)
        return cls(*lattice, ny, nx, inputs, outputs)

    @property
    def source(self) -> str:
        """The file that is compiled."""
        return "layer.cpp"


class FrozenGeometry(NamedTuple):
    """The same for a layer in evaluation, which computes only a window; ``source`` is the form it is compiled in."""

    source: str
    rows: int
    columns: int
    out_rows: int
    out_columns: int
    ny: int
    nx: int
    inputs: int
    outputs: int


class NetworkCode(NamedTuple):
    """Code without constants: eye, readouts and the order of things in evaluation."""

    source: str = "network.cpp"


Code = Geometry | FrozenGeometry | NetworkCode
"""Something that is compiled to a library of its own."""


class NotCompiled(Exception):
    """The core cannot be had on this machine; the message says why."""


@cache
def compiler() -> tuple[str, ...]:
    """Return the command of the C++ compiler: ``$CXX``, or the first that is found.

    Raises:
        NotCompiled: there is none, or the system is one the core is not written for.
    """
    if sys.platform == "win32":
        raise NotCompiled("the native core is not built on Windows")
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for candidate in candidates:
        command = shlex.split(candidate)
        if shutil.which(command[0]):
            return tuple(command)
    raise NotCompiled(f"no C++ compiler is installed ({', '.join(candidates)})")


@cache
def machine() -> bytes:
    """Return what the compiler predefines here: its version and the processor's instruction set.

    Raises:
        NotCompiled: the compiler does not know this machine or the extensions of GCC.
    """
    command = [*compiler(), *FLAGS, "-dM", "-E", "-x", "c++", os.devnull]
    try:
        found = subprocess.run(command, capture_output=True, check=True, timeout=COMPILE_LIMIT_S).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NotCompiled(f"'{command[0]}' does not work: {_complaint(error)}") from error
    if b"__GNUC__" not in found:
        raise NotCompiled(f"'{command[0]}' is neither GCC nor Clang")
    return found


def libraries(codes: Iterable[Code]) -> dict[Code, ctypes.CDLL]:
    """Return the library of each geometry, compiling side by side what is not in the cache.

    Raises:
        NotCompiled: there is no compiler, it failed, or the result cannot be stored or loaded.
    """
    wanted = list(dict.fromkeys(codes))
    with ThreadPoolExecutor(max(1, min(len(wanted), os.cpu_count() or 1))) as pool:
        return dict(zip(wanted, pool.map(library, wanted), strict=True))


@cache
def library(code: Code) -> ctypes.CDLL:
    """Return the library of one geometry, from the cache or the compiler; errors as :func:`libraries`."""
    try:
        file = library_file(code)
        found = _loaded(code, file)
    except (OSError, FileError) as error:
        reason = error.found if isinstance(error, FileError) else error
        raise NotCompiled(f"a file of the native core is missing or cannot be written: {reason}") from error
    require_same_structs(found, Path(code.source).stem)
    return found


def _loaded(code: Code, file: Path) -> ctypes.CDLL:
    """Return the library in a file, compiled where there is none or only a damaged one."""
    if file.is_file():
        with suppress(OSError):
            return ctypes.CDLL(str(file))
    compile_code(code, file)
    return ctypes.CDLL(str(file))


def library_file(code: Code) -> Path:
    """Return where the library of ``code`` is kept, whether it is there or not."""
    digest = hashlib.sha256(machine())
    for source in sorted([*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp")]):
        digest.update(source.read_bytes())
    digest.update(repr((FLAGS, compiler(), constants(code))).encode())
    sizes = code._asdict()
    name = Path(code.source).stem
    if "rows" in sizes:
        name += "_{rows}x{columns}_{ny}x{nx}_{inputs}to{outputs}".format(**sizes)
    return cache_folder() / f"{name}_{digest.hexdigest()[:16]}.so"


def constants(code: Code) -> dict[str, int]:
    """Return the macros that ``code`` is compiled with."""
    return {name.upper(): value for name, value in code._asdict().items() if name != "source"}


def cache_folder() -> Path:
    """Return the folder of compiled layers: ``native`` in the folder for caches.

    Raises:
        FileError: see :func:`stcnn.writing.cache_folder`.
    """
    return writing.cache_folder() / "native"


def compile_code(code: Code, file: Path) -> None:
    """Compile ``code`` into ``file``, which appears whole or not at all.

    Raises:
        NotCompiled: the compiler fails; its first complaint is in the message.
        FileError: the file cannot be written.
    """
    macros = [f"-D{name}={value}" for name, value in constants(code).items()]
    with writing.atomic_write(file) as draft:
        command = [*compiler(), *FLAGS, *macros, str(SOURCES / code.source), "-o", str(draft)]
        beside = {
            **os.environ,
            "TMPDIR": str(draft.parent),
        }  # what a compiler that is killed leaves goes with the draft
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=COMPILE_LIMIT_S, env=beside)
        except (OSError, subprocess.SubprocessError) as error:
            raise NotCompiled(f"'{command[0]}' cannot compile the native layer: {_complaint(error)}") from error


def _complaint(error: Exception) -> str:
    """First line of a compiler's complaint that says what is wrong."""
    lines = (getattr(error, "stderr", None) or b"").decode(errors="replace").splitlines()
    return next((line for line in lines if "error" in line), lines[0] if lines else str(error))


def why_unavailable() -> str | None:
    """Return why the core cannot be compiled here, None if it probably can."""
    try:
        machine()
    except NotCompiled as error:
        return str(error)
    return None
