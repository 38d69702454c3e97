"""Free movies: gradient ascent through the models, pixel by pixel, under limits.

Every step follows the gradient by pixels (Walker et al. 2019, doi 10.1038/s41593-019-0517-x; Bashivan et al. 2019,
doi 10.1126/science.aav9436), as far as the criterion rises: a step that does not make it rise is halved and tried
again, so that it never falls.

Axes: T frame, Y row, X column.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stcnn.experiments.asked_models import AskedModels
from stcnn.experiments.optimal.answers import Presenter
from stcnn.experiments.optimal.criteria import Goal, Sought
from stcnn.experiments.optimal.limits import Limits
from stcnn.experiments.optimal.search import Found
from stcnn.gradients import gradient
from stcnn.movie import Movie
from stcnn.stimuli import Screen

START = 0.05
"""Standard deviation of the noise that a movie starts as, in contrast."""
FIRST_STEP = 0.1
"""Root mean square of the first step, in contrast."""
LONGER = 1.5
LEAST_STEP = 1e-4
"""Steps grow by a factor after one that helped; below the least there is nothing left to gain."""


class FreeMovies:
    """Ascent for the movies of some models.

    Args:
        asked: the models; their weights are not asked for gradients any more.
        limits: of the movies.
        screen: on which they are shown; None is that of the models.
        at: azimuth and elevation of the neurons' place in degrees; None is the middle.
    """

    def __init__(
        self,
        asked: AskedModels,
        limits: Limits,
        screen: Screen | None = None,
        at: tuple[float, float] | None = None,
    ) -> None:
        for model in asked.models:
            model.requires_grad_(False)
        self.limits = limits
        self.presenter = Presenter(asked, screen or asked.screen, at)

    def found(
        self, wanted: Goal, scale: Tensor, seed: int = 0, steps: int = 40, tell: Callable[[str], None] = lambda _: None
    ) -> tuple[Found, list[float]]:
        """Ascend from noise.

        Args:
            wanted: what is looked for.
            scale: on which the criterion measures each cell type, dF/F, ``(N,)``.
            seed: of the noise.
            steps: most steps, those that were halved included.
            tell: is told what was reached.

        Returns:
            What was found, and what the criterion was after each step, the start included; it never falls.
        """
        screen = self.presenter.screen
        index = self.presenter.cell_types.index
        sought = Sought(index(wanted.cell_type), index(wanted.against or wanted.cell_type), scale)
        shape = (max(1, round(self.limits.duration_s * screen.rate_hz)), *screen.shape_px)
        field = self.limits.field(START * torch.randn(shape, generator=torch.Generator().manual_seed(seed)), screen)

        def judged(z: Tensor) -> Tensor:
            answers = self.presenter.differentiable(self.limits.movie(z, screen)[None])
            return wanted.criterion.judge(answers, sought)[0]

        values: list[float] = []
        step = FIRST_STEP
        ahead = _with_gradient(judged, field)
        for _ in range(steps):
            value, slope = ahead
            values = values or [value]
            size = float(slope.square().mean().sqrt())
            if step < LEAST_STEP or size == 0:
                break
            tried = self.limits.field(field + step / size * slope, screen)
            candidate = _with_gradient(judged, tried)
            if candidate[0] > value:
                field = tried
                ahead = candidate
                step *= LONGER
                values.append(candidate[0])
            else:
                step /= 2
        tell(f"{wanted.name}: {wanted.criterion.in_words(values[-1])} after {len(values) - 1} steps")
        return self._as_found(wanted, sought, field, len(values)), values

    def _as_found(self, wanted: Goal, sought: Sought, field: Tensor, n_asked: int) -> Found:
        """The movie of a field, judged as stimuli of a family are."""
        screen = self.presenter.screen
        luminance = (self.limits.movie(field, screen) + screen.background).clamp(0, 1).numpy()
        movie = Movie(luminance, screen.rate_hz, screen.deg_per_px, screen.background)
        (answers,) = self.presenter.answers([movie])
        value = float(wanted.criterion.judge(answers, sought))
        return Found(wanted, {}, movie, value, answers, tuple(sought.scale.tolist()), n_asked)


def _with_gradient(judged: Callable[[Tensor], Tensor], field: Tensor) -> tuple[float, Tensor]:
    z = field.detach().requires_grad_()
    value = judged(z)
    return float(value.detach()), gradient(value, z)
