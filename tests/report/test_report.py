"""The report of a run: its numbers, what it distrusts, and the page in a browser."""

import html
import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from stcnn.data import Dataset
from stcnn.data.audit.checks import AMBER, RED, Audit, Flag
from stcnn.errors import FileError
from stcnn.nn.bounds import Bounds
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.report import report_or_reason, trace_pairs, write_report
from stcnn.report.doubts import doubts, in_words
from stcnn.report.findings import Findings, FittedTrace, find, joined_correlation, with_others
from stcnn.report.page import MOST_SAMPLES, explorer_data, render
from stcnn.report.schematic import schematic
from stcnn.run_folder import Run
from stcnn.training.fit import train
from tests.support import made_up_training
from tests.support.browser import browse


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with its report."""
    made = made_up_training.new_run(tmp_path_factory.mktemp("runs"))
    recipe = made_up_training.recipe()
    train(made_up_training.dataset(), recipe, made)
    write_report(made, made_up_training.dataset(), recipe.batching, recipe.bounds)
    return made


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return made_up_training.dataset()


@pytest.fixture(scope="module")
def findings(run: Run, dataset: Dataset) -> Findings:
    return find(run, dataset, made_up_training.recipe().batching)


def trace(measured: list[float], **fields: object) -> FittedTrace:
    values = np.array(measured)
    made = FittedTrace("lc4", "1", "dot", True, np.arange(len(values)) / 10, values, 2 * values + 1)
    return replace(made, **fields)  # type: ignore[arg-type]


def test_correlation_of_a_neuron_joins_its_traces():
    traces = [trace([0.0, 1.0, 3.0]), trace([5.0, 1.0], predicted=np.array([0.0, 2.0]))]
    joined = np.corrcoef([0, 1, 3, 5, 1], [1, 3, 7, 0, 2])[0, 1]
    assert joined_correlation(traces) == pytest.approx(joined)


def test_other_neurons_are_averaged_at_the_times_of_the_neuron():
    mine = trace([0.0, 0.0], time_s=np.array([0.05, 0.15]))
    others = [trace([0.0, 1.0, 2.0], neuron="2"), trace([2.0, 3.0, 4.0], neuron="3")]
    stranger = trace([9.0, 9.0, 9.0], neuron="4", stimulus="bar")
    assert with_others([mine, *others, stranger])[0].others == pytest.approx([1.5, 2.5])
    assert with_others([mine, stranger])[0].others is None


def test_test_recordings_are_never_predicted(findings: Findings):
    test = {(r.cell_type, r.neuron, r.stimulus) for i in findings.split.test for r in [findings.dataset.recordings[i]]}
    assert test
    assert not test & {(t.cell_type, t.neuron, t.stimulus) for t in findings.traces}
    assert len(findings.held_out) == len(findings.split.validation)


def test_scores_of_cell_types_are_those_of_the_kept_epoch(run: Run, findings: Findings):
    scores = run.scores()
    kept = scores[scores.epoch == run.finished_epoch()].set_index("cell_type")
    found = findings.cell_types.set_index("cell_type")
    for column in ("correlation", "neuron_correlation"):
        assert found[column].to_dict() == pytest.approx(kept[column].to_dict(), abs=1e-4)


def test_the_headline_is_the_mean_of_the_cell_types(findings: Findings):
    table = findings.cell_types
    assert findings.headline["correlation"] == pytest.approx(table.correlation.mean())
    known = table[table.ceiling.notna()]
    share = known.correlation.sum() / known.ceiling.sum() if len(known) else np.nan
    assert findings.headline["share"] == pytest.approx(share, nan_ok=True)
    assert "Mean of the cell types: <strong>" in render(findings, Bounds())


def test_pictured_traces_go_from_worst_to_best(findings: Findings):
    for cell_type, pairs in trace_pairs(findings).items():
        r = [float(re.findall(r"r = (-?[\d.]+)", pair.title)[0]) for pair in pairs]
        assert r == sorted(r), cell_type


def test_parameters_on_bounds_and_poor_neurons_are_doubted(findings: Findings):
    tau_s = [layer.filter.tau_s for layer in findings.model.hidden]
    low = float(tau_s[0].detach().min())
    titles = {doubt.title: doubt for doubt in doubts(findings, Bounds(filter_tau_s=(low, None)))}
    assert f"lower bound of {1000 * low:g} ms" in titles["1 parameter on a bound"].found
    poor = [title for title in titles if "fitted poorly" in title]
    assert bool(poor) == bool((~(findings.neurons.correlation >= 0.3)).any())


def test_parameters_are_named_for_those_who_do_not_know_the_code():
    assert in_words("hidden.0.filter.tau_s") == "time constants of hidden layer 1"
    assert in_words("readouts.lc4.weight") == "weights of readout lc4"
    assert in_words("calcium.tau_s") == "time constants of the calcium indicator"


def test_flags_on_the_recordings_are_doubted_and_listed(findings: Findings):
    flags = [Flag(AMBER, "drift", "lc4, neuron 1", "wanders"), Flag(RED, "NaN", "lc4, neuron 2", "is not finite")]
    found = replace(findings, audit=Audit(flags))
    (doubt,) = [doubt for doubt in doubts(found, Bounds()) if "flags on the recordings" in doubt.title]
    assert doubt.title == "2 flags on the recordings, 1 of them red"
    assert doubt.found.index("is not finite") < doubt.found.index("wanders")
    page = render(found, Bounds())
    assert "Flags on the recordings (2)" in page
    assert page.index("is not finite</td>") < page.index("wanders</td>")


def test_page_says_where_no_ceiling_is_known(findings: Findings):
    assert findings.cell_types.ceiling.isna().all()
    page = render(findings, Bounds())
    assert "these recordings have no repeats" in page
    assert "beside the most that the noise" not in page


def test_the_schematic_has_the_numbers_of_the_network(findings: Findings):
    stages = schematic(findings)
    config, n_neurons = findings.model.config, sum(map(len, findings.dataset.neurons.values()))
    assert [stage.title for stage in stages][::5] == ["Movie", "Recording"]
    assert stages[2].facts[0] == f"{', '.join(map(str, config.hidden.channels))} channels"
    assert stages[5].facts[0] == f"{n_neurons} neurons"
    decays_s = findings.model.calcium.time_constants().tolist()
    assert f"{min(decays_s):.2g}" in stages[4].facts[1]
    page = render(findings, Bounds())
    assert all(fact in page for stage in stages for fact in stage.facts)


def test_the_schematic_does_not_draw_layers_that_a_core_does_not_have(findings: Findings):
    config = ModelConfig.model_validate({"core": {"kind": "photoreceptors"}})
    other = STCNN(config, findings.model.population, findings.dataset.deg_per_px)
    stage = schematic(replace(findings, model=other))[2]
    assert stage == ("Core", ["of kind 'photoreceptors'"])


def test_unchecked_recordings_are_said_to_be(findings: Findings):
    titles = [doubt.title for doubt in doubts(replace(findings, audit=None), Bounds())]
    assert "The recordings were not checked here" in titles


def test_other_recordings_than_those_trained_on_are_named(findings: Findings):
    other = replace(findings, dataset=findings.dataset.subset(range(len(findings.dataset) - 1)))
    assert doubts(other, Bounds())[0].title == "These are not the recordings that were trained on"
    assert "not the recordings" not in " ".join(doubt.title for doubt in doubts(findings, Bounds()))


def test_comparison_of_a_comparison_is_shown(findings: Findings):
    from stcnn.baselines.comparison_table import comparison_table

    folder = findings.run.path / "comparison_validation"
    folder.mkdir()
    assert findings.evaluation is not None
    evaluations = {"run": findings.evaluation, "grand mean": findings.evaluation}
    comparison_table(evaluations, "run", n_draws=20).to_csv(folder / "comparison.csv", index=False)
    try:
        page = render(findings, Bounds())
    finally:
        shutil.rmtree(folder)
    assert "Beside simple models" in page
    assert "grand mean" in page
    assert "stcnn compare" in render(findings, Bounds())


def test_long_traces_are_shortened_by_means_and_names_cannot_end_the_script():
    values = np.arange(3 * MOST_SAMPLES, dtype=float)
    long = FittedTrace("lc4", "</script>", "dot", True, values, values, values)
    text = explorer_data([long])
    shown = json.loads(text)
    assert "</script>" not in text
    assert shown["recordings"][0]["neuron"] == "</script>"
    assert shown["table"] is None
    assert shown["recordings"][0]["measured"] == (1000 * values.reshape(-1, 3).mean(1)).astype(int).tolist()


def test_page_stands_alone_and_says_what_it_must(run: Run):
    page = (run.path / "report.html").read_text()
    assert len(page) < 10e6
    led_to = re.findall(
        r"""(?:src|href)=["'](?!#|data:)([^"']*)""", re.sub(r"xlink:href|<!--.*?-->", "", page, flags=re.S)
    )
    assert {"config.yaml", "scores.csv", "model.safetensors"} <= set(led_to)
    assert all((run.path / name).is_file() for name in led_to)
    for words in ("How good is it", "What to distrust", "What was learned", "How to reproduce it", "lc11", "lc4"):
        assert words in page
    assert run.environment()["data_sha256"][:16] in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


