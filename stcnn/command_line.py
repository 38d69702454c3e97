"""Trainings asked for on the command line, by ``python train.py`` and ``stcnn train`` alike."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from stcnn.config import from_command_line
from stcnn.shortage import sentence_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with the given overrides, else those of the command line, and return the exit status."""
    try:
        for config, overrides in from_command_line(sys.argv[1:] if arguments is None else arguments):
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
        return fault.exit_code
    return 0
