"""Ways into the program: each importer opens what a lab has as a data set of single trials, read when asked for.

An importer is a configuration with a ``kind`` and a function that opens it. Movie files and stimulus generators are
handed in by the caller, see :data:`stcnn.data.importers.movies.MakeMovie`. Several files or folders of one kind are
imported together: a ``path`` with ``*`` stands for all that fit, and ``sessions`` lists the keys in which they differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from stcnn.data.dataset import Dataset, canonical_order, with_notes
from stcnn.data.importers.caiman import CaimanConfig, open_caiman
from stcnn.data.importers.merging import merge_sessions, with_distinct_fields, with_distinct_names
from stcnn.data.importers.movies import MakeMovie as MakeMovie
from stcnn.data.importers.names import require_name
from stcnn.data.importers.nwb.importer import open_nwb
from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.suite2p import Suite2pConfig, open_suite2p
from stcnn.data.importers.tables import open_tables
from stcnn.data.importers.tables_config import TablesConfig
from stcnn.data.published import PublishedDataConfig, read_published
from stcnn.data.store import StoreDataConfig, read_store
from stcnn.errors import ConfigError, FileError, nearest
from stcnn.reading import read_yaml
from stcnn.validation import Config, Fault, validated
from stcnn.writing import is_draft

ImportConfig = Annotated[
    PublishedDataConfig | StoreDataConfig | NwbConfig | Suite2pConfig | CaimanConfig | TablesConfig,
    Field(discriminator="kind"),
]


class Sessions(Config):
    """Several files or folders that are imported together."""

    kind: Literal["sessions"] = "sessions"
    sessions: tuple[ImportConfig, ...]


_OPEN: dict[str, Callable[[Any, MakeMovie], Dataset]] = {
    "published": lambda config, _: read_published(config.model_copy(update={"average_trials": False})),
    "store": lambda config, _: read_store(config.model_copy(update={"average_trials": False})),
    "nwb": open_nwb,
    "suite2p": open_suite2p,
    "caiman": open_caiman,
    "tables": open_tables,
}
KINDS = tuple(_OPEN)


def open_import(config: ImportConfig | Sessions, make_movie: MakeMovie) -> Dataset:
    """Open what a configuration describes, as single trials, in an order that does not depend on the format.

    Raises:
        StcnnError: it cannot be used; the message says why.
    """
    if isinstance(config, Sessions):
        return canonical_order(
            with_distinct_names(merge_sessions([_opened(session, make_movie) for session in config.sessions]))
        )
    return canonical_order(with_distinct_names(_opened(config, make_movie)))


def _opened(config: ImportConfig, make_movie: MakeMovie) -> Dataset:
    """A session, with what is to be said of its movies among its notes."""
    data = _OPEN[config.kind](config, make_movie)
    return with_notes(data, *getattr(data.movies, "notes", ()))


def import_config(values: Mapping[str, Any], folder: Path | None = None) -> ImportConfig | Sessions:
    """Judge a configuration; paths are taken relative to a folder.

    Raises:
        ConfigError: a key is unknown or missing, or a value out of range; a file stands in two sessions.
        FileError: no file fits a path with ``*``.
    """
    sessions = _sessions(values, folder or Path())
    if sessions is None:
        return _import_config(values, folder)
    return Sessions(sessions=with_distinct_fields([_import_config(session, folder) for session in sessions]))


def _sessions(values: Mapping[str, Any], folder: Path) -> list[dict[str, Any]] | None:
    """What is to be imported together, each with all its keys; None where there is only one."""
    if "sessions" not in values:
        path = str(values.get("path", ""))
        if "*" not in path:
            return None
        return [{**values, "path": file} for file in _fitting(folder, path)]
    listed, shared = values["sessions"], {key: value for key, value in values.items() if key != "sessions"}
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


def _import_config(values: Mapping[str, Any], folder: Path | None) -> ImportConfig:
    kind = values.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"kind is '{kind}'", expected=f"one of {', '.join(KINDS)}", remedy=nearest(str(kind), KINDS))
    model = _MODELS[str(kind)]

    def explained(fault: Fault) -> ConfigError:
        if fault.is_unknown:
            return ConfigError(f"'{fault.key}' is no key of kind {kind}", remedy=fault.nearest(model))
        return ConfigError(f"{fault.key}: {fault.message}", expected=f"as {model.__name__} has it")

    config: ImportConfig = validated(model, dict(values), explained)
    for name in ("animal", "session", "indicator", "field", "cell_type"):
        if given := getattr(config, name, ""):
            require_name(given, f"the key {name}")
    if folder is None:
        return config
    changes = {n: folder / v for n, v in config if isinstance(v, Path)}
    stimuli = {n: _placed(spec, folder) for n, spec in getattr(config, "stimuli", {}).items()}
    return config.model_copy(update=changes | ({"stimuli": stimuli} if stimuli else {}))


_MODELS: dict[str, type[BaseModel]] = {
    model.model_fields["kind"].default: model
    for model in (PublishedDataConfig, StoreDataConfig, NwbConfig, Suite2pConfig, CaimanConfig, TablesConfig)
}


def _placed(spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {key: folder / str(value) if key == "file" else value for key, value in spec.items()}


def read_import_config(path: Path) -> ImportConfig | Sessions:
    """Read a configuration in YAML; paths in it are relative to its folder.

    Names are the text that stands there (``010`` is no number), and numbers are typed by their keys.

    Raises:
        FileError: there is no such file, it is no YAML, or a key stands in it twice.
        ConfigError: as :func:`import_config`.
    """
    values = read_yaml(path, "a YAML file of an import, with a key 'kind'", typed_under=("stimuli",))
    return import_config(values, path.parent)
