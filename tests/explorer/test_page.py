"""The page of models: its numbers against ours, its stimuli against the Python ones, what it shows and does."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

import stcnn
from stcnn.commands.explore import app
from stcnn.errors import ConfigError
from stcnn.explorer.controls import NOT_DRAWN, protocols, stimuli
from stcnn.explorer.description import described, packed
from stcnn.explorer.page import SCRIPTS, Explored, page, script
from stcnn.explorer.recordings import MOST, recordings
from stcnn.export.probes import our_answer
from stcnn.export.step_network import StepNetwork
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen, kinds, render
from tests.explorer.random_stimuli import RandomStimuli
from tests.support.made_up_data import RATE_HZ as RATE_60_HZ
from tests.support.networks import CONFIGURATIONS, MOVIE_PX, NEURONS, RATE_HZ, PlainCore, clips, network
from tests.support.pages import Opens, asked_of, carrying, written
from tests.support.small_explored import SHAPE_PX, recorded, run_with_split, small_model

PAINTED = """
    const canvas = document.getElementById("eye");
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return { width, height, alpha: Array.from({ length: width * height }, (_, i) => data[4 * i + 3]) };
"""
READY = "while (!window.firstAnswerMs) await new Promise((done) => setTimeout(done, 20));"


def explored(*models: STCNN, name: str = "made up") -> Explored:
    return Explored(name, list(models), RATE_HZ, MOVIE_PX)


def test_the_page_answers_as_we_do_with_networks_of_every_kind(opens: Opens):
    """Four stimuli; the common kind and an ensemble are asked all twenty in tests/export/test_every_way.py."""
    models = {name: network(name) for name in CONFIGURATIONS if name != "ours"}
    tab = opens(page([explored(model, name=name) for name, model in models.items()]))
    answers = {name: our_answer([model], RATE_HZ) for name, model in models.items()}
    asked = [asked_of(answer, clips()[::5]) for answer in answers.values()]
    differences = dict(zip(models, tab.run(f"{carrying(asked)} {written('ask')}")["all"], strict=True))
    assert max(differences.values()) < 1e-5, differences


def test_without_webassembly_the_page_answers_the_same(opens: Opens):
    """Where there is WebAssembly it is used; its policy lets it."""
    compiled = "return explorer.models[0].first.layers[0].convolution.sums.toString().includes('native code');"
    text = page([explored(network())])
    asked = [asked_of(our_answer([network()], RATE_HZ), clips()[7:8])]
    for before, expected in (("", True), ("delete globalThis.WebAssembly;", False)):
        tab = opens(text, before=before)
        assert tab.run(compiled) is expected
        assert max(tab.run(f"{carrying(asked)} {written('ask')}")["all"]) < 1e-5


def mollweide(places_deg: NDArray[Any]) -> NDArray[Any]:
    """Directions in Mollweide's projection, by bisection of its equation; areas stay, in square degrees."""
    azimuth, elevation = np.moveaxis(places_deg, -1, 0)
    low = np.full(elevation.shape, -np.pi / 2)
    high = -low
    for _ in range(60):
        middle = (low + high) / 2
        below = 2 * middle + np.sin(2 * middle) < np.pi * np.sin(np.radians(elevation))
        low = np.where(below, middle, low)
        high = np.where(below, high, middle)
    return np.stack([azimuth * np.cos(low) * np.sqrt(8) / np.pi, np.degrees(np.sqrt(2) * np.sin(low))], -1)


