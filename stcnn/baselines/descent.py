"""L-BFGS over the parameters of a cascade, its filters in coordinates in which linear regression is round.

The squared error of a filter over many correlated signals is a long valley, along which L-BFGS needs thousands of
steps. With ``L L^T = X^T X + penalty``, the matrix of the regression's normal equations, and ``w = L^-T z``, the error
has the identity for curvature in z where the nonlinearity is straight, and nearly so where it bends: the matrix of
Gauss and Newton is the same sum, weighted by squared slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from stcnn.errors import TrainingError
from stcnn.gradients import backward

Interval = tuple[float | None, float | None]
"""Least and largest value of a parameter; None is no bound."""
FREE: Interval = (None, None)
LEAST_RIDGE = 1e-5
"""Smallest ridge of a curvature, in units of its mean: what single precision can tell."""


def root_of(curvature: Tensor, penalty: Tensor) -> Tensor:
    """A root of curvatures ``(N, F, F)`` and their penalties ``(N,)``, ``(N, F, F)``, lower triangular."""
    ridge = torch.maximum(penalty, LEAST_RIDGE * curvature.diagonal(dim1=1, dim2=2).mean(1))
    return torch.linalg.cholesky(curvature + torch.diag_embed(ridge[:, None].expand(curvature.shape[:2])))


class Coordinates:
    """The trained parameters of a module as one vector, some of them multiplied by a root of their curvature.

    Args:
        module: the module.
        roots: ``(N, F, F)`` of :func:`root_of` for parameters ``(N, F)``, by their names.
    """

    def __init__(self, module: nn.Module, roots: Mapping[str, Tensor]) -> None:
        self.named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self.roots = roots

    def where(self) -> np.ndarray:
        """Return the vector of the parameters as they are."""
        found = []
        for name, parameter in self.named:
            value = parameter.detach()
            if name in self.roots:
                value = value[:, None] @ self.roots[name]
            found.append(value.flatten())
        return torch.cat(found).double().numpy()

    def move(self, vector: np.ndarray) -> None:
        """Give the parameters the values of a vector."""
        with torch.no_grad():
            for (name, parameter), value in zip(self.named, self._parts(vector), strict=True):
                if name in self.roots:
                    value = torch.linalg.solve_triangular(self.roots[name].mT, value[..., None], upper=True)[..., 0]
                parameter.copy_(value)

    def slope(self) -> np.ndarray:
        """Return the gradients of the parameters as that of the vector."""
        found = []
        for name, parameter in self.named:
            value = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            if name in self.roots:
                value = torch.linalg.solve_triangular(self.roots[name], value[..., None], upper=False)
            found.append(value.flatten())
        return torch.cat(found).double().numpy()

    def _parts(self, vector: np.ndarray) -> Iterator[Tensor]:
        sizes = [parameter.numel() for _, parameter in self.named]
        for part, (_, parameter) in zip(torch.from_numpy(vector).float().split(sizes), self.named, strict=True):
            yield part.view_as(parameter)


def descend(
    coordinates: Coordinates, loss: Callable[[], Tensor], bounds: Mapping[str, list[Interval]], steps: int
) -> None:
    """Minimise a loss by L-BFGS-B, from where the parameters stand.

    Args:
        coordinates: of the parameters.
        loss: of the module as it stands.
        bounds: of each number of a parameter that has any and no root, by its name.
        steps: at most.

    Raises:
        TrainingError: the loss is not finite.
    """
    intervals = [each for name, p in coordinates.named for each in bounds.get(name, [FREE] * p.numel())]

    def at(vector: np.ndarray) -> tuple[float, np.ndarray]:
        coordinates.move(vector)
        for _, parameter in coordinates.named:
            parameter.grad = None
        total = loss()
        backward(total)
        return total.item(), coordinates.slope()

    options = {"maxiter": steps, "ftol": 1e-6, "maxcor": 20}
    found = minimize(at, coordinates.where(), jac=True, method="L-BFGS-B", bounds=intervals, options=options)
    if not np.isfinite(found.fun):
        raise TrainingError("the squared error of the fit is not finite", expected="traces without huge values")
    coordinates.move(found.x)
