"""Pooled data: several sets of recordings that one core learns from, as a configuration names them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from stcnn.data.dataset import Dataset
from stcnn.data.pooling import pool
from stcnn.data.published import PublishedDataConfig, read_published
from stcnn.data.store import StoreDataConfig, read_store
from stcnn.simulation import SimulatedDataConfig, simulated_dataset
from stcnn.validation import Config

OneSet = Annotated[SimulatedDataConfig | PublishedDataConfig | StoreDataConfig, Field(discriminator="kind")]
C = TypeVar("C", bound=Config)


class PooledDataConfig(Config):
    """Several data sets as one (:mod:`stcnn.data.pooling`)."""

    kind: Literal["pooled"] = "pooled"
    """Sets whose movies have one resolution, at any rates; smaller pictures get a border of their background. Cell
    types and movies are called ``SET_NAME``."""
    sets: dict[str, OneSet] = Field(min_length=2)
    """Name to data set, each as ``dataset`` would describe it alone."""


def open_set(config: SimulatedDataConfig | PublishedDataConfig | StoreDataConfig | PooledDataConfig) -> Dataset:
    """Read or make the recordings of a set, or of all that are pooled.

    Raises:
        StcnnError: they cannot be used; the message says why.
    """
    match config:
        case SimulatedDataConfig():
            return simulated_dataset(config)
        case StoreDataConfig():
            return read_store(config)
        case PublishedDataConfig():
            return read_published(config)
        case PooledDataConfig():
            return pool({name: open_set(each) for name, each in config.sets.items()})


def with_absolute_paths(config: C) -> C:
    """Return the configuration of a data set with paths that stay valid wherever a resumed training is started."""
    changed: dict[str, object] = {k: v.expanduser().absolute() for k, v in config if isinstance(v, Path)}
    if isinstance(config, PooledDataConfig):
        changed["sets"] = {name: with_absolute_paths(each) for name, each in config.sets.items()}
    return config.model_copy(update=changed)
