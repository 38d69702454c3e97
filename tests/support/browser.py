"""Headless Chromium, which looks at pages as a person would."""

import os
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium")


def browse(*options: str) -> subprocess.CompletedProcess[str]:
    """Run headless Chromium without its own network traffic."""
    if CHROMIUM is None:
        pytest.skip("needs chromium (apt-get install chromium), which is not on this machine")
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env={**os.environ})
