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
    for name in ("stcnn", "packages", "system", "processor", "compiler", "GPU"):
        assert f"\n{name} " in f"\n{answer}"
    assert "cores" in answer
    assert "torch" in answer


@pytest.mark.skipif(why_unavailable() is not None, reason=f"there is no native core: {why_unavailable()}")
def test_names_the_vector_unit_and_where_compiled_code_is_kept() -> None:
    answer = asked("--no-measure")
    assert any(unit in answer for unit in doctor.UNITS.values())
    assert "nothing compiled so far" in answer or str(native_library.cache_folder()) in answer


def lines(answer: str, task: str) -> list[str]:
    return [line.strip().removeprefix(task).strip() for line in answer.splitlines() if line.strip().startswith(task)]


@pytest.mark.skipif(why_unavailable() is not None, reason=f"there is no native core: {why_unavailable()}")
def test_says_of_each_engine_and_evaluator_whether_it_can_run() -> None:
    answer = asked("--no-measure")
    on_gpu = torch.cuda.is_available()
    training = lines(answer, "training")
    assert [line.split()[1] for line in training] == ["triton", "native", "torch", "reference"]
    assert training[0] == ("✓ triton    taken by compute=auto for large networks" if on_gpu else training[0])
    assert on_gpu or training[:2] == [
        "✗ triton    PyTorch finds no GPU",
        "✓ native    taken by compute=auto for large networks",
    ]
    assert lines(answer, "evaluation") == [
        "✓ native    taken by compute=auto for large networks",
        "✓ torch     can be chosen",
        "✓ reference can be chosen",
    ]


def test_without_a_compiler_it_says_what_is_lost() -> None:
    with compiled_by("no-such-compiler"):
        answer = asked("--no-measure")
    missing = "✗ native    no C++ compiler is installed (no-such-compiler)"
    assert missing in lines(answer, "training")
    assert missing in lines(answer, "evaluation")
    assert "✓ torch     taken by compute=auto for large networks" in lines(answer, "evaluation")
    assert "no C++ compiler is installed (no-such-compiler): training, evaluation and streams run in PyTorch" in answer


@pytest.mark.slow
def test_measures_training_evaluation_and_a_stream() -> None:
    answer = asked()
    for task in ("a training step", "evaluation", "a frame of a stream"):
        assert f"{task}: " in answer
    assert answer.count("times as long") == 3
