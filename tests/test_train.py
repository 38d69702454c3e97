"""``python train.py``: every configuration runs, every fault of the user is one sentence and exit status 2."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import image

from stcnn import command_line
from stcnn.config import compose
from stcnn.data import write_store
from stcnn.overrides import CONF
from stcnn.run_folder import Run, open_run
from stcnn.simulation.spiking import Noise, retinal_neurons, spike_counts
from tests.support.made_up_data import dataset, write_published
from tests.support.made_up_training import trained
from tests.support.measured_eye import write_columns
from tests.support.recorded_overrides import RECORDED, of_recordings

FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))
STIMULI = (
    "dataset.stimuli={dot:{kind:moving_rectangle,height_deg:4.5,width_deg:4.5},loom:{kind:looming_disc,"
    "edge_speed_deg_s:100},bar:{kind:moving_rectangle,height_deg:60,width_deg:4.5},wide:{kind:moving_rectangle,"
    "height_deg:9,width_deg:30}}"
)
SLOW = set(RECORDED) - {"t4_stripes"}
"""Those whose recordings have to be imported first."""
TWO_STEPS = ["training.epochs=2", "training.max_batches=1", "batching.batch_size=2", "training.device=cpu"]
SMALL_NETWORK = [
    *("model.eye.lattice=[5,5]", "model.hidden.channels=[2]", "model.hidden.kernel_columns=3"),
    "model.cell_types={default:{window_columns:3}}",
]


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["STCNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def spikes_store(to: Path) -> Path:
    """Make a store of the spike counts of two planted neurons, six stretches of flicker of the whole field."""
    rng = np.random.default_rng(0)
    flicker = Noise((1, 1), 30.0, 75.0)
    movies = {f"noise{i}": flicker.movie(4.0, rng) for i in range(6)}
    neurons = retinal_neurons(2, flicker.rate_hz, flicker.sd, rng)
    return write_store(spike_counts(neurons, movies, dict.fromkeys(movies, 1), rng), to / "spikes.zarr")


def the_run(folder: Path) -> Run:
    (path,) = folder.iterdir()
    return open_run(path)


def folders(data: Path) -> list[str]:
    """Overrides that train a small network on recordings in the published layout."""
    return [
        *("dataset=published", f"dataset.ca_path={data / 'ca'}", f"dataset.mov_path={data / 'mov'}"),
        *("dataset.rate_hz=60", "dataset.background=0.5", "split.validation=0.2", "batching.loss_start_s=-0.2"),
        *("training.device=cpu", *SMALL_NETWORK),
    ]


@pytest.mark.parametrize(
    "file", [pytest.param(file, marks=pytest.mark.slow if Path(file).stem in SLOW else ()) for file in FILES]
)
def test_every_configuration_runs_two_steps(file: str, tmp_path: Path, request: pytest.FixtureRequest):
    choice = [file.removesuffix(".yaml").replace("/", "=")] if "/" in file else []
    if file == "dataset/published.yaml":
        write_published(tmp_path / "data")
        choice = folders(tmp_path / "data")
    elif file == "dataset/store.yaml":
        store = write_store(dataset(trials=2), tmp_path / "set.zarr")
        choice += [f"dataset.path={store}", "split.validation=0.2", "batching.loss_start_s=-0.2", *SMALL_NETWORK]
    elif Path(file).stem in RECORDED:
        request.getfixturevalue("shared")
        choice += of_recordings(Path(file).stem, tmp_path)
    elif file == "model/spikes.yaml":
        choice += ["dataset=store", f"dataset.path={spikes_store(tmp_path)}", "split.validation=0.2", "split.test=0.2"]
    elif file == "model/measured.yaml":
        table = write_columns(tmp_path / "columns.csv", (60.0, 10.0), rings=3)
        choice += ["dataset.n_animals=2", STIMULI, f"model.eye.arrangement.table={table}"]
    else:
        choice += ["dataset.n_animals=2", STIMULI]
    arguments = [*choice, *TWO_STEPS, f"experiments_dir={tmp_path / 'runs'}"]
    if file == "config.yaml":
        assert command_line.main(arguments) == 0
        run = the_run(tmp_path / "runs")
    else:
        run = trained(arguments)
    assert run.losses().step.max() == 2
    assert run.losses().loss.notna().all()
    assert run.model().cell_types
    if file == "model/measured.yaml":
        (tmp_path / "columns.csv").unlink()  # the model has its columns
        assert run.model().config.eye.lattice == (7, 7)
        np.testing.assert_allclose(run.model().readouts.centre, (3, 3))
    if file == "dataset/t4_stripes.yaml":
        scores = pd.read_parquet(run.path / "test_scores.parquet")
        assert set(scores.family[scores.level == "family"]) == {"bright_stripe"}  # T5 alone was shown dark ones


def test_a_run_holds_all_it_takes_to_understand_and_repeat_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_published(tmp_path / "data")
    arguments = [*folders(tmp_path / "data"), "training.epochs=2", "seed=5", f"experiments_dir={tmp_path / 'runs'}"]
    assert command_line.main(arguments) == 0
    run = the_run(tmp_path / "runs")
    assert run.config()["seed"] == run.environment()["seed"] == 5
    assert {"git", "cpu", "packages", "data_sha256", "command", "python"} <= set(run.environment())
    assert set(run.split()) == {"train", "validation", "test"}
    assert {"epoch", "cell_type", "training_loss", "loss", "correlation"} <= set(run.scores())
    for name in ("loss.png", "predictions.png"):
        picture = image.imread(run.path / name)
        assert picture.std() > 0.01
        assert min(picture.shape[:2]) > 200
    assert capsys.readouterr().out.strip().endswith(str(run.path / "report.html"))
    model = run.model()
    answer = model.predict(np.full((30, 16, 20), 0.498, np.float32), rate_hz=60)
    assert {name: trace.shape for name, trace in answer.items()} == {"lc11": (30,), "lc4": (30,)}


def test_a_finished_run_can_be_made_longer(tmp_path: Path):
    write_published(tmp_path / "data")
    arguments = [*folders(tmp_path / "data"), "training.schedule=constant", f"experiments_dir={tmp_path / 'runs'}"]
    run = trained([*arguments, "training.epochs=1"])
    assert command_line.main([f"resume={run.path}", "training.epochs=3"]) == 0
    assert list(run.checkpoints()) == [0, 1, 2, 3]
    assert run.config()["training"]["epochs"] == 3


def spoil(file: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Return what changes the content of a file of the data set in place."""

    def apply(data: Path) -> None:
        content = torch.load(data / file, weights_only=True)
        change(content)
        torch.save(content, data / file)

    return apply


