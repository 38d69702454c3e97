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
    """

    config: type[Config]
    open: Open[Any]


IMPORTERS: dict[str, Importer] = {}
"""Importers by their ``kind``; :mod:`stcnn.data.importers` imports all of them."""

Opener = TypeVar("Opener", bound=Open[Any])


def importer(config: type[Config]) -> Callable[[Opener], Opener]:
    """Make a function the importer of a kind.

    Args:
        config: the keys of the kind.
    """

    def register(opener: Opener) -> Opener:
        IMPORTERS[config.model_fields["kind"].default] = Importer(config, opener)
        return opener

    return register
