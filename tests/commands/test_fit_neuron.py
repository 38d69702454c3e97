"""``stcnn fit-neuron`` as it is called: a core is trained, new neurons with known numbers are fitted to it."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from stcnn import asked_run, cli
from stcnn.config import compose, validate
from stcnn.data import Dataset, SplitConfig, write_store
from stcnn.experiments.new_neuron import NeuronFit
from stcnn.experiments.shown import show
from stcnn.run_folder import Run, open_run
from stcnn.training.fit import train
from tests.support import made_up_data
from tests.support.made_up_data import write_published

PLANTED = {"0": (2.0, -1.0), "1": (-3.0, 2.0)}
"""Elevation and azimuth of the new neurons, degrees."""
SMALL_CORE = [
    *("model.eye.lattice=[9,9]", "model.eye.column_spacing_deg=2", "model.eye.acceptance_fwhm_deg=3"),
    *("model.hidden.channels=[3]", "model.hidden.kernel_columns=3", "model.cell_types={default:{window_columns:3}}"),
    *("training.device=cpu", "training.epochs=1", "split.validation=0.2", "batching.loss_start_s=-0.2"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of few columns, finished but for its report."""
    folder = tmp_path_factory.mktemp("core")
    write_published(folder / "data")
    data = ["dataset=published", f"dataset.ca_path={folder / 'data/ca'}", f"dataset.mov_path={folder / 'data/mov'}"]
    more = ["dataset.rate_hz=60", "dataset.background=0.5", f"experiments_dir={folder / 'runs'}"]
    config = compose([*data, *more, *SMALL_CORE])
    run = config.new_run()
    train(config.open_dataset(), config, run)
    return run


@pytest.fixture(scope="module")
def new(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two new neurons: what the core answers at other places, with another gain and offset."""
    plain = made_up_data.dataset(neurons_per_type=2)
    plain = Dataset.of(plain.movies, [replace(r, shift_px=(0, 0)) for r in plain.recordings if r.cell_type == "lc4"])
    model = run.model()
    made = list(plain.recordings)
    for each in show(model, plain, validate(run.config()).batching):
        recording = plain.recordings[each.item]
        trace = NeuronFit(*PLANTED[recording.neuron], 1.0, 0.6, 0.3).trace(model, each).numpy()
        last = int(each.batch.weight[0].nonzero().max()) + 2  # the last sample is not scored
        made[each.item] = replace(recording, trace=trace[last - len(recording.trace) : last])
    renamed = [replace(r, neuron=f"new {r.neuron}", cell_type="mine") for r in made]
    return write_store(Dataset.of(plain.movies, renamed), tmp_path_factory.mktemp("new") / "new.zarr")


class Said(NamedTuple):
    """What a call printed, and its exit status."""

    out: str
    err: str
    status: int


Call = Callable[..., Said]


@pytest.fixture
def stcnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the installed command in this process."""

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["stcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return Said(*capsys.readouterr(), int(left.value.code or 0))

    return call


def recordings(store: Path) -> list[str]:
    return ["dataset=store", f"dataset.path={store}", "split.validation=0.3", "split.test=0"]


def test_new_neurons_are_found_where_they_were_put(stcnn: Call, run: Run, new: Path):
    weights = (run.path / "model.safetensors").read_bytes()
    said = stcnn("fit-neuron", run.path, *recordings(new), "--cell-type", "lc4")
    assert (said.status, said.err) == (0, "")
    assert said.out.endswith(f"table in {run.path / 'new_neurons.csv'}\n")
    table = pd.read_csv(run.path / "new_neurons.csv").set_index("neuron")
    assert set(table.cell_type) == {"mine"}
    for neuron, (elevation_deg, azimuth_deg) in PLANTED.items():
        found = table.loc[f"new {neuron}"]
        assert (found.elevation_deg, found.azimuth_deg) == pytest.approx((elevation_deg, azimuth_deg), abs=0.5)
        assert found.gain * found.scale == pytest.approx(0.6, rel=0.2)
        assert found.n_held_out == 1
        assert found.correlation > 0.99
    assert (run.path / "model.safetensors").read_bytes() == weights  # the core stays as it is


def test_in_python_it_is_the_same_table(stcnn: Call, run: Run, new: Path, tmp_path: Path):
    written = tmp_path / "fits.csv"
    assert stcnn("fit-neuron", run.path, *recordings(new), "--cell-type", "lc4", "--to", written).status == 0
    found = asked_run.Run(run.path).fit_neurons(new, "lc4", SplitConfig(validation=0.3, test=0))
    pd.testing.assert_frame_equal(found.reset_index(drop=True), pd.read_csv(written), check_dtype=False)


def test_the_table_goes_where_it_is_sent_and_without_held_out_recordings_has_no_score(
    stcnn: Call, run: Run, new: Path, tmp_path: Path
):
    table = tmp_path / "deeper" / "fits.csv"
    everything = ["split.validation=0", "split.kind=stimulus", *recordings(new)[:2], "split.test=0"]
    assert stcnn("fit-neuron", run.path, *everything, "--cell-type", "lc4", "--to", table).status == 0
    assert {"minutes", "elevation_deg", "azimuth_deg", "scale", "gain", "offset_dff"} < set(pd.read_csv(table))
    assert "correlation" not in pd.read_csv(table)


def test_faults_are_one_sentence_and_exit_status_2(stcnn: Call, run: Run, new: Path, tmp_path: Path):
    known = ["--cell-type", "lc4"]
    untrained = open_run(Run.create(tmp_path, "untrained", run.config()).path)
    (tmp_path / "file").touch()
    for arguments, sentence in (
        ([tmp_path / "nowhere", *recordings(new)], f"{tmp_path / 'nowhere'} does not exist, expected a folder made by"),
        ([tmp_path, *recordings(new)], "is not a run: it has no config.yaml"),
        ([untrained.path, *recordings(new)], f"the run {untrained.path} has no model.json"),
        ([run.path, *recordings(new)], "taken for with --cell-type; valid names are lc11, lc4."),
        ([run.path, *recordings(new), "--cell-type", "lc5"], "the model has no cell type 'lc5'. Say which"),
        ([run.path, *recordings(tmp_path / "gone.zarr"), *known], "gone.zarr"),
        ([run.path, *recordings(new), "split.validate=1", *known], "unknown key 'split.validate' (did you mean"),
        ([run.path, *recordings(new), "split.validation=1", *known], "split.validation"),
        ([run.path, *recordings(new), *known, "--to", tmp_path / "file" / "x.csv"], "cannot be written"),
    ):
        said = stcnn("fit-neuron", *arguments)
        assert said.status == 2, said
        assert sentence in said.err
        assert len(said.err.strip().splitlines()) == 1
