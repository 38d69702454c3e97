"""IndexSeries of NWB files: pictures of a set shown one after the other, in any order, each at its time.

NWB stores when a picture appeared but not for how long (nwb-schema#713). A picture is shown until the next one; an
interval much longer than the others is a pause, in which the screen is grey and the sequence ends. A sequence is a
movie; the same sequence again is a repeat of it.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.nwb.pictures import Pictures, deg_per_px_of, pictures_of_images, pictures_of_series
from stcnn.data.importers.nwb.series import note_of, times_of
from stcnn.data.importers.nwb.tree import Node, child, kind_of, name_of, numbers, place_of, referred
from stcnn.errors import DataError
from stcnn.frame_clock import EvenClock, held_at

LEAST_HZ = 30.0
"""Slower sequences are held at a multiple of their rate, because a network computes at the rate of the movie."""

SLOW_S = 0.5
"""Pictures that appear further apart than this may have been followed by grey."""

PASS_S = 1.0
"""A set that is shown whole and in order several times without a pause counts as repeats where a pass lasts so long."""


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures that an IndexSeries shows.

    Args:
        name: of the template or the container of images.
        place: its path, by which two series show pictures of one set.
        pictures: in their order.
        deg_per_px: degrees per pixel where known.
    """

    name: str
    place: str
    pictures: Pictures
    deg_per_px: float | None


@dataclass(frozen=True, eq=False)
class Run:
    """Pictures shown without a pause: their numbers and times after the first, which appeared at ``onset_s``."""

    onset_s: float
    index: NDArray[np.int64]
    since_s: NDArray[np.float64]
    lasts_s: float

    def is_same(self, other: Run) -> bool:
        """Whether another run shows the same pictures at the same times, within a quarter of the shortest interval."""
        if not np.array_equal(self.index, other.index):
            return False
        tolerance_s = min(0.01, 0.25 * float(np.diff([*self.since_s, self.since_s[-1] + self.lasts_s]).min()))
        apart_s = np.abs(self.since_s - other.since_s).max()
        return bool(max(apart_s, abs(self.lasts_s - other.lasts_s)) <= tolerance_s)


@dataclass(eq=False)
class Sequence:
    """A movie made of pictures of a set, and when it was shown."""

    name: str
    shown: PictureSet
    first: Run
    clock: EvenClock
    onsets_s: list[float] = field(default_factory=list)

    def is_of(self, run: Run, shown: PictureSet) -> bool:
        """Whether a run of pictures of a set is this movie."""
        return self.shown.place == shown.place and self.first.is_same(run)

    @property
    def frame(self) -> NDArray[np.int64]:
        """Number of the picture shown in each frame of the movie."""
        return self.first.index[self.clock.frame]


def add_sequences(
    root: Node, path: str, config: NwbConfig, known: list[Sequence], taken: set[str], notes: list[str]
) -> None:
    """Find what an IndexSeries shows; what another one has shown before is a repeat of it.

    Args:
        root: of the file.
        path: of the series.
        config: how pictures are read and divided.
        known: the sequences of the series before it, to which its sequences and onsets are added.
        taken: names of movies, to which those of its sequences are added.
        notes: what was chosen is added.

    Raises:
        DataError: its pictures are not there, or it does not say how long the only one was shown.
        RateError: its clock runs back, or no even clock can show its pictures.
    """
    node = root[path]
    shown = _picture_set(root, node, path, config, notes)
    index = numbers(child(node, "data"), f"the indices of '{path}'", kinds="iuf").ravel()
    if not np.array_equal(index, np.rint(index)) or len(index) == 0:
        raise DataError(f"'{path}' has no whole numbers as indices", expected="the number of a picture at each time")
    if index.min() < 0 or index.max() >= shown.pictures.count:
        raise DataError(
            f"'{path}' shows the pictures {int(index.min())} to {int(index.max())} of '{shown.name}'",
            expected=f"numbers from 0 to {shown.pictures.count - 1}",
        )
    times_s = times_of(node, len(index))
    found: dict[str, None] = {}
    n_runs = 0
    for run in _runs(index.astype(np.int64), times_s, shown, path, config, notes):
        sequence = next((s for s in known if s.is_of(run, shown)), None)
        if sequence is None:
            clock = held_at(run.since_s, run.lasts_s + run.since_s[-1], least_hz=LEAST_HZ, what=f"a run of '{path}'")
            name = _free(_name(run, shown, config), taken)
            sequence = Sequence(name, shown, run, clock)
            known.append(sequence)
            if sentence := clock.note(f"Movie '{name}' (of '{path}')"):
                notes.append(f"{sentence}.")
        sequence.onsets_s.append(run.onset_s)
        found.setdefault(sequence.name)
        n_runs += 1
    notes.append(
        f"'{path}' shows pictures of '{shown.name}': {n_runs} presentations of {len(found)} sequences, "
        f"{', '.join(list(found)[:4])}{' and others' if len(found) > 4 else ''}."
    )


