"""Spatial correlation: both forms against a correlation written out, and against each other's derivative."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate as scipy_correlate

from stcnn.nn.ops import correlate as spatial
from stcnn.nn.ops.correlate import correlate, correlate_adjoint

odd = st.integers(0, 6).map(lambda n: 2 * n + 1)
shapes = st.tuples(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(5, 16), st.integers(5, 16), odd, odd
)


@pytest.fixture(params=["direct", "fourier"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(spatial, "FOURIER_WIDTH", 99 if request.param == "direct" else 0)
    return request.param


def draw(n: int, c: int, o: int, rows: int, columns: int, k_y: int, k_x: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n + 10 * c + 100 * o + rows * columns)
    x = torch.randn(n, c, rows, columns, dtype=torch.float64, generator=generator)
    return x, torch.randn(o, c, k_y, k_x, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("kernel", [(1, 1), (3, 5), (7, 7), (13, 9)])
def test_correlation_is_that_of_scipy(form: str, kernel: tuple[int, int]) -> None:
    x, weight = draw(2, 3, 2, 13, 14, *kernel)
    got = correlate(x, weight).numpy()
    for n in range(2):
        for o in range(2):
            terms = [scipy_correlate(x[n, c].numpy(), weight[o, c].numpy(), mode="same") for c in range(3)]
            np.testing.assert_allclose(got[n, o], np.sum(terms, 0), atol=1e-12)


@given(shapes)
@settings(max_examples=25)
def test_both_forms_agree_in_value_and_adjoint(shape: tuple[int, ...]) -> None:
    x, weight = draw(*shape)
    g = torch.randn(x.shape[0], weight.shape[0], *x.shape[2:], dtype=torch.float64)
    found = []
    for width in (99, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spatial, "FOURIER_WIDTH", width)
            found.append((correlate(x, weight), *correlate_adjoint(g, x, weight)))
    for direct, fourier in zip(*found, strict=True):
        torch.testing.assert_close(fourier, direct, atol=1e-11, rtol=0)


def test_adjoint_is_the_derivative(form: str) -> None:
    x, weight = (t.requires_grad_() for t in draw(2, 2, 3, 9, 8, 5, 7))
    g = torch.randn(2, 3, 9, 8, dtype=torch.float64)
    dx, dw = torch.autograd.grad(correlate(x, weight), (x, weight), g)
    got_dx, got_dw = correlate_adjoint(g, x.detach(), weight.detach())
    torch.testing.assert_close(got_dx, dx)
    torch.testing.assert_close(got_dw, dw)
    assert correlate_adjoint(g, x.detach(), weight.detach(), wants_input=False)[0] is None


def test_wide_kernels_go_through_the_transform() -> None:
    assert not spatial.use_fourier(torch.zeros(1, 1, 7, 7))
    assert spatial.use_fourier(torch.zeros(1, 1, 11, 11))
