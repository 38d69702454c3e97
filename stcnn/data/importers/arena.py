"""Imports experiments on LED arenas: each presentation becomes a movie of what the fly saw, traces come as they are.

Movies are made by the stimulus ``arena_pattern``, from pattern, arena and the positions that were logged, or from a
position function where there is no such log. Onsets are those of the log, on the clock of the imaging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from stcnn.data.dataset import Dataset, with_notes
from stcnn.data.importers.arena_keys import ArenaConfig
from stcnn.data.importers.arena_log import ArenaLog, read_arena_log
from stcnn.data.importers.arena_trials import Presentation, presentations_of, read_trials
from stcnn.data.importers.importer import IMPORTERS, importer
from stcnn.data.importers.movies import MakeMovie
from stcnn.data.importers.session_keys import Onset, SessionConfig
from stcnn.data.importers.shown_alike import groups_of
from stcnn.data.importers.tables_config import TablesConfig
from stcnn.errors import ConfigError, DataError, StcnnError
from stcnn.movie import Movie
from stcnn.reading import numbers, read_csv
from stcnn.validation import Config

DEFAULT_HZ = 180.0
"""Frames per second of a picture that does not say it."""
LARGEST_ERROR_S = 0.01
"""By how much moments that two clocks saw may lie off a straight line."""
LARGEST_DRIFT = 0.01
"""By how much one clock may run faster than the other."""
CLOCK = "a CSV of moments on two clocks"


@importer(ArenaConfig, holds="traces")
def open_arena(config: ArenaConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open an experiment on an arena.

    Raises:
        FileError, DataError, RateError, ShapeError: a file is missing, damaged, or does not fit the others.
        ConfigError: the keys leave open what is what.
    """
    log, table = _read(config)
    found, notes = presentations_of(config, log, table)
    stimuli = _Stimuli(config)
    stimuli.add(found)
    make = _Named(make_movie, stimuli.where)
    traces = _traces(config, stimuli)
    return with_notes(IMPORTERS[getattr(traces, "kind", "")].open(traces, make), *notes, *stimuli.notes)


def _read(config: ArenaConfig) -> tuple[ArenaLog, pd.DataFrame]:
    """Return the log and the presentations, wherever they stand."""
    is_table = config.path.suffix.lower() == ".csv" and "onset_s" in read_csv(config.path)
    if is_table and config.trials is not None:
        raise ConfigError(f"{config.path} and {config.trials} both list presentations", expected="one of them")
    if is_table:
        return ArenaLog(None, None), read_trials(config.path)
    log = read_arena_log(config.path)
    if config.trials is not None:
        return log, read_trials(config.trials)
    if log.trials is None:
        raise DataError(
            f"{config.path} does not say which pattern was shown when",
            expected="commands of the controller, or the key trials",
            remedy="list the presentations in a CSV with onset_s, stop_s and pattern",
        )
    return log, log.trials


@dataclass
class _Stimuli:
    """Movies to make by the name of the stimulus, and the presentations of each."""

    config: ArenaConfig
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    """Where the first presentation of each stimulus stands."""
    onsets: list[Onset] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    """Names under which several movies were shown."""

    def add(self, presentations: Sequence[Presentation]) -> None:
        """Add all presentations, repeats together."""
        by_name: dict[str, list[Presentation]] = {}
        for one in presentations:
            by_name.setdefault(one.stimulus, []).append(one)
        lags: list[float] = []
        for name, alike in by_name.items():
            patterns = {one.pattern for one in alike}
            if len(patterns) > 1:
                raise DataError(
                    f"the stimulus '{name}' has the patterns {' and '.join(sorted(path.name for path in patterns))}, "
                    f"the second in {next(one.where for one in alike if one.pattern != alike[0].pattern)}",
                    expected="a name for each",
                )
            lags += self._add_alike(name, alike)
        moved = [abs(lag) for lag in lags if lag]
        if moved:
            self.notes.append(
                f"{self.config.path}: onsets of {len(moved)} of {len(lags)} presentations were moved by up to "
                f"{1e3 * max(moved):.1f} ms, so that their positions change when those of the first one do."
            )
        if self.split:
            total = sum(name not in by_name for name in self.specs)
            self.notes.append(
                f"{self.config.path}: positions differed between presentations of {', '.join(self.split[:6])}"
                f"{' ...' if len(self.split) > 6 else ''}: {total} more movies were made, numbered from 2 on."
            )

    def _add_alike(self, name: str, alike: Sequence[Presentation]) -> Sequence[float]:
        """Add the presentations of one name; return their lags."""
        logged = [one.shown for one in alike if one.shown is not None]
        if not logged:
            specs = [self._spec(one.pattern, one.moves) for one in alike]
            for place, one in enumerate(alike):
                self._present(self._movie(name, specs[place], one.where), one, 0.0)
            return [0.0] * len(alike)
        groups = groups_of(logged, _alike_s(self.config))
        for group in groups:
            first = alike[group.members[0]]
            rows = zip(group.shown.time_s.tolist(), group.shown.position.tolist(), strict=True)
            course = [[round(time_s, 6), *position] for time_s, position in rows]
            moves = {"course": course, "duration_s": round(group.shown.duration_s, 6)}
            movie = self._movie(name, self._spec(first.pattern, moves), first.where)
            for place, lag in zip(group.members, group.lags_s, strict=True):
                self._present(movie, alike[place], lag)
        return [lag for group in groups for lag in group.lags_s]

    def _spec(self, pattern: object, moves: Mapping[str, Any]) -> dict[str, Any]:
        files = {"kind": "arena_pattern", "path": str(pattern), "arena": str(self.config.arena)}
        return {**files, **self.config.picture, **moves}

    def _movie(self, name: str, spec: dict[str, Any], where: str) -> str:
        """Return the name of a movie: that of the stimulus, with a number where it has others."""
        number = 1
        while (numbered := name if number == 1 else f"{name}_{number}") in self.specs:
            if self.specs[numbered] == spec:
                return numbered
            number += 1
        if number > 1 and name not in self.split:
            self.split.append(name)
        self.specs[numbered] = spec
        self.where[numbered] = where
        return numbered

    def _present(self, movie: str, one: Presentation, lag_s: float) -> None:
        self.onsets.append(Onset(stimulus=movie, onset_s=one.onset_s + lag_s, trial=one.trial))