def test_failing_report_leaves_the_run_and_says_how_to_try_again(run: Run, capsys: pytest.CaptureFixture[str]):
    recipe = made_up_training.recipe()
    lost = replace(run, path=run.path / "checkpoints")
    again = f"then try again: stcnn report {re.escape(str(lost.path))}"
    with pytest.raises(FileError, match=rf"the training is finished, but its report failed.*{again}"):
        report_or_reason(lost, made_up_training.dataset(), recipe.batching, recipe.bounds)
    nothing: Any = None  # a fault of the program
    assert f"stcnn report {run.path}" in report_or_reason(run, nothing, recipe.batching, recipe.bounds)
    assert "Traceback" in capsys.readouterr().err


ACTIONS = """
addEventListener("load", () => setTimeout(() => {
  const of = (id) => document.getElementById(id);
  const seen = { width: innerWidth, errors: window.faults };
  document.querySelectorAll("details").forEach((d) => { d.open = true; });
  const plots = () => document.querySelectorAll("#overview button").length;
  seen.heldOutOnly = [of("held-out").checked, plots()];
  of("held-out").click();
  seen.every = [of("held-out").checked, plots()];
  seen.pictured = document.querySelectorAll("#overview img").length;
  seen.saves = document.querySelectorAll("button.save").length - document.querySelectorAll("[data-picture]").length;
  seen.overflow = document.documentElement.scrollWidth - innerWidth;
  seen.empty = [...document.querySelectorAll("figure svg")].filter((s) => s.getBoundingClientRect().width < 100).length;
  seen.films = [...document.querySelectorAll("video")].map((v) => v.error === null && v.videoWidth > 0);
  seen.first = of("values").textContent;
  of("next").click();
  seen.next = of("values").textContent;
  of("cell-type").value = "lc4";
  of("cell-type").dispatchEvent(new Event("change"));
  seen.other = of("values").textContent;
  of("plot").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  seen.key = of("values").textContent;
  document.querySelectorAll("table.sortable th button")[3].click();
  seen.sorted = [...document.querySelectorAll("table.sortable tbody tr")].map((r) => r.cells[3].textContent);
  document.querySelector("[data-neuron]").click();
  seen.neuron = of("neuron").value;
  const small = [...document.querySelectorAll("#overview button")];
  seen.small = small.map((b) => b.getAttribute("aria-label"));
  small[small.length - 1].click();
  seen.pressed = [of("stimulus").value, document.querySelector("#overview [aria-pressed=true]").title];
  seen.posters = [...document.querySelectorAll("video")].map((v) => v.poster.startsWith("data:image/png"));
  seen.unnamed = [...document.querySelectorAll("button, select, video, [role=img], [role=region]")].filter((e) =>
    !(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length))).length;
  seen.levels = [...document.querySelectorAll("h1, h2, h3")].map((h) => +h.tagName[1]);
  parent.postMessage(JSON.stringify(seen), "*");
}, 1500));
"""


