"""Ways into the program: each importer opens what a lab has as a data set of single trials, read when asked for.

An importer is a configuration with a ``kind`` and a function that opens it. Movie files and stimulus generators are
handed in by the caller, see :data:`stcnn.data.importers.movies.MakeMovie`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from stcnn.data.dataset import Dataset
from stcnn.data.importers.caiman import CaimanConfig, open_caiman
from stcnn.data.importers.movies import MakeMovie as MakeMovie
from stcnn.data.importers.nwb import NwbConfig, open_nwb
from stcnn.data.importers.suite2p import Suite2pConfig, open_suite2p
from stcnn.data.importers.tables import TablesConfig, open_tables
from stcnn.data.published import PublishedDataConfig, read_published
from stcnn.data.store import StoreDataConfig, read_store
from stcnn.errors import ConfigError, FileError, nearest

ImportConfig = Annotated[
    PublishedDataConfig | StoreDataConfig | NwbConfig | Suite2pConfig | CaimanConfig | TablesConfig,
    Field(discriminator="kind"),
]
_OPEN: dict[str, Callable[[Any, MakeMovie], Dataset]] = {
    "published": lambda config, _: read_published(config.model_copy(update={"average_trials": False})),
    "store": lambda config, _: read_store(config.model_copy(update={"average_trials": False})),
    "nwb": open_nwb,
    "suite2p": open_suite2p,
    "caiman": open_caiman,
    "tables": open_tables,
}
KINDS = tuple(_OPEN)


def open_import(config: ImportConfig, make_movie: MakeMovie) -> Dataset:
    """Open what a configuration describes, as single trials.

    Raises:
        StcnnError: it cannot be used; the message says why.
    """
    return _OPEN[config.kind](config, make_movie)


def import_config(values: Mapping[str, Any], folder: Path | None = None) -> ImportConfig:
    """Judge a configuration; paths are taken relative to a folder.

    Raises:
        ConfigError: a key is unknown or missing, or a value out of range.
    """
    kind = values.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"kind is '{kind}'", expected=f"one of {', '.join(KINDS)}", remedy=nearest(str(kind), KINDS))
    try:
        config: ImportConfig = TypeAdapter(ImportConfig).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"][1:])
        model = _MODELS[str(kind)]
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"'{key}' is no key of kind {kind}", remedy=nearest(key, model.model_fields)) from None
        raise ConfigError(f"{key}: {first['msg']}", expected=f"as {model.__name__} has it") from None
    if folder is None:
        return config
    changes = {n: folder / v for n, v in config if isinstance(v, Path)}
    stimuli = {n: _placed(spec, folder) for n, spec in getattr(config, "stimuli", {}).items()}
    return config.model_copy(update=changes | ({"stimuli": stimuli} if stimuli else {}))


_MODELS = {
    model.model_fields["kind"].default: model
    for model in (PublishedDataConfig, StoreDataConfig, NwbConfig, Suite2pConfig, CaimanConfig, TablesConfig)
}


def _placed(spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {key: folder / value if key == "file" else value for key, value in spec.items()}


def read_import_config(path: Path) -> ImportConfig:
    """Read a configuration in YAML; paths in it are relative to its folder.

    Raises:
        FileError: there is no such file, or it is no YAML.
        ConfigError: as :func:`import_config`.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise FileError(f"{path} cannot be read", expected="a YAML file of an import") from error
    if not isinstance(values, dict):
        raise FileError(f"{path} holds no keys", expected="a YAML file of an import, with a key 'kind'")
    return import_config(values, path.parent)
