"""``stcnn stream``: frames from a pipe, a file, a camera and a socket get the answers of the offline pass."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zmq
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from stcnn.commands.stream import app
from stcnn.commands.stream.answers import Answers
from stcnn.commands.stream.command import answer_frames, open_model, resolution
from stcnn.commands.stream.sources import Camera
from stcnn.errors import ConfigError, StcnnError
from stcnn.live.session import Session
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run
from stcnn.stimuli import read_movie, write_movie
from tests.support.malformed import GOOD, MALFORMED
from tests.support.nn_twin import POPULATION, Case

SHAPE_PX = (11, 13)
SHAPE = ["--shape-px", "11", "13", "--rate-hz", "60", "--start", "rest"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a small network."""
    torch.manual_seed(0)
    made = Run.create(tmp_path_factory.mktemp("experiments"), "small", {})
    model = STCNN(Case().config(), POPULATION)
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": weights}, made.path / "checkpoints" / "epoch_1.ckpt")
    made.finish(model, 1)
    return made.path


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def codes(n_frames: int, *clips: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n_frames, *clips, *SHAPE_PX), dtype=np.uint8)


def invoke(run: Path, *arguments: str, data: bytes = b"") -> Result:
    return CliRunner().invoke(app, [str(run), *arguments], input=data, catch_exceptions=False)


