"""The page and the summary of an import: their numbers are those of the data, names are only names, and it is small."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from scipy import stats

from stcnn.data import Dataset
from stcnn.data.audit.checks import Audit, Flag, audit
from stcnn.data.dataset import with_notes
from stcnn.data.summary import sampled, summarise
from stcnn.movie import Movie
from stcnn.report.audit_page import write_audit_page
from stcnn.report.contact_sheet import MOST_MOVIES, contact_sheet, movie_card
from stcnn.report.import_page import folded, write_import_page
from stcnn.report.mean_responses import SHOWN_NEURONS, mean_responses
from tests.support import made_up_data
from tests.support.browser import browse

NASTY = '<img src=x onerror="alert(1)"> $x_{y & "z"'


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Two sessions of two animals; fly1 lies in two planes, with onsets on its own clock."""
    whole = made_up_data.dataset(neurons_per_type=4, trials=3)
    table = whole.table.assign(session=["day " + animal[-1] for animal in whole.table.animal])
    second = (table.animal == "fly1").to_numpy()
    table["plane"] = np.where(second, np.where(table.cell_type == "lc4", "plane0", "plane1"), "")
    order = [3 * r.trials[0] + list(made_up_data.MOVIE_FRAMES).index(r.stimulus) for r in whole.recordings]
    table["onset_s"] = np.where(second, 10 + 5 * np.array(order), np.nan)
    return with_notes(
        replace(whole, table=table), "a/plane0: Fneu was subtracted 0.7 times.", "<b>axis order</b> (T, Y, X)"
    )


def test_a_session_is_summed_up(data: Dataset) -> None:
    first, second = summarise(data).sessions
    assert (first.animal, first.session, first.planes, first.onsets) == ("fly0", "day 0", (), ())
    assert (second.planes, second.cells) == (("plane0", "plane1"), {"lc11": 2, "lc4": 2})
    assert (second.n_stimuli, second.n_presentations, second.trials) == (3, 9, (3, 3))
    assert second.onsets == (("loom", 10.0), ("bar", 15.0), ("spot", 20.0))
    assert second.window_s == pytest.approx((-0.5, 1.0 + 0.5 - 1 / 60))
    assert "Session day 1 of animal fly1: 2 lc11, 2 lc4 cells, planes plane0, plane1" in second.in_words()


def test_averages_count_all_their_trials() -> None:
    from stcnn.data.dataset import select

    whole = made_up_data.dataset(trials=3)
    (first, _) = summarise(select(whole, average_trials=True)).sessions
    assert (first.n_presentations, first.trials) == (9, (3, 3))


def test_the_page_has_the_numbers_of_the_data(data: Dataset, tmp_path: Path) -> None:
    page = write_import_page(data, tmp_path / "set.import.html", source="flies.yaml").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))
    assert "72 recordings of 8 neurons of 2 cell types from 2 animals in 2 sessions, while 3 movies were shown" in text
    assert "this was a dry run" in text
    assert "fly1 day 1 2 (plane0, plane1)" in text
    assert "loom 10.000, bar 15.000, spot 20.000" in text
    assert "Fneu was subtracted 0.7 times" in text
    assert "&lt;b&gt;axis order&lt;/b&gt;" in page
    assert "1.000 s 60 frames at 60 Hz" in text
    assert "20° wide, 16° high" in text
    assert page.count('class="movie"') == 3
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page)


def test_names_are_no_markup(data: Dataset, tmp_path: Path) -> None:
    renamed = [replace(r, stimulus=NASTY if r.stimulus == "bar" else r.stimulus, neuron=NASTY) for r in data.recordings]
    movies = {NASTY if name == "bar" else name: movie for name, movie in data.movies.items()}
    odd = with_notes(Dataset.of(movies, renamed), NASTY)
    flagged = Audit([Flag("red", "label", NASTY, NASTY)], audit(odd).neurons)
    for page in (
        write_import_page(odd, tmp_path / "import.html", source=NASTY, store=NASTY).read_text(),
        write_audit_page(flagged, odd, tmp_path / "check.html").read_text(),
    ):
        assert "<img src=x" not in page
        assert "&lt;img src=x onerror=" in page