@pytest.fixture(scope="module")
def seen(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict]:
    """What the page showed and did in a phone's and a desktop's width."""
    folder = tmp_path_factory.mktemp("browser")
    page = (run.path / "report.html").read_text()
    listen = "<script>window.faults=[];addEventListener('error',e=>faults.push(e.message));</script>"
    (folder / "page.html").write_text(page.replace("<head>", f"<head>{listen}") + f"<script>{ACTIONS}</script>")
    frames = "".join(
        f'<iframe src="page.html" width="{w}" height="900" style="border:0"></iframe>' for w in (400, 1600)
    )
    collect = "onmessage = e => document.body.appendChild(document.createElement('pre')).textContent = e.data"
    (folder / "both.html").write_text(f"<!doctype html><body>{frames}<script>{collect}</script>")
    shown = browse(
        "--enable-logging=stderr", "--window-size=1700,2000", "--virtual-time-budget=5000",
        f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"file://{folder / 'both.html'}",
    )  # fmt: skip
    assert "CONSOLE" not in shown.stderr, shown.stderr
    reports = [json.loads(html.unescape(text)) for text in re.findall(r"<pre>(.*?)</pre>", shown.stdout, re.S)]
    return {report["width"]: report for report in reports}


@pytest.mark.parametrize("width", [400, 1600])
def test_page_shows_everything_in_a_browser(seen: dict[int, dict], width: int):
    assert seen[width]["errors"] == []
    assert seen[width]["overflow"] <= 0
    assert seen[width]["empty"] == 0
    assert seen[width]["films"] == [True, True]


