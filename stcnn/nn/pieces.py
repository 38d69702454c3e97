"""Memory of a network between pieces of a movie that is too long to pass through it at once.

A piece starts from the state that the piece before left, under the weights of that time, and no gradient flows into it
(truncated backpropagation through time, Williams and Peng 1990, doi 10.1162/neco.1990.2.4.490). So the memory of a
training step is that of a piece, however long the movie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from stcnn.nn.filters.kind import FilterState


class Carried(NamedTuple):
    """State of all filters after a piece, without gradients; of B clips and P neurons."""

    eye: FilterState
    """``(B, Y, X, 1)``."""
    hidden: Any
    """For each layer a FilterState of ``(B, Y, X, C)``; of a core of one's own, its state."""
    readout: FilterState
    """``(P,)``, twice as many where readouts have two drives."""
    calcium: FilterState
    """``(P,)``."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain dictionaries and lists of tensors, for a checkpoint."""
        hidden = self.hidden if isinstance(self.hidden, Mapping) else [_plain(state) for state in self.hidden]
        parts = {"eye": self.eye, "readout": self.readout, "calcium": self.calcium}
        return {"hidden": hidden, **{name: _plain(state) for name, state in parts.items()}}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Carried:
        """Return what :meth:`to_dict` was made of."""
        hidden = kept["hidden"]
        if not isinstance(hidden, Mapping):
            hidden = [FilterState(**state) for state in hidden]
        return cls(hidden=hidden, **{name: FilterState(**kept[name]) for name in ("eye", "readout", "calcium")})


def _plain(state: FilterState) -> dict[str, Tensor]:
    return {name: each for name, each in state._asdict().items() if each is not None}