@pytest.mark.parametrize("name", ["hexagonal", "measured"])
def test_columns_that_make_no_picture_are_drawn_where_they_look(name: str, opens: Opens):
    """Where the page paints something, a column looks; where it paints nothing, none does."""
    model = network(name)
    eye = model.config.eye
    step = StepNetwork(model, RATE_HZ, MOVIE_PX)
    computed = step.windows[0]
    places_deg = (
        eye.positions_deg()[computed.top : computed.bottom, computed.left : computed.right].flatten(0, 1).numpy()
    )
    places_deg = places_deg[(np.abs(places_deg) < 360).all(1)]
    tab = opens(page([explored(model, name=name)]))
    told = described(model, step)
    np.testing.assert_allclose([place for place in told["eye"]["places"] if place], places_deg)
    assert all(len(layer["places"]) == layer["shape"][0] * layer["shape"][1] for layer in told["layers"])
    painted = tab.run(f"{READY} {PAINTED}")
    outline = np.asarray(told["eye"]["outline"])
    on_paper = mollweide if name == "measured" else np.asarray
    low, high = (extreme(on_paper(places_deg[:, None] + outline), axis=(0, 1)) for extreme in (np.min, np.max))
    height, width = painted["height"], painted["width"]
    scale = width / (high - low)[0]
    x, y = ((on_paper(places_deg) - [low[0], high[1]]) * [scale, -scale]).round().astype(int).T
    alpha = np.array(painted["alpha"]).reshape(height, width)
    assert (alpha[y.clip(0, height - 1), x.clip(0, width - 1)] == 255).all()
    corner = alpha[: height // 20, -width // 20 :] if name == "hexagonal" else alpha[-2:, :2]
    assert not corner.any()


def test_every_stimulus_is_drawn_pixel_by_pixel_as_in_python(opens: Opens):
    asked = []
    screens = [((21, 40), 1.0, 60.0), ((33, 25), 1.7, 37.5), ((20, 30), 2.0, 50.0)]
    for seed, (shape_px, deg_per_px, rate_hz) in enumerate(screens):
        screen = Screen(shape_px=shape_px, deg_per_px=deg_per_px, rate_hz=rate_hz)
        told = {"shapePx": shape_px, "degPerPx": deg_per_px, "rateHz": rate_hz, "background": screen.background}
        for shown in RandomStimuli(seed).each():
            movie = render(screen, shown)
            frames = movie.luminance()
            pixels = packed(torch.from_numpy(frames))
            asked.append(
                {"screen": told, "shown": shown, "shape": frames.shape, "frames": pixels, "onset": movie.onset_s}
            )
    found = opens(page([explored(network())])).run(f"{carrying(asked)} {written('draw')}")["all"]
    assert {kind for kind, _ in found} == set(kinds()) - set(NOT_DRAWN)
    assert [each for each in found if not each[1] < 2e-6] == []


@pytest.fixture(scope="module")
def model() -> STCNN:
    return small_model()


@pytest.fixture(scope="module")
def small_page(model: STCNN, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a small network twice, with recordings."""
    dataset = recorded()
    found = recordings(run_with_split(model, dataset, tmp_path_factory.mktemp("run")), model, dataset)
    return page([Explored(name, [model], RATE_60_HZ, SHAPE_PX, found) for name in ("one", "again")])


def test_the_page_needs_nothing_from_elsewhere(small_page: str):
    """Every test of a page also asserts, when it closes it, that it asked a network for nothing."""
    assert "default-src 'none'" in small_page
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", small_page)


@pytest.mark.slow
def test_the_page_of_a_run_with_its_recordings_is_small_and_quick(opens: Opens, tmp_path: Path):
    """The example: below 3 MB; from navigation to the first answer less than two seconds of computing."""
    done = CliRunner().invoke(app, [str(stcnn.example_run().path), "--to", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "page.html").read_text()
    assert len(text) < 3e6
    tab = opens(text)
    first_ms = tab.run(f"{READY} return firstAnswerMs;")
    computed_s = {each["name"]: each["value"] for each in tab.send("Performance.getMetrics")["metrics"]}["TaskDuration"]
    print(f"first answer after {first_ms:.0f} ms, of which the page computed {1000 * computed_s:.0f} ms")
    assert computed_s < 2
    laid = json.loads(re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0])["models"][0]["recordings"]
    assert len(stcnn.example_run().split()["validation"]) < len(laid) <= MOST
    assert np.isfinite([each["gain"] for each in laid]).all()


@pytest.fixture(scope="module")
def did(small_page: str, opens: Opens) -> dict[str, Any]:
    """What the page showed after each of many actions."""
    found: dict[str, Any] = opens(small_page).run(READY + written("actions"))
    return found


def test_a_stimulus_and_its_sliders_change_the_answer(did: dict[str, Any], model: STCNN):
    shown = {"kind": "moving_bar", "width_deg": 10, "speed_deg_s": 100, "direction_deg": 90, "timing": {"after_s": 0.7}}
    right = model.respond(render(Screen(shape_px=SHAPE_PX, rate_hz=RATE_60_HZ), shown))
    assert did["first"] != did["bar"] != did["up"]
    for name, voltage, calcium, _ in did["up"]:
        assert float(voltage) == pytest.approx(right.voltage[name].max(), rel=0.01)
        assert float(calcium) == pytest.approx(right.calcium[name].max(), rel=0.01)
    view = json.loads(did["link"].removeprefix("#"))
    assert view["args"]["direction_deg"] == 90


def test_the_network_can_be_changed_and_put_back(did: dict[str, Any]):
    assert did["silenced"]["header"][-1] == "dF/F unchanged"
    assert did["silenced"]["pressed"] == 1
    assert [row[2] for row in did["silenced"]["rows"]] != [row[-1] for row in did["silenced"]["rows"]]
    assert [row[-1] for row in did["silenced"]["rows"]] == [row[2] for row in did["up"]]
    assert did["reset"]["rows"] == did["up"]


def test_two_models_stand_side_by_side(did: dict[str, Any]):
    assert did["beside"]["header"][-1] == "dF/F again"
    assert [row[-1] for row in did["beside"]["rows"]] == [row[2] for row in did["up"]]


def test_a_recording_is_laid_over_with_its_ceiling(did: dict[str, Any]):
    assert did["overlaid"]["header"][1:3] == ["correlation with recording", "noise ceiling"]
    (row,) = [each for each in did["overlaid"]["rows"] if each[2]]
    assert -1 <= float(row[1]) <= 1
    assert 0 < float(row[2]) <= 1
    assert "held out of the training" in did["overlaid"]["meaning"]


def test_protocols_and_the_pointer(did: dict[str, Any]):
    assert did["named"] in stcnn.stimuli.load_protocol("looming_rv").parameters
    assert did["live"] == {"moved": True, "role": 0}
    assert did["overflow"] <= 0


def test_a_link_restores_the_view(small_page: str, opens: Opens):
    view = {
        "kind": "moving_spot",
        "args": {"size_deg": 20, "speed_deg_s": 200, "timing": {}},
        "edits": {"tau": {"layer1": 2}, "gain": {"layer2": 0.5}, "silent": {"layer1": [0, 1]}},
        "maps": "layer2",
        "second": 1,
    }
    said = opens(small_page, view=view).run(READY + written("restored"))
    assert {name: said["view"][name] for name in view} == view
    assert said["header"][-2:] == ["dF/F unchanged", "dF/F again"]
    assert said["pressed"] == [f"silence channel {c} of hidden layer 1" for c in (1, 2)]
    nonsense = opens(small_page, view={"kind": "none", "args": 3, "model": 9})
    assert nonsense.run(f"{READY} return explorer.view.kind;") == "looming_disc"


@pytest.mark.parametrize(("width", "dark"), [pytest.param(1400, False, marks=pytest.mark.slow), (390, True)])
def test_nobody_is_shut_out(small_page: str, opens: Opens, width: int, dark: bool):
    """axe-core finds nothing serious, in light and dark, on a desktop and on a phone."""
    where = find_spec("axe_core_python")
    assert where is not None
    assert where.origin is not None
    (axe,) = Path(where.origin).parent.rglob("axe.min.js")
    tab = opens(small_page, before=axe.read_text(), width=width, dark=dark)
    said = tab.run(READY + written("look"))
    assert said["dark"] == dark
    assert said["passes"] > 20
    assert said["overflow"] <= 0
    assert [each for each in said["violations"] if each[1] in ("serious", "critical")] == []


@pytest.mark.parametrize("name", ["ours", "published"])
def test_a_changed_network_is_the_network_with_those_weights(opens: Opens, name: str):
    """Time constants with the scale of their kernels, gain of a layer, and a silent channel."""
    edits = {"tau": {"layer1": 2.5, "calcium": 2.5}, "gain": {"layer2": 0.6}, "silent": {"layer1": [1]}}
    model = network(name)
    before = our_answer([model], RATE_HZ)(clips()[7])
    changed = network(name)
    with torch.no_grad():
        first, second = changed.hidden
        first.filter.constants["tau_s"].mul_(2.5)
        changed.calcium.tau_s.mul_(2.5)
        second.weight.mul_(0.6)
        second.weight[:, 1] = 0
    asked = asked_of(our_answer([changed], RATE_HZ), clips()[7:8])
    assert np.abs(np.reshape(asked[0]["voltage"], before[0].shape) - before[0]).max() > 0.01
    edited = written("ask").replace("model.edit({})", f"model.edit({json.dumps(edits)})")
    assert max(opens(page([explored(model)])).run(f"{carrying([asked])} {edited}")["all"]) < 1e-5


def test_every_argument_has_a_control_or_keeps_its_default():
    for kind, told in stimuli().items():
        named = {each["name"] for each in told["controls"]}
        needed = set(stcnn.stimuli.scene.checked_arguments(kind).model_fields)
        assert needed - named <= {"timing", "stop_deg"}, kind
        assert told["meaning"]
    assert "mixed" in protocols()
    assert {"gaussian_0", "natural_1"} <= set(protocols()["noise"])


def test_scripts_are_complete_and_without_imports():
    folder = Path(stcnn.__file__).parent / "explorer" / "js"
    assert {path.stem for path in folder.iterdir()} == set(SCRIPTS)
    assert not re.findall(r"^(?:import|export) ", script(), re.MULTILINE)


def test_a_script_stands_after_all_that_it_imports_and_shares_no_name():
    """The page has all of them in one scope."""
    folder = Path(stcnn.__file__).parent / "explorer" / "js"
    declared = r"^(export )?(?:async )?(?:class|const|let|function\*?) (\w+)"
    exported: dict[str, set[str]] = {}
    everything: list[str] = []
    for name in SCRIPTS:
        text = (folder / f"{name}.js").read_text()
        for names, source in re.findall(r'^import \{ ([^}]*) \} from "\./(\w+)\.js";$', text, re.MULTILINE):
            assert set(names.split(", ")) <= exported.get(source, set()), f"{name} imports {names} from {source}"
        found = re.findall(declared, text, re.MULTILINE)
        exported[name] = {each for is_exported, each in found if is_exported}
        everything += [each for _, each in found]
    assert len(everything) == len(set(everything)) > 100


def test_a_core_of_ones_own_is_refused():
    model = STCNN(ModelConfig(), Population(neurons=NEURONS), core=PlainCore()).eval()
    with pytest.raises(ConfigError, match="has no form outside this program"):
        page([explored(model)])
