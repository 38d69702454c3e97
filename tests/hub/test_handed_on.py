"""Runs that are handed on: the folder, its card, and what is opened again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

import stcnn
from stcnn.errors import FileError
from stcnn.export.request import Request
from stcnn.forms import export
from stcnn.hub.write import without_folders
from stcnn.stimuli import Screen, render

LOOMING = {"kind": "looming_disc", "end_deg": 60, "edge_speed_deg_s": 50, "timing": {"hold_last_s": 0.3}}
PEAKS = {"lc11": 0.4515945, "lc15": 0.1350132, "lplc2": 0.9717021}
"""Largest dF/F of the example run to that disc, as it was written."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the example, to be damaged."""
    return Path(shutil.copytree(stcnn.example_run().path, tmp_path / "copy"))


def peaks(run: stcnn.Run) -> dict[str, float]:
    answer = run.respond(render(Screen(rate_hz=60), LOOMING))
    return {name: float(trace.max()) for name, trace in answer.calcium.items()}


def test_the_example_answers_as_written():
    run = stcnn.example_run()
    assert peaks(run) == pytest.approx(PEAKS, abs=2e-6)
    assert sum(path.stat().st_size for path in run.path.iterdir()) < 1e6
    assert run.environment()["seed"] == 1
    assert re.fullmatch("[0-9a-f]{40}", run.environment()["git"]["commit"])
    assert run.environment()["command"] == "python train.py experiments_dir=…/runs"
    assert "finished after 20 epochs, correlation lc11" in repr(run)


@pytest.mark.parametrize(
    ("command", "handed_on"),
    [
        ("python /work/stcnn/train.py seed=1", "python …/train.py seed=1"),
        ("train path='/home/me/flies.zarr' a=[/x/y,/z/q]", "train path='…/flies.zarr' a=[…/y,…/q]"),
        ("stcnn train dataset.path=flies.zarr model=published", "stcnn train dataset.path=flies.zarr model=published"),
    ],
)
def test_folders_of_this_machine_are_not_handed_on(command: str, handed_on: str):
    assert without_folders(command) == handed_on


def test_the_card_says_what_matters():
    front, text = (stcnn.example_run().path / "README.md").read_text().removeprefix("---\n").split("---\n", 1)
    assert yaml.safe_load(front)["library_name"] == "stcnn"
    titles = re.findall("^## (.*)$", text, re.MULTILINE)
    assert titles == [
        *("Recordings and split", "Scores", "What to distrust", "Parameters one may trust", "Intended use"),
        *("How to ask it", "Citation"),
    ]
    assert re.search(r"\| lplc2 \| 10 \| 0\.\d\d \| 0\.\d\d to 0\.\d\d \| 0\.\d\d \|", text)
    assert "Hidden layers stayed near their random start" in text
    assert "504 recordings for training, 108 for validation, 108 for the test" in text


def alone(folder: Path, *packages: str) -> Path:
    """A folder that holds some installed packages and nothing else, as a fresh environment would."""
    for package in packages:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        where = Path(spec.origin).parent
        for path in (where, where.with_name(f"{package}.libs")):
            if path.is_dir():
                (folder / path.name).symlink_to(path)
    return folder


