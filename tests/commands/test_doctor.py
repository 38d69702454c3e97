"""``stcnn doctor`` says what a machine has, what is missing, and what compiled code gains."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from stcnn.commands import doctor
from stcnn.nn.kernels.native import compile as native_library
from stcnn.nn.kernels.native.compile import why_unavailable
from tests.support.nn_compiler import compiled_by


def asked(*options: str) -> str:
    result = CliRunner().invoke(doctor.app, list(options))
    assert result.exit_code == 0, result.output
    return result.output


def test_says_what_the_machine_has() -> None:
    answer = asked("--no-measure")
    for name in ("stcnn", "packages", "system", "processor", "compiler", "GPU", "compute"):
        assert f"\n{name} " in f"\n{answer}"
    assert "cores" in answer
    assert "torch" in answer


@pytest.mark.skipif(why_unavailable() is not None, reason=f"there is no native core: {why_unavailable()}")
def test_names_the_vector_unit_and_where_compiled_code_is_kept() -> None:
    answer = asked("--no-measure")
    assert any(unit in answer for unit in doctor.UNITS.values())
    assert "nothing compiled so far" in answer or str(native_library.cache_folder()) in answer


@pytest.mark.skipif(why_unavailable() is not None, reason=f"there is no native core: {why_unavailable()}")
def test_says_what_auto_takes_and_what_else_there_is() -> None:
    line = next(line for line in asked("--no-measure").splitlines() if line.startswith("compute "))
    best = "triton" if torch.cuda.is_available() else "native"
    assert line.split(maxsplit=1)[1].startswith(f"auto takes {best}; ")
    assert "torch can be chosen" in line


def test_without_a_compiler_it_says_what_is_lost() -> None:
    with compiled_by("no-such-compiler"):
        answer = asked("--no-measure")
    assert "auto takes torch;" in answer
    assert "native cannot run: no C++ compiler is installed (no-such-compiler)" in answer
    assert "no C++ compiler is installed (no-such-compiler): training, evaluation and streams run in PyTorch" in answer


@pytest.mark.slow
def test_measures_training_evaluation_and_a_stream() -> None:
    answer = asked()
    for task in ("a training step", "evaluation", "a frame of a stream"):
        assert f"{task}: " in answer
    assert answer.count("times as long") == 3
