"""Notices that the weights of a model have changed, so that what was made of them is made anew."""

from __future__ import annotations

from itertools import chain

import torch

from stcnn.nn.parts import Parts


class WeightsWatch:
    """Compares the weights of a model with those of the last call.

    By value: weights can change in ways that leave no trace on a tensor.
    """

    def __init__(self) -> None:
        self._weights = torch.empty(0)

    def has_changed(self, model: Parts) -> bool:
        """Tell whether a weight, their type or their device differs from the last call."""
        weights = torch.cat([t.detach().flatten() for t in chain(model.parameters(), model.buffers())])
        known = self._weights
        same = weights.device == known.device and weights.dtype == known.dtype and torch.equal(weights, known)
        self._weights = weights
        return not same
