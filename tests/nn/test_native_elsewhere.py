"""The native core on other processors and from other compilers: the numbers of the network in double precision."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stcnn.nn.frames import Whole
from stcnn.nn.inference.folded import Folded
from stcnn.nn.inference.native import NativeEvaluation
from stcnn.nn.kernels.native import compile as native_library
from tests.nn import test_native as training
from tests.nn import test_native_evaluation as evaluation
from tests.nn import test_native_eye as eyes
from tests.nn.test_native import RATE_HZ, needs_core
from tests.support.nn_compiler import compiled_by
from tests.support.nn_elsewhere import Machine, elsewhere
from tests.support.nn_twin import largest_error

CROSS_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static -L /usr/aarch64-linux-gnu"


def assert_everything_is_right() -> None:
    """An eye, and training, evaluation and a stream of small networks."""
    torch.manual_seed(0)
    eye = eyes.an_eye(lattice=(5, 18))
    for frames in (eyes.coded((2, 70, 21, 30)), Whole(torch.rand(2, 70, 21, 30) - 0.5)):
        assert largest_error(eyes.native(eye, frames, 5), eyes.in_double(eye, frames.contrast(0, 70), 5)) < 1e-6
    training.assert_same_as_in_double(training.network(n_frames=37, n_shared=20, taps=20))
    model = evaluation.network(evaluation.SIZES[0], evaluation.KERNELS[1])
    movie = evaluation.contrast(model, 50, 2)
    native, right = NativeEvaluation(Folded(model, RATE_HZ, 2)), evaluation.double(model, 2)
    assert largest_error(native.push(movie), right.push(movie.double())) < 1e-5
    evaluation.assert_same(evaluation.streams(), evaluation.pictures(10))


@needs_core
@pytest.mark.parametrize(
    ("command", "unit"),
    [
        ("g++ -mno-avx512f", "__AVX2__"),
        pytest.param("g++ -mno-avx", "__SSE2__", marks=pytest.mark.slow),
        ("clang++", "__clang__"),
        pytest.param("clang++ -mno-avx512f", "__clang__", marks=pytest.mark.slow),
    ],
)
def test_every_compiler_and_vector_unit_gives_the_same_numbers(command: str, unit: str) -> None:
    if not shutil.which(command.split(maxsplit=1)[0]):
        pytest.skip(f"there is no {command.split(maxsplit=1)[0]} on this machine")
    with compiled_by(command):
        found = native_library.machine().decode()
        if f"#define {unit} " not in found:
            pytest.skip(f"'{command}' does not compile for {unit} on this machine")
        assert "__AVX512F__" not in found or "-mno" not in command
        assert_everything_is_right()


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """An emulated processor with NEON, for which the core is compiled and on which it runs."""
    for command in (CROSS_COMPILER, EMULATOR.split(maxsplit=1)[0]):
        if not shutil.which(command):
            pytest.skip(f"there is no {command} on this machine (Debian: g++-aarch64-linux-gnu, qemu-user-static)")
    machine = Machine(CROSS_COMPILER, EMULATOR, tmp_path)
    with elsewhere(machine, CROSS_COMPILER, monkeypatch):
        yield machine


def test_neon_gives_the_same_numbers(arm: Machine) -> None:
    assert "#define __ARM_NEON " in native_library.machine().decode()
    assert_everything_is_right()
    assert arm.calls > 20
