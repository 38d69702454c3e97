"""Sizes of receptive fields and latencies by responses, as quantities on which trainings may agree.

A linear receptive field says little about a neuron that answers features; what it answers to a stimulus that is
displaced can be compared between trainings, where all are mapped with the same one.
"""

from __future__ import annotations

from collections.abc import Sequence

from stcnn.experiments.parameters import Quantity
from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.response_field import mapped, strongest
from stcnn.experiments.physiology.subject import Models
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen

TITLES = {
    "response_field_width_deg": ("receptive field width by {}", "deg"),
    "response_field_height_deg": ("receptive field height by {}", "deg"),
    "response_field_latency_s": ("latency of activity to {}", "s"),
    "response_field_dff_latency_s": ("latency of dF/F to {}", "s"),
}
"""Name of a number of :func:`~stcnn.experiments.physiology.response_field.response_field` to its title and unit."""


def response_quantities(
    models: Sequence[STCNN], untrained: Sequence[STCNN], screen: Screen
) -> tuple[list[list[Quantity]], list[list[Quantity]]]:
    """Map the fields of finished models and of the same models before their first step with the same stimuli.

    Args:
        models: the finished models, whose mean chooses the stimulus of each cell type.
        untrained: the same before their first step.
        screen: that of the recordings.

    Returns:
        Quantities of each finished and of each untrained model: width, height and latencies of each cell type that
        answers a stimulus of the panel; NaN where one is not defined.
    """
    bench = Bench(Models([*models, *untrained]), screen)  # together, so that each stimulus is rendered once
    chosen, _ = strongest(bench, n_choosing=len(models))
    found = _of_each(bench, chosen)
    return found[: len(models)], found[len(models) :]


def _of_each(bench: Bench, chosen: Sequence[str | None]) -> list[list[Quantity]]:
    numbers = mapped(bench, chosen).numbers
    found: list[list[Quantity]] = [[] for _ in range(bench.subject.n_members)]
    for i, (cell_type, stimulus) in enumerate(zip(bench.cell_types, chosen, strict=True)):
        for number in numbers if stimulus is not None else ():
            title, unit = TITLES[number.name]
            for member, value in zip(found, number.values[:, i].tolist(), strict=True):
                member.append(Quantity(title.format(stimulus), cell_type, unit, "name", value))
    return found
