"""Weights of an earlier run or a published folder, as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stcnn.errors import FileError
from stcnn.nn.model import STCNN
from stcnn.published import published_epochs, read_published
from stcnn.reading import sha256_of
from stcnn.run_folder import open_run


@dataclass(frozen=True)
class Weights:
    """A trained network, and where it comes from."""

    model: STCNN
    source: Path
    epoch: int
    sha256: str
    """Of the file that holds the weights."""
    published: bool
    trained_on: tuple[str, ...] = ()
    """The `stcnn.data.splitting.leaks.footprints` of what it learned from; none if not recorded."""


_RECENT: dict[tuple[object, ...], Weights] = {}
"""Weights read last: a configuration is composed with it, and each training of the same process begins with it."""


def read_weights(folder: Path, epoch: int | None = None) -> Weights:
    """Open the folder that a training starts from; read once as long as its files stay the same.

    Args:
        folder: a run folder, or one with published checkpoints.
        epoch: which checkpoint; None is the finished model, of a published folder the last one.

    Raises:
        FileError: it is neither, an ensemble, or has no such epoch.
    """
    key = (folder, epoch, _files(folder))
    if key not in _RECENT:
        weights = _read(folder, epoch)
        _RECENT.clear()
        _RECENT[key] = weights
    return _RECENT[key]


def _files(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, time of the last change and size of every file that weights may be read from."""
    found = [*folder.glob("*"), *(folder / "checkpoints").glob("*"), *(folder / "members").glob("*/config.yaml")]
    stats = [(str(path), path.stat()) for path in found if path.is_file()]
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats))


def _read(folder: Path, epoch: int | None) -> Weights:
    if epochs := published_epochs(folder):
        number = epochs[-1] if epoch is None else epoch
        model = read_published(folder, number).model
        return Weights(model, folder, number, sha256_of(folder / f"model_chkpnt_{number}.pt"), published=True)
    run = open_run(folder)
    if members := run.members():
        raise FileError(
            f"init_from={folder} is an ensemble of {len(members)} models",
            expected="one model to start from",
            remedy=f"name a member, such as init_from={members[0].path}",
        )
    number = run.finished_epoch() if epoch is None else epoch
    model = run.model(epoch)
    file = run.path / "model.safetensors" if epoch is None else run.checkpoints()[epoch]
    return Weights(model, folder, number, sha256_of(file), published=False, trained_on=tuple(run.trained_on()))
