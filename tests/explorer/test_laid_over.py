"""Recordings in the page: of stimuli that it draws, and of movies that it carries."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pytest

from stcnn.data import Dataset
from stcnn.explorer import recordings as laid_over
from stcnn.explorer.page import Explored, page
from stcnn.explorer.recordings import carried_movie, recordings
from stcnn.movie import BACKGROUND, Movie
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run
from tests.support import made_up_data
from tests.support.made_up_data import RATE_HZ
from tests.support.pages import Opens
from tests.support.small_explored import SHAPE_PX, recorded, run_with_split, small_model

CALCIUM = "const { answer } = explorer.state();"
CELLS = """
    const rows = [...document.querySelectorAll("#peaks tbody tr")];
    return rows.map((row) => [...row.children].map((each) => each.textContent));
"""
READY = "while (!window.firstAnswerMs) await new Promise((done) => setTimeout(done, 20));"


@pytest.fixture(scope="module")
def model() -> STCNN:
    return small_model()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return recorded()


@pytest.fixture(scope="module")
def run(model: STCNN, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_with_split(model, dataset, tmp_path_factory.mktemp("run"))


def unpacked(movie: dict[str, Any]) -> np.ndarray:
    codes = np.frombuffer(zlib.decompress(base64.b64decode(movie["z"])), np.uint8).reshape(movie["shape"])
    return np.array(movie["levels"])[codes]


def test_movies_go_as_codes_exact_to_256_greys():
    right = made_up_data.movie("loom")
    np.testing.assert_allclose(unpacked(carried_movie(right)), right.luminance(), rtol=0, atol=1e-7)
    fine = np.linspace(0, 1, 4 * 16 * 20, dtype=np.float32).reshape(4, 16, 20)
    np.testing.assert_allclose(unpacked(carried_movie(Movie(fine, 60.0))), fine, rtol=0, atol=0.5 / 255 + 1e-6)


def test_recordings_of_movies_are_held_out_ones_first_and_none_of_the_test(
    run: Run, model: STCNN, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    found = recordings(run, model, dataset)
    assert found.n_in_all == len(found.recordings) == 15
    assert [each["held_out"] for each in found.recordings] == [True] * 6 + [False] * 9
    assert set(found.movies) == {"loom", "bar"}
    assert {each["stimulus"] for each in found.recordings if "parameters" in each} == {"spot"}
    assert all(0 < each["ceiling"] <= 1 for each in found.recordings)
    for limit in ("MOST_BYTES", "MOST_PIXELS"):
        with monkeypatch.context() as patched:
            patched.setattr(laid_over, limit, 10)
            some = recordings(run, model, dataset)
        assert some.n_in_all == 15
        assert {each["stimulus"] for each in some.recordings} == {"spot"}


def test_a_recording_of_a_movie_is_laid_over_as_it_was_shown(run: Run, model: STCNN, dataset: Dataset, opens: Opens):
    """Frames, shift and answer are ours; the table has the correlation with the recording beside its ceiling."""
    found = recordings(run, model, dataset)
    place, laid = next(
        (place, each) for place, each in enumerate(found.recordings) if "movie" in each and all(each["shift_px"])
    )
    tab = opens(page([Explored("made up", [model], RATE_HZ, SHAPE_PX, found)]), view={"recording": place})
    tab.run(READY)
    movie = dataset.movies[laid["stimulus"]]
    (left, down) = laid["shift_px"]
    right = np.full((movie.n_frames, *SHAPE_PX), BACKGROUND, np.float32)
    rows, columns = SHAPE_PX
    shown = movie.luminance() - np.float32(movie.background) + np.float32(BACKGROUND)
    right[:, max(down, 0) : rows + min(down, 0), max(-left, 0) : columns + min(-left, 0)] = shown[
        :, max(-down, 0) : rows + min(-down, 0), max(left, 0) : columns + min(left, 0)
    ]
    frames = np.array(tab.run("return explorer.state().frames.map((frame) => Array.from(frame));"))
    frames = frames.reshape(-1, *SHAPE_PX)
    np.testing.assert_allclose(frames[: movie.n_frames], right, rtol=0, atol=1e-6)

    whole = np.clip(frames + movie.background - BACKGROUND, 0, 1).astype(np.float32)
    response = model.respond(Movie(whole, RATE_HZ, background=movie.background))
    cell_type = laid["cell_type"]
    calcium = np.array(tab.run(f"{CALCIUM} return Array.from(answer.calcium[answer.types.indexOf('{cell_type}')]);"))
    np.testing.assert_allclose(calcium, response.calcium[cell_type], rtol=0, atol=1e-5 * np.abs(calcium).max())

    recording = next(
        each
        for each in dataset.recordings
        if (each.cell_type, each.neuron, each.stimulus) == (cell_type, laid["neuron"], laid["stimulus"])
    )
    time_s = np.arange(len(calcium)) / RATE_HZ - movie.onset_s
    scored = (recording.time_s >= 0) & (recording.time_s <= time_s[-1])
    expected = np.corrcoef(np.interp(recording.time_s[scored], time_s, calcium), recording.trace[scored])[0, 1]
    header = tab.run("return [...document.querySelectorAll('#peaks thead th')].map((each) => each.textContent);")
    cells = tab.run(CELLS)
    assert header[1:3] == ["correlation with recording", "noise ceiling"]
    (row,) = [each for each in cells if each[0] == cell_type]
    assert float(row[1]) == pytest.approx(expected, abs=0.011)
    assert float(row[2]) == pytest.approx(laid["ceiling"], abs=0.006)
