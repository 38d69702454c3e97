"""Logs of G4 rigs as their host writes them: folders of TDMS files, read into the struct that the rig's tools make.

Files whose name holds ``Frame`` have a group ``Pattern Position``: one has the times (``Time``), one the frames
(``Position``). A file without such a name has the group ``Commands Received``: times, names, perhaps classes (numbers,
in later hosts), data. Files of analogue inputs and outputs (``ADC``, ``AO``) are not looked at.

Source: ``G4_TDMS_folder2struct.m`` of JaneliaSciComp/G4_Display_Tools (commit f271a1a). The files are read by npTDMS.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError
from stcnn.reading import reading, require_room

WHAT = "a folder of TDMS files of a G4 rig"
ENDING = ".tdms"
LARGER = 4
"""By how much a file may grow in memory: texts become objects."""


def is_tdms_folder(path: Path) -> bool:
    """Return whether a folder holds TDMS files."""
    return path.is_dir() and any(file.suffix.lower() == ENDING for file in path.iterdir())


def read_tdms_folder(folder: Path) -> dict[str, Any]:
    """Return ``Frames`` and ``Commands`` of a log, as far as the folder has them; times in microseconds.

    Raises:
        FileError: npTDMS is not installed, or a file is damaged.
        DataError: a file holds something else than its name says, or two hold the same.
    """
    found: dict[str, dict[str, Any]] = {"Frames": {}, "Commands": {}}
    for path in sorted(file for file in folder.iterdir() if file.suffix.lower() == ENDING):
        if "Frame" in path.name:
            name = "Position" if "Position" in path.name else "Time"
            values = {name: _numbers(path, _channels(path, "Pattern Position"))}
            part = found["Frames"]
        elif "ADC" in path.name or "AO" in path.name:
            continue
        else:
            values = _commands(path, _channels(path, "Commands Received"))
            part = found["Commands"]
        if part.keys() & values.keys():
            raise DataError(f"{folder} has a second file of {', '.join(values)}: {path.name}", expected=WHAT)
        part |= values
    return {name: part for name, part in found.items() if part}


def _channels(path: Path, group: str) -> list[NDArray[Any]]:
    """Return the values of every channel of a group."""
    try:
        from nptdms import TdmsFile
    except ImportError as error:
        raise FileError(
            f"{path} cannot be read: the package npTDMS is not installed",
            remedy="pip install 'stcnn[tdms]', or convert its folder with G4_TDMS_folder2struct of the rig",
        ) from error
    require_room(LARGER * path.stat().st_size, str(path), WHAT)
    with reading(path, WHAT):
        content = TdmsFile.read(path)
    groups = {each.name: each for each in content.groups()}
    if group not in groups:
        raise DataError(
            f"{path} has the groups {', '.join(groups) or 'none'}",
            expected=f"'{group}'",
            remedy="take files that are no log of the rig out of the folder",
        )
    return [np.asarray(channel[:]) for channel in groups[group].channels()]


def _numbers(path: Path, channels: list[NDArray[Any]]) -> NDArray[Any]:
    if len(channels) != 1 or channels[0].dtype.kind not in "fiu":
        raise DataError(f"{path} has {len(channels)} channels", expected="one of numbers")
    return channels[0]


def _commands(path: Path, channels: list[NDArray[Any]]) -> dict[str, Any]:
    """Return time, name and data; classes, which are numbers, are left out."""
    texts = [channel for channel in channels[1:] if channel.dtype.kind in "OUS"]
    if not channels or channels[0].dtype.kind not in "fiu" or len(texts) != 2:
        raise DataError(
            f"{path} has commands in {len(channels)} channels, of which {len(texts)} are texts",
            expected="times, names and data",
        )
    name, data = ([str(text) for text in channel] for channel in texts)
    return {"Time": channels[0], "Name": name, "Data": data}
