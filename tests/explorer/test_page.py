"""The page of models: its numbers against ours, its stimuli against the Python ones, what it shows and does."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import stcnn
from stcnn.commands.explore import app
from stcnn.errors import ConfigError
from stcnn.explorer.controls import NOT_DRAWN, protocols, stimuli
from stcnn.explorer.description import packed
from stcnn.explorer.page import SCRIPTS, Explored, page, script
from stcnn.explorer.recordings import MOST
from stcnn.export.probes import our_answer
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen, kinds, render
from tests.explorer.random_stimuli import RandomStimuli
from tests.support.browser import browse
from tests.support.networks import CONFIGURATIONS, MOVIE_PX, NEURONS, RATE_HZ, PlainCore, clips, network

SCRIPTS_OF_TESTS = Path(__file__).parent / "scripts"
Says = Callable[..., dict[str, Any]]
READY = "while (!window.firstAnswerMs) await new Promise((done) => setTimeout(done, 20));"


def written(name: str) -> str:
    """A script that runs in the page."""
    return (SCRIPTS_OF_TESTS / f"{name}.js").read_text()


def explored(*models: STCNN, name: str = "made up") -> Explored:
    return Explored(name, list(models), RATE_HZ, MOVIE_PX)


@pytest.fixture
def says(tmp_path: Path) -> Says:
    """Opens a page in a browser, runs a script in it, and returns what that returns."""
    n_asked = iter(range(100))

    def asked(text: str, action: str, *, view: Any = None, width: int = 1400, dark: bool = False) -> dict[str, Any]:  # noqa: ANN401
        path = tmp_path / f"page{next(n_asked)}.html"
        end = written("tell").replace("ACTION", action)
        text = text.replace("<head>", f"<head><script>{written('listen')}</script>", 1)
        path.write_text(text.replace("</body>", f"<script>{end}</script></body>"))
        link = "" if view is None else f"#{quote(json.dumps(view))}"
        shown = browse(
            "--enable-logging=stderr", f"--window-size={width},1200", "--virtual-time-budget=60000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{path}{link}",
        )  # fmt: skip
        assert "CONSOLE" not in shown.stderr, shown.stderr
        (found,) = re.findall(r'<pre id="found"[^>]*>(.*?)</pre>', shown.stdout, re.DOTALL)
        said: dict[str, Any] = json.loads(html.unescape(found))
        assert said.pop("faults") == []
        assert "failed" not in said, said
        return said

    return asked


def carrying(data: Any) -> str:  # noqa: ANN401
    """A script that has data, arrays unpacked."""
    text = json.dumps(data).replace("<", "\\u003c")
    return f"{written('unpack')} const data = unpack({text});"


def test_the_page_answers_as_we_do(says: Says):
    """The last row of the table of tests/export: 20 stimuli, networks of every kind, and an ensemble."""
    models = {name: [network(name)] for name in CONFIGURATIONS} | {"ensemble": [network(seed=0), network(seed=1)]}
    asked = []
    for name, members in models.items():
        answer = our_answer(members, RATE_HZ)
        shown = clips() if name in ("ours", "ensemble") else clips()[::5]
        found = [(clip, *answer(clip)) for clip in shown]
        asked.append([
            {"frames": packed(torch.from_numpy(clip)), "voltage": v.ravel().tolist(), "calcium": c.ravel().tolist()}
            for clip, v, c in found
        ])  # fmt: skip
    text = page([explored(*members, name=name) for name, members in models.items()])
    differences = dict(zip(models, says(text, f"{carrying(asked)} {written('ask')}")["all"], strict=True))
    print(json.dumps(differences, indent=1))
    assert max(differences.values()) < 1e-5, differences


def test_every_stimulus_is_drawn_pixel_by_pixel_as_in_python(says: Says):
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
    found = says(page([explored(network())]), f"{carrying(asked)} {written('draw')}")["all"]
    assert {kind for kind, _ in found} == set(kinds()) - set(NOT_DRAWN)
    assert [each for each in found if not each[1] < 2e-6] == []


@pytest.fixture(scope="module")
def example_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the example twice, with its recordings."""
    to = tmp_path_factory.mktemp("explore") / "one.html"
    done = CliRunner().invoke(app, [str(stcnn.example_run().path), "--to", str(to)])
    assert done.exit_code == 0, done.output
    before, told, after = re.split(r'(?<=id="data">)(.*?)(?=</script>)', to.read_text(), maxsplit=1, flags=re.DOTALL)
    data = json.loads(told)
    data["models"] *= 2
    return before + json.dumps(data).replace("<", "\\u003c") + after


def test_the_page_needs_nothing_from_elsewhere(example_page: str, says: Says):
    assert "default-src 'none'" in example_page
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", example_page)
    assert len(example_page) < 3e6
    said = says(example_page, f"{READY} return {{ asked: performance.getEntriesByType('resource').length }};")
    assert said["asked"] == 0


