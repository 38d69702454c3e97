"""Every implementation of the network against the direct form in float64: outputs, gradients, running statistics."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from _pytest.mark.structures import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.nn_twin import (
    FINEST,
    GRADIENT_TOLERANCE,
    IMPLEMENTATIONS,
    OUTPUT_TOLERANCE,
    POPULATION,
    Case,
    gradient_errors,
    largest_error,
    ours,
    recordings,
    theirs,
)

PUBLISHED: dict[str, Any] = {"scale": "energy", "gain_hz": 180.0}

FAST_INDICATOR = {"tau_init_s": (0.03, 0.03)}
"""So that a short kernel still holds the indicator's decay: cut off before, its shape hardly depends on tau."""

CASES = {
    "random": Case(),
    "looming": Case(movie="looming"),
    "bar": Case(movie="bar"),
    "clip shorter than the kernel": Case(kernel_s=0.5),
    "clip longer than the kernel": Case(kernel_s=0.05, tau_s=(0.005, 1.0), n_frames=50, calcium=FAST_INDICATOR),
    "clip as long as the kernel": Case(kernel_s=40 / 180, tau_s=(0.005, 1.0)),
    "kernel of one tap": Case(kernel_s=0.001),
    "time constants at both bounds": Case(tau_s=(0.005, 1.0), n_frames=100),
    "long time constants, truncated": Case(tau_s=(0.3, 1.0), kernel_s=0.3, n_frames=120, scale="energy"),
    "one channel": Case(channels=(1, 1)),
    "thirteen channels": Case(channels=(13, 13)),
    "odd map": Case(lattice=(5, 7)),
    "even map": Case(lattice=(6, 4)),
    "map smaller than the readout": Case(lattice=(3, 4)),
    "60 Hz": Case(rate_hz=60.0),
    "360 Hz": Case(rate_hz=360.0),
    "published filters and biases": Case(kernel_s=0.1, hidden={"bias": True}, calcium=FAST_INDICATOR, **PUBLISHED),
    "wide spatial kernel": Case(hidden={"kernel_columns": 11}),
    "spatial kernel wider than the map": Case(lattice=(3, 4), hidden={"kernel_columns": 11}),
    "one layer": Case(channels=(3,)),
    "no normalisation": Case(hidden={"norm": {"kind": "none"}}),
    "softplus and a time constant per type": Case(calcium={"rectifier": "softplus", "tau": "per_type"}),
    "one frame": Case(n_frames=1),
    "one clip": Case(n_clips=1),
}
ONLY_REFERENCE = {
    "no hidden filter": Case(hidden={"filter": {"kind": "none"}}),
    "power-exponential": Case(hidden={"filter": {"kind": "power_exponential", "kernel_s": 0.2, "n_init": (0.5, 5.0)}}),
    "power-exponential of unit energy": Case(
        hidden={"filter": {"kind": "power_exponential", "kernel_s": 0.1, "n_init": (2.0, 3.0), **PUBLISHED}}
    ),
}
COMPILED_ANEW = ("channel", "map", "wide spatial kernel")
"""Cases of other sizes than most: the native core is compiled for each, which takes some seconds."""
INTERPRETED = (
    "random", "clip longer than the kernel", "kernel of one tap", "time constants at both bounds",
    "long time constants, truncated", "published filters and biases", "no normalisation", "one frame",
)  # fmt: skip
"""Cases that show something of the kernels of the GPU, which take a second each where there is none."""


def runs() -> Iterator[ParameterSet]:
    """Yield (implementation, case, dtype) of all that there is."""
    for implementation in IMPLEMENTATIONS:
        cases = CASES | (ONLY_REFERENCE if implementation == "reference" else {})
        for (name, case), dtype in itertools.product(
            cases.items(), dict.fromkeys([torch.float32, FINEST[implementation]])
        ):
            takes_long = implementation == "native" and any(word in name for word in COMPILED_ANEW)
            takes_long |= implementation == "triton" and (dtype == torch.float64 or name not in INTERPRETED)
            marks = [pytest.mark.slow] if takes_long else []
            yield pytest.param(implementation, case, dtype, marks=marks, id=f"{implementation}-{name}-{dtype}")


# Behind a batch normalisation the size of a kernel does not matter, so what is summed up in the gradient of a time
# constant cancels but for the shape: one frame shows nothing of it, and a kernel cut off before it decays has little.
# (The fused forms know the cancelled part in closed form.)
CANCELLING = [CASES["one frame"]]
CANCELLING_IN_AUTOGRAD = [*CANCELLING, CASES["long time constants, truncated"]]