def _alike_s(config: ArenaConfig) -> float:
    """Return by how much the times of positions may differ between repeats."""
    if config.alike_s is not None:
        return config.alike_s
    given = config.picture.get("rate_hz", DEFAULT_HZ)
    try:
        return 1 / float(given)
    except (TypeError, ValueError, ZeroDivisionError):
        raise ConfigError(f"picture.rate_hz is {given!r}", expected="frames per second") from None


@dataclass(frozen=True)
class _Named:
    """Makes movies, and says of which presentation one is that cannot be made; survives pickling as ``make`` does."""

    make: MakeMovie
    where: Mapping[str, str]

    def __call__(self, spec: Mapping[str, Any]) -> Movie:
        name = str(spec.get("presented_as", ""))
        try:
            return self.make({key: value for key, value in spec.items() if key != "presented_as"})
        except StcnnError as error:
            if name not in self.where:
                raise
            found = f"stimulus '{name}' ({self.where[name]}): {error.found}"
            raise type(error)(found, expected=error.expected, remedy=error.remedy) from error


def _traces(config: ArenaConfig, stimuli: _Stimuli) -> Config:
    """Return the import of the traces with the stimuli, and where it needs them the onsets on its clock."""
    traces = config.traces
    if not isinstance(traces, SessionConfig | TablesConfig):
        kind = traces.get("kind") if isinstance(traces, Mapping) else getattr(traces, "kind", "")
        raise ConfigError(f"traces.kind is '{kind}'", expected="suite2p, caiman, nwb or tables")
    specs = {name: {**spec, "presented_as": name} for name, spec in stimuli.specs.items()}
    both = [name for name in traces.stimuli if name in specs]
    if both:
        raise ConfigError(f"the stimulus '{both[0]}' stands in the log and in traces.stimuli", expected="one of them")
    if isinstance(traces, TablesConfig):
        if stimuli.split:
            raise DataError(
                f"presentations of '{stimuli.split[0]}' in {config.path} showed different positions, and a table of "
                "traces does not say which recording is of which",
                remedy="give each a name of its own (column stimulus of the key trials), or raise alike_s",
            )
        return traces.model_copy(update={"stimuli": {**traces.stimuli, **specs}})
    if traces.onsets is not None:
        raise ConfigError(
            f"traces.onsets is {traces.onsets}, and the log of the arena says when stimuli were shown",
            remedy="take one of them out",
        )
    onsets = _on_imaging_clock(config, stimuli)
    return traces.model_copy(update={"stimuli": {**traces.stimuli, **specs}, "presentations": tuple(onsets)})


def _on_imaging_clock(config: ArenaConfig, stimuli: _Stimuli) -> list[Onset]:
    """Return the onsets on the clock of the imaging.

    Raises:
        ConfigError: nothing says how the clocks go together.
        DataError: what two clocks saw does not lie on a line.
    """
    if (config.offset_s is None) == (config.clock is None):
        found = "both offset_s and clock say" if config.clock is not None else "nothing says"
        raise ConfigError(
            f"{found} how the clock of {config.path} and that of the imaging go together",
            expected="offset_s, the time of the imaging at which the log is at 0, or clock, moments that both saw",
        )
    slope = 1.0
    start = config.offset_s or 0.0
    if config.clock is not None:
        table = read_csv(config.clock, ("log_s", "imaging_s"), CLOCK)
        log_s = numbers(table, "log_s")
        imaging_s = numbers(table, "imaging_s")
        if len(log_s) < 2 or (np.diff(log_s) <= 0).any() or (np.diff(imaging_s) <= 0).any():
            raise DataError(f"{config.clock} holds no moments that ascend on both clocks", expected="two or more")
        slope, start = np.polynomial.Polynomial.fit(log_s, imaging_s, 1).convert().coef[::-1]
        error_s = float(np.abs(slope * log_s + start - imaging_s).max())
        if error_s > LARGEST_ERROR_S or abs(slope - 1) > LARGEST_DRIFT:
            raise DataError(
                f"{config.clock} has clocks that run {slope:.6g} to 1 and lie up to {1e3 * error_s:.1f} ms off a line",
                expected=f"1 within {LARGEST_DRIFT:.0%}, and at most {1e3 * LARGEST_ERROR_S:g} ms",
                remedy="look for a moment that is missing on one of them",
            )
        stimuli.notes.append(
            f"{config.path}: its clock was brought to that of the imaging by {len(log_s)} moments, {start:.4f} s at "
            f"its zero, {1e6 * (slope - 1):.1f} millionths faster, with an error of at most {1e3 * error_s:.2f} ms."
        )
    return [one.model_copy(update={"onset_s": float(slope * one.onset_s + start)}) for one in stimuli.onsets]
