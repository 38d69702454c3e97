"""The page: what the template is filled with, and the traces that its script draws."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.special import stdtrit

from stcnn.data.summary import sampled
from stcnn.nn.bounds import Bounds
from stcnn.report.contact_sheet import movie_card, thumbnail
from stcnn.report.doubts import doubts
from stcnn.report.filled import filled, placed
from stcnn.report.findings import Findings, FittedTrace
from stcnn.report.methods import methods
from stcnn.report.pictures import animations, pictures
from stcnn.report.schematic import schematic
from stcnn.stimuli.table import StimulusTable, table_of
from stcnn.viz.theme import colours

MOST_FLAGS = 40
MOST_STIMULI = 40
"""Stimuli that are shown as pictures, evenly spread over their order."""
FILES = (
    "config.yaml",
    "environment.json",
    "split.json",
    "scores.csv",
    "losses.csv",
    "model.safetensors",
    "test_scores.csv",
)
"""Files of a run that the page links to, where they are there."""
SMALL_PX = 42
"""Rows and columns of the pictures in small plots."""
HELD_OUT = {
    "stimulus_x_neuron": "Held out: pairs of a neuron and a stimulus. Other neurons' responses to the same stimuli "
    "were in the training set, so this does not test new stimuli (a training with split.kind=stimulus does).",
    "stimulus": "Held out: whole stimuli. No neuron of the training set was recorded with them.",
    "family": "Held out: whole families of stimuli. No neuron of the training set was recorded with any of them.",
    "neuron": "Held out: whole neurons. Other neurons' responses to the same stimuli were in the training set.",
    "animal": "Held out: whole animals. Other animals' responses to the same stimuli were in the training set.",
    "session": "Held out: whole sessions. Responses to the same stimuli in other sessions were in the training set.",
    "repeat": "Held out: single trials. The same neurons and stimuli were in the training set, so this tests only the "
    "fit.",
}
"""Question that a split tests, by its kind."""
MOST_SAMPLES = 240
"""Samples of a trace on the page; longer ones are averaged in blocks."""


def render(findings: Findings, bounds: Bounds) -> str:
    """Return the report as one HTML file that needs nothing else.

    Args:
        findings: what the run amounts to.
        bounds: bounds of the parameters in the training.
    """
    run = findings.run
    table = findings.cell_types
    movies = findings.dataset.movies
    shown = sampled(findings.dataset.table.stimulus.unique(), MOST_STIMULI)
    return filled(
        "report.html",
        name=run.path.name,
        path=shlex.quote(str(run.path)),
        facts=_facts(findings),
        types=table.to_dict("records"),
        headline=findings.headline,
        ceilings=bool(len(table) and table.ceiling.notna().any()),
        held_out=HELD_OUT[_split_kind(run.config())],
        methods=methods(findings),
        schematic=schematic(findings),
        likeness=findings.likeness_to_start,
        movies=[movie_card(name, movies[name]) for name in shown],
        neurons=findings.neurons.sort_values("correlation").to_dict("records"),
        doubts=doubts(findings, bounds),
        flags=findings.audit.worst_first()[:MOST_FLAGS] if findings.audit else [],
        n_flags=len(findings.audit.flags) if findings.audit else 0,
        pictures=placed(pictures(findings, bounds)),
        animations=animations(findings),
        explorer=(run.path / "explore.html").is_file(),
        files=[name for name in FILES if (run.path / name).is_file()],
        config=yaml.safe_dump(run.config(), sort_keys=False, allow_unicode=True),
        environment=run.environment(),
        traces=explorer_data(
            findings.traces,
            table_of(findings.dataset.table.stimulus.unique()),
            {name: thumbnail(movies[name], SMALL_PX).data for name in shown},
        ),
    )


def _facts(findings: Findings) -> dict[str, Any]:
    """Facts of the training, as the template's sentences need them."""
    run = findings.run
    dataset = findings.dataset
    model = findings.model
    split = findings.split
    config = run.config()
    rates = sorted(set(dataset.table.movie_rate_hz))
    return {
        "cell_types": list(dataset.cell_types),
        "n_neurons": sum(map(len, dataset.neurons.values())),
        "n_animals": int(dataset.table.animal.nunique()),
        "n_stimuli": int(dataset.table.stimulus.nunique()),
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "n_test": len(split.test),
        "rate_hz": ", ".join(f"{rate:g}" for rate in rates),
        "shape_px": dataset.shape_px,
        "deg_per_px": dataset.deg_per_px,
        "dataset": (config.get("dataset") or {}).get("kind", "recordings"),
        "channels": list(model.config.hidden.channels) if list(model.hidden) else [],
        "lattice": model.config.eye.lattice,
        "n_parameters": model.n_trained,
        "kept_epoch": run.finished_epoch(),
        "n_epochs": int(run.scores().epoch.max()),
        "n_steps": int(run.losses().step.max()),
    }


def _split_kind(config: Mapping[str, Any]) -> str:
    return (config.get("split") or {}).get("kind") or "stimulus_x_neuron"


def explorer_data(
    traces: Sequence[FittedTrace], table: StimulusTable | None = None, pictures: Mapping[str, str] | None = None
) -> str:
    """Return the traces as JSON, dF/F in thousandths and times in milliseconds, each time axis once.

    Args:
        traces: what the page can show.
        table: rows and columns of their stimuli, where they have them.
        pictures: of the stimuli, as data URLs.
    """
    axes: dict[tuple[int, ...], int] = {}
    rows = []
    for trace in traces:
        time_ms = tuple(_short(trace.time_s))
        rows.append(
            {
                "type": trace.cell_type,
                "neuron": trace.neuron,
                "stimulus": trace.stimulus,
                "heldOut": trace.held_out,
                "time": axes.setdefault(time_ms, len(axes)),
                "measured": _short(trace.measured),
                "predicted": _short(trace.predicted),
            }
        )
    colour_of = colours(list(dict.fromkeys(trace.cell_type for trace in traces)))
    layout = {"rows": table.rows, "columns": table.columns} if table else None
    data = {"times": list(axes), "recordings": rows, "colours": colour_of, "table": layout}
    data |= {"pictures": dict(pictures or {}), "t95": [round(float(stdtrit(df, 0.975)), 3) for df in range(1, 31)]}
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # a name cannot close the script element


def _short(values: NDArray[np.floating]) -> list[int]:
    """Thousandths of at most :data:`MOST_SAMPLES` means of blocks."""
    block = -(-len(values) // MOST_SAMPLES)
    sums = np.add.reduceat(values, np.arange(0, len(values), block))
    counts = np.minimum(block, len(values) - np.arange(0, len(values), block))
    return np.rint(sums / counts * 1000).astype(int).tolist()