def training_errors(
    case: Case, implementation: str, dtype: torch.dtype, n_grey: int = 0
) -> tuple[dict[str, float], dict[str, float]]:
    """Errors of outputs and gradients of a training step against the direct form in float64."""
    model = case.model(dtype, implementation)
    contrast, recorded = case.contrast(dtype), recordings(case, dtype)
    contrast[:, :n_grey] = 0
    right = theirs(model, contrast, recorded, case)
    found = ours(model, contrast, recorded, case, n_grey=n_grey)
    outputs = {"voltage": (found.voltage, right.voltage), "traces": (found.traces, right.traces)}
    outputs |= {name: (found.running[name], value) for name, value in right.running.items()}
    return (
        {name: largest_error(*pair) for name, pair in outputs.items()},
        gradient_errors(found.gradients, right.gradients),
    )


@pytest.mark.parametrize(("implementation", "case", "dtype"), list(runs()))
def test_training_step_is_that_of_the_direct_form(implementation: str, case: Case, dtype: torch.dtype) -> None:
    outputs, gradients = training_errors(case, implementation, dtype)
    assert max(outputs.values()) < OUTPUT_TOLERANCE[dtype], outputs
    cancels = case in (CANCELLING_IN_AUTOGRAD if implementation == "reference" else CANCELLING)
    loose = cancels and dtype == torch.float32
    assert max(gradients.values()) < (1e-3 if loose else GRADIENT_TOLERANCE[dtype]), gradients


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("with_gradient", [True, False])
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in (CASES | ONLY_REFERENCE).items()])
def test_evaluation_is_that_of_the_direct_form(case: Case, with_gradient: bool, dtype: torch.dtype) -> None:
    model = case.model(dtype, "auto")
    contrast, recorded = case.contrast(dtype), recordings(case, dtype)
    ours(model, contrast, recorded, case)  # moves the running statistics
    model.eval()
    right = theirs(model, contrast, recorded, case)
    with torch.set_grad_enabled(with_gradient):
        found = ours(model, contrast, recorded, case)
    assert largest_error(found.voltage, right.voltage) < OUTPUT_TOLERANCE[dtype]
    assert largest_error(found.traces, right.traces) < OUTPUT_TOLERANCE[dtype]


def shared() -> Iterator[ParameterSet]:
    """Yield (implementation, kernel_s, number of grey frames)."""
    kernels = {"endless": None, "shorter than the prefix": 0.05, "longer": 0.15}
    for implementation, (name, kernel_s), n_grey in itertools.product(
        IMPLEMENTATIONS, kernels.items(), [1, 16, 21, 39, 60]
    ):
        marks = [pytest.mark.slow] if implementation == "triton" and n_grey != 21 else []
        yield pytest.param(implementation, kernel_s, n_grey, marks=marks, id=f"{implementation}-{name}-{n_grey}")


@pytest.mark.parametrize(("implementation", "kernel_s", "n_grey"), list(shared()))
def test_shared_grey_frames_change_nothing_in_training(
    implementation: str, kernel_s: float | None, n_grey: int
) -> None:
    case, dtype = Case(kernel_s=kernel_s, n_clips=3, calcium=FAST_INDICATOR), FINEST[implementation]
    outputs, gradients = training_errors(case, implementation, dtype, n_grey)
    assert max(outputs.values()) < OUTPUT_TOLERANCE[dtype], outputs
    assert max(gradients.values()) < GRADIENT_TOLERANCE[dtype], gradients


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("n_grey", [0, 15, 20])
def test_multiplicity_counts_like_repeated_clips(implementation: str, n_grey: int) -> None:
    case, dtype = Case(n_clips=3, kernel_s=0.1, calcium=FAST_INDICATOR), FINEST[implementation]
    contrast, times = case.contrast(dtype), torch.tensor([2, 1, 3])
    contrast[:, :n_grey] = 0
    recorded = recordings(case, dtype)
    repeated = recorded._replace(clip=torch.cat([torch.zeros(1, dtype=torch.long), times.cumsum(0)])[recorded.clip])
    model = case.model(dtype, implementation)
    right = theirs(model, contrast.repeat_interleave(times, 0), repeated, case)
    found = ours(model, contrast, recorded, case, times.to(dtype), n_grey)
    statistics = {name: largest_error(found.running[name], value) for name, value in right.running.items()}
    assert largest_error(found.traces, right.traces) < OUTPUT_TOLERANCE[dtype]
    assert max(statistics.values()) < OUTPUT_TOLERANCE[dtype], statistics
    gradients = gradient_errors(found.gradients, right.gradients)
    assert max(gradients.values()) < GRADIENT_TOLERANCE[dtype], gradients