def test_the_contact_sheet_shows_first_middle_and_last_frame() -> None:
    frames = np.full((9, 6, 8), 0.5, np.float32)
    frames[0, 0, :] = 1  # a white row at the top
    frames[4, :, 0] = 0  # a black column at the left
    frames[8, 5, 7] = 1
    card = movie_card("x", Movie.from_luminance(frames, 10.0, deg_per_px=2.5, background=0.5, onset_s=0.2))
    shown = [image.imread(io.BytesIO(base64.b64decode(f.data.split(",")[1])))[..., 0] for f in card.frames]
    for picture, number in zip(shown, (0, 4, 8), strict=True):
        np.testing.assert_allclose(picture, frames[number], atol=1 / 255)
    assert [frame.time for frame in card.frames] == ["-0.200 s", "0.200 s", "0.600 s"]
    assert {"0.900 s", "9 frames at 10 Hz", "20° wide, 15° high", "5 different from the one before"} <= set(card.facts)


def test_many_movies_and_large_ones_are_thinned_out() -> None:
    movie = Movie.from_luminance(np.full((2, 500, 900), 0.5, np.float32), 10.0, background=0.5)
    cards = contact_sheet({str(n): movie for n in range(100)}, map(str, range(100)), silent)
    assert len(cards) == MOST_MOVIES
    assert (cards[0].name, cards[-1].name) == ("0", "99")
    assert (cards[0].frames[0].width_px, cards[0].frames[0].height_px) == (150, 84)
    assert sampled(range(10), 3) == [0, 4, 9]


def test_the_most_reliable_neurons_are_shown_with_their_interval() -> None:
    rng = np.random.default_rng(0)
    whole = made_up_data.dataset(neurons_per_type=9, trials=3)
    signal = rng.normal(size=200).cumsum()
    noise = {str(n): 0.1 if n % 3 == 0 else 30.0 for n in range(9)}
    recordings = [
        replace(r, trace=(signal[: len(r.trace)] + noise[r.neuron] * rng.normal(size=len(r.trace))).astype(np.float32))
        for r in whole.recordings
    ]
    first, _ = mean_responses(Dataset.of(whole.movies, recordings), silent)
    assert len(first.neurons) == SHOWN_NEURONS
    assert set(first.neurons[:3]) == {"0", "3", "6"}
    assert "n = 6 neurons, the most reliable of 9" in first.caption()
    response = next(r for r in first.responses if r.stimulus == "bar")
    means = [
        np.mean([r.trace for r in recordings if (r.cell_type, r.neuron, r.stimulus) == ("lc11", n, "bar")], axis=0)
        for n in first.neurons
    ]
    np.testing.assert_allclose(response.mean, np.mean(means, axis=0), atol=1e-5)
    low, high = stats.t.interval(0.95, 5, np.mean(means, axis=0), stats.sem(means, axis=0))
    np.testing.assert_allclose(2 * response.half_width, high - low, rtol=1e-4)
    assert response.end_s == pytest.approx(1.0)


def test_notes_that_say_the_same_of_several_files_are_folded() -> None:
    notes = folded(["a/plane0: subtracted 0.7 times.", "b/plane1: subtracted 0.7 times.", "The animals differ."])
    assert [(note.text, note.alike) for note in notes] == [
        ("a/plane0: subtracted 0.7 times.", ["b/plane1: subtracted 0.7 times."]),
        ("The animals differ.", []),
    ]


def test_unusable_recordings_leave_a_page_that_says_so(tmp_path: Path) -> None:
    whole = made_up_data.dataset()
    dead = Dataset.of(whole.movies, [replace(r, trace=np.full_like(r.trace, np.nan)) for r in whole.recordings])
    page = write_import_page(dead, tmp_path / "import.html", source="x").read_text()
    assert "nothing to show" in page


@pytest.mark.parametrize("width", [400, 1600])
def test_pages_fit_a_phone_and_a_desk(data: Dataset, tmp_path: Path, width: int) -> None:
    pages = [
        write_import_page(data, tmp_path / "import.html", source="flies.yaml"),
        write_audit_page(audit(data), data, tmp_path / "check.html"),
    ]
    measure = "document.title = document.documentElement.scrollWidth - innerWidth"
    for page in pages:
        page.write_text(page.read_text().replace("</body>", f"<script>{measure}</script></body>"))
        frame = f'<iframe src="{page.name}" width="{width}" height="900" style="border:0" id="f"></iframe>'
        tell = "onload = () => document.title = document.getElementById('f').contentDocument.title"
        (tmp_path / "outer.html").write_text(f"<!doctype html><body>{frame}<script>{tell}</script>")
        shown = browse(
            "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000",
            "--dump-dom", f"file://{tmp_path / 'outer.html'}",
        )  # fmt: skip
        assert re.search(r"<title>(-?\d+)</title>", shown.stdout)[1] in ("0", "-15"), shown.stdout[:500]  # type: ignore[index]
