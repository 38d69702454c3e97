"""The eye's lattice: what each column sees, where it sits, and that the resolution of the movie does not matter."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from stcnn.data.batch import Batch
from stcnn.nn.eye import Eye, EyeConfig
from stcnn.nn.optics import acceptance_matrix
from stcnn.nn.stack.column_sampling import NativeEye
from tests.nn.test_native import needs_core
from tests.reference import direct


def sampled(contrast: Tensor, deg_per_px: float = 1.0, **options: object) -> Tensor:
    """Contrast ``(T, Y, X)`` as the columns see it."""
    return Eye(EyeConfig.model_validate(options)).double().sample(contrast[None].double(), deg_per_px)[:, 0]


def test_the_published_eye_is_the_dense_strided_convolution() -> None:
    contrast = torch.randn(2, 83, 83).double()
    right = direct.sample(contrast, direct.Geometry())
    # Its first column looks at the first pixel: one degree left of and above the middle of the picture.
    torch.testing.assert_close(sampled(contrast, centre_deg=(-1.0, 1.0)), right)


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    spacing_px=st.integers(1, 5),
    window_px=st.integers(0, 10).map(lambda half: 2 * half + 1),
    fwhm_deg=st.floats(0.5, 20),
)
def test_any_eye_is_the_dense_strided_convolution(
    rows: int, columns: int, spacing_px: int, window_px: int, fwhm_deg: float
) -> None:
    torch.manual_seed(0)
    contrast = torch.randn(1, spacing_px * (rows - 1) + 1, spacing_px * (columns - 1) + 1).double()
    geometry = direct.Geometry(fwhm_px=fwhm_deg, window_px=window_px, stride_px=spacing_px)
    found = sampled(
        contrast,
        acceptance_fwhm_deg=fwhm_deg,
        window_deg=window_px,
        column_spacing_deg=spacing_px,
        lattice=(rows, columns),
    )
    torch.testing.assert_close(found, direct.sample(contrast, geometry), rtol=1e-9, atol=1e-12)


def test_a_dot_appears_in_the_column_that_looks_at_it() -> None:
    picture = torch.zeros(1, 83, 83)
    picture[0, 41 - 8, 41 + 12] = 1  # 8 degrees above and 12 degrees right of the middle
    peak = sampled(picture)[0].argmax()
    assert divmod(int(peak), 21) == (10 - 2, 10 + 3)


def test_a_lattice_that_looks_up_and_right_sees_what_is_there() -> None:
    picture = torch.randn(1, 83, 83)
    middle, moved = sampled(picture)[0], sampled(picture, centre_deg=(4.0, 8.0))[0]
    torch.testing.assert_close(moved[2:, :-1], middle[:-2, 1:])


@pytest.mark.parametrize("fraction", [0.5, 0.25, 1 / 3])
def test_a_finer_picture_of_the_same_scene_looks_the_same(fraction: float) -> None:
    y, x = torch.meshgrid(*[torch.arange(-45, 45, fraction).double() + fraction / 2] * 2, indexing="ij")
    coarse_y, coarse_x = torch.meshgrid(*[torch.arange(-45, 45).double() + 0.5] * 2, indexing="ij")
    scene = [torch.sin(a / 9) * torch.cos(b / 7) for a, b in ((y, x), (coarse_y, coarse_x))]
    fine, coarse = sampled(scene[0][None], fraction), sampled(scene[1][None])
    torch.testing.assert_close(fine, coarse, rtol=0, atol=1e-3)


def test_light_everywhere_is_seen_whole_away_from_the_edge() -> None:
    seen = sampled(torch.ones(1, 121, 121))
    torch.testing.assert_close(seen, torch.ones_like(seen))


@needs_core
def test_the_compiled_eye_takes_a_batch_of_the_data_set_for_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    index, samples, eye = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 1), Eye(EyeConfig())
    batch = Batch(
        codes=torch.randint(0, 256, (2, 30, 83, 83), dtype=torch.uint8),
        levels=torch.rand(2, 256) - 0.5,
        multiplicity=torch.ones(2),
        n_grey=0,
        clip=index,
        cell_type=index,
        neuron=index,
        target=samples,
        weight=samples,
        rate_hz=180.0,
        item=index,
    )
    right, compiled = eye.sample_columns(batch, 180.0, 1.0, 5), NativeEye(eye, batch.contrast(0, 1), 180.0, 1.0)
    monkeypatch.setattr(Batch, "contrast", lambda *_: pytest.fail("expanded, although its codes are there"))
    torch.testing.assert_close(compiled.sample_columns(batch, 5), right, rtol=0, atol=1e-6)


@given(
    n_px=st.integers(1, 6),
    deg_per_px=st.floats(0.5, 400),
    window_deg=st.floats(0.1, 40),
    n_columns=st.integers(1, 5),
    spacing_deg=st.floats(0.5, 60),
)
def test_a_column_never_answers_nan_however_wide_pixels_are(
    n_px: int, deg_per_px: float, window_deg: float, n_columns: int, spacing_deg: float
) -> None:
    columns_deg = (torch.arange(n_columns, dtype=torch.float64) - (n_columns - 1) / 2) * spacing_deg
    matrix = acceptance_matrix(n_px, deg_per_px, columns_deg, window_deg, 5.0)
    assert matrix.isfinite().all()
    assert (matrix.sum(1) <= 1 + 1e-9).all()
    if n_px * deg_per_px > (n_columns - 1) * spacing_deg + 2 * window_deg + 2 * deg_per_px:  # no column near an edge
        torch.testing.assert_close(matrix.sum(1), torch.ones(n_columns, dtype=torch.float64))


def test_a_full_field_pixel_is_seen_whole_by_every_column() -> None:
    columns_deg = torch.arange(-10, 11, dtype=torch.float64) * 4.0
    matrix = acceptance_matrix(1, 200.0, columns_deg, 35.0, 5.0)
    torch.testing.assert_close(matrix, torch.ones(21, 1, dtype=torch.float64))


@given(
    rows=st.integers(20, 90),
    columns=st.integers(20, 90),
    deg_per_px=st.sampled_from([0.5, 1.0, 1.25]),
    first_deg=st.tuples(st.floats(0, 4), st.floats(0, 4)),
)
def test_the_picture_of_a_lattice_that_follows_it_is_found_again(
    rows: int, columns: int, deg_per_px: float, first_deg: tuple[float, float]
) -> None:
    eye = EyeConfig(first_column_deg=first_deg, column_spacing_deg=(4.0, 3.0))
    fitting = eye.on_picture((rows, columns), deg_per_px)
    assert fitting.picture_px(deg_per_px) == (rows, columns)
    assert fitting.on_picture(fitting.picture_px(deg_per_px), deg_per_px) == fitting
