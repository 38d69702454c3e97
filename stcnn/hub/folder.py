"""A trained run as one folder to hand on: what is in it, and whether it is whole.

* ``config.json``: format, version of this program, facts, checksums of every other file
* ``README.md``: the model card
* ``step.onnx``: the network for other programs
* ``config.yaml``, ``model.json``, ``model.safetensors``, ``scores.csv`` and so on: the run, which opens as any run does
* ``members/K``: of an ensemble, a run for each member
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stcnn.errors import FileError
from stcnn.reading import read_json, sha256_of
from stcnn.version import __version__

FORMAT = 1
"""Number of the format, which grows when older programs could not read it."""
LIBRARY = "stcnn"
RUN_FILES = (
    *("model.json", "model.safetensors", "scores.csv", "losses.csv", "split.json", "trained_on.json", "places.csv"),
    *("test_scores.csv", "parameters.csv", "calibration.csv"),
)
"""Files taken over from a run as they are, where they are there."""


def write_config(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write ``config.json``, when everything else is in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    config = {"library_name": LIBRARY, "format": FORMAT, "stcnn": __version__, **facts, "sha256": sums}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def is_hub_folder(folder: Path) -> bool:
    """Tell whether a folder has a ``config.json``, as models that are handed on do."""
    return (folder / "config.json").is_file()


def require_whole(folder: Path) -> dict[str, Any]:
    """Return what ``config.json`` says, when every file is as it was written.

    Raises:
        FileError: it is no folder of ours, of a newer program, or damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileError(f"{folder} has no config.json", expected="a folder that stcnn export --as hub wrote")
    config = read_json(path, "the description of a model")
    if not isinstance(config, dict) or config.get("library_name") != LIBRARY:
        told = config.get("library_name") or config.get("model_type") if isinstance(config, dict) else None
        whose = f"a model of '{told}'" if isinstance(told, str) else "no model of stcnn"
        raise FileError(f"{path} describes {whose}", expected="a folder that stcnn export --as hub wrote")
    if config.get("format") != FORMAT:
        raise FileError(
            f"{path} is of format {config.get('format')!r}, written by stcnn {config.get('stcnn')}",
            expected=f"format {FORMAT}",
            remedy="install a newer stcnn",
        )
    sums = config.get("sha256")
    if not isinstance(sums, dict) or not all(isinstance(name, str) for name in sums):
        raise FileError(f"{path} has no checksums", remedy="take an undamaged copy")
    for name, right in sums.items():
        _require_file(folder, name, right)
    return config


def _require_file(folder: Path, name: str, right: object) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise FileError(f"{folder / 'config.json'} names the file '{name}'", expected="files within its folder")
    if not path.is_file():
        raise FileError(f"{folder} lacks its file {name}", remedy="take a whole copy")
    if name != "README.md" and sha256_of(path) != right:  # a card may be edited
        raise FileError(f"{path} is not as it was written: its checksum differs", remedy="take an undamaged copy")
