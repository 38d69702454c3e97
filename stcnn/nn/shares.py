"""Sizes that a configuration asks for, judged before memory is taken for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stcnn.errors import ConfigError


class Share(NamedTuple):
    """How many numbers a key asks for."""

    n: int
    key: str
    """Of the section ``model``."""
    found: str
    """What they are, for the sentence."""


def require_at_most(shares: Sequence[Share], most: int, what: str) -> None:
    """Refuse shares that are more than ``most`` together.

    Raises:
        ConfigError: they are; the sentence names the key that asks for most of it.
    """
    total = sum(share.n for share in shares)
    if total > most:
        largest = max(shares)
        raise ConfigError(
            f"the network has {total:,} {what}, for instance {largest.found}",
            expected=f"at most {most:,}",
            remedy=f"lower model.{largest.key}",
        )
