"""Train a model: compose the configuration, validate it, hand over. ``python train.py --help`` says how."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # `python train.py` puts this folder first on sys.path, but the package lies one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from stcnn.config import COMPOSITION_ERRORS, composition_fault, judge, plain, resumed, with_prefix
from stcnn.errors import StcnnError


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def run_training(composed: DictConfig) -> None:
    """Train as composed and print a summary."""
    config, run = judge(plain(composed)), None
    if config.resume is not None:
        config, run = resumed(config.resume, HydraConfig.get().overrides.task)
    dataset = config.open_dataset()
    from stcnn.report import write_report
    from stcnn.training.fit import train  # imports Lightning, which takes seconds that --help need not wait for

    resume, run = run is not None, run or config.new_run()
    train(dataset, config, run, resume=resume)
    print(write_report(run, dataset, config.batching))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train with the given overrides, or those of the command line, and return the exit status."""
    former = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [sys.argv[0], *with_prefix(sys.argv[1:] if arguments is None else arguments)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what goes wrong instead of printing it and leaving
    try:
        run_training()
    except COMPOSITION_ERRORS as error:
        print(composition_fault(error), file=sys.stderr)
        return StcnnError.exit_code
    except StcnnError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    finally:
        sys.argv = former[0]
    return 0


if __name__ == "__main__":
    sys.exit(main())
