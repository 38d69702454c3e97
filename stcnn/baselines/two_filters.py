"""A second filter, squared: found where the error asks for it, as spike-triggered covariance finds it.

The second-order term of the voltage is ``sign (q . x)^2`` for lagged signals x, a maximum-noise-entropy model of rank
one (Fitzgerald et al. 2011, doi 10.1371/journal.pcbi.1002249). It starts along the leading eigenvector of the
derivative of the error to the whole quadratic form, ``sum_t dE/dv(t) x(t) x(t)^T``: of spikes and white noise that is
the spike-triggered covariance less what the first filter explains. Then all parameters are fitted together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.sparse.linalg import eigsh
from torch import Tensor

from stcnn.baselines.cascade import Cascade, Shape
from stcnn.baselines.design import Design, Spectra, lagged
from stcnn.baselines.fitting import Problem, fit_cascade
from stcnn.gradients import gradient

START_SQUARE = 0.3
"""Mean of the squared filter's contribution to the voltage at the start."""


def fit_two_filters(one: Cascade, problem: Problem) -> Cascade:
    """Add a squared filter to a fitted cascade and fit both.

    Args:
        one: filter, nonlinearity and indicator.
        problem: what it was fitted to.

    Raises:
        TrainingError: the error is not finite.
    """
    model = Cascade(Shape(nonlinear=True, indicator=True, two_filters=True), problem.design, one.lags, one.roots)
    model.load_state_dict(one.state_dict())
    leading = _leading(one, problem)
    with torch.no_grad():
        for index, (direction, sign) in enumerate(leading):
            model.drawn_squared[index] = direction
            model.sign[index] = sign
        square = _mean_square(model, problem.spectra)
        model.drawn_squared.mul_((START_SQUARE / square.clamp(min=1e-12)).sqrt()[:, None])
        model.moor()
    return fit_cascade([model], problem)


def _mean_square(model: Cascade, spectra: Sequence[Spectra]) -> Tensor:
    weight = model.weight(model.drawn_squared)
    return torch.cat([each.filtered(weight).flatten(0, 1) for each in spectra]).square().mean(0)


def _leading(one: Cascade, problem: Problem) -> list[tuple[Tensor, float]]:
    """Direction under the prior ``(F,)`` and sign of the square that lowers the error of each cell type most."""
    slopes = _slopes(one, problem)
    found = []
    for index, root in enumerate(one.roots):
        form = _quadratic(problem.design, one, slopes, index).double()
        drawn = root.spread(root.spread(form.T).T).numpy()
        if len(drawn) == 1:
            found.append((torch.ones(1), -float(drawn[0, 0] > 0) or 1.0))
            continue
        value, vector = eigsh((drawn + drawn.T) / 2, k=1, which="LM", v0=torch.ones(len(drawn)).double().numpy())
        found.append((torch.from_numpy(vector[:, 0]).float(), -1.0 if value[0] > 0 else 1.0))
    return found


def _slopes(one: Cascade, problem: Problem) -> list[Tensor]:
    """Derivative of the error to the voltage of every part, ``(T - n_grey, B, N)``."""
    found = []
    for part, spectra in zip(problem.design.parts, problem.spectra, strict=True):
        voltage = one.voltage(spectra, part.batch.n_grey).detach().requires_grad_()
        output = one.output(voltage, part.batch.rate_hz)
        traces = part.batch.at_samples(output[:, part.batch.clip, part.batch.cell_type].T)
        error = part.batch.weight * (one.scaled(part.batch, traces) - part.batch.target).square()
        slope = gradient(error.sum(), voltage)
        found.append(slope[part.batch.n_grey :])
    return found


def _quadratic(design: Design, one: Cascade, slopes: Sequence[Tensor], index: int) -> Tensor:
    """Derivative of the error to the quadratic form of a cell type, ``(F, F)``."""
    n_features = one.drawn.shape[1]
    total = torch.zeros(n_features, n_features)
    for part, slope in zip(design.parts, slopes, strict=True):
        basis = one.lags.basis(part.batch.rate_hz)
        for clip in part.batch.clip[part.batch.cell_type == index].unique().tolist():
            features = lagged(part.signals[:, clip], basis)
            total += features.T @ (features * slope[:, clip, index, None])
    return total
