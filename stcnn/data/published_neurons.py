"""Which neurons of published recordings are one: those of one uid in one file, and in several only if told so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from stcnn.data.recordings import Recording

RepeatedUids = Literal["refuse", "apart", "one_neuron"]


def told_apart(
    of_files: Sequence[Sequence[Recording]], repeated_uids: RepeatedUids
) -> tuple[list[Recording], str | None]:
    """All recordings of a cell type, their neurons and animals named as ``repeated_uids`` says.

    Args:
        of_files: recordings of each file; their animal is the name of the file.
        repeated_uids: what a uid means that stands in several files.

    Returns:
        The recordings, file by file, and a sentence about what cannot be told apart, if there is any.
    """
    found = [recording for recordings in of_files for recording in recordings]
    files = _files_of_uids(found)
    repeated = {uid: animals for uid, animals in files.items() if len(animals) > 1}
    if repeated_uids == "apart":
        found = [replace(r, neuron=f"{r.animal}/{r.neuron}") if r.neuron in repeated else r for r in found]
    elif repeated_uids == "one_neuron":
        found = [replace(r, animal=files[r.neuron][0]) for r in found]
    elif repeated:
        return found, _in_several_files(found[0].cell_type, repeated)
    return found, _shown_twice(found)


def _files_of_uids(recordings: Sequence[Recording]) -> dict[str, list[str]]:
    files: dict[str, dict[str, None]] = {}
    for recording in recordings:
        files.setdefault(recording.neuron, {})[recording.animal] = None
    return {uid: list(animals) for uid, animals in files.items()}


def _in_several_files(cell_type: str, repeated: Mapping[str, Sequence[str]]) -> str:
    uid, animals = next(iter(repeated.items()))
    others = f", and {len(repeated) - 1} more uids in several files" if len(repeated) > 1 else ""
    return (
        f"the uid {uid} of {cell_type} stands in {' and '.join(f'{animal}.pt' for animal in animals)}{others} "
        "(say dataset.repeated_uids=apart if these are different neurons, one_neuron if they are one)"
    )


def _shown_twice(recordings: Sequence[Recording]) -> str | None:
    """Name a neuron with two recordings of one trial, as uids 7 and '7' of one file would make."""
    seen: set[tuple[str, str, int]] = set()
    for r in recordings:
        key = (r.neuron, r.stimulus, r.trials[0])
        if key in seen:
            return f"neuron {r.neuron} of {r.cell_type} has the stimulus '{r.stimulus}' twice, expected each uid once"
        seen.add(key)
    return None
