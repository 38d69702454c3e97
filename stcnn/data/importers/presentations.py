"""The presentations of an imaging session: which stimulus was shown when, and which repeat of it that was."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stcnn.data.importers.movies import MovieInfo
from stcnn.data.importers.names import names_of, refuse_misspelt, require_name
from stcnn.data.importers.session_keys import SessionConfig
from stcnn.errors import ConfigError, DataError
from stcnn.reading import numbers, read_csv, whole_numbers

COLUMNS = ("stimulus", "onset_s", "trial")


def read_onsets(config: SessionConfig) -> pd.DataFrame:
    """The presentations of a session: ``stimulus``, ``onset_s`` and, where the table has it, ``trial``.

    Raises:
        DataError, FileError: the table is not named, missing, lacks a column, or lists a presentation twice; a cell
            holds no name, time or number of a trial.
    """
    path = config.onsets
    if config.presentations:
        if path is not None:
            raise ConfigError(
                f"the import of {config.path} has the keys onsets and presentations", expected="one of them"
            )
        return _listed(config)
    if path is None:
        raise DataError(
            f"nothing says when stimuli were shown in {config.path}",
            expected="the key 'onsets'",
            remedy="name a CSV with the columns stimulus and onset_s",
        )
    table = read_csv(path, ("stimulus", "onset_s"), "a CSV of presentations")
    refuse_misspelt(table, COLUMNS)
    unused = [str(name) for name in table.columns if str(name).strip() and name not in COLUMNS]
    onsets = pd.DataFrame({"stimulus": names_of(table, "stimulus"), "onset_s": numbers(table, "onset_s")})
    onsets.attrs["unused"] = unused
    if "trial" in table:
        onsets["trial"] = whole_numbers(table, "trial")
        wrong = onsets.trial[(onsets.trial < 0) | (onsets.trial >= 2**31)]
        if len(wrong):
            raise DataError(
                f"{path} has the trial {wrong.iloc[0]} in row {table.index[wrong.index[0]]}",
                expected="numbers from 0 on",
            )
    _require_each_once(onsets, table.index, path)
    return onsets


def _listed(config: SessionConfig) -> pd.DataFrame:
    """The presentations that the configuration lists."""
    onsets = pd.DataFrame(
        [(one.stimulus, one.onset_s) for one in config.presentations], columns=["stimulus", "onset_s"]
    )
    numbered = [one.trial for one in config.presentations]
    if None not in numbered:
        onsets["trial"] = numbered
    elif any(number is not None for number in numbered):
        raise DataError(f"some presentations of {config.path} have a trial and some have none", expected="all or none")
    rows = pd.RangeIndex(1, len(onsets) + 1)
    for name, row in zip(onsets.stimulus, rows, strict=True):
        require_name(name, f"{config.path}: the stimulus of presentation {row}")
    _require_each_once(onsets, rows, config.path)
    return onsets


def _require_each_once(onsets: pd.DataFrame, rows: pd.Index, path: object) -> None:
    for columns, what in ((["onset_s"], "two presentations at one time"), (["stimulus", "trial"], "a trial twice")):
        if set(columns) <= set(onsets):
            _require_once(onsets[columns], rows, f"{path} lists {what}")


def unused_notes(onsets: pd.DataFrame, config: SessionConfig) -> list[str]:
    """A sentence about columns of a table of presentations that nothing reads."""
    unused = onsets.attrs.get("unused")
    if not unused:
        return []
    return [
        f"{config.onsets}: the columns {', '.join(unused)} are not used; presentations of one stimulus are repeats "
        "whatever stands there."
    ]


def _require_once(values: pd.DataFrame, rows: pd.Index, what: str) -> None:
    first: dict[tuple[object, ...], int] = {}
    for row, value in zip(rows, values.itertuples(index=False, name=None), strict=True):
        if value in first:
            said = ", ".join(f"{name} {v}" for name, v in zip(values.columns, value, strict=True))
            raise DataError(
                f"{what}: {said} in the rows {first[value]} and {row}",
                expected="a row for each presentation",
                remedy="take one of the rows out, or correct it",
            )
        first[value] = row


def trials_of(onsets: pd.DataFrame) -> pd.Series:
    """The number of each presentation's trial: as given, else those of a stimulus counted in their order in time."""
    if "trial" in onsets:
        return onsets["trial"]
    return onsets.groupby("stimulus").onset_s.rank(method="first").astype(int) - 1


def overlap_notes(onsets: pd.DataFrame, infos: Mapping[str, MovieInfo], windows_s: np.ndarray, what: str) -> list[str]:
    """Sentences about presentations that begin before another movie has ended, and recordings that see another one.

    Args:
        onsets: ``stimulus`` and ``onset_s``.
        infos: facts of the movies.
        windows_s: start and end of each recording on the clock of the onsets, ``(P, 2)``.
        what: what to call the session.
    """
    order = np.argsort(onsets.onset_s.to_numpy(), kind="stable")
    starts = onsets.onset_s.to_numpy(float)[order]
    ends = starts + np.array([infos[name].end_s for name in onsets.stimulus])[order]
    windows = windows_s[order]
    shown_until = np.maximum.accumulate(ends)[:-1]
    early = starts[1:] < shown_until - 1e-6
    sees = np.zeros(len(starts), bool)
    sees[1:] |= windows[1:, 0] < shown_until - 1e-6
    sees[:-1] |= windows[:-1, 1] > starts[1:] + 1e-6
    notes = []
    if early.any():
        place = order[int(early.argmax()) + 1]
        first = f"'{onsets.stimulus.iloc[place]}' at {onsets.onset_s.iloc[place]:.3f} s"
        notes.append(
            f"{what}: {early.sum()} of {len(starts)} presentations begin before the movie shown before them has ended, "
            f"the first is {first}."
        )
    if sees.any():
        notes.append(
            f"{what}: around {sees.sum()} of {len(starts)} presentations the recording, from pre_s before the onset to "
            "post_s after the movie, reaches into the presentation before or after; smaller ones keep them apart."
        )
    return notes
