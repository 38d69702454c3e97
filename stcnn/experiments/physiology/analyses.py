"""All analyses, each a file of this room and a line of this table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from stcnn.errors import ConfigError, nearest
from stcnn.experiments.physiology.adaptation import adaptation
from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.contrast import contrast
from stcnn.experiments.physiology.curves import Result
from stcnn.experiments.physiology.direction import direction
from stcnn.experiments.physiology.flicker import flicker
from stcnn.experiments.physiology.gradient_field import gradient_field
from stcnn.experiments.physiology.gratings import gratings
from stcnn.experiments.physiology.invariance import invariance
from stcnn.experiments.physiology.latency import latency
from stcnn.experiments.physiology.lesions import lesions
from stcnn.experiments.physiology.looming import looming
from stcnn.experiments.physiology.noise_field import noise_field
from stcnn.experiments.physiology.polarity import polarity
from stcnn.experiments.physiology.published_grids import published_grids
from stcnn.experiments.physiology.response_field import response_field
from stcnn.experiments.physiology.size import size
from stcnn.experiments.physiology.speed import speed
from stcnn.experiments.physiology.surround import surround


class Analysis(NamedTuple):
    """A question.

    Args:
        title: of its section.
        caption: what its figure shows, in a sentence or two.
        measure: puts it to the subject on a bench; its docstring has the definitions and their sources.
    """

    title: str
    caption: str
    measure: Callable[[Bench], Result]


ANALYSES = {
    "size": Analysis("Size", "Dark squares that cross the field at 100°/s.", size),
    "surround": Analysis(
        "Surround", "A dark rectangle, 4.5° on one side, that grows across its motion (height) or along it.", surround
    ),
    "speed": Analysis("Speed", "A dark square of 9° that crosses the field.", speed),
    "direction": Analysis(
        "Direction", "A dark square of 9° and a bar of 4.5° × 60°; 0° is rightward, 90° upward.", direction
    ),
    "looming": Analysis(
        "Looming",
        "A dark disc that stands for half a second and then approaches, from 5° to 60°: the peak, and how wide it is "
        "at half of the rise of the activity. Types that answer to its appearance alone have no angle.",
        looming,
    ),
    "contrast": Analysis("Contrast", "A square of 9°, darker or brighter than grey.", contrast),
    "polarity": Analysis("ON and OFF", "Dark and bright squares of the same contrast, by their side.", polarity),
    "flicker": Analysis("Flicker", "A disc of 15° between black and white, for two seconds.", flicker),
    "gratings": Analysis("Gratings", "Sine gratings that drift rightward, by period and temporal frequency.", gratings),
    "noise_field": Analysis(
        "Field by noise",
        "Mean activity after dark (bright) checks of sparse noise at each place, less that of all: at the lag of the "
        "strongest cell, and azimuth by lag through its row. Outlined: significant.",
        noise_field,
    ),
    "gradient_field": Analysis(
        "Field by gradient",
        "Change of the voltage by small contrast around grey. Red: it rises with brightness; blue: it falls.",
        gradient_field,
    ),
    "response_field": Analysis(
        "Field by responses",
        "Responses to the stimulus that each cell type answers most of a panel, displaced along azimuth and elevation.",
        response_field,
    ),
    "latency": Analysis("Latency", "dF/F above grey of discs that flash for half a second at time 0.", latency),
    "adaptation": Analysis(
        "Adaptation",
        "Peak of the activity when a 9° square passes every second, a disc looms every two.",
        adaptation,
    ),
    "invariance": Analysis("Invariance", "Size tuning when something else about the squares changes.", invariance),
    "published": Analysis(
        "The published stimuli",
        "The stimuli of Klapoetke et al. 2022. In colour: predicted; in ink: measured, where they were recorded (thin: "
        "single neurons; mean with its 95 % interval).",
        published_grids,
    ),
    "lesions": Analysis(
        "Lesions",
        "Change of the held-out correlation when a channel of a hidden layer is held at its value in grey. Blue: the "
        "channel was of use.",
        lesions,
    ),
}
"""Name of each analysis, in the order of the page, to what it is."""


def named(names: Sequence[str]) -> list[str]:
    """Return names of analyses in the order of the page, each once; all of them for none.

    Raises:
        ConfigError: there is no analysis of that name.
    """
    for name in names:
        if name not in ANALYSES:
            raise ConfigError(f"there is no analysis '{name}'", remedy=nearest(name, ANALYSES))
    return [name for name in ANALYSES if not names or name in names]


def examine(bench: Bench, names: Sequence[str] = ()) -> Iterator[Result]:
    """Put questions to a subject, one after the other.

    Args:
        bench: the subject in front of its screen.
        names: of the analyses; none is all.

    Raises:
        ConfigError: there is no analysis of that name.
    """
    for name in named(names):
        yield ANALYSES[name].measure(bench)
