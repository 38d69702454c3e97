"""``stcnn serve`` and ``stcnn replay``: a movie that is sent gets the answers of ``stcnn predict``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from stcnn.commands.replay import app as replay
from stcnn.commands.serve import app as serve
from stcnn.errors import ConfigError, FileError, StcnnError
from stcnn.experiments import between_grey
from stcnn.run_folder import Run
from stcnn.stimuli import render
from tests.support.served import SCREEN, TOKEN, served, small_model

STIMULUS = "looming_disc:edge_speed_deg_s=30,start_deg=1,end_deg=12"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a small network."""
    made = Run.create(tmp_path_factory.mktemp("experiments"), "small", {})
    model = small_model()
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": weights}, made.path / "checkpoints" / "epoch_1.ckpt")
    made.finish(model, 1)
    return made.path


@pytest.mark.parametrize("scheme", ["ws", "zmq"])
def test_a_replayed_stimulus_has_the_answers_of_the_offline_pass_and_its_latencies(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STCNN_TOKEN", TOKEN)
    model = small_model()
    with served(model, scheme, token=TOKEN, start="grey") as (told, _):
        words = [STIMULUS, "--to", str(told.addresses[scheme]), "--table", str(tmp_path / "a.csv"), "--after-s", "0.2"]
        done = CliRunner().invoke(replay, words, catch_exceptions=False)
    kind = {"kind": "looming_disc", "edge_speed_deg_s": 30, "start_deg": 1, "end_deg": 12}
    movie = between_grey(render(SCREEN, kind), 0.5, 0.2)
    assert f"{movie.n_frames} frames sent, 0 without an answer, 0 refusals; end to end: median" in done.stdout
    found = pd.read_csv(tmp_path / "a.csv")
    for name, trace in model.predict(movie).items():
        mine = found[found.cell_type == name]
        np.testing.assert_allclose(mine.dff, trace, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(mine.time_s, movie.time_s, atol=1e-9)
    assert (found.latency_ms >= found.model_ms).all()
    assert told.summary["n_frames"] == movie.n_frames


def test_a_wrong_token_and_nobody_there_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stcnn.live.replaying.PATIENCE_S", 0.3)
    table = ["--table", str(tmp_path / "a.csv")]
    with served(small_model(), "ws", "zmq", token=TOKEN) as (told, _):
        with pytest.raises(FileError, match=r"the connection to ws://.* failed .*401.*STCNN_TOKEN"):
            CliRunner().invoke(replay, [STIMULUS, "--to", str(told.addresses["ws"]), *table], catch_exceptions=False)
        with pytest.raises(FileError, match=r"zmq://.* does not answer.*STCNN_TOKEN"):
            CliRunner().invoke(replay, [STIMULUS, "--to", str(told.addresses["zmq"]), *table], catch_exceptions=False)
    with pytest.raises(FileError, match=r"the connection to ws://127.0.0.1:1 failed"):
        CliRunner().invoke(replay, [STIMULUS, "--to", "ws://127.0.0.1:1", *table], catch_exceptions=False)


def test_the_command_says_where_it_listens_and_at_its_end_what_it_did(run: Path) -> None:
    listen = [f"--listen={scheme}://127.0.0.1:0" for scheme in ("ws", "zmq", "fictrac", "stimpack")]
    options = ["--shape-px", "11", "13", "--peers", "2", *listen]
    command = [sys.executable, "-m", "stcnn.cli", "serve", str(run), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        told = [json.loads(service.stdout.readline()) for _ in range(2)]
        service.send_signal(signal.SIGINT)
        told += [json.loads(text) for text in service.stdout.read().splitlines()]
    assert service.returncode == 0
    assert told[0] == {"joined": "fictrac:0"}
    assert [text.partition(":")[0] for text in told[1]["listening"]] == ["ws", "zmq", "fictrac", "stimpack"]
    assert told[-1]["summary"]["n_peers"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--listen", "ws://0.0.0.0:0"], "can be reached from other machines, and there is no token"),
        (["--listen", "zmq://0.0.0.0:0"], "can be reached from other machines"),
        (["--listen", "stimpack://0.0.0.0:0"], "can be reached from other machines"),
        (["--listen", "fictrac://0.0.0.0:0"], "FicTrac cannot show a token"),
        (["--listen", "http://127.0.0.1:1"], "begins with 'http'"),
        (["--listen", "fictrac://127.0.0.1:0", "--panorama", "nothing"], "stimulus of kind 'nothing' is unknown"),
        (["--token-file", "missing"], "the token file missing cannot be read"),
    ],
)
def test_faults_are_told(run: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STCNN_TOKEN", raising=False)
    words = [str(run), "--shape-px", "11", "13", "--peers", "1", *options]
    with pytest.raises(StcnnError, match=message):
        CliRunner().invoke(serve, words, catch_exceptions=False)


def test_an_address_that_is_taken_is_told(run: Path) -> None:
    with served(small_model(), "ws", "stimpack", "zmq") as (told, _):
        for address in told.addresses.values():
            words = [str(run), "--shape-px", "11", "13", "--peers", "1", "--listen", str(address)]
            with pytest.raises((FileError, ConfigError), match="cannot listen at"):
                CliRunner().invoke(serve, words, catch_exceptions=False)
