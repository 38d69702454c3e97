"""The page as somebody uses it: keys, pointer, camera, files, Play, and what a screen reader is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import matplotlib.image
import numpy as np
import pytest

from stcnn.explorer.page import Explored, page
from tests.support.chromium import Tab
from tests.support.networks import MOVIE_PX, RATE_HZ, network
from tests.support.pages import Opens

READY = "while (!window.firstAnswerMs) await new Promise((done) => setTimeout(done, 20));"
FOCUSED = """
    const at = document.activeElement;
    return at.getAttribute("aria-label") || at.labels?.[0]?.textContent || at.textContent;
"""
BOX = """
    const { x, y, width, height } = document.getElementById("stimulus").getBoundingClientRect();
    return [x, y, width, height];
"""
KEEPS_THE_STREAM = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (asked) => (window.stream = await ask(asked));
"""
NO_CAMERA = (
    "This browser gives no camera to a page that was opened from the disk. Try Chromium, Chrome, Edge or Firefox."
)
FRAMES = "return explorer.state().frames.map((frame) => Array.from(frame));"


def until(tab: Tab, condition: str) -> None:
    """Wait until an expression is true in the page, at most a minute."""
    true = tab.run(
        f"for (let i = 0; i < 3000 && !({condition}); i++) await new Promise((done) => setTimeout(done, 20));"
        f"return Boolean({condition});"
    )
    assert true, condition


def settled_box(tab: Tab) -> list[float]:
    """Where the stimulus stands once the page no longer moves it: controls come a moment after the first answer."""
    box: list[float] = tab.run(BOX)
    for _ in range(100):
        tab.run("await new Promise((done) => setTimeout(done, 200));")
        before, box = box, tab.run(BOX)
        if box == before:
            break
    return box


def said(tab: Tab) -> str:
    """The sentence that the page announces."""
    found: str = tab.run("return document.getElementById('said').textContent;")
    return found


@pytest.fixture(scope="module")
def text() -> str:
    """A page with a small network."""
    return page([Explored("made up", [network()], RATE_HZ, MOVIE_PX)])


@pytest.fixture(scope="module")
def tab(text: str, opens: Opens) -> Tab:
    """It, opened."""
    opened = opens(text)
    opened.run(READY)
    return opened


def test_the_keyboard_alone_does_everything(tab: Tab):
    """Tab reaches every control, with an outline; arrow keys, Enter and the space bar work them."""
    tab.run("document.activeElement.blur();")
    reached = []
    outlined = []
    n_controls = tab.run(
        "return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
        ".filter((each) => each.checkVisibility() && !each.disabled && each.tabIndex >= 0).length;"
    )
    for _ in range(n_controls):
        tab.press("Tab")
        reached.append(tab.run(FOCUSED))
        outlined.append(tab.run("return getComputedStyle(document.activeElement).outlineStyle;"))
    assert reached[0] == "Skip to the responses"
    assert {"Stimulus", "Maps of", "Play", "time", "Against", "Copy a link to this view"} <= set(reached)
    assert "silence channel 2 of hidden layer 1" in reached
    assert set(outlined[1:]) <= {"solid", "auto"}

    tab.run("document.querySelector('[aria-label=\"silence channel 2 of hidden layer 1\"]').focus();")
    tab.press("Enter")
    assert tab.run("return explorer.view.edits.silent;") == {"layer1": [1]}
    tab.press(" ")
    assert tab.run("return explorer.view.edits.silent;") == {}
    tab.run("document.querySelector('[data-name=\"gainlayer2\"] input').focus();")
    tab.press("ArrowRight")
    assert tab.run("return explorer.view.edits.gain;") == {"layer2": 1.05}
    tab.press("ArrowLeft")
    assert tab.run("return explorer.view.edits.gain;") == {}


def test_play_goes_through_time_and_stops(tab: Tab):
    tab.run("explorer.compute(); document.activeElement.blur();")
    until(tab, "explorer.state().answer?.done === explorer.state().answer?.nFrames")
    first = tab.run("return explorer.view.frame;")
    tab.press(" ")
    assert tab.run("return document.getElementById('play').textContent;") == "Pause"
    until(tab, f"explorer.view.frame !== {first}")
    shown = tab.run("return [explorer.view.frame, Number(document.getElementById('time').value)];")
    assert shown[0] == shown[1]
    tab.press(" ")
    assert tab.run("return document.getElementById('play').textContent;") == "Play"
    stopped = tab.run("return explorer.view.frame;")
    tab.run("await new Promise((done) => setTimeout(done, 200));")
    assert tab.run("return explorer.view.frame;") == stopped