def test_its_twenty_lines_run_where_only_onnxruntime_and_numpy_are(copy: Path, tmp_path: Path):
    code = re.findall("```python\n(.*?)```", (copy / "README.md").read_text(), re.DOTALL)[0]
    assert len(code.strip().splitlines()) <= 20
    (tmp_path / "site").mkdir()
    site = alone(tmp_path / "site", "onnxruntime", "numpy")
    checked = (
        "import importlib.util as u\nassert not [n for n in ('stcnn', 'torch', 'onnx', 'scipy') if u.find_spec(n)]\n"
    )
    command = [sys.executable, "-I", "-S", "-c", f"import sys\nsys.path.append({str(site)!r})\n{checked}{code}"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(re.findall(r"^(\w+): (-?\d\.\d{4}) after", done.stdout, re.MULTILINE))
    rate_hz, frames = 60.0, np.full((83, 83, 83), 0.498, np.float32)
    for t, frame in enumerate(frames):
        frame[35:48, max(0, t - 13) : t] = 0
    right = stcnn.example_run().respond(frames, rate_hz).calcium
    for name, trace in right.items():
        assert float(said[name]) == pytest.approx(trace[np.abs(trace).argmax()], abs=6e-5)


def laid_down(model: Path, cache: Path) -> None:
    """Lay a folder into a cache of the hub's library, by hand, as if it had been downloaded as lab/fly."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    here = cache / "models--lab--fly"
    (here / "refs").mkdir(parents=True)
    (here / "refs" / "main").write_text(commit)
    shutil.copytree(model, here / "snapshots" / commit)


ASKED = """
import json, sys, stcnn
from stcnn.stimuli import Screen, render
for name in json.loads(sys.argv[1]):
    try:
        answer = stcnn.from_pretrained(name).respond(render(Screen(rate_hz=60), json.loads(sys.argv[2])))
        print(json.dumps({name: float(trace.max()) for name, trace in answer.calcium.items()}))
    except stcnn.errors.FileError as error:
        print(json.dumps(str(error)))
"""


def test_a_folder_and_a_name_open_in_a_fresh_process_to_the_same_numbers(copy: Path, tmp_path: Path):
    """The name is looked up by huggingface_hub itself, offline, in a cache that stands in for a download."""
    pytest.importorskip("huggingface_hub", reason="needs huggingface_hub (pip install 'stcnn[hub]')")
    laid_down(copy, tmp_path / "cache")
    names = json.dumps([str(copy), "lab/fly", "lab/unknown"])
    offline = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", ASKED, names, json.dumps(LOOMING)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    assert done.returncode == 0, done.stderr
    folder, name, unknown = map(json.loads, done.stdout.splitlines())
    assert folder == name == pytest.approx(peaks(stcnn.example_run()), abs=1e-7)
    assert unknown.startswith("the model lab/unknown cannot be had from the Hugging Face Hub: ")
    assert unknown.endswith("Check the name and the network, or download the folder.")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"config.json": '{"model_type": "bert"}'}, "config.json describes a model of 'bert', expected a folder that"),
        ({"config.json": "[]"}, "config.json describes no model of stcnn"),
        (
            {"config.json": '{"library_name": "stcnn", "format": 9, "stcnn": "3.0"}'},
            r"is of format 9, written by stcnn 3",
        ),
        ({"config.json": '{"library_name": "stcnn", "format": 1}'}, "has no checksums. Take an undamaged copy"),
        (
            {"config.json": '{"library_name": "stcnn", "format": 1, "sha256": {"../x": ""}}'},
            r"names the file '../x', expected files within its folder",
        ),
        ({"model.json": "{}"}, "model.json is not as it was written: its checksum differs. Take an undamaged copy"),
        ({"model.safetensors": None}, "lacks its file model.safetensors. Take a whole copy"),
    ],
)
def test_damaged_and_foreign_folders_are_a_sentence(copy: Path, damage: dict[str, str | None], sentence: str):
    for name, text in damage.items():
        (copy / name).unlink() if text is None else (copy / name).write_text(text)
    for opened in (stcnn.from_pretrained, stcnn.open_run):
        with pytest.raises(FileError, match=sentence):
            opened(copy)


def test_an_edited_card_is_no_damage(copy: Path):
    (copy / "README.md").write_text("mine")
    assert stcnn.from_pretrained(copy).path == copy


def test_a_name_needs_the_library_of_the_hub_and_a_run_is_no_such_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stcnn.hub.opening.find_spec", lambda name: None)
    with pytest.raises(
        FileError, match=r"need the package huggingface_hub. Install it with: pip install 'stcnn\[hub\]'"
    ):
        stcnn.from_pretrained("lab/fly")
    with pytest.raises(FileError, match=r"there is no folder .*, expected a folder, or owner/name"):
        stcnn.from_pretrained(tmp_path / "nothing")
    with pytest.raises(FileError, match=r"has no config.json, expected a folder that stcnn export --as hub wrote"):
        stcnn.from_pretrained(tmp_path)


@pytest.mark.slow
def test_a_run_with_a_licence_goes_out_and_comes_back(tmp_path: Path):
    out = tmp_path / "out"
    said = list(export("hub", Request(stcnn.example_run().path, out, licence="CC BY 4.0")))
    assert "model card, to be read before it is handed on" in said[-1]
    assert "Licence of the recordings: CC BY 4.0" in (out / "README.md").read_text()
    assert peaks(stcnn.from_pretrained(out)) == peaks(stcnn.example_run())