def _picture_set(root: Node, node: Node, path: str, config: NwbConfig, notes: list[str]) -> PictureSet:
    images = child(node, "indexed_images")
    series = child(node, "indexed_timeseries")
    if images is not None:
        where = place_of(images)
        pictures = pictures_of_images(root, _ordered(root, images, where, notes), where, config, notes)
        return PictureSet(name_of(where), where, pictures, config.deg_per_px)
    if series is None:
        raise DataError(
            f"'{path}' does not say which pictures it shows", expected="indexed_images or indexed_timeseries"
        )
    where = place_of(series)
    data = child(series, "data")
    if "external_file" in series and (data is None or 0 in data.shape):
        raise DataError(
            f"'{path}' shows frames of '{where}', which lie in another file",
            expected="pictures in the NWB file",
            remedy="give a CSV of onsets, and the movies in stimuli",
        )
    note = note_of(series)
    pictures = pictures_of_series(series, config, ours=bool(note), notes=notes)
    deg_per_px = deg_per_px_of(series, pictures, note.get("deg_per_px") or config.deg_per_px)
    return PictureSet(str(note.get("name", name_of(where))), where, pictures, deg_per_px)


def _ordered(root: Node, images: Node, where: str, notes: list[str]) -> list[str]:
    """Paths of the pictures of a set in its order: as it says, else by the numbers at the ends of their names."""
    members = [n for n in images.keys() if kind_of(child(images, n)).endswith("Image")]  # noqa: SIM118 - a tree's node
    order = child(images, "order_of_images")
    if order is not None:
        paths = [referred(root, value) for value in np.asarray(order[()]).ravel()]
        if any(path is None or child(root, path) is None for path in paths):
            raise DataError(f"'{where}' has an order_of_images that names what is not there", expected="its pictures")
        return [str(path) for path in paths]
    ends = [re.fullmatch(r"(.*?)(\d+)", name) for name in members]
    if len(members) > 1 and not (all(ends) and len({end[1] for end in ends if end}) == 1):
        raise DataError(
            f"'{where}' has no order_of_images, so that the number of a picture means nothing",
            expected="the order of its pictures",
            remedy="add order_of_images with pynwb, or give a CSV of onsets and the pictures in stimuli",
        )
    if len(members) > 1:
        notes.append(f"'{where}' has no order_of_images: its pictures are taken by the numbers in their names.")
    return [f"{where}/{name}" for name in sorted(members, key=lambda name: (len(name), name))]


def _runs(
    index: NDArray[np.int64],
    times_s: NDArray[np.float64],
    shown: PictureSet,
    path: str,
    config: NwbConfig,
    notes: list[str],
) -> Iterator[Run]:
    """Pictures between pauses, and passes through the whole set apart."""
    steps = np.diff(times_s)
    if isinstance(config.picture_s, float):
        if len(steps) and steps.min() < config.picture_s * (1 - 1e-6):
            raise DataError(
                f"'{path}' shows pictures {steps.min():.4g} s apart, but picture_s is {config.picture_s:g}",
                expected="no picture to appear before the one before it is gone",
            )
        for number, onset_s in zip(index, times_s, strict=True):
            yield Run(float(onset_s), np.array([number]), np.zeros(1), config.picture_s)
        return
    if not len(steps):
        raise DataError(f"'{path}' shows one picture and not for how long", expected="the key 'picture_s'")
    usual_s = float(np.median(steps))
    if usual_s > SLOW_S and config.picture_s is None:
        raise DataError(
            f"'{path}' of {config.path} shows pictures {usual_s:.4g} s apart, and NWB does not store for how long each",
            expected="the key 'picture_s'",
            remedy="set it to the seconds before the screen was grey, or to until_next if each picture stayed",
        )
    pause_s = config.pause_s or max(5 * usual_s, 1.0)
    if (long := steps[steps > 1.5 * usual_s]).size:
        ends = int((steps > pause_s).sum())
        notes.append(
            f"'{path}' shows pictures {usual_s:.4g} s apart, {long.size} times up to {long.max():.4g} s: intervals "
            f"up to {pause_s:.4g} s (pause_s) hold the picture, {ends} longer ones end the sequence."
        )
    starts = np.concatenate([[0], np.flatnonzero(steps > pause_s) + 1])
    for start, stop in zip(starts, [*starts[1:], len(index)], strict=True):
        for first, last in _passes(index[start:stop], times_s[start:stop], shown.pictures.count):
            of = slice(start + first, start + last)
            follows_s = times_s[of.stop] - times_s[of.stop - 1] if start + last < stop else usual_s
            yield Run(float(times_s[of.start]), index[of], times_s[of] - times_s[of.start], float(follows_s))


def _passes(index: NDArray[np.int64], times_s: NDArray[np.float64], count: int) -> Iterator[tuple[int, int]]:
    """Start and stop of each pass through the whole set in order; of all at once where it is not shown so."""
    starts = np.flatnonzero((index[1:] == 0) & (index[:-1] == count - 1)) + 1
    edges = [0, *starts.tolist(), len(index)]
    pieces = list(itertools.pairwise(edges))
    in_order = all((np.diff(index[a:b]) >= 0).all() and index[a] == 0 for a, b in pieces)
    long_enough = len(pieces) > 1 and float(np.diff(times_s[edges[:-1]]).min()) >= PASS_S
    yield from pieces if in_order and long_enough else [(0, len(index))]


def _name(run: Run, shown: PictureSet, config: NwbConfig) -> str:
    if isinstance(config.picture_s, float):
        return f"{shown.name}_{run.index[0]}"
    if not config.name_by_order or np.array_equal(run.index, np.arange(shown.pictures.count)):
        return shown.name
    order = np.concatenate([run.index, np.rint(1000 * run.since_s).astype(np.int64)])
    return f"{shown.name}_{hashlib.sha256(order.tobytes()).hexdigest()[:6]}"


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is taken; it is taken from now on."""
    number = 2
    free = name
    while free in taken:
        free = f"{name}_{number}"
        number += 1
    taken.add(free)
    return free
