"""Pages of runs: with and without their recordings, and what a fault in the page may not do to a training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import stcnn
from stcnn.errors import ConfigError, FileError
from stcnn.explorer import of_run
from stcnn.explorer.of_run import page_beside
from stcnn.run_folder import Run
from tests.support import made_up_data
from tests.support.networks import RATE_HZ, network, run_of


def told(page: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(re.findall(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[0])
    return found


def without_recordings(folder: Path, **facts: Any) -> Run:
    run = run_of([network(), network(seed=1)], folder)
    run.save_config(run.config() | {"dataset": facts})
    return run


def test_an_ensemble_goes_without_recordings_that_are_not_at_hand(tmp_path: Path):
    places = {"ca_path": str(tmp_path / "gone"), "mov_path": str(tmp_path / "gone")}
    run = without_recordings(tmp_path, kind="published", rate_hz=RATE_HZ, **places)
    with pytest.warns(UserWarning, match=r"made-up goes without its recordings: .*gone"):
        page = stcnn.explore([run], tmp_path / "page.html")
    (model,) = told(page)["models"]
    assert model["recordings"] == []
    assert len(model["members"]) == 2
    assert model["members"][0]["rate_hz"] == RATE_HZ
    assert model["members"][0]["movie_px"] == [83, 83]


@pytest.mark.filterwarnings("ignore:.* goes without its recordings")
def test_a_rate_must_be_known(tmp_path: Path):
    run = without_recordings(tmp_path, kind="store", path=str(tmp_path / "gone.zarr"))
    with pytest.raises(ConfigError, match=r"does not say the frame rate .* not at hand. Bring the recordings back"):
        stcnn.explore([run], tmp_path / "page.html")
    with pytest.raises(FileError, match=r"is not a run: it has no config.yaml"):
        stcnn.explore([tmp_path], tmp_path / "page.html")


def test_a_fault_in_the_page_does_not_hide_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run = run_of([network()], tmp_path)
    run.write_json("split.json", {"train": [], "validation": [], "test": []})

    def fails(*_: object) -> None:
        raise FileError("the disk is full")

    monkeypatch.setattr(of_run, "write_page", fails)
    page_beside(run, made_up_data.dataset())
    assert capsys.readouterr().out == f"{run.path.name} has no page to explore: the disk is full.\n"
    monkeypatch.setattr(of_run, "write_page", lambda *_: 1 / 0)
    page_beside(run, made_up_data.dataset())
    said = capsys.readouterr()
    assert said.out.endswith(f"Try again: stcnn explore {run.path}\n")
    assert "ZeroDivisionError" in said.err
