"""FicTrac: its lines turn the world that the model sees."""

from __future__ import annotations

import math
import socket
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import ConfigError, StcnnError
from stcnn.live.fictrac import FicTracListener, step_of
from stcnn.live.gate import Address
from stcnn.live.panorama import Panorama
from stcnn.live.service import Service
from stcnn.movie import Movie
from stcnn.stimuli import Screen, render
from tests.support.served import RATE_HZ, SCREEN, SHAPE_PX, WORLD, WebSocketPeer, served, small_model, wait_until


def line(number: int, heading_rad: float, columns: int = 25) -> str:
    """A line as FicTrac's ``Trackball::logData`` puts it together: 25 columns behind FT."""
    values = ["0"] * columns
    values[0], values[16], values[21] = str(number), repr(float(heading_rad)), str(1000 + 1000 * number / RATE_HZ)
    return ", ".join(["FT", *values]) + "\n"


def test_columns_are_those_of_its_documentation() -> None:
    step = step_of(line(7, math.pi / 2))
    assert (step.number, step.heading_deg) == (7, 90)
    assert step.time_s == pytest.approx(1 + 7 / RATE_HZ)
    assert step_of(line(7, 0, columns=23)).number == 7


@pytest.mark.parametrize(
    "text",
    ["", "FT, 1, 2", line(1, math.nan), line(1, math.inf), line(1, 1e300), line(1, 0).replace("FT", "XY"), "FT, " * 30],
)
def test_lines_that_are_none_of_its_are_told(text: str) -> None:
    with pytest.raises(StcnnError, match=r"a line from FicTrac is .* expected 'FT, ' and at least 23 numbers"):
        step_of(text)


@given(st.text() | st.lists(st.floats().map(str), max_size=30).map(lambda each: ", ".join(["FT", *each])))
def test_whatever_comes_is_a_step_or_told(text: str) -> None:
    with suppress(StcnnError):
        assert math.isfinite(step_of(text).heading_deg)


def test_a_turn_to_the_right_moves_the_world_to_the_left() -> None:
    screen = Screen(shape_px=(5, 21), deg_per_px=1.0, rate_hz=RATE_HZ)
    bar = {"kind": "moving_bar", "width_deg": 1, "speed_deg_s": 1}
    around = Panorama({**bar, "start_deg": 0, "stop_deg": 1}, screen)
    seen = around.seen(0, 0.0)
    np.testing.assert_array_equal(around.seen(0, 4.0)[:, :-4], seen[:, 4:])
    np.testing.assert_array_equal(around.seen(0, -4.0)[:, 4:], seen[:, :-4])
    np.testing.assert_array_equal(around.seen(0, 360.0), seen)
    between = (around.seen(0, 2.0) + around.seen(0, 3.0)) / 2
    np.testing.assert_allclose(around.seen(0, 2.5), between, atol=1e-6)


def test_a_grating_that_is_turned_is_the_grating_of_another_phase() -> None:
    """Its period goes into 360 degrees, so that it has no seam."""
    grating = {"kind": "drifting_grating", "period_deg": 12, "speed_deg_s": 0, "waveform": "sine", "duration_s": 0.1}
    around = Panorama(grating, SCREEN)
    for heading_deg in (0, 3, 7, 200):
        right = render(SCREEN, {**grating, "phase_cycles": heading_deg / 12})
        np.testing.assert_allclose(around.seen(0, heading_deg), right.luminance()[0], atol=1e-5)


def test_pixels_that_do_not_go_round_are_told() -> None:
    with pytest.raises(ConfigError, match=r"pixels of 0.7 degrees do not go round"):
        Panorama(WORLD, Screen(shape_px=SHAPE_PX, deg_per_px=0.7))


def test_the_loop_is_closed_and_heard_by_those_who_follow() -> None:
    model = small_model()
    headings = np.cumsum(np.random.default_rng(0).normal(0, 0.2, 30)) % (2 * math.pi)
    lines = [line(n + 1, heading) for n, heading in enumerate(headings)]
    with (
        served(model, "fictrac", "ws") as (told, service),
        WebSocketPeer(told) as follower,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fictrac,
    ):
        assert follower.ask({"follow": True}) == {"follow": True, "n_unheard": 0}
        to = told.addresses["fictrac"][1:]
        answers = []
        for text in lines:
            fictrac.sendto(text.encode(), to)
            answers.append(follower.receive())
        fictrac.sendto(b"FT, nonsense", to)
        assert "a line from FicTrac is 'FT, nonsense'" in follower.receive()["error"]
        fictrac.sendto(lines[0].encode(), to)
        assert "frame 1 came after frame 30" in follower.receive()["error"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
            second.sendto(lines[0].encode(), to)
            assert "a second FicTrac sends from 127.0.0.1" in follower.receive()["error"]
        wait_until(lambda: service.latencies.n_frames == 30)
    around = Panorama(WORLD, SCREEN)
    shown = np.stack([around.seen(n, math.degrees(heading)) for n, heading in enumerate(headings)])
    right = model.predict(Movie(shown, RATE_HZ), start="rest")["lc11"]
    np.testing.assert_allclose([answer["calcium"]["lc11"] for answer in answers], right, rtol=1e-5)
    np.testing.assert_allclose([answer["heading_deg"] for answer in answers], np.degrees(headings))
    assert {answer["loop"] for answer in answers} == {"fictrac"}
    assert told.summary["n_refused"] == 3


def test_other_machines_cannot_turn_the_world() -> None:
    model = small_model()
    service = Service(lambda: model.stream(rate_hz=RATE_HZ, deg_per_px=1.0), SHAPE_PX, RATE_HZ, 1)
    with pytest.raises(ConfigError, match="FicTrac cannot show a token"):
        FicTracListener(Address("fictrac", "0.0.0.0", 1111), service, Panorama(WORLD, SCREEN))