def test_a_screen_reader_is_told_what_is_seen(tab: Tab):
    nodes = [each for each in tab.send("Accessibility.getFullAXTree")["nodes"] if not each.get("ignored")]
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    names = {role: [name for kind, name in found if kind == role] for role, _ in found}
    assert {"What it sees", "Responses", "Tuning", "Change the network"} <= set(names["heading"])
    pictures = names.get("image", []) + names.get("img", [])
    assert any(name.startswith("dF/F of lc18 over time, from ") for name in pictures), pictures
    assert any(name.startswith("Maps of hidden layer 1 at ") for name in pictures)
    assert any("lc11 answers most at" in name for name in pictures)
    assert all(names[role] and all(names[role]) for role in ("button", "slider", "combobox"))
    assert names["rowheader"] == ["lc18", "lc11"]
    assert "status" in names


def test_the_pointer_draws(text: str, opens: Opens):
    tab = opens(text, view={"kind": "drawing", "args": {"size_deg": 8, "luminance": 0}})
    until(tab, "explorer.state().answer")
    box = settled_box(tab)
    rows, columns = MOVIE_PX
    tab.point(box[0] + box[2] * 10.5 / columns, box[1] + box[3] * 20.5 / rows)
    until(tab, "explorer.state().frames[0].some((value) => value < 0.1)")
    frame = np.reshape(tab.run(FRAMES)[0], MOVIE_PX)
    assert frame[20, 10] == pytest.approx(0, abs=1e-6)
    assert frame[20, 16] == frame[5, 30] == pytest.approx(0.498)
    until(tab, "explorer.state().answer.voltage.some((trace) => trace.at(-1) !== trace[0])")


def test_a_camera_is_a_stimulus_and_is_let_go(text: str, opens: Opens):
    """Chromium's own camera, which shows a moving pattern; the page is opened from the disk."""
    tab = opens(text, view={"kind": "webcam", "args": {}}, before=KEEPS_THE_STREAM)
    until(tab, "explorer.state().frames[0]?.some((value, i, all) => Math.abs(value - all[0]) > 0.1)")
    first = np.array(tab.run(FRAMES)[0])
    until(tab, f"Math.abs(explorer.state().frames[0].reduce((sum, each) => sum + each, 0) - {first.sum()}) > 1e-3")
    assert 0 <= first.min() < first.max() <= 1
    until(tab, "explorer.state().answer.voltage.some((trace) => trace.at(-1) !== trace[0])")
    assert said(tab) == "The network sees what the camera sees; nothing leaves this page."
    tab.run(
        "const list = document.querySelector('select'); list.value = 'flash'; list.dispatchEvent(new Event('change'));"
    )
    assert tab.run("return window.stream.getTracks().map((track) => track.readyState);") == ["ended"]


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        (
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };",
            "The camera was refused: allow it in the browser and choose it again.",
        ),
        (
            "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });",
            NO_CAMERA,
        ),
    ],
    ids=["refused", "none"],
)
def test_without_a_camera_there_is_a_sentence(text: str, opens: Opens, before: str, sentence: str):
    tab = opens(text, view={"kind": "webcam", "args": {}}, before=before)
    until(tab, "document.getElementById('said').classList.contains('wrong')")
    assert said(tab) == sentence


def moving_picture(path: Path, greys: list[int]) -> None:
    """Write a movie whose frames are each of one grey."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libvpx", rate=30)
        stream.width, stream.height, stream.pix_fmt = 70, 62, "yuv420p"
        for grey in greys:
            picture = av.VideoFrame.from_ndarray(np.full((62, 70, 3), grey, np.uint8), format="rgb24")
            file.mux(stream.encode(picture))
        file.mux(stream.encode())


def test_pictures_and_movies_are_dropped_on_the_page(tab: Tab, tmp_path: Path):
    """A picture of the field's own size is seen to the pixel; a movie frame by frame; anything else is a sentence."""
    grey = np.random.default_rng(0).integers(0, 256, MOVIE_PX, np.uint8)
    matplotlib.image.imsave(tmp_path / "picture.png", np.repeat(grey[..., None], 3, axis=-1))
    tab.drop(500, 500, tmp_path / "picture.png")
    until(tab, "explorer.view.kind === 'file' && explorer.state().answer?.nFrames === 51")
    frames = np.array(tab.run(FRAMES)).reshape(51, *MOVIE_PX)
    np.testing.assert_allclose(frames[:30], np.broadcast_to(grey / 255, (30, *MOVIE_PX)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(frames[30:], 0.498, rtol=0, atol=1e-6)

    greys = [20, 60, 100, 140, 180, 220]
    moving_picture(tmp_path / "movie.webm", greys)
    n_frames = len(greys) + 21
    tab.drop(500, 500, tmp_path / "movie.webm")
    until(tab, f"explorer.state().answer?.nFrames === {n_frames} && explorer.state().answer.done === {n_frames}")
    frames = np.array(tab.run(FRAMES)).reshape(-1, *MOVIE_PX)[: len(greys)]
    np.testing.assert_allclose(frames[:, 10, 10], np.array(greys) / 255, rtol=0, atol=0.02)

    (tmp_path / "notes.txt").write_text("no picture")
    tab.drop(500, 500, tmp_path / "notes.txt")
    until(tab, "document.getElementById('said').classList.contains('wrong')")
    assert said(tab).startswith("notes.txt is no picture or movie that this browser can read. Try PNG")
