"""Where this machine keeps what can be made again: simulated recordings, compiled code."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from stcnn.errors import FileError


def cache_folder() -> Path:
    """Folder of cached data: ``$STCNN_CACHE``, or the platform's folder for caches.

    Raises:
        FileError: neither can be known: there is no home folder.
    """
    named = os.environ.get("STCNN_CACHE")
    folder = Path(named) if named else platformdirs.user_cache_path("stcnn", appauthor=False)
    if folder.parts[:1] and folder.parts[0].startswith("~"):
        try:
            folder = folder.expanduser()
        except RuntimeError as error:
            found = f"the folder for caches cannot be known ({named or 'there is no home folder'})"
            raise FileError(found, remedy="set STCNN_CACHE to a folder of yours") from error
    return folder