def truncate(data: Path) -> None:
    file = data / "ca" / "LC4" / "fly1.pt"
    file.write_bytes(file.read_bytes()[:200])


def empty(data: Path) -> None:
    for file in (data / "ca" / "LC4").iterdir():
        file.unlink()


def without_movie(data: Path) -> None:
    (data / "mov" / "vstim_bar.pt").unlink()


def with_nan(content: dict) -> None:
    content["vstim_loom"]["neuron"][7]["traces"][0, 3] = np.nan


def shortened(content: dict) -> None:
    neuron = content["vstim_loom"]["neuron"][7]
    neuron["traces"] = neuron["traces"][:, :-5]


RECORDINGS = "ca/LC4/fly1.pt"
FAULTS = {
    "missing folder": (lambda data: (data / "ca").rename(data / "elsewhere"), "ca is not a folder"),
    "empty folder": (empty, "LC4"),
    "trace with NaN": (spoil(RECORDINGS, with_nan), "not finite|NaN"),
    "stimulus without movie": (without_movie, "vstim_bar.*has no movie"),
    "unequal lengths": (spoil(RECORDINGS, shortened), "samples"),
    "wrong rate": (spoil(RECORDINGS, lambda content: content["vstim_bar"].update(Hz=100)), "100"),
    "truncated file": (truncate, "fly1.pt cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_data_is_one_sentence_and_leaves_no_run(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    spoil_data, sentence = FAULTS[fault]
    write_published(tmp_path / "data")
    spoil_data(tmp_path / "data")
    assert command_line.main([*folders(tmp_path / "data"), f"experiments_dir={tmp_path / 'runs'}"]) == 2
    said = capsys.readouterr().err
    assert re.search(sentence, said)
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_configuration_is_judged_before_data_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert command_line.main([*folders(tmp_path / "nowhere"), "training.epoch=3"]) == 2
    assert capsys.readouterr().err == "unknown key 'training.epoch' (did you mean 'epochs'?).\n"


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """``python train.py`` as a newcomer calls it: inside the package folder."""
    return subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        cwd=CONF.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_fault_in_a_process_of_its_own_has_no_traceback(tmp_path: Path):
    process = start(["dataset=t4_stripe", f"experiments_dir={tmp_path}"])
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (2, "")
    assert err == "dataset=t4_stripe is not among the choices (did you mean 't4_stripes'?).\n"


def test_help_names_choices_keys_and_examples():
    out, _ = start(["--help"]).communicate(timeout=100)
    for expected in (
        "python train.py model=published",
        "dataset: ketkar_l2l3, pooled, published, ",
        "training.steps=",
    ):
        assert expected in out
    assert "Step size of Adam at the top of the schedule." in out


def test_help_is_of_the_choice_that_was_made():
    out, _ = start(["dataset=store", "-h"]).communicate(timeout=100)
    assert "dataset.path  needed  path" in out
    assert "dataset.n_animals" not in out


def test_sigterm_leaves_a_run_that_can_be_resumed(tmp_path: Path):
    write_published(tmp_path / "data")
    arguments = [*folders(tmp_path / "data"), f"experiments_dir={tmp_path / 'runs'}"]
    process = start([*arguments, "training.epochs=1000000", "training.schedule=constant"])
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob("runs/*/checkpoints/epoch_1.ckpt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=100)
    run = the_run(tmp_path / "runs")
    assert process.returncode == 128 + signal.SIGTERM
    assert err.startswith("training stopped by SIGTERM after epoch")
    assert f"resume={run.path}" in err
    done = max(run.checkpoints())
    assert command_line.main([f"resume={run.path}", f"training.epochs={done + 1}"]) == 0
    assert max(run.checkpoints()) == done + 1
    assert sorted(run.losses().step.unique()) == list(range(1, run.losses().step.max() + 1))


def test_resume_auto_finds_the_run_of_its_configuration_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_published(tmp_path / "data")
    task = [*folders(tmp_path / "data"), "training.epochs=3", "report=false", "resume=auto", "name=task"]
    here = [*task, f"experiments_dir={tmp_path / 'runs'}"]
    assert command_line.main([*task, f"experiments_dir={tmp_path / 'whole'}"]) == 0
    stops = 0
    while (status := command_line.main([*here, "time_limit_s=1e-3"])) == 75:
        stops += 1
    assert (status, stops > 1) == (0, True)
    run = the_run(tmp_path / "runs")
    assert re.fullmatch("task_[0-9a-f]{12}", run.path.name)
    assert (run.path / "scores.csv").read_text() == (the_run(tmp_path / "whole").path / "scores.csv").read_text()
    assert capsys.readouterr().err.count("training stopped by its time limit after epoch") == stops
    written = (run.path / "model.safetensors").stat().st_mtime_ns
    assert command_line.main(here) == 0
    assert capsys.readouterr().out == f"finished before: {run.path}\n"
    assert (run.path / "model.safetensors").stat().st_mtime_ns == written
    assert not {"resume", "time_limit_s", "report"} & set(run.config())
    assert command_line.main([*here, "seed=2"]) == 0
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_resume_auto_does_not_take_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_published(tmp_path / "data")
    task = [*folders(tmp_path / "data"), "resume=auto", f"experiments_dir={tmp_path / 'runs'}"]
    name = compose(task).task_name()
    (tmp_path / "runs" / name).mkdir(parents=True)
    assert command_line.main(task) == 2
    assert f"{name} is not a run: it has no config.yaml" in capsys.readouterr().err
