"""Environment of a training: versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from stcnn.invocation import called_as
from stcnn.version import __version__

PACKAGES = ("torch", "lightning", "numpy", "hydra-core", "pydantic")


def environment() -> dict[str, Any]:
    """Return versions, hardware, git commit, command and time, as far as they can be known."""
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": called_as(),
        "folder": shlex.quote(str(Path.cwd())),
        "stcnn": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git_commit(),
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "n_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "n_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> dict[str, Any] | None:
    """Return the commit of the checkout the package lies in, and whether files differ from it."""
    checkout = str(Path(__file__).resolve().parents[2])

    def git(*arguments: str) -> str:
        command = ["git", "-C", checkout, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return {"folder": shlex.quote(checkout), "commit": git("rev-parse", "HEAD"), "changed": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