@pytest.fixture(scope="module")
def did(example_page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = says.__wrapped__(tmp_path_factory.mktemp("did"))(example_page, READY + written("actions"))  # type: ignore[attr-defined]
    return found


def test_a_stimulus_and_its_sliders_change_the_answer(did: dict[str, Any]):
    run = stcnn.example_run()
    shown = {"kind": "moving_bar", "width_deg": 10, "speed_deg_s": 100, "direction_deg": 90, "timing": {"after_s": 0.7}}
    movie = render(Screen(shape_px=run.dataset().shape_px, rate_hz=60), shown)
    right = run.respond(movie)
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
    assert did["beside"]["header"][-1] == "dF/F example"
    assert [row[-1] for row in did["beside"]["rows"]] == [row[2] for row in did["up"]]


def test_a_recording_is_laid_over_with_its_ceiling(did: dict[str, Any]):
    assert did["overlaid"]["header"][-2:] == ["correlation with recording", "noise ceiling"]
    (row,) = [each for each in did["overlaid"]["rows"] if each[-1]]
    assert 0 < float(row[-2]) <= 1
    assert 0 < float(row[-1]) <= 1
    assert "held out of the training" in did["overlaid"]["meaning"]


def test_protocols_and_the_pointer(did: dict[str, Any]):
    assert did["named"] in stcnn.stimuli.load_protocol("looming_rv").parameters
    assert did["live"] == {"moved": True, "role": 0}
    assert did["overflow"] <= 0


def test_a_link_restores_the_view(example_page: str, says: Says):
    view = {
        "kind": "moving_spot",
        "args": {"size_deg": 20, "speed_deg_s": 200, "timing": {}},
        "edits": {"tau": {"layer1": 2}, "gain": {"layer2": 0.5}, "silent": {"layer3": [1, 4]}},
        "maps": "layer3",
        "second": 1,
    }
    said = says(example_page, READY + written("restored"), view=view)
    assert {name: said["view"][name] for name in view} == view
    assert said["header"][-2:] == ["dF/F unchanged", "dF/F example"]
    assert said["pressed"] == [f"silence channel {c} of hidden layer 3" for c in (2, 5)]
    nonsense = says(
        example_page, f"{READY} return {{ kind: explorer.view.kind }};", view={"kind": "none", "args": 3, "model": 9}
    )
    assert nonsense["kind"] == "looming_disc"


@pytest.mark.parametrize(("width", "dark"), [pytest.param(1400, False, marks=pytest.mark.slow), (500, True)])
def test_nobody_is_shut_out(example_page: str, says: Says, width: int, dark: bool):
    """axe-core finds nothing serious, in light and dark, on a desktop and on a phone."""
    where = find_spec("axe_core_python")
    assert where is not None
    assert where.origin is not None
    (axe,) = Path(where.origin).parent.rglob("axe.min.js")
    text = example_page.replace("</body>", f"<script>{axe.read_text()}</script></body>")
    said = says(text, READY + written("look"), width=width, dark=dark)
    assert said["dark"] == dark
    assert said["passes"] > 20
    assert said["overflow"] <= 0
    assert [each for each in said["violations"] if each[1] in ("serious", "critical")] == []


@pytest.mark.slow
def test_time_constants_scale_as_in_a_network_that_has_them(says: Says):
    """Changing tau in the page is the network with that tau, the scale of its kernels included."""
    asked = []
    for name in ("ours", "published"):
        model = network(name)
        with torch.no_grad():
            next(iter(model.hidden)).filter.constants["tau_s"].mul_(2.5)
            model.calcium.tau_s.mul_(2.5)
        clip = clips()[7]
        v, c = our_answer([model], RATE_HZ)(clip)
        frames = packed(torch.from_numpy(clip))
        asked.append([{"frames": frames, "voltage": v.ravel().tolist(), "calcium": c.ravel().tolist()}])
    edited = written("ask").replace("model.edit({})", "model.edit({ tau: { layer1: 2.5, calcium: 2.5 } })")
    text = page([explored(network(name)) for name in ("ours", "published")])
    assert max(says(text, f"{carrying(asked)} {edited}")["all"]) < 1e-5


def test_every_argument_has_a_control_or_keeps_its_default():
    without = {"distribution"}
    for kind, told in stimuli().items():
        named = {each["name"] for each in told["controls"]}
        needed = set(stcnn.stimuli.scene.checked_arguments(kind).model_fields)
        assert needed - named - without <= {"timing", "stop_deg"}, kind
        assert told["meaning"]
    assert "mixed" in protocols()
    assert "natural" not in protocols()["noise"]


def test_scripts_are_complete_and_without_imports():
    folder = Path(stcnn.__file__).parent / "explorer" / "js"
    assert {path.stem for path in folder.iterdir()} == set(SCRIPTS)
    assert not re.findall(r"^(?:import|export) ", script(), re.MULTILINE)


def test_a_core_of_ones_own_is_refused():
    model = STCNN(ModelConfig(), Population(neurons=NEURONS), core=PlainCore()).eval()
    with pytest.raises(ConfigError, match="has no form outside this program"):
        page([explored(model)])


def test_recordings_are_held_out_ones_first_and_none_of_the_test(example_page: str):
    told = json.loads(re.findall(r'id="data">(.*?)</script>', example_page, re.DOTALL)[0])
    shown = told["models"][0]["recordings"]
    assert [each["held_out"] for each in shown] == sorted((each["held_out"] for each in shown), reverse=True)
    split = stcnn.example_run().split()
    assert len(split["validation"]) < len(shown) <= MOST
    assert np.isfinite([each["gain"] for each in shown]).all()
