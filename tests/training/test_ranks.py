"""Several processes that train one model together end with the numbers of one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from stcnn import command_line
from stcnn.config import compose
from stcnn.errors import ConfigError
from stcnn.ranks import joined, ranks, summed
from stcnn.run_folder import Run, open_run
from stcnn.training.fit import train
from tests.support import trains_together
from tests.support.made_up_data import write_published
from tests.test_train import folders, the_run

SCRIPT = Path(trains_together.__file__)


def require_same(one: Run, other: Run, tolerance: float = 1e-6) -> None:
    """Compare losses of all steps, scores of all epochs and the finished weights."""
    for name in ("losses", "scores"):
        mine, theirs = getattr(one, name)(), getattr(other, name)()
        assert list(mine) == list(theirs)
        for column in mine.select_dtypes("number"):
            np.testing.assert_allclose(theirs[column], mine[column], rtol=tolerance, atol=tolerance)
    mine, theirs = (load_file(run.path / "model.safetensors") for run in (one, other))
    for name, weight in mine.items():
        np.testing.assert_allclose(theirs[name], weight, rtol=tolerance, atol=tolerance)


def test_two_devices_train_the_model_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_published(tmp_path / "data")
    words = [*folders(tmp_path / "data"), "training.epochs=2", "report=false", "training.compute=torch"]
    words += ["training.precision=float64", "batching.batch_size=3"]
    assert command_line.main([*words, f"experiments_dir={tmp_path / 'one'}"]) == 0
    alone = capsys.readouterr().out
    assert command_line.main([*words, "training.devices=2", f"experiments_dir={tmp_path / 'two'}"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(alone.splitlines())  # one of them speaks
    require_same(the_run(tmp_path / "one"), the_run(tmp_path / "two"))
    assert ranks().number == 1
    assert "MASTER_PORT" not in os.environ


@pytest.mark.slow
def test_every_recipe_and_engine_by_torchrun(tmp_path: Path):
    names = list(trains_together.CASES)
    torchrun: list[str | Path] = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        SCRIPT,
    ]
    subprocess.run([*torchrun, tmp_path / "two", *names], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    for name in names:
        alone = Run.named(tmp_path / "one", name, {})
        train(*trains_together.case(name), alone)
        require_same(alone, open_run(tmp_path / "two" / name))


@pytest.mark.slow
def test_they_stop_together_and_go_on_to_the_same_numbers(tmp_path: Path):
    write_published(tmp_path / "data")
    words = [*folders(tmp_path / "data"), "training.epochs=60", "training.patience=null", "report=false"]
    words += ["training.devices=2", "training.precision=float64", "resume=auto", "batching.batch_size=1"]
    command = [sys.executable, "-m", "stcnn.cli", "train", *words]
    assert subprocess.run([*command, f"experiments_dir={tmp_path / 'whole'}"], check=False).returncode == 0
    here = [*command, f"experiments_dir={tmp_path / 'stopped'}"]
    process = subprocess.Popen(here, stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 200
    while not list(tmp_path.glob("stopped/*/checkpoints/epoch_3.ckpt")):
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.count("training stopped by SIGTERM after epoch") == 1
    assert subprocess.run([*here, "time_limit_s=0.01"], check=False).returncode == 75
    assert subprocess.run(here, check=False).returncode == 0
    require_same(the_run(tmp_path / "whole"), the_run(tmp_path / "stopped"))


def test_alone_nothing_is_shared():
    with joined(1, 1, gpu=False, command=()) as here:
        assert (here.number, here.index, here.is_first) == (1, 0, True)
        value = np.ones(3)
        assert summed(value) is value  # type: ignore[arg-type, comparison-overlap]


@pytest.mark.parametrize(("devices", "nodes"), [(2, 1), (1, 1), (2, 4)])
def test_another_number_of_processes_is_refused(devices: int, nodes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    found = rf"training.devices times training.nodes is {devices * nodes}, and 3 processes were started.*torchrun"
    with pytest.raises(ConfigError, match=found), joined(devices, nodes, gpu=False, command=()):
        pass


def test_nodes_without_a_launcher_are_refused():
    with pytest.raises(ConfigError, match="is 4, and 1 processes were started"), joined(2, 2, gpu=False, command=()):
        pass


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["batching.piece_s=3"], "batching.piece_s is for one process"),
        (["n_models=2"], "n_models is 2, and several processes train one model together"),
    ],
)
def test_what_several_processes_cannot_do_is_a_sentence(words: list[str], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        compose(["training.devices=2", *words])
