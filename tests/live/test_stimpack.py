"""stimpack: the requests of a rig are shown to the model, and answered with its response."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import ConfigError, StcnnError
from stcnn.live.stimpack import MOST_LINE_BYTES, requests_of
from stcnn.live.trajectories import course_of, layer_of
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen, render
from stcnn.stimuli.coverage import disc_coverage
from tests.support.served import RATE_HZ, SCREEN, TOKEN, Served, served, small_model

GREY = np.full((11, 13), 0.5, np.float32)


def as_line(found: object) -> bytes:
    return json.dumps(found).encode()


class Rig:
    """Speaks as ``stimpack.rpc`` does."""

    def __init__(self, told: Served) -> None:
        self.socket = socket.create_connection(told.addresses["stimpack"][1:], timeout=20)
        self.lines = self.socket.makefile("rb")

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *error: object) -> None:
        self.lines.close()
        self.socket.close()

    def call(self, name: str, /, *args: Any, target: str | None = "visual", **kwargs: Any) -> None:
        self.write(json.dumps([{"target": target, "name": name, "args": args, "kwargs": kwargs}]).encode())

    def write(self, line: bytes) -> None:
        self.socket.sendall(line + b"\n")

    def heard(self) -> tuple[str, dict[str, Any]]:
        (request,) = json.loads(self.lines.readline())
        return request["name"], request["kwargs"]

    def error(self) -> str:
        name, facts = self.heard()
        assert name == "stcnn_error"
        return str(facts["error"])


@pytest.fixture(scope="module")
def model() -> STCNN:
    return small_model()


def assert_is_response(model: STCNN, facts: dict[str, Any], frames: np.ndarray) -> None:
    """The response is that of the offline pass to the frames, for as long as it was shown."""
    n_shown = facts["n_shown"]
    assert facts["n_kept"] == n_shown > 3
    shown = np.concatenate([frames, np.broadcast_to(frames[-1:], (max(0, n_shown - len(frames)), *frames.shape[1:]))])
    right = model.predict(Movie(shown[:n_shown], RATE_HZ), start="steady")
    for name, trace in right.items():
        np.testing.assert_allclose(facts["calcium"][name], trace, rtol=2e-4, atol=1e-6)


def test_a_stimulus_of_ours_is_answered_with_the_response_of_the_offline_pass(model: STCNN) -> None:
    stimulus: dict[str, Any] = {"edge_speed_deg_s": 20, "start_deg": 1, "end_deg": 12}
    with served(model, "stimpack", start="steady") as (told, _), Rig(told) as rig:
        rig.call("load_stim", "looming_disc", **stimulus)
        rig.call("start_stim", target="all", append_stim_frames=False)
        rig.call("corner_square_toggle_start")
        time.sleep(0.4)
        rig.call("stop_stim", target="all", print_profile=True)
        name, facts = rig.heard()
    assert name == "stcnn_response"
    assert facts["stimuli"] == ["looming_disc"]
    movie = render(SCREEN, {"kind": "looming_disc", **stimulus})
    grey = np.full((1, 11, 13), SCREEN.background, np.float32)
    assert_is_response(model, facts, np.concatenate([movie.luminance(), grey]))


def test_a_spot_of_stimpack_on_its_background_is_answered(model: STCNN) -> None:
    """Their theta grows to the left; the background and the spot are grey levels of ours."""
    path = {"name": "TVPairs", "tv_pairs": [[0, -4], [1, 4]], "kind": "linear"}
    with served(model, "stimpack", start="steady") as (told, _), Rig(told) as rig:
        tuple_colour = {"__tuple__": True, "items": [SCREEN.background] * 3 + [1]}
        rig.call("load_stim", name="ConstantBackground", color=tuple_colour, side_length=100)
        rig.call("load_stim", name="MovingSpot", radius=2, sphere_radius=1, color=0, theta=path, phi=1, hold=True)
        rig.call("start_stim")
        time.sleep(0.3)
        rig.call("stop_stim")
        _, facts = rig.heard()
    time_s = np.arange(120) / RATE_HZ
    covered = disc_coverage(SCREEN, -(-4 + 8 * time_s), np.ones(120), np.full(120, 4.0))
    assert facts["stimuli"] == ["ConstantBackground", "MovingSpot"]
    assert_is_response(model, facts, np.float32(SCREEN.background) * (1 - covered))


def test_what_is_not_known_is_answered_with_a_sentence_and_the_connection_goes_on(model: STCNN) -> None:
    with served(model, "stimpack", start="steady") as (told, _), Rig(told) as rig:
        rig.call("load_stim", "MovingSpott")
        assert "the stimulus 'MovingSpott' is neither" in rig.error()
        rig.call("load_stim", "MovingSpot", radios=3)
        assert "MovingSpot has no parameter 'radios'. Did you mean 'radius'" in rig.error()
        rig.call("load_stim", "looming_disc", start_deg=-1)
        assert "stimulus 'looming_disc' has start_deg=-1" in rig.error()
        rig.call("start_stimm")
        assert "the request 'start_stimm' is not known here. Did you mean 'start_stim'" in rig.error()
        rig.call("set_pos_0", target="locomotion")
        assert "the target 'locomotion' is not here" in rig.error()
        for line in (b"no JSON", b"{}", b"[1]", b"\xff", b"[" * 5000):
            rig.write(line)
            assert "expected a list of requests such as" in rig.error()
        rig.write(b"x" * (MOST_LINE_BYTES + 100))
        assert "a line of more than 1048576 bytes is not read" in rig.error()
        rig.write(b"[" + b'{"name": "load_stim", "args": 3, "kwargs": {}}' + b"]")
        assert "has no proper args and kwargs" in rig.error()
        rig.call("start_stim")
        time.sleep(0.2)
        rig.call("stop_stim")
        assert rig.heard()[0] == "stcnn_response"
    assert told.summary["n_refused"] == 12


@given(st.binary(max_size=60) | st.lists(st.dictionaries(st.text(max_size=5), st.integers())).map(as_line))
def test_whatever_comes_is_a_list_of_requests_or_told(line: bytes) -> None:
    with suppress(StcnnError):
        assert all("name" in request for request in requests_of(line))


def test_a_trajectory_that_runs_away_is_told_once(model: STCNN) -> None:
    runaway = {"name": "TVPairs", "tv_pairs": [[0, 0], [1e-6, 1e6]]}
    with served(model, "stimpack", start="steady") as (told, _), Rig(told) as rig:
        rig.call("load_stim", "MovingSpot", theta=runaway)
        rig.call("start_stim")
        assert "luminance of frame" in rig.error()
        rig.call("stop_stim")
        assert rig.heard()[0] == "stcnn_response"


def test_the_first_line_is_the_token_where_there_is_one(model: STCNN) -> None:
    with served(model, "stimpack", token=TOKEN) as (told, service):
        for line in (b'[{"name": "start_stim"}]', b'[{"name": "token", "args": ["wrong"]}]', b"[]", b"x"):
            with Rig(told) as rig:
                rig.write(line)
                assert rig.lines.readline() == b""
        assert not service.peers
        with Rig(told) as rig:
            rig.call("token", TOKEN)
            rig.call("nothing")
            assert "is not known here" in rig.error()
    assert told.summary["n_without_token"] == 4


@pytest.mark.parametrize(
    ("trajectory", "time_s", "value"),
    [
        (7, 3.0, [7]),
        ([0.1, 0.2, 0.3, 1], 3.0, [0.1, 0.2, 0.3, 1]),
        ({"name": "TVPairs", "tv_pairs": [[0, 1], [2, 5]]}, 0.5, [2]),
        ({"name": "TVPairs", "tv_pairs": [[0, 1], [2, 5]]}, 3.0, [7]),
        ({"name": "Sinusoid", "amplitude": 2, "temporal_frequency": 0.25, "offset": 1}, 1.0, [3]),
        ({"name": "Loom", "rv_ratio": 0.08, "stim_time": 4, "start_size": 3, "end_size": 90}, 0.0, [1.5]),
        ({"name": "Loom", "rv_ratio": 0.08, "stim_time": 4, "start_size": 3, "end_size": 90}, 9.0, [45]),
    ],
)
def test_trajectories_have_the_values_of_stimpack(trajectory: object, time_s: float, value: list[float]) -> None:
    np.testing.assert_allclose(course_of(trajectory, "it", (1, 4))(time_s), value)


@pytest.mark.parametrize(
    ("trajectory", "message"),
    [
        ("red", "MovingSpot.radius is 'red', expected 1 finite numbers"),
        (float("nan"), "expected 1 finite numbers"),
        ([1, 2], "expected 1 finite numbers"),
        ({"name": "Random"}, "is a trajectory 'Random'"),
        ({"name": "Sinusoid", "amplitude": 1}, "cannot be read"),
        ({"name": "TVPairs", "tv_pairs": [[0, 1], [0, 2]]}, "times must grow"),
        ({"name": "TVPairs", "tv_pairs": 3}, "cannot be read"),
        ({"name": "Loom", "rv_ratio": -1, "stim_time": 4, "start_size": 3, "end_size": 90}, "are positive"),
    ],
)
def test_trajectories_that_cannot_be_read_are_told(trajectory: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        layer_of(SCREEN, "MovingSpot", {"radius": trajectory})


def test_a_patch_lies_where_stimpack_has_it() -> None:
    """Positive theta is to the left, positive phi above, alpha lets the ground through, a turn is clockwise."""
    patch = layer_of(SCREEN, "MovingPatch", {"width": 2, "height": 4, "theta": 4, "phi": 3, "color": [1, 1, 1, 0.5]})
    painted = patch(0.0, GREY)
    rows, columns = np.nonzero(painted > 0.74)
    assert columns.mean() == pytest.approx(6 - 4, abs=0.6)
    assert rows.mean() == pytest.approx(5 - 3, abs=0.6)
    assert painted.max() == pytest.approx(0.75)
    turned = layer_of(SCREEN, "MovingPatch", {"width": 9, "height": 1, "angle": 45, "color": 0})(0.0, GREY)
    assert turned[2, 3] < turned[8, 3]  # the left end is up: clockwise, as the animal sees it


def test_ours_are_drawn_by_their_names_and_grey_behind_their_end() -> None:
    screen = Screen(shape_px=(11, 13), rate_hz=RATE_HZ)
    arguments = {"period_deg": 6, "speed_deg_s": 10, "duration_s": 0.1}
    layer = layer_of(screen, "drifting_grating", arguments)
    movie = render(screen, {"kind": "drifting_grating", **arguments})
    np.testing.assert_array_equal(layer(3 / RATE_HZ, GREY), movie.luminance()[3])
    np.testing.assert_array_equal(layer(1.0, GREY), GREY)
