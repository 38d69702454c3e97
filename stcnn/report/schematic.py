"""The network of a run as a row of stages, from the movie to the response, each with its numbers."""

from __future__ import annotations

from typing import NamedTuple

from stcnn.nn.model_config import ModelConfig
from stcnn.report.findings import Findings
from stcnn.report.methods import kernel_sizes


class Stage(NamedTuple):
    """A part of the network.

    Args:
        title: its name.
        facts: what it is made of, a line each.
    """

    title: str
    facts: list[str]


def schematic(findings: Findings) -> list[Stage]:
    """Return the stages of the network of a run, in the order in which a movie passes them."""
    dataset, config = findings.dataset, findings.model.config
    eye = config.eye
    rows, columns = eye.lattice
    apart = "°, ".join(f"{each:.3g}" for each in dict.fromkeys(eye.spacing_deg))
    n_neurons = sum(map(len, dataset.neurons.values()))
    n_types = len(dataset.cell_types)
    return [
        Stage("Movie", [f"{dataset.shape_px[0]} × {dataset.shape_px[1]} px of {dataset.deg_per_px:g}°", "luminance"]),
        Stage(
            "Eye",
            [
                f"{rows} × {columns} columns, {eye.arrangement.kind}, {apart}° apart",
                f"acceptance {eye.acceptance_fwhm_deg:g}° FWHM",
                "contrast, low-pass filtered",
            ],
        ),
        _core(config),
        Stage(
            f"{n_types} readout{'s' if n_types > 1 else ''}",
            ["one per cell type", "a window of columns around the neuron", "voltage"],
        ),
        Stage("Response", _response(findings)),
        Stage("Recording", [f"{n_neurons} neurons", "gain and offset of each"]),
    ]


def _core(config: ModelConfig) -> Stage:
    if config.core.kind != "hidden_layers":
        return Stage("Core", [f"of kind '{config.core.kind}'"])
    hidden = config.hidden
    n_layers = len(hidden.channels)
    return Stage(
        f"{n_layers} hidden layer{'s' if n_layers > 1 else ''}",
        [
            f"{', '.join(map(str, hidden.channels))} channels",
            f"kernels of {kernel_sizes(hidden)} columns",
            "then a temporal filter in each channel",
        ],
    )


def _response(findings: Findings) -> list[str]:
    calcium = findings.model.config.calcium
    if calcium.kind == "none":
        return ["no indicator", "the voltage itself"]
    taus_s = findings.model.calcium.time_constants().detach().tolist()
    span = f"{min(taus_s):.2g}" if min(taus_s) == max(taus_s) else f"{min(taus_s):.2g} to {max(taus_s):.2g}"
    return ["calcium indicator", f"decay {span} s", "dF/F"]