def answers_in(text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Answers and summary among lines of JSON."""
    *answers, last = [json.loads(line) for line in text.splitlines()]
    return answers, last["summary"]


def assert_offline(answers: list[dict[str, Any]], run: Path, movie: Movie) -> None:
    right = open_model(run, None).predict(movie, start="rest")
    for name, trace in right.items():
        found = [answer["calcium"][name] for answer in answers]
        np.testing.assert_allclose(found, trace, rtol=1e-5, err_msg=name)


def test_a_pipe_of_raw_frames_is_answered_line_by_line(run: Path) -> None:
    command = [sys.executable, "-m", "stcnn.cli", "stream", str(run), "--source", "stdin", *SHAPE]
    done = subprocess.run(command, input=codes(20).tobytes(), capture_output=True, check=True)
    answers, summary = answers_in(done.stdout.decode())
    assert [answer["frame"] for answer in answers] == list(range(20))
    assert_offline(answers, run, Movie(codes(20), 60))
    assert (summary["n_frames"], summary["n_dropped"]) == (20, 0)
    assert 0 < summary["latency_ms"]["median"] <= summary["latency_ms"]["p99"] <= summary["latency_ms"]["max"]
    assert b"20 frames answered, 0 lost on the way" in done.stderr


def test_frames_behind_their_length_of_clips_in_lockstep(run: Path) -> None:
    frames = codes(10, 2).astype("<f4") / 255
    length = frames[0].nbytes.to_bytes(4, "little")
    data = b"".join(length + frame.tobytes() for frame in frames) + bytes(4) + b"not a frame"
    options = ["--clips", "2", "--dtype", "float32", "--framing", "length", *SHAPE]
    answers, _ = answers_in(invoke(run, *options, data=data).stdout)
    for clip in range(2):
        mine = [{"calcium": {n: values[clip] for n, values in answer["calcium"].items()}} for answer in answers]
        assert_offline(mine, run, Movie(frames[:, clip], 60))


def test_a_video_is_answered_at_its_own_rate(run: Path, tmp_path: Path) -> None:
    path = write_movie(Movie(codes(12).repeat(4, 1).repeat(4, 2), 30), tmp_path / "noise.mp4")
    movie = read_movie(path)
    options = ["--source", "video", "--from", str(path), "--start", "rest"]
    answers, _ = answers_in(invoke(run, *options, "--width-deg", str(movie.shape_px[1])).stdout)
    assert len(answers) == 12
    assert [answer["time_s"] for answer in answers[:2]] == [0, pytest.approx(1 / 30)]
    assert_offline(answers, run, Movie(movie.frames, 30, levels=movie.levels))


def test_only_every_so_many_answers_are_printed_and_the_number_of_frames_can_be_set(run: Path) -> None:
    answers, summary = answers_in(
        invoke(run, "--every", "4", "--n-frames", "10", *SHAPE, data=codes(20).tobytes()).stdout
    )
    assert [answer["frame"] for answer in answers] == [0, 4, 8]
    assert summary["n_frames"] == 10
    assert not invoke(run, "--every", "0", *SHAPE, data=codes(3).tobytes()).stdout


class Rig(threading.Thread):
    """Rig software: pushes frames over ZeroMQ and listens to the answers."""

    def __init__(self, folder: Path, messages: list[tuple[dict[str, Any], bytes]]) -> None:
        super().__init__(daemon=True)
        self.frames_at, self.answers_at = (f"ipc://{folder}/{name}" for name in ("frames", "answers"))
        self.messages, self.answers = messages, list[dict[str, Any]]()

    def run(self) -> None:
        with zmq.Context() as context, context.socket(zmq.PUSH) as frames, context.socket(zmq.SUB) as answers:
            answers.subscribe("")
            answers.connect(self.answers_at)
            frames.connect(self.frames_at)
            for header, pixels in self.messages:
                frames.send_multipart([json.dumps(header).encode(), pixels])
            frames.send_multipart([b'{"end": true}'])
            while answers.poll(10_000):
                self.answers.append(answers.recv_json())  # type: ignore[arg-type]
                if "summary" in self.answers[-1]:
                    return


def test_a_rig_over_zmq_gets_answers_with_its_numbers_and_stamps(run: Path, tmp_path: Path) -> None:
    shown = codes(400)
    numbers = [*range(10), *range(12, 400)]  # two frames get lost
    rig = Rig(tmp_path, [({"frame": n, "time_s": 100 + n / 60}, shown[n].tobytes()) for n in numbers])
    rig.start()
    options = ["--source", "zmq", "--from", rig.frames_at, "--publish", rig.answers_at, "--timeout-s", "10"]
    printed, summary = answers_in(invoke(run, *options, *SHAPE).stdout)
    rig.join(20)
    assert [answer["frame"] for answer in printed] == numbers
    assert [answer["time_s"] for answer in printed] == [100 + n / 60 for n in numbers]
    assert [answer["n_dropped"] for answer in printed[9:11]] == [0, 2]
    assert (summary["n_frames"], summary["n_dropped"]) == (398, 2)
    shown[10:12] = shown[9]  # a lost frame is shown as the one before it
    right = open_model(run, None).predict(Movie(shown, 60), start="rest")["lc11"][numbers]
    np.testing.assert_allclose([answer["calcium"]["lc11"] for answer in printed], right, rtol=1e-5)
    assert rig.answers == [*printed, {"summary": summary}]


def test_the_rig_of_the_documentation_is_answered(run: Path, tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "streaming.md").read_text()
    program = page.partition("```py\n")[2].partition("```")[0]
    ports = {"tcp://127.0.0.1:5555": f"ipc://{tmp_path}/frames", "tcp://127.0.0.1:5556": f"ipc://{tmp_path}/answers"}
    for port, address in ports.items():
        program = program.replace(port, address)
    rig = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    options = ["--source", "zmq", "--from", f"ipc://{tmp_path}/frames", "--publish", f"ipc://{tmp_path}/answers"]
    _, summary = answers_in(invoke(run, *options, "--every", "100", "--timeout-s", "60").stdout)
    output, _ = rig.communicate(timeout=60)
    assert summary["n_frames"] == 360
    assert output.splitlines()[-1].startswith(b"359 {'lc11': ")


def test_a_silent_rig_ends_the_stream(run: Path, tmp_path: Path) -> None:
    options = ["--source", "zmq", "--from", f"ipc://{tmp_path}/frames", "--timeout-s", "0.1", *SHAPE]
    assert '"n_frames": 0' in invoke(run, *options).stdout


def test_a_message_against_the_protocol_is_counted_answered_and_skipped(run: Path, tmp_path: Path) -> None:
    """After each of them a good frame gets the answer of the offline pass, in which the bad one is the one before."""
    shown = codes(1 + 2 * len(MALFORMED))
    shown[1::2] = shown[:-1:2]  # what stands at the number of a malformed message
    frames = f"ipc://{tmp_path}/frames"
    with zmq.Context() as context, context.socket(zmq.PUSH) as rig:
        rig.connect(frames)
        rig.send_multipart([b'{"frame": 0}', shown[0].tobytes()])
        for number, (message, _) in enumerate(MALFORMED.values()):
            rig.send_multipart(message)
            rig.send_multipart([json.dumps({"frame": 2 * number + 2}).encode(), shown[2 * number + 2].tobytes()])
        rig.send_multipart([b'{"end": true}'])
        answers, summary = answers_in(invoke(run, "--source", "zmq", "--from", frames, *SHAPE).stdout)
    refused = [answer for answer in answers if "error" in answer]
    assert [answer["message"] for answer in refused] == list(range(1, 2 * len(MALFORMED), 2))
    assert [answer["n_refused"] for answer in refused] == list(range(1, len(MALFORMED) + 1))
    good = [answer for answer in answers if "calcium" in answer]
    assert [answer["frame"] for answer in good] == list(range(0, len(shown), 2))
    right = open_model(run, None).predict(Movie(shown, 60), start="rest")["lc11"][::2]
    np.testing.assert_allclose([answer["calcium"]["lc11"] for answer in good], right, rtol=1e-5)
    assert (summary["n_refused"], summary["n_frames"]) == (len(MALFORMED), len(MALFORMED) + 1)


def test_a_huge_message_ends_its_connection_unread_and_the_rig_comes_back(run: Path, tmp_path: Path) -> None:
    class Huge(Rig):
        def run(self) -> None:
            with zmq.Context() as context, context.socket(zmq.PUSH) as frames:
                frames.connect(self.frames_at)
                frames.send_multipart([b'{"frame": 0}', GOOD])
                frames.send_multipart([b'{"frame": 1}', bytes(64 << 20)])
                for number in range(2, 100):  # those that were on the way with it are lost
                    frames.send_multipart([json.dumps({"frame": number}).encode(), GOOD])
                    time.sleep(0.02)
                frames.send_multipart([b'{"end": true}'])

    rig = Huge(tmp_path, [])
    rig.start()
    options = ["--source", "zmq", "--from", rig.frames_at, "--timeout-s", "10"]
    answers, summary = answers_in(invoke(run, *options, *SHAPE).stdout)
    rig.join(20)
    notices = [answer["notice"] for answer in answers if "notice" in answer]
    assert len(notices) == 1
    assert re.search("sent a part of more than 1049720 bytes, which is not read", notices[0])
    assert answers[-1]["frame"] == 99
    assert summary["n_frames"] > 50
    assert summary["n_dropped"] == 100 - summary["n_frames"]


def test_frames_begin_again_where_a_header_says_so(run: Path, tmp_path: Path) -> None:
    """The same frames have the same answers, at numbers that begin again."""
    shown = codes(3)
    messages = [({"frame": n, "reset": n == 0}, shown[n].tobytes()) for n in (0, 1, 2, 0, 1, 2)]
    rig = Rig(tmp_path, messages)
    rig.start()
    options = ["--source", "zmq", "--from", rig.frames_at, "--publish", rig.answers_at, "--timeout-s", "10"]
    answers, _ = answers_in(invoke(run, *options, *SHAPE).stdout)
    rig.join(20)
    assert [answer["calcium"] for answer in answers[:3]] == [answer["calcium"] for answer in answers[3:]]


def test_pixels_that_are_no_luminance_on_a_pipe_are_skipped_too(run: Path) -> None:
    frames = codes(3).astype("<f4") / 255
    frames[1] = np.inf
    answers, summary = answers_in(invoke(run, "--dtype", "float32", *SHAPE, data=frames.tobytes()).stdout)
    assert "luminance of frame 1 runs from inf to inf" in answers[1]["error"]
    assert (summary["n_frames"], summary["n_refused"]) == (2, 1)


def test_a_camera_is_read_through_ffmpeg_and_its_lost_frames_are_seen(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """FFmpeg's test picture stands for the camera; a filter takes frames 5 and 6 away, their time stamps with them."""
    camera = Camera("testsrc=size=64x48:rate=30:duration=0.5,select=not(between(n\\,5\\,6))", None, "lavfi")
    assert (camera.rate_hz, camera.shape_px) == (30, (48, 64))
    live = open_model(run, None).stream(rate_hz=camera.rate_hz, deg_per_px=resolution(64, 83, 1))
    session = Session(live, camera.shape_px, camera.rate_hz)
    answer_frames(session, camera, Answers(1, None))
    latencies = session.latencies
    numbers = [json.loads(line)["frame"] for line in capsys.readouterr().out.splitlines()]
    assert numbers == [0, 1, 2, 3, 4, *range(7, 15)]
    assert (latencies.n_frames, latencies.n_dropped, live.n_frames) == (13, 2, 15)


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        (SHAPE, bytes(143 + 7), "input ends 7 bytes into frame 1, expected 143 bytes per frame of 11 x 13 uint8"),
        ([*SHAPE, "--framing", "length"], bytes([9, 0, 0, 0]), "frame 0 is announced with 9 bytes, expected 143"),
        (["--source", "video"], b"", "no video ''.*--from"),
        (["--source", "video", "--from", "missing.mp4"], b"", "no video 'missing.mp4'"),
        (["--source", "camera", "--from", "/dev/missing"], b"", "camera /dev/missing cannot be opened.*--from"),
        (["--source", "zmq", "--from", "nowhere"], b"", "cannot listen at 'nowhere'"),
        (["--publish", "nowhere"], b"", "cannot listen at 'nowhere'"),
        (["--shape-px", "480", "640"], b"", "picture of 640 pixels is 640 degrees wide.*--width-deg"),
        (["--start", "gray"], b"", "option start is 'gray'"),
    ],
)
def test_faults_are_told(run: Path, options: list[str], data: bytes, message: str) -> None:
    with pytest.raises(StcnnError, match=message):
        invoke(run, *options, data=data)


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match="is not a run"):
        invoke(tmp_path)


def test_a_published_folder_streams_too(shared: Path) -> None:
    grey = np.full((3, 83, 83), 127, np.uint8)
    folder = shared / "reference" / "lc_small_3"
    options = ["--background", str(127 / 255), "--start", "steady"]
    answers, _ = answers_in(invoke(folder, *options, data=grey.tobytes()).stdout)
    assert set(answers[0]["calcium"]) == {"lc11", "lc18", "lc17", "lc12", "lc21"}
    for name, calcium in answers[0]["calcium"].items():
        assert answers[2]["calcium"][name] == pytest.approx(calcium, rel=1e-5, abs=1e-6)


def test_resolution_is_the_models_unless_the_picture_is_said_to_be_wider() -> None:
    assert resolution(83, None, 1.0) == 1.0
    assert resolution(640, 83, 1.0) == pytest.approx(83 / 640)
    with pytest.raises(ConfigError, match="0 degrees wide"):
        resolution(640, 0, 1.0)
