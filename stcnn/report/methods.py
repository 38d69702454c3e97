"""The methods of a run in the words of a paper, with what is to be cited."""

from __future__ import annotations

from typing import Any, NamedTuple

from stcnn.nn.hidden import HiddenConfig
from stcnn.report.findings import Findings
from stcnn.version import __version__

CITED = {
    "Klapoetke et al. 2022": "Neuron 110, 1700-1711, doi 10.1016/j.neuron.2022.02.013",
    "Kingma and Ba 2015": "ICLR, arXiv 1412.6980",
    "Sahani and Linden 2003": "Advances in Neural Information Processing Systems 15",
    "Schoppe et al. 2016": "Frontiers in Computational Neuroscience 10, 10, doi 10.3389/fncom.2016.00010",
}
"""Name of each source and where it appeared."""


class Methods(NamedTuple):
    """A paragraph for a paper.

    Args:
        text: the sentences.
        sources: everything that the text cites, and where it appeared.
    """

    text: str
    sources: dict[str, str]


def methods(findings: Findings) -> Methods:
    """Describe network, training, split and scores of a run in a paragraph."""
    text = " ".join((_network(findings), _training(findings), _scores(findings)))
    return Methods(text, {name: place for name, place in CITED.items() if name in text})


def _network(findings: Findings) -> str:
    dataset = findings.dataset
    config = findings.model.config
    rows, columns = config.eye.lattice
    core = _layers(config.hidden) if config.core.kind == "hidden_layers" else f"a core of kind '{config.core.kind}'"
    return (
        f"Responses were modelled with stcnn {__version__}, which implements the spatiotemporal convolutional network "
        f"of Klapoetke et al. 2022. Movies ({dataset.shape_px[0]} x {dataset.shape_px[1]} pixels of "
        f"{dataset.deg_per_px:g} degrees) were sampled by {rows} x {columns} photoreceptor columns of a "
        f"{config.eye.arrangement.kind} lattice and passed through "
        f"{core}, a spatial readout for each cell type, and a model of the response of the indicator; "
        f"{findings.model.n_trained:,} parameters in all."
    )


def kernel_sizes(config: HiddenConfig) -> str:
    """Widths of the kernels of hidden layers, or their rows and columns, as one writes them."""
    kernel = config.kernel_columns
    return str(kernel) if isinstance(kernel, int) else " x ".join(map(str, kernel))


def _layers(config: HiddenConfig) -> str:
    n_layers = len(config.channels)
    return (
        f"{n_layers} hidden layer{'s' if n_layers > 1 else ''} ({', '.join(map(str, config.channels))} channels, "
        f"kernels of {kernel_sizes(config)} columns), each followed by temporal filters"
    )


def _training(findings: Findings) -> str:
    run = findings.run
    split = findings.split
    saved = findings.run.config()
    training: dict[str, Any] = saved.get("training") or {}
    chosen = "chosen by the validation loss, were" if training.get("keep", "best") == "best" else "the last, were"
    kind = ((saved.get("split") or {}).get("kind") or "stimulus_x_neuron").replace("_x_", " and ")
    return (
        f"The {len(findings.dataset):,} recordings were split by {kind} into {len(split.train):,} for training, "
        f"{len(split.validation):,} for validation and {len(split.test):,} for a test. Parameters were optimised with "
        f"Adam (Kingma and Ba 2015; learning rate {training.get('learning_rate', 'unknown')}) for "
        f"{int(run.losses().step.max()):,} steps ({int(run.scores().epoch.max())} epochs); the parameters after epoch "
        f"{run.finished_epoch()}, {chosen} kept."
    )


def _scores(findings: Findings) -> str:
    table = findings.cell_types
    if not len(table):
        return "No recordings were held out."
    scores = "; ".join(
        f"{row.cell_type} {row.correlation:.2f} [{row.low:.2f}, {row.high:.2f}]" for row in table.itertuples()
    )
    ceilings = (
        " Noise ceilings were estimated from repeated trials (Sahani and Linden 2003; Schoppe et al. 2016)."
        if table.ceiling.notna().any()
        else ""
    )
    return (
        "Pearson correlations of predicted with measured responses on the validation set, with 95 % bootstrap "
        f"intervals over animals (neurons where there are fewer than three animals), were {scores}.{ceilings}"
    )
