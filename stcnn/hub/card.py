"""The model card of a run: what it is, what it was trained on, how well it does, what to distrust, how to ask it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import yaml

from stcnn.config import validate
from stcnn.errors import StcnnError
from stcnn.export.source_networks import SourceNetworks
from stcnn.reading import read_csv
from stcnn.run_folder import Run
from stcnn.version import __version__

TEST_COLUMNS = ("level", "cell_type", "n_neurons", "trial_mean_correlation", "single_trial_correlation")
PAPER = "Klapoetke et al. 2022, Neuron 110, 1700-1711, doi 10.1016/j.neuron.2022.02.013"
USE = """import json, numpy, onnxruntime

session = onnxruntime.InferenceSession("step.onnx")
facts = json.loads(session.get_modelmeta().custom_metadata_map["stcnn"])
rows, columns = facts["movie_px"]
size_px = max(1, rows // 6)

state = {}  # empty: two seconds of grey were shown
answers = []
for t in range(columns):  # a dark square that moves to the right, one pixel a frame
    frame = numpy.full((rows, columns), facts["background"], numpy.float32)
    frame[rows // 2 - size_px // 2 :][:size_px, max(0, t - size_px) : t] = 0  # 0 is black, 1 is white
    voltage, calcium, state["state"] = session.run(None, {"luminance": frame, **state})
    answers.append(calcium)
for name, trace in zip(facts["calcium"], numpy.transpose(answers)):
    peak = abs(trace).argmax()
    print(f"{name}: {trace[peak]:.4f} after {peak / facts['rate_hz']:.2f} s")
"""
"""Twenty lines that need onnxruntime and numpy alone; a test runs them."""


def model_card(run: Run, networks: SourceNetworks, licence: str = "") -> str:
    """Return the card in Markdown with YAML front matter.

    Args:
        run: the run, or an ensemble.
        networks: its networks.
        licence: of the recordings, as given by who hands the model on.
    """
    parts = [
        _front(run, licence),
        _what(run, networks),
        _recordings(run, licence),
        *_scores(run),
        *_distrust(run),
        *_parameters(run),
        _uses(),
        _how_to_ask(networks),
        _cite(run),
    ]
    return "\n\n".join(parts) + "\n"


def _dataset(run: Run) -> dict[str, Any]:
    return dict(run.config().get("dataset") or {})


def _is_simulated(run: Run) -> bool:
    return _dataset(run).get("kind") == "simulated"


def _front(run: Run, licence: str) -> str:
    facts: dict[str, Any] = {
        "library_name": "stcnn",
        "tags": ["neuroscience", "vision", "calcium-imaging", "convolutional-network"],
        "license": "mit" if _is_simulated(run) and not licence else "other",
    }
    if licence:
        facts["license_name"] = licence
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _what(run: Run, networks: SourceNetworks) -> str:
    model = networks.models[0]
    parameters = model.n_trained
    rows, columns = model.config.eye.lattice
    members = f" The model is an ensemble of {len(networks.models)}." if len(networks.models) > 1 else ""
    return (
        f"# {run.path.name}\n\nA spatiotemporal convolutional network that predicts the calcium traces of "
        f"{', '.join(model.cell_types)} from the movies an animal is shown (stcnn {__version__}; form of {PAPER}): "
        f"{rows} x {columns} columns of an eye, {len(model.config.hidden.channels)} hidden layers, a readout and an "
        f"indicator for each cell type; {parameters:,} parameters.{members}"
    )


def _recordings(run: Run, licence: str) -> str:
    dataset, split = _dataset(run), run.split()
    if _is_simulated(run):
        source = (
            f"Simulated by stcnn from explicit detectors of visual features (seed {dataset.get('seed')}); no animal."
        )
        said = licence or "none needed, the recordings are simulated"
    else:
        source = f"`{dataset.get('name') or dataset.get('kind')}`"
        said = licence or "**not stated**: the recordings say none; find it out before this model is handed on"
    kind = (run.config().get("split") or {}).get("kind") or "stimulus_x_neuron"
    counts = {part: len(split.get(part, [])) for part in ("train", "validation", "test")}
    environment = run.environment() if (run.path / "environment.json").is_file() else {}
    return (
        f"## Recordings and split\n\n* Recordings: {source}\n* Licence of the recordings: {said}\n"
        f"* SHA-256 of the recordings: `{environment.get('data_sha256', 'unknown')}`\n"
        f"* Split by `{kind}`: {counts['train']} recordings for training, {counts['validation']} for validation, "
        f"{counts['test']} for the test\n* Seed {environment.get('seed', 'unknown')}, commit "
        f"`{(environment.get('git') or {}).get('commit', 'unknown')}`"
    )


def _scores(run: Run) -> Iterator[str]:
    yield "## Scores"
    found = [each for each in (run.members() or [run]) if (each.path / "test_scores.csv").is_file()]
    tested = run if (run.path / "test_scores.csv").is_file() else found[0] if found else None
    if tested is None:
        yield "The test set was not scored."
    else:
        whose = "" if tested.path == run.path else f" of member {tested.path.name}"
        yield (
            f"Correlation of predicted with measured responses of the test set{whose}, which was used neither in "
            "training nor to choose the epoch; 95 % bootstrap intervals; the ceiling is what a perfect model would "
            "reach with the noise of these recordings."
        )
        yield _test_table(read_csv(tested.path / "test_scores.csv", TEST_COLUMNS, "scores of the test set"))


def _test_table(table: pd.DataFrame) -> str:
    rows = ["| cell type | neurons | correlation | 95 % interval | noise ceiling |", "|---|--:|--:|--:|--:|"]
    for row in table[table.level == "cell_type"].to_dict("records"):
        kind = "trial_mean" if row["trial_mean_correlation"] else "single_trial"
        value, low, high = (_number(row[f"{kind}_correlation{end}"]) for end in ("", "_low", "_high"))
        ceiling = _number(row[f"{kind}_ceiling"])
        rows.append(f"| {row['cell_type']} | {row['n_neurons']} | {value} | {low} to {high} | {ceiling} |")
    return "\n".join(rows)


def _number(cell: str) -> str:
    return f"{float(cell):.2f}" if cell else "unknown"


def _distrust(run: Run) -> Iterator[str]:
    from stcnn.report.doubts import doubts
    from stcnn.report.findings import find

    yield "## What to distrust"
    one = (run.members() or [run])[0]
    try:
        settings = validate(one.config())
        findings = find(one, settings.open_dataset(), settings.batching)
        found = doubts(findings, settings.bounds)
    except StcnnError as error:
        yield f"The recordings were not at hand when this card was written ({error}), so nothing was judged."
        return
    of_member = f" of member {one.path.name}" if run.members() else ""
    if not found:
        yield f"The report{of_member} found no reason for caution beyond the intervals above."
    else:
        yield "\n".join(f"* **{each.title}.** {each.found}" for each in found)


def _parameters(run: Run) -> Iterator[str]:
    yield "## Parameters one may trust"
    if not (run.path / "parameters.csv").is_file():
        yield (
            "Unknown: one training does not tell which of its parameters others would agree on. Train an ensemble "
            "(`n_models=5`) before a time constant or a weight of this model is interpreted."
        )
        return
    table = run.read_table("parameters.csv")
    named = table[~table["of"].astype(str).str.contains("/")]
    rows = ["| quantity | of | value | 95 % interval | caution |", "|---|---|--:|--:|---|"]
    for row in named.to_dict("records"):
        caution = row["caution"] if isinstance(row["caution"], str) else ""
        value = f"{row['value']:.3g} {row['unit'] if isinstance(row['unit'], str) else ''}".strip()
        rows.append(
            f"| {row['quantity']} | {row['of']} | {value} | {row['low']:.3g} to {row['high']:.3g} | {caution} |"
        )
    yield "\n".join(rows)


def _uses() -> str:
    return (
        "## Intended use\n\nTo predict what these cell types answer to grey-scale movies of the resolution and kind of "
        "the training, to design stimuli, and to compare models. Not for stimuli far from those of the training (other "
        "light levels, colours, longer adaptation), nor to conclude on wiring: hidden channels are not cells."
    )


def _how_to_ask(networks: SourceNetworks) -> str:
    return (
        f"## How to ask it\n\nWith onnxruntime and numpy alone, at {networks.rate_hz:g} frames per second of "
        f"{networks.movie_px[0]} x {networks.movie_px[1]} pixels of {networks.models[0].deg_per_px:g} degrees:\n\n"
        f"```python\n{USE}```\n\nWith stcnn, at any rate and size:\n\n```python\nimport stcnn\n\n"
        'run = stcnn.from_pretrained(".")\nanswer = run.respond(movie)  # a stcnn.Movie; has voltage and calcium\n```'
    )


def _cite(run: Run) -> str:
    return (
        f"## Citation\n\nCite the recordings, the software (stcnn {__version__}) and the form of the network: {PAPER}."
    )
