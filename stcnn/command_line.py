"""Trainings asked for on the command line, by ``python train.py`` and ``stcnn train`` alike."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stcnn.config import from_command_line
from stcnn.shortage import leave_without_memory, sentence_of
from stcnn.sweep.multirun import DRY_RUN, is_multirun, sweep_of
from stcnn.training_help import print_help
from stcnn.version import __version__

HELP = {"-h", "--help"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with the given overrides, else those of the command line, and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if HELP & set(words):
            print_help([word for word in words if not word.startswith("-")])
            return 0
        if "--version" in words:
            print(f"stcnn {__version__}")
            return 0
        if is_multirun(words):
            return _several(words)
        for config, overrides in from_command_line(words):
            from stcnn.product import run_training

            run_training(config, overrides)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:
        fault = sentence_of(error)
        if fault is None:
            raise
        print(fault, file=sys.stderr)
        leave_without_memory(error, fault.exit_code)
        return fault.exit_code
    return 0


def _several(words: Sequence[str]) -> int:
    """Train what ``--multirun`` asks for, as ``stcnn sweep`` does, and return the exit status."""
    from stcnn.sweep import Sweep, running
    from stcnn.sweep.telling import preview, tell

    sweep = sweep_of(words)
    if DRY_RUN in words:
        for line in preview(sweep):
            print(line)
        return 0
    sweep = Sweep.create(sweep.path, sweep.spec)
    outcome = running.run(sweep, print)
    return tell(sweep, outcome, print, lambda line: print(line, file=sys.stderr))
