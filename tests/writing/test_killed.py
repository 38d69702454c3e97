"""What is killed at a random moment goes on to the same numbers and leaves nothing that confuses."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def disturbed(*arguments: object) -> str:
    command = [sys.executable, "-m", "tests.support.disturbed", *map(str, arguments)]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, and calls of Linux are watched")
def test_an_import_that_is_killed():
    assert "2 of 2 held, seed 5" in disturbed("--moments", 2, "--seed", 5, "--only", "import")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked, and calls of Linux are watched")
def test_everything_that_writes_killed_at_two_hundred_moments():
    assert "200 of 200 held" in disturbed("--moments", 200, "--seed", 1)
