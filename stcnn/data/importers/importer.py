"""The seam of the importers: a configuration with a ``kind``, and the function that opens what it describes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from stcnn.data.dataset import Dataset
from stcnn.data.importers.movies import MakeMovie
from stcnn.validation import Config

Keys_contra = TypeVar("Keys_contra", bound=Config, contravariant=True)


class Open(Protocol[Keys_contra]):
    """Opens recordings as single trials, whose samples and movies are read when asked for."""

    def __call__(self, config: Keys_contra, make_movie: MakeMovie, /) -> Dataset:
        """Open what a configuration describes.

        Args:
            config: what lies where.
            make_movie: makes a movie of a file or of a generator's arguments.

        Raises:
            StcnnError: it cannot be used; the message says why.
        """


@dataclass(frozen=True)
class Importer:
    """A way into the program.

    Args:
        config: its keys; the default of ``kind`` is the importer's name.
        open: opens what they describe.
        holds: key under which an import of its own stands, of the traces that were recorded meanwhile; empty for none.
    """

    config: type[Config]
    open: Open[Any]
    holds: str = ""

    def held(self, config: Config) -> Config | None:
        """Return the import that a configuration of this kind holds."""
        inner = getattr(config, self.holds) if self.holds else None
        return inner if isinstance(inner, Config) else None

    def holding(self, config: Config, inner: Config) -> Config:
        """Return a configuration of this kind with another import in it; of a kind that holds none, that import."""
        return config.model_copy(update={self.holds: inner}) if self.holds else inner


IMPORTERS: dict[str, Importer] = {}
"""Importers by their ``kind``; :mod:`stcnn.data.importers` imports all of them."""

Opener = TypeVar("Opener", bound=Open[Any])


def importer(config: type[Config], *, holds: str = "") -> Callable[[Opener], Opener]:
    """Make a function the importer of a kind.

    Args:
        config: the keys of the kind.
        holds: key under which it holds the import of another kind, as :class:`Importer` has it.
    """

    def register(opener: Opener) -> Opener:
        IMPORTERS[config.model_fields["kind"].default] = Importer(config, opener, holds)
        return opener

    return register
