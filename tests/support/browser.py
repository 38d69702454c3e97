"""Headless Chromium, which looks at pages as a person would."""

import os
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Options of every Chromium: none of its own network traffic."""


def require_chromium() -> str:
    """Return where Chromium is; skip the test without it."""
    if CHROMIUM is None:
        pytest.skip("needs chromium (apt-get install chromium), which is not on this machine")
    return CHROMIUM


def browse(*options: str) -> subprocess.CompletedProcess[str]:
    """Run headless Chromium once."""
    command = [require_chromium(), *OPTIONS, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env={**os.environ})
