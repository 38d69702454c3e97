"""Summaries of runs: what each was trained on, how far it came, how well it scores; a row each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from stcnn.errors import StcnnError
from stcnn.folders import experiments_folder, run_folders
from stcnn.run_files import by_dotted_key
from stcnn.run_folder import Run

COLUMNS = ("run", "dataset", "state", "epochs", "correlation", "by_cell_type", "path")


def summaries(folder: Path | None = None) -> pd.DataFrame:
    """Return a row per run in a folder; a run that cannot be read says so in its ``state``.

    Args:
        folder: of the run folders; None is where a training puts them.

    Returns:
        ``run`` (name of its folder), ``dataset`` (its kind or file), ``state`` (finished, stopped or what is wrong),
        ``epochs`` trained, ``correlation`` on validation data (mean of the cell types, NaN without), the same
        ``by_cell_type`` as text, ``path``. ``attrs["folder"]`` is the folder, ``attrs["correlations"]`` those of the
        cell types as numbers, by ``path``.
    """
    parent = experiments_folder() if folder is None else folder.expanduser()
    rows = [summary(Run(path)) for path in run_folders(parent)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["folder"] = str(parent)
    table.attrs["correlations"] = {row["path"]: row["correlations"] for row in rows}
    return table


def differences(paths: Sequence[Path]) -> pd.DataFrame:
    """Return in which keys of their configurations runs differ.

    Args:
        paths: of the run folders.

    Returns:
        A row per dotted key with another value in any of them, a column of text per run by the name of its folder; a
        key that a run does not have is empty there.

    Raises:
        FileError: a run cannot be read.
    """
    leaves = [{key: json.dumps(value) for key, value in by_dotted_key(Run(path).config())} for path in paths]
    keys = list(dict.fromkeys(key for each in leaves for key in each))
    table = pd.DataFrame(
        {path.name: [each.get(key, "") for key in keys] for path, each in zip(paths, leaves, strict=True)}
    )
    table.index = pd.Index(keys, name="key")
    return table[table.nunique(axis=1) > 1]


def summary(run: Run) -> dict[str, object]:
    """One row of :func:`summaries`, and ``correlations`` of the cell types by their names."""
    row: dict[str, object] = {"run": run.path.name, "dataset": "", "state": "", "epochs": 0}
    row |= {"correlation": float("nan"), "by_cell_type": "", "correlations": {}, "path": str(run.path)}
    try:
        row["dataset"] = _dataset_name(run)
        row |= _scores(run)
    except StcnnError as error:
        row["state"] = str(error)
    return row


def _dataset_name(run: Run) -> str:
    dataset = run.config().get("dataset") or {}
    path = dataset.get("path") or dataset.get("ca_path")
    return Path(str(path)).name if path else str(dataset.get("kind", ""))


def _scores(run: Run) -> dict[str, object]:
    members = run.members() or [run]
    tables = [member.scores() for member in members if (member.path / "scores.csv").is_file()]
    finished = [member for member in members if (member.path / "model.safetensors").is_file()]
    epochs = min((int(table.epoch.max()) for table in tables), default=0)
    if len(finished) < len(members) or not tables:
        return {"state": "stopped" if tables else "not begun", "epochs": epochs}
    kept = [table[table.epoch == member.finished_epoch()] for member, table in zip(members, tables, strict=True)]
    by_type = pd.concat(kept).groupby("cell_type", sort=False).correlation.mean()
    shown = "  ".join(f"{name} {value:.2f}" for name, value in by_type.items())
    scores = {"correlation": by_type.mean(), "by_cell_type": shown, "correlations": by_type.to_dict()}
    return {"state": "finished", "epochs": epochs, **scores}
