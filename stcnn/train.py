"""Train a model: compose the configuration, judge it, hand over. ``python train.py --help`` says how."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # `python train.py` puts this folder first on sys.path, but the package lies one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from stcnn.config import Config, from_command_line, resumed
from stcnn.errors import StcnnError
from stcnn.shortage import machine_error


def run_training(config: Config, overrides: Sequence[str]) -> None:
    """Train as configured, or go on with a run, which accepts few of the overrides, and print a summary."""
    run = None
    if config.resume is not None:
        config, run = resumed(config.resume, overrides)
    dataset = config.open_dataset()
    from stcnn.report import report_or_reason
    from stcnn.report.ensemble import write_ensemble_report
    from stcnn.training.ensemble import train_members  # Lightning takes seconds that --help need not wait for
    from stcnn.training.fit import train

    resume, run = run is not None, run or config.new_run()
    if config.n_models == 1:
        train(dataset, config, run, resume=resume)
        print(report_or_reason(run, dataset, config.batching, config.bounds))
        return
    for member in train_members(dataset, config, run, config.n_models, resume):
        print(report_or_reason(member, dataset, config.batching, config.bounds))
    print(write_ensemble_report(run, dataset, config))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with the given overrides, else those of the command line, and return the exit status."""
    try:
        for config, overrides in from_command_line(sys.argv[1:] if arguments is None else arguments):
            run_training(config, overrides)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as error:
        fault = error if isinstance(error, StcnnError) else machine_error(error)
        if fault is None:
            raise
        print(fault, file=sys.stderr)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