@pytest.mark.parametrize("implementation", ["reference", "torch", "triton"])
def test_mixed_precision_rounds_convolutions_alone(implementation: str) -> None:
    """Sixteen bits hold three digits; a filter computed in them would lose those of a long time constant as well."""
    case = Case(n_frames=200, tau_s=(0.01, 1.0))
    model = case.model(torch.float32, implementation)
    contrast, recorded = case.contrast(torch.float32), recordings(case, torch.float32)
    right = theirs(model, contrast, recorded, case)
    with torch.autocast(model.calcium.tau_s.device.type, torch.bfloat16):
        found = ours(model, contrast, recorded, case)
    assert found.traces.dtype == torch.float32
    assert {gradient.dtype for gradient in found.gradients.values()} == {torch.float32}
    assert largest_error(found.traces, right.traces) < 0.01
    tolerance = 0.3 if implementation == "triton" else 0.2  # its interpreter cuts bfloat16 off instead of rounding
    assert max(gradient_errors(found.gradients, right.gradients).values()) < tolerance


STREAMED = {
    "endless": Case(movie="looming"),
    "truncated": Case(movie="bar", kernel_s=0.05, tau_s=(0.01, 1.0)),
    "power-exponential": Case(movie="looming", hidden=ONLY_REFERENCE["power-exponential"].hidden),
    "60 Hz, softplus, a time constant per type": Case(
        movie="bar", rate_hz=60.0, calcium={"rectifier": "softplus", "tau": "per_type"}
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in STREAMED.items()])
def test_frames_one_at_a_time_are_the_direct_form(case: Case) -> None:
    model = case.model(torch.float64)
    contrast, recorded = case.contrast(torch.float64), recordings(case, torch.float64)
    with torch.no_grad():
        model.voltage_of(contrast, case.rate_hz)  # moves the running statistics
    model.eval()
    right = theirs(model, contrast, recorded, case)
    stream = model.stream(rate_hz=case.rate_hz, start="rest", clips=case.n_clips, neurons=POPULATION.neurons)
    samples = [stream.step(frame) for frame in (contrast + 0.498).transpose(0, 1)]
    for i, name in enumerate(model.cell_types):
        voltage = np.stack([sample[name].voltage for sample in samples], 1)
        assert largest_error(torch.from_numpy(voltage), right.voltage[..., i]) < 1e-6
    for trace, clip, cell_type, neuron in zip(right.traces, *recorded[:3], strict=True):
        name = model.cell_types[cell_type]
        found = np.stack([sample[name].calcium[clip, neuron] for sample in samples])
        assert largest_error(torch.from_numpy(found), trace) < 1e-6


@settings(max_examples=30)
@given(
    lattice=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    channels=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    n_frames=st.integers(2, 30),
    n_clips=st.integers(1, 4),
    kernel_s=st.none() | st.floats(0.001, 0.3),
    rate_hz=st.floats(60, 360),
    scale=st.sampled_from(["area", "energy"]),
    kernel_columns=st.sampled_from([1, 3, 5, 11]),
    implementation=st.sampled_from(["reference", "torch"]),
)
def test_any_shape(
    lattice: tuple[int, int],
    channels: tuple[int, ...],
    n_frames: int,
    n_clips: int,
    kernel_s: float | None,
    rate_hz: float,
    scale: str,
    kernel_columns: int,
    implementation: str,
) -> None:
    case = Case(
        lattice=lattice,
        channels=channels,
        n_frames=n_frames,
        n_clips=n_clips,
        kernel_s=kernel_s,
        rate_hz=rate_hz,
        scale=scale,
        hidden={"kernel_columns": kernel_columns},
    )
    torch.manual_seed(0)  # an example that fails fails again
    outputs, gradients = training_errors(case, implementation, torch.float64)
    assert max(outputs.values()) < 1e-8, outputs
    assert max(gradients.values()) < 1e-6, gradients


@settings(max_examples=30)
@given(
    n_frames=st.integers(2, 70),
    n_clips=st.integers(1, 4),
    n_grey=st.integers(0, 70),
    kernel_s=st.none() | st.floats(0.06, 0.5),
    rate_hz=st.floats(60, 360),
    implementation=st.sampled_from(["reference", "torch", "native"]),
)
def test_any_length(
    n_frames: int, n_clips: int, n_grey: int, kernel_s: float | None, rate_hz: float, implementation: str
) -> None:
    torch.manual_seed(0)
    case = Case(n_frames=n_frames, n_clips=n_clips, kernel_s=kernel_s, rate_hz=rate_hz, calcium=FAST_INDICATOR)
    dtype = FINEST[implementation]
    outputs, gradients = training_errors(case, implementation, dtype, min(n_grey, n_frames - 1))
    assert max(outputs.values()) < OUTPUT_TOLERANCE[dtype], outputs
    assert max(gradients.values()) < 20 * GRADIENT_TOLERANCE[dtype], gradients  # two frames hold little shape
