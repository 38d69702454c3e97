"""The networks of a run, or of a published folder, as pure functions, and what there is to say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stcnn.errors import ConfigError
from stcnn.export.probes import Answer, our_answer
from stcnn.export.request import Request
from stcnn.export.sources import exported_from
from stcnn.export.step_network import StepEnsemble, StepNetwork
from stcnn.movie import PRE_GREY_S
from stcnn.nn.model import STCNN
from stcnn.version import __version__


@dataclass(frozen=True)
class SourceNetworks:
    """Network that is exported as a function of a frame and a state.

    Args:
        models: the network, or all members of an ensemble.
        members: the same as pure functions.
        epochs: the checkpoint of each.
        source: where it comes from.
    """

    models: list[STCNN]
    members: list[StepNetwork]
    epochs: list[int]
    source: str

    @classmethod
    def of(cls, request: Request) -> SourceNetworks:
        """Open what is asked for.

        Raises:
            ConfigError: it has no form outside this program, or the frame rate is not known.
            FileError: the folder cannot be read.
        """
        found = exported_from(request.source, request.epoch, request.rate_hz)
        rate_hz = found[0].rate_hz
        side_px = round(83 / found[0].model.deg_per_px)
        movie_px = request.movie_px or (side_px, side_px)
        _require_no_learned_places(found[0].model, request)
        models = [each.model.for_picture(movie_px).at(request.at) for each in found]
        members = [StepNetwork(m, rate_hz, movie_px, single_neurons=request.single_neurons) for m in models]
        return cls(models, members, [each.epoch for each in found], str(request.source))

    @property
    def step(self) -> StepNetwork | StepEnsemble:
        """The one network, or the mean of the ensemble."""
        return self.members[0] if len(self.members) == 1 else StepEnsemble(self.members)

    @property
    def rate_hz(self) -> float:
        """Frames per second."""
        return self.members[0].rate_hz

    @property
    def movie_px(self) -> tuple[int, int]:
        """Rows and columns of the frames."""
        return self.members[0].movie_px

    def our_answer(self) -> Answer:
        """Return what this program answers."""
        return our_answer(self.models, self.rate_hz, single_neurons=bool(self.members[0].neurons))

    def facts(self) -> dict[str, Any]:
        """Return what a user of the exported form has to know, as plain values."""
        first = self.members[0]
        calcium = [f"{name}/{neuron}" for name, neuron in first.neurons] or list(first.cell_types)
        return {
            "made_by": f"stcnn {__version__}",
            "source": self.source,
            "epochs": self.epochs,
            "rate_hz": first.rate_hz,
            "movie_px": list(first.movie_px),
            "deg_per_px": self.models[0].deg_per_px,
            "background": first.background,
            "start": f"after {PRE_GREY_S:g} s of grey",
            "voltage": list(first.cell_types),
            "calcium": calcium,
            "calcium_unit": "dF/F" if self.models[0].config.calcium.kind == "indicator" else "as recorded",
        }


def _require_no_learned_places(model: STCNN, request: Request) -> None:
    if request.single_neurons and model.config.readout.place == "learned":
        raise ConfigError(
            "--single-neurons is given, but in this run every neuron reads at a learned place of its own",
            remedy="export one place at a time: --at AZIMUTH ELEVATION, as places.csv of the run has them",
        )
