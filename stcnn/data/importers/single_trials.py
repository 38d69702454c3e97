"""Imports what this program reads anyway, a store or the folders of the published program, as single trials."""

from __future__ import annotations

from stcnn.data.dataset import Dataset
from stcnn.data.importers.importer import importer
from stcnn.data.importers.movies import MakeMovie
from stcnn.data.published import PublishedDataConfig, read_published
from stcnn.data.store import StoreDataConfig, read_store


@importer(PublishedDataConfig)
def open_published_folders(config: PublishedDataConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open recordings in the published layout; errors as of :func:`~stcnn.data.published.read_published`."""
    return read_published(config.model_copy(update={"average_trials": False}))


@importer(StoreDataConfig)
def open_other_store(config: StoreDataConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open a store; errors as of :func:`~stcnn.data.store.reader.read_store`."""
    return read_store(config.model_copy(update={"average_trials": False}))
