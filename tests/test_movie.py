"""A movie: its grey values in 8 bits where that is exact, and luminance that cannot be is refused in a sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stcnn import example_run
from stcnn.errors import ShapeError
from stcnn.movie import Movie

grey_values = st.one_of(
    st.lists(st.integers(0, 255).map(lambda code: code / 255), min_size=1),
    st.lists(st.floats(0, 1, width=32), min_size=1),
    st.lists(st.floats(0.5, 0.5 + 2**-8, width=32), min_size=1),  # several between two steps of 1/255
)


@given(values=grey_values, places=arrays(np.uint8, (3, 4, 5)))
def test_codes_stand_for_exactly_the_luminance_in_ascending_order(values: list[float], places: np.ndarray) -> None:
    luminance = np.array(values, np.float32)[places % len(values)]
    movie = Movie(luminance, 60.0).coded()
    assert movie.levels is not None
    np.testing.assert_array_equal(movie.luminance(), luminance)
    np.testing.assert_array_equal(movie.levels, np.unique(luminance))


def test_a_movie_of_more_than_256_grey_values_stays_as_it_is() -> None:
    luminance = np.linspace(0, 1, 3 * 10 * 10, dtype=np.float32).reshape(3, 10, 10)
    movie = Movie(luminance, 60.0).coded()
    assert movie.levels is None
    np.testing.assert_array_equal(movie.luminance(), luminance)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([np.nan, np.nan], "movie luminance is not finite anywhere, expected luminance from 0"),
        ([0.25, np.nan], "movie luminance runs from 0.25 to 0.25 and holds values that are not finite"),
        ([0.25, np.inf], "movie luminance runs from 0.25 to 0.25 and holds values that are not finite"),
        ([0, 255], "movie luminance runs from 0 to 255, expected .* Divide 8-bit pictures by 255"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_luminance_that_cannot_be_is_a_sentence_and_no_warning(values: list[float], sentence: str) -> None:
    with pytest.raises(ShapeError, match=sentence):
        Movie(np.full((4, 3, 2), values, np.float32), 60.0)


def test_movies_recordings_and_data_sets_are_told_in_a_line() -> None:
    run = example_run()
    data = run.dataset()
    movie = data.movies["rectangle_9x9"]
    assert repr(movie) == "Movie(moving_rectangle, 122 frames of 83 x 83 px at 60 Hz, 1 deg/px, onset 0.5 s)"
    assert repr(data.recordings[0]).startswith("Recording(lc11 lc11_0_0, ")
    types = "lc11 (10), lc15 (10), lplc2 (10)"
    counts = f"720 recordings of 30 neurons, {len(data.movies)} movies"
    assert repr(data) == f"Dataset({counts}; neurons by cell type: {types})"
