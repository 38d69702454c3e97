"""A model that was handed on, opened from its folder or by its name on the Hugging Face Hub."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from stcnn.errors import FileError
from stcnn.hub.folder import require_whole


def hub_folder(name: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a model, whole; it is downloaded where ``name`` is none on this disk.

    Args:
        name: a folder, or ``owner/name`` on the Hugging Face Hub.
        revision: of the latter; None is the newest.

    Raises:
        FileError: there is no such folder or name, or it is foreign or damaged.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _downloaded(str(name), revision)
    require_whole(folder)
    return folder


def _downloaded(name: str, revision: str | None) -> Path:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise FileError(
            f"there is no folder {name}", expected="a folder, or owner/name of a model on the Hugging Face Hub"
        )
    if find_spec("huggingface_hub") is None:
        raise FileError(
            f"there is no folder {name}, and names on the Hugging Face Hub need the package huggingface_hub",
            remedy="install it with: pip install 'stcnn[hub]', or download the folder",
        )
    try:
        return Path(import_module("huggingface_hub").snapshot_download(name, revision=revision))
    except Exception as error:  # of the network, of the hub, of the name: the library has many
        raise FileError(
            f"the model {name} cannot be had from the Hugging Face Hub: {error}",
            remedy="check the name and the network, or download the folder",
        ) from error