@pytest.mark.parametrize("width", [400, 1600])
def test_page_reacts_to_hand_and_keyboard(seen: dict[int, dict], width: int):
    did = seen[width]
    assert "lc11" in did["first"]
    assert did["first"] != did["next"]
    assert "lc4" in did["other"]
    assert re.fullmatch(r"-?[\d.]+ s: measured -?[\d.]+, predicted -?[\d.]+", did["key"])
    r = [float(text.replace("−", "-")) for text in did["sorted"] if text != "–"]
    assert r == sorted(r)
    assert did["neuron"]
    assert len(did["small"]) > 1
    assert all(re.search(r"peak measured -?[\d.]+, predicted -?[\d.]+", label) for label in did["small"])
    assert did["pressed"][0] == did["pressed"][1]
    assert did["heldOutOnly"][0]
    assert not did["every"][0]
    assert did["every"][1] > did["heldOutOnly"][1] > 0
    assert did["pictured"] == did["every"][1]
    assert did["saves"] == 0


@pytest.mark.parametrize("width", [400, 1600])
def test_page_can_be_heard(seen: dict[int, dict], width: int):
    did = seen[width]
    assert did["unnamed"] == 0
    assert did["posters"] == [True, True]
    levels = did["levels"]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_page_prints_to_pdf(run: Run, tmp_path: Path):
    browse(
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--print-to-pdf={tmp_path / 'r.pdf'}",
        f"file://{run.path}/report.html",
    )
    printed = (tmp_path / "r.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3


def test_command_names_what_is_not_a_run(tmp_path: Path):
    from stcnn.commands.report import app

    result = CliRunner().invoke(app, [str(tmp_path)])
    assert "is not a run" in str(result.exception)


def test_short_trainings_flat_predictions_and_fits_far_below_their_ceiling_are_doubted(findings: Findings):
    titles = {doubt.title: doubt.found for doubt in doubts(findings, Bounds())}
    assert "steps, after which a network has hardly left" in titles["The training was short"]
    first = findings.traces[0]
    mine = [replace(t, predicted=0 * t.predicted) for t in findings.traces if t.neuron == first.neuron]
    others = [replace(t, predicted=t.measured) for t in findings.traces if t.neuron != first.neuron]
    flat = replace(findings, traces=[*mine, *others])
    n_flat = len({t.cell_type for t in mine})
    n_neurons = len({(t.cell_type, t.neuron) for t in findings.traces})
    found = {doubt.title: doubt.found for doubt in doubts(flat, Bounds())}
    assert f"{first.cell_type} {first.neuron}" in found[f"Predictions of {n_flat} of {n_neurons} neurons are flat"]
    far = replace(findings)
    far.__dict__["cell_types"] = findings.cell_types.assign(ceiling=0.9, correlation=0.2, share=0.22)
    found = {doubt.title: doubt.found for doubt in doubts(far, Bounds())}
    assert "(0.20 of 0.90)" in found["The fit is far below its ceiling"]
