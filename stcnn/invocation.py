"""How this program was called, and how its user would call it again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def called_as() -> str:
    """Return what was typed, quoted so that a shell reads the same arguments; the program without its folders."""
    return f"{_program()} {shlex.join(_arguments())}".rstrip()


def train_command(*arguments: str) -> str:
    """Return the command that trains with these arguments, with the program this user called.

    Args:
        arguments: of the training, for instance ``"resume=experiments/RUN"``; quoted where a shell needs it.
    """
    program = "python train.py" if _program() == "python train.py" else "stcnn train"
    return f"{program} {shlex.join(arguments)}".rstrip()


def _program() -> str:
    name = Path(sys.argv[0]).name
    if name == "train.py":
        return "python train.py"
    return "stcnn" if name == "cli.py" else name


def _arguments() -> list[str]:
    return sys.argv[1:]
