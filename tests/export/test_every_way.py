"""One network asked in every way there is: here, in the files of other programs, and in the page of a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from stcnn.commands.export import app
from stcnn.explorer.page import Explored, page
from stcnn.export import onnx_files, torch_files
from stcnn.export.probes import Answer, difference, our_answer
from stcnn.nn.kernels.native.compile import why_unavailable
from stcnn.nn.model import STCNN
from tests.support.networks import MOVIE_PX, RATE_HZ, clips, network, run_of
from tests.support.pages import Opens, asked_of, carrying, written

Exported = tuple[Path, list[STCNN]]
"""Folder with the exported forms, and the models."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "ensemble"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network written as ONNX and for PyTorch, and an ensemble of two as ONNX."""
    folder = tmp_path_factory.mktemp("run")
    models = [network(seed=seed) for seed in range(request.param)]
    run = run_of(models, folder)
    for form in ("onnx", "torch")[: 3 - len(models)]:
        options = ["--as", form, "--to", str(folder / form), "--movie-px", *map(str, MOVIE_PX)]
        done = CliRunner().invoke(app, [str(run.path), *options])
        assert done.exit_code == 0, done.output
        assert f"{form} form at 30 Hz in {folder / form}" in done.output.replace("\n", "")
    return folder, models


def with_compute(models: list[STCNN], compute: str) -> Answer:
    """Our answer by one engine."""
    others = [network(seed=seed) for seed in range(len(models))]
    for other in others:
        other.hidden.compute = compute
    return our_answer(others, RATE_HZ)


def streamed(models: list[STCNN]) -> Answer:
    """Our answer frame by frame, of several the mean."""

    def answer(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        voltages = []
        calciums = []
        for model in models:
            stream = model.for_picture(MOVIE_PX).stream(rate_hz=RATE_HZ)
            samples = [stream.step(frame) for frame in clip]
            voltages.append([[sample.voltage for sample in frame.values()] for frame in samples])
            calciums.append([[float(np.mean(sample.calcium)) for sample in frame.values()] for frame in samples])
        return np.mean(voltages, 0), np.mean(calciums, 0)

    return answer


def in_the_page(models: list[STCNN], right: Answer, opens: Opens) -> float:
    """Largest difference of the page from another answer."""
    tab = opens(page([Explored("made up", models, RATE_HZ, MOVIE_PX)]))
    (largest,) = tab.run(f"{carrying([asked_of(right, clips())])} {written('ask')}")["all"]
    return float(largest)


def kept(answer: Answer) -> Answer:
    """An answer that remembers what it said to each clip."""
    said: dict[bytes, tuple[NDArray[Any], NDArray[Any]]] = {}

    def remembered(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        key = clip.tobytes()
        if key not in said:
            said[key] = answer(clip)
        return said[key]

    return remembered


def test_every_way_to_ask_answers_alike(exported: Exported, opens: Opens):
    """The table: largest difference from PyTorch over twenty stimuli, as a share of the largest answer."""
    folder, models = exported
    right = kept(with_compute(models, "torch"))
    ways = {
        "stream": streamed(models),
        "ONNX step": onnx_files.step_answer(folder / "onnx" / "step.onnx"),
        "ONNX clip": onnx_files.clip_answer(folder / "onnx" / "clip.onnx"),
    }
    if (folder / "torch").is_dir():
        start = torch_files.first_state(folder / "torch")
        ways["torch.export clip"] = torch_files.clip_answer(folder / "torch" / "clip.pt2", start)
    if why_unavailable() is None:  # a compiler
        ways["native"] = with_compute(models, "native")
    table = {way: difference(answer, right, clips()).largest for way, answer in ways.items()}
    table["page in Chromium"] = in_the_page(models, right, opens)
    print(f"\n{len(models)} network(s), {len(clips())} stimuli: largest difference from PyTorch")
    print(*(f"{way:<18} {away:.1e}" for way, away in table.items()), sep="\n")
    assert max(table.values()) < 1e-5, table


def test_a_clip_of_one_frame_and_one_in_two_halves(exported: Exported):
    folder, _ = exported
    session = onnx_files.opened(folder / "onnx" / "clip.onnx")
    clip = clips()[2]
    whole = session.run(None, {"luminance": clip})
    first = session.run(None, {"luminance": clip[:1]})
    rest = session.run(None, {"luminance": clip[1:], "state": first[2]})
    assert first[0].shape == (1, 2)
    np.testing.assert_allclose(np.concatenate([first[1], rest[1]]), whole[1], rtol=0, atol=1e-6)


def test_the_files_say_what_they_are(exported: Exported):
    import onnx

    folder, models = exported
    for name in ("step", "clip"):
        proto = onnx.load(folder / "onnx" / f"{name}.onnx")
        (said,) = [json.loads(each.value) for each in proto.metadata_props if each.key == "stcnn"]
        assert said["opset"] == proto.opset_import[0].version == 20
        assert 0 < said["difference_calcium"] < 1e-5
        assert (said["rate_hz"], said["movie_px"], said["deg_per_px"]) == (30.0, list(MOVIE_PX), 1.0)
        assert said["voltage"] == said["calcium"] == ["lc18", "lc11"]
        assert said["epochs"] == [1] * len(models)
        assert [each.name for each in proto.graph.input] == ["luminance", "state"]
        assert [each.name for each in proto.graph.output] == ["voltage", "calcium", "state_after"]
