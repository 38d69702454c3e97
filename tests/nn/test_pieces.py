"""Long movies in pieces that start from the state of the piece before: the numbers of the whole, gradients of one."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from stcnn.nn.model import STCNN
from stcnn.nn.pieces import Carried
from stcnn.nn.sites import Neurons
from tests.nn.test_sites import RATE_HZ, movies, neurons, small_model
from tests.support.nn_twin import FINEST, IMPLEMENTATIONS, choose_implementation, gradient_errors, largest_error

N_FRAMES = 50
ENDS = (0, 19, 20, 37, N_FRAMES)
"""Pieces of more and less than a block of compiled code, one of a single frame."""


def pieces(model: STCNN, contrast: Tensor, who: Neurons) -> list[Tensor]:
    """What the network answers to each piece in turn."""
    before = None
    found = []
    for start, stop in pairwise(ENDS):
        dff, before = model.piece_at(contrast[:, start:stop], who, RATE_HZ, before, 0 if start else 3)
        found.append(dff)
    return found


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_pieces_are_the_whole(implementation: str, training: bool) -> None:
    dtype = FINEST[implementation]
    model = small_model(dtype).train(training)
    choose_implementation(model, "auto" if implementation == "triton" else implementation)
    contrast = movies(dtype, N_FRAMES)
    who = neurons(torch.arange(2), dtype)
    with torch.set_grad_enabled(training):
        whole = model.dff_at(contrast, who, RATE_HZ, n_grey=3)
        assert largest_error(torch.cat(pieces(model, contrast, who), 1).detach(), whole.detach()) < 1e-5


@pytest.mark.parametrize("implementation", ["torch", "native"])
def test_gradients_end_where_a_piece_starts(implementation: str) -> None:
    """Those of the third piece are autograd's, layer by layer in float64, with the state before it held fixed."""
    found = {}
    for name, dtype in ((implementation, FINEST[implementation]), ("reference", torch.float64)):
        model = small_model(torch.float32).to(dtype).train()
        torch.manual_seed(2)
        choose_implementation(model, name)
        contrast = movies(torch.float64, N_FRAMES).to(dtype)
        who = neurons(torch.arange(2), dtype)
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        torch.manual_seed(1)
        target = torch.randn(len(who.clip), ENDS[3] - ENDS[2], dtype=torch.float64).to(dtype)
        loss = (pieces(model, contrast, who)[2] - target).square().mean()
        gradients = torch.autograd.grad(loss, list(trained.values()))
        found[name] = dict(zip(trained, (g.double() for g in gradients), strict=True))
    errors = gradient_errors(found[implementation], found["reference"])
    assert max(errors.values()) < 1e-4, errors


def test_a_state_survives_a_checkpoint() -> None:
    model = small_model(torch.float32)
    who = neurons(torch.arange(2), torch.float32)
    _, state = model.piece_at(movies(torch.float32), who, RATE_HZ)
    again = Carried.from_dict(state.to_dict())
    assert torch.equal(again.eye.last, state.eye.last)
    assert all(torch.equal(a.last, b.last) for a, b in zip(again.hidden, state.hidden, strict=True))
    assert not any(part.last.requires_grad for part in (again.eye, *again.hidden, again.readout, again.calcium))
