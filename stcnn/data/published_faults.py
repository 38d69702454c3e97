"""Faults of a published folder, collected so that one message reports all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stcnn.errors import DataError, StcnnError

SHOWN_FAULTS = 5


class Faults:
    """Collects what is wrong with a folder, so that one message can report it all."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Add what is wrong."""
        self.sentences.append(sentence)

    @contextmanager
    def collected(self, where: str) -> Iterator[None]:
        """Collect a fault that is raised in the block."""
        try:
            yield
        except StcnnError as error:
            sentence = str(error).rstrip(".")
            self.add(f"{where} {sentence}" if sentence.startswith("has ") else f"{where}: {sentence}")

    def raise_any(self, where: str) -> None:
        """Raise a DataError that names all faults, if there are any."""
        if not self.sentences:
            return
        if len(self.sentences) == 1:
            raise DataError(self.sentences[0])
        shown = "; ".join(f"({i}) {s}" for i, s in enumerate(self.sentences[:SHOWN_FAULTS], 1))
        more = len(self.sentences) - SHOWN_FAULTS
        raise DataError(
            f"{len(self.sentences)} faults in {where}: {shown}" + (f"; and {more} more" if more > 0 else "")
        )
