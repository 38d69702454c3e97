"""Checkpoints on disk: written whole, and found again where a training goes on."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from stcnn.errors import FileError
from stcnn.reading import load_tensors
from stcnn.run_folder import INTERRUPTED, Run
from stcnn.writing import atomic_write

_log = logging.getLogger(__name__)


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's way to the disk, through a draft beside the file.

    Its own goes by way of the system's folder for temporary files, which may be another disk: the file is then copied
    to its place, and is there in part for a while.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint; errors as :func:`stcnn.writing.atomic_write`."""
        with atomic_write(Path(path)) as draft, draft.open("wb") as stream:
            torch.save(checkpoint, stream)


def last_whole_checkpoint(run: Run) -> Path | None:
    """The checkpoint from which a training goes on; None where it has none yet, or none that can be used.

    Damaged files are passed over with a sentence in the log. So is a checkpoint that lost its part of ``losses.csv`` or
    ``scores.csv``.
    """
    for path in _newest_first(run):
        fault = _fault(run, path)
        if not fault:
            return path
        _log.warning(f"{fault}. The training goes on from what came before it.")
    _log.warning(f"the run {run.path} has no checkpoint to go on from. Its training starts from the beginning.")
    return None


def _newest_first(run: Run) -> Iterator[Path]:
    epochs = run.checkpoints()
    interrupted = run.path / "checkpoints" / INTERRUPTED
    if interrupted.is_file() and not _is_obsolete(interrupted, max(epochs, default=0)):
        yield interrupted
    yield from reversed(epochs.values())


def _is_obsolete(interrupted: Path, n_epochs: int) -> bool:
    """Tell whether an epoch ended since; whoever was killed then had no time to take the file away."""
    try:
        return int(load_tensors(interrupted).get("epoch", 0)) < n_epochs
    except FileError:
        return False  # it is damaged, which is said later


def _fault(run: Run, path: Path) -> str:
    """Reason why a training cannot go on from a checkpoint; empty if it can."""
    try:
        content = load_tensors(path, "a checkpoint of a training")
        with zipfile.ZipFile(path) as members:  # torch does not look at the checksums that it wrote
            damaged = members.testzip()
        recorded = dict(content["callbacks"]["History"])
        tables = {"losses": run.losses, "scores": run.scores}
        short = [name for name, read in tables.items() if recorded[f"n_{name}"] and len(read()) < recorded[f"n_{name}"]]
    except FileError as error:
        return error.found
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        return f"{path} is damaged ({error})"
    if damaged:
        return f"{path} is damaged ({damaged} has another checksum)"
    return f"{run.path / short[0]}.csv lacks rows that were there when {path.name} was saved" if short else ""
