"""``stcnn export --as hub``: a run as a folder to hand on, with a model card; see :mod:`stcnn.hub.folder`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import yaml

from stcnn.export.onnx_files import require_onnx, write_file
from stcnn.export.request import Request
from stcnn.export.source_networks import SourceNetworks
from stcnn.hub.card import model_card
from stcnn.hub.folder import RUN_FILES, write_config
from stcnn.run_folder import Run, open_run
from stcnn.writing import atomic_folder

ABSOLUTE = re.compile(r"(?<![^\s='\"\[,:])/[^\s'\",\]]+")
"""A path from the root, as a word or the value of a key."""


def export(request: Request) -> Iterator[str]:
    """Write the folder; yield what its card says of the model.

    Raises:
        ConfigError: onnx is not installed, or the network has no form outside this program.
        FileError: the source is not a run, or the folder is there already.
    """
    folder = request.folder("hub")
    require_onnx()
    run = open_run(request.source)
    networks = SourceNetworks.of(request)
    with atomic_folder(folder) as draft:
        draft.mkdir()
        _copy(run, draft)
        for member in run.members():
            _copy(member, draft / "members" / member.path.name)
        found = write_file(networks, "step", draft / "step.onnx")
        card = model_card(run, networks, request.licence)
        (draft / "README.md").write_text(card, encoding="utf-8")
        facts = networks.facts() | {"source": run.path.name, "licence_of_recordings": request.licence or None}
        write_config(draft, facts)
    yield f"step.onnx differs from our answers by {found.largest:.1e} of the largest at most (20 stimuli)"
    yield f"hub form with a model card, to be read before it is handed on: {folder / 'README.md'}"


def _copy(run: Run, to: Path) -> None:
    """Copy what a run is opened from, without the folders of this machine."""
    to.mkdir(parents=True, exist_ok=True)
    for name in RUN_FILES:
        if (run.path / name).is_file():
            shutil.copyfile(run.path / name, to / name)
    config = run.config() | {"experiments_dir": "experiments"}
    (to / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    if (run.path / "environment.json").is_file():
        environment: dict[str, Any] = run.environment()
        environment.pop("folder", None)
        if isinstance(environment.get("command"), str):
            environment["command"] = without_folders(environment["command"])
        if isinstance(environment.get("git"), dict):
            environment["git"] = {k: v for k, v in environment["git"].items() if k != "folder"}
        (to / "environment.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")


def without_folders(command: str) -> str:
    """A command whose absolute paths have only their last name: ``experiments_dir=/home/me/runs`` has ``.../runs``."""
    return ABSOLUTE.sub(lambda path: f"…/{PurePath(path[0]).name}", command)
