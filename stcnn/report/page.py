"""The page: what the template is filled with, and the traces that its script draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from stcnn.nn.bounds import Bounds
from stcnn.report.doubts import doubts
from stcnn.report.filled import filled, placed
from stcnn.report.findings import Findings, FittedTrace
from stcnn.report.pictures import animations, pictures
from stcnn.stimuli.table import StimulusTable, table_of
from stcnn.viz.theme import colours

MOST_FLAGS = 40
MOST_SAMPLES = 240
"""Samples of a trace on the page; longer ones are averaged in blocks."""


def render(findings: Findings, bounds: Bounds) -> str:
    """Return the report as one HTML file that needs nothing else.

    Args:
        findings: what the run amounts to.
        bounds: bounds of the parameters in the training.
    """
    run, table = findings.run, findings.cell_types
    return filled(
        "report.html",
        name=run.path.name,
        facts=_facts(findings),
        types=table.to_dict("records"),
        ceilings=bool(len(table) and table.ceiling.notna().any()),
        neurons=findings.neurons.sort_values("correlation").to_dict("records"),
        doubts=doubts(findings, bounds),
        flags=findings.audit.worst_first()[:MOST_FLAGS] if findings.audit else [],
        n_flags=len(findings.audit.flags) if findings.audit else 0,
        pictures=placed(pictures(findings, bounds)),
        animations=animations(findings),
        config=yaml.safe_dump(run.config(), sort_keys=False, allow_unicode=True),
        environment=run.environment(),
        traces=explorer_data(findings.traces, table_of(findings.dataset.table.stimulus.unique())),
    )


def _facts(findings: Findings) -> dict[str, Any]:
    """What was trained on what, as the template's sentences need it."""
    run, dataset, model, split = findings.run, findings.dataset, findings.model, findings.split
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
        "held_out_by": ((config.get("split") or {}).get("kind") or "stimulus_x_neuron").replace("_x_", " and "),
        "channels": list(model.config.hidden.channels),
        "lattice": model.config.eye.lattice,
        "n_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "kept_epoch": run.finished_epoch(),
        "n_epochs": int(run.scores().epoch.max()),
        "n_steps": int(run.losses().step.max()),
    }


def explorer_data(traces: Sequence[FittedTrace], table: StimulusTable | None = None) -> str:
    """Return the traces as JSON, dF/F in thousandths and times in milliseconds, each time axis once.

    Args:
        traces: what the page can show.
        table: rows and columns of their stimuli, where they have them.
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
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # a name cannot close the script element


def _short(values: NDArray[np.floating]) -> list[int]:
    """Thousandths of at most :data:`MOST_SAMPLES` means of blocks."""
    block = -(-len(values) // MOST_SAMPLES)
    sums = np.add.reduceat(values, np.arange(0, len(values), block))
    counts = np.minimum(block, len(values) - np.arange(0, len(values), block))
    return np.rint(sums / counts * 1000).astype(int).tolist()
