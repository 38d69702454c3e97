"""Folders of the published program (Klapoetke et al. 2022): their networks opened as ours, and the names for both."""

from stcnn.published.checkpoint import PublishedCheckpoint, convert, open_published, published_epochs, read_published

__all__ = ["PublishedCheckpoint", "convert", "open_published", "published_epochs", "read_published"]
