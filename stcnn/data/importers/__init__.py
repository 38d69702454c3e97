"""Ways into the program: each importer opens what a lab has as a data set of single trials, read when asked for.

An importer is a configuration with a ``kind`` and a function that opens it, one file here and its name in the import of
all importers below (``docs/developing/importer.md`` adds one). Movie files and stimulus generators are handed in by the
caller, see :data:`stcnn.data.importers.movies.MakeMovie`. Several files or folders of one kind are imported together: a
``path`` with ``*`` stands for all that fit, and ``sessions`` lists the keys in which they differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import SerializeAsAny

from stcnn.data.dataset import Dataset, canonical_order, with_notes
from stcnn.data.importers import arena, caiman, nwb, single_trials, suite2p, tables  # noqa: F401 - each adds its importers
from stcnn.data.importers.importer import IMPORTERS, Importer
from stcnn.data.importers.merging import merge_sessions, with_distinct_fields, with_distinct_names
from stcnn.data.importers.movies import MakeMovie as MakeMovie
from stcnn.data.importers.names import require_name
from stcnn.errors import ConfigError, FileError, nearest
from stcnn.reading import read_yaml
from stcnn.validation import Config, Fault, validated
from stcnn.writing import is_draft


class Sessions(Config):
    """Several files or folders that are imported together."""

    kind: Literal["sessions"] = "sessions"
    sessions: tuple[SerializeAsAny[Config], ...]


def open_import(config: Config, make_movie: MakeMovie) -> Dataset:
    """Open what a configuration describes, as single trials, in an order that does not depend on the format.

    Raises:
        StcnnError: it cannot be used; the message says why.
    """
    if isinstance(config, Sessions):
        return canonical_order(
            with_distinct_names(merge_sessions([_opened(session, make_movie) for session in config.sessions]))
        )
    return canonical_order(with_distinct_names(_opened(config, make_movie)))


def _opened(config: Config, make_movie: MakeMovie) -> Dataset:
    """A session, with what is to be said of its movies among its notes."""
    data = _importer_of(config).open(config, make_movie)
    return with_notes(data, *getattr(data.movies, "notes", ()))


FILES = frozenset({"file", "path", "arena", "positions", "positions_y"})
"""Keys of a stimulus that name files: of a movie file, of ``recorded`` and of ``arena_pattern``."""


def import_config(values: Mapping[str, Any], folder: Path | None = None) -> Config:
    """Judge a configuration; paths are taken relative to a folder.

    Raises:
        ConfigError: a key is unknown or missing, or a value out of range; a file stands in two sessions.
        FileError: no file fits a path with ``*``.
    """
    sessions = _sessions(values, folder or Path())
    if sessions is None:
        return _import_config(values, folder)
    configs = [_import_config(session, folder) for session in sessions]
    told = with_distinct_fields([_importer_of(config).held(config) or config for config in configs])
    return Sessions(
        sessions=tuple(_importer_of(config).holding(config, one) for config, one in zip(configs, told, strict=True))
    )


def _importer_of(config: Config) -> Importer:
    return IMPORTERS[getattr(config, "kind", "")]


def _sessions(values: Mapping[str, Any], folder: Path) -> list[dict[str, Any]] | None:
    """Imports that go together, each with all its keys; None where there is only one."""
    if "sessions" not in values:
        path = str(values.get("path", ""))
        if "*" not in path:
            return None
        return [{**values, "path": file} for file in _fitting(folder, path)]
    listed = values["sessions"]
    shared = {key: value for key, value in values.items() if key != "sessions"}
    if not isinstance(listed, list) or not listed or not all(isinstance(session, Mapping) for session in listed):
        raise ConfigError("sessions holds no list of keys", expected="the keys in which each session differs")
    given = [{**shared, **session} for session in listed]
    return [single for session in given for single in _sessions(session, folder) or [session]]


def _fitting(folder: Path, pattern: str) -> list[Path]:
    """All files and folders that fit a path with ``*``, in order.

    Raises:
        FileError: there is none, or the path is none.
    """
    start = Path(Path(pattern).anchor) if Path(pattern).is_absolute() else folder
    try:
        fitting = sorted(start.glob(str(Path(pattern).relative_to(Path(pattern).anchor))))
    except (ValueError, NotImplementedError, OSError) as error:
        raise FileError(f"{pattern} is no path with * ({error})", remedy="correct the path") from error
    found = [file for file in fitting if not file.name.startswith(".") and not is_draft(file)]
    if not found:
        raise FileError(f"no file fits {start / pattern}", remedy="correct the path")
    return found


def _import_config(values: Mapping[str, Any], folder: Path | None) -> Config:
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in IMPORTERS:
        remedy = nearest(str(kind), IMPORTERS)
        raise ConfigError(f"kind is '{kind}'", expected=f"one of {', '.join(IMPORTERS)}", remedy=remedy)
    model = IMPORTERS[kind].config

    def explained(fault: Fault) -> ConfigError:
        if fault.is_unknown:
            return ConfigError(f"'{fault.key}' is no key of kind {kind}", remedy=fault.nearest(model))
        return ConfigError(f"{fault.key}: {fault.message}", expected=f"as {model.__name__} has it")

    config = validated(model, dict(values), explained)
    holds = IMPORTERS[kind].holds
    if holds and isinstance(inner := getattr(config, holds), Mapping):
        config = config.model_copy(update={holds: _held(holds, inner, folder)})
    for name in ("animal", "session", "indicator", "field", "cell_type"):
        if given := getattr(config, name, ""):
            require_name(given, f"the key {name}")
    if folder is None:
        return config
    changes = {n: folder / v for n, v in config if isinstance(v, Path)}
    stimuli = {n: _placed(spec, folder) for n, spec in getattr(config, "stimuli", {}).items()}
    return config.model_copy(update=changes | ({"stimuli": stimuli} if stimuli else {}))


def _held(key: str, values: Mapping[str, Any], folder: Path | None) -> Config:
    """The import that another one holds under a key.

    Raises:
        ConfigError: as of that import; the sentence says under which key it stands.
    """
    try:
        return _import_config(values, folder)
    except ConfigError as error:
        found = f"{key}: {error.found}"
        raise ConfigError(found, expected=error.expected, remedy=error.remedy) from error


def _placed(spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A stimulus whose files lie relative to a folder: a movie file, or those of a generator that reads some."""
    return {key: str(folder / str(value)) if key in FILES else value for key, value in spec.items()}


def read_import_config(path: Path) -> Config:
    """Read a configuration in YAML; paths in it are relative to its folder.

    Names are the text that stands there (``010`` is no number), and numbers are typed by their keys.

    Raises:
        FileError: there is no such file, it is no YAML, or a key stands in it twice.
        ConfigError: as :func:`import_config`.
    """
    values = read_yaml(path, "a YAML file of an import, with a key 'kind'", typed_under=("stimuli",))
    return import_config(values, path.parent)
