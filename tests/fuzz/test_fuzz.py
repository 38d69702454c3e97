"""Whatever is done to what comes from outside: a sentence, or its meaning; no traceback, no hang, no flood."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ("protocol", "published", "csv")
"""Kinds of the quick part: every way of damage, and inputs that are opened in a moment."""


def _unjust(folder: Path, *options: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All verdicts, and those of inputs that got neither a sentence nor their meaning."""
    command = [sys.executable, "-m", "tests.fuzz.runner", str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    verdicts = [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]
    return verdicts, [verdict for verdict in verdicts if verdict["outcome"] not in ("accepted", "sentence")]


def test_a_sample_of_damaged_inputs(tmp_path: Path) -> None:
    verdicts, unjust = _unjust(tmp_path, "--count", "15", "--seed", "3", "--kinds", *SAMPLE)
    assert unjust == []
    assert {verdict["outcome"] for verdict in verdicts} == {"accepted", "sentence"}


@pytest.mark.slow
def test_a_thousand_damaged_inputs(tmp_path: Path) -> None:
    verdicts, unjust = _unjust(tmp_path, "--count", "1000", "--seed", "1")
    assert len(verdicts) == 1000
    assert unjust == []
