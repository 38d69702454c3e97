"""A stream gives the numbers of the offline pass, from any start, and refuses frames it cannot mean."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from stcnn.commands.serve import serve as serve_command
from stcnn.commands.stream.command import stream as stream_command
from stcnn.data.batching import BatchingConfig
from stcnn.errors import ConfigError, RateError, ShapeError
from stcnn.movie import BACKGROUND, Movie
from stcnn.nn.inference.stream import Sample, Stream
from stcnn.nn.inference.stream_config import START
from stcnn.nn.model import STCNN
from stcnn.published import open_published
from tests.support.nn_twin import Case

RATE_HZ = 60.0
EVERY_FILTER: list[dict[str, Any]] = [
    {"kind": "exponential"},
    {"kind": "exponential", "kernel_s": 0.3, "scale": "energy", "tau_init_s": (0.05, 1.0)},
    {"kind": "power_exponential", "n_init": (0.5, 2.0), "kernel_s": 0.3},
    {"kind": "none"},
]


def network(dtype: torch.dtype = torch.float64, filter: Mapping[str, Any] = EVERY_FILTER[1]) -> STCNN:
    calcium = {"tau": "per_type", "tau_init_s": (0.2, 1.0)}
    return Case(hidden={"filter": filter}, kernel_s=0.4, calcium=calcium).model(dtype, "auto").eval()


def luminance(n_frames: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((n_frames, 11, 13), dtype=np.float32)


def shown(stream: Stream, frames: NDArray[Any]) -> dict[str, Sample]:
    """Show frames one by one; traces with time first."""
    samples = [stream.step(frame) for frame in frames]
    return {
        name: Sample(*(np.stack([getattr(sample[name], key) for sample in samples]) for key in Sample._fields))
        for name in samples[0]
    }


def assert_same(found: Mapping[str, NDArray[Any]], right: Mapping[str, NDArray[Any]], rtol: float) -> None:
    for name, trace in right.items():
        np.testing.assert_allclose(found[name], trace, rtol=0, atol=rtol * np.abs(trace).max(), err_msg=name)


def calcium(samples: Mapping[str, Sample]) -> dict[str, NDArray[Any]]:
    return {name: sample.calcium for name, sample in samples.items()}


def voltage(samples: Mapping[str, Sample]) -> dict[str, NDArray[Any]]:
    return {name: sample.voltage for name, sample in samples.items()}


@pytest.mark.parametrize("filter", EVERY_FILTER, ids=lambda filter: str(filter["kind"]))
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_streamed_is_offline(filter: dict[str, Any], dtype: torch.dtype, rtol: float) -> None:
    model, frames = network(dtype, filter), luminance(70)
    found = shown(model.stream(rate_hz=RATE_HZ, start="rest"), frames)
    assert_same(voltage(found), model.voltages(frames, RATE_HZ, start="rest"), rtol)
    assert_same(calcium(found), model.predict(frames, RATE_HZ, start="rest"), rtol)


@given(cuts=st.lists(st.integers(1, 59), max_size=8), clips=st.integers(1, 3), filter=st.sampled_from(EVERY_FILTER))
@settings(max_examples=20)
def test_any_chunks_are_the_whole(cuts: list[int], clips: int, filter: dict[str, Any]) -> None:
    model = network(filter=filter)
    contrast = torch.from_numpy(np.stack([luminance(60, seed) for seed in range(clips)])).double() - 0.498
    whole = model.stream(rate_hz=RATE_HZ, clips=clips).advance(contrast)
    stream = model.stream(rate_hz=RATE_HZ, clips=clips)
    ends = [0, *sorted(set(cuts)), 60]
    pieces = [stream.advance(contrast[:, a:b]) for a, b in itertools.pairwise(ends)]
    for found, right in zip(zip(*pieces, strict=True), whole, strict=True):
        torch.testing.assert_close(torch.cat(found, 1), right, rtol=1e-12, atol=1e-12)


def test_steps_and_chunks_can_take_turns() -> None:
    model, frames = network(), luminance(50)
    stream = model.stream(rate_hz=RATE_HZ, start="rest")
    found = shown(stream, frames[:10])["lc4"].calcium.tolist()
    contrast = torch.from_numpy(Movie(frames, RATE_HZ).contrast())[None]
    found += stream.advance(contrast[:, 10:40])[1][0, :, 1].tolist()
    found += shown(stream, frames[40:])["lc4"].calcium.tolist()
    assert_same({"lc4": np.array(found)}, {"lc4": model.predict(frames, RATE_HZ, start="rest")["lc4"]}, 1e-12)


def test_clips_in_lockstep_are_each_alone() -> None:
    model = network()
    movies = [luminance(40, seed) for seed in range(3)]
    together = shown(model.stream(rate_hz=RATE_HZ, clips=3), np.stack(movies, 1))
    for clip, frames in enumerate(movies):
        alone = shown(model.stream(rate_hz=RATE_HZ), frames)
        assert_same({n: s.calcium[:, clip] for n, s in together.items()}, calcium(alone), 1e-12)


def test_start_from_grey_is_a_movie_that_begins_grey() -> None:
    model, frames = network(), luminance(20)
    stream = model.stream(rate_hz=RATE_HZ, start="grey", grey_s=0.5)
    before = np.full((30, 11, 13), 0.498, np.float32)
    whole = model.predict(np.concatenate([before, frames]), RATE_HZ, start="rest")
    assert_same(calcium(shown(stream, frames)), {n: trace[30:] for n, trace in whole.items()}, 1e-12)


def test_what_came_before_is_the_grey_of_training_wherever_nothing_is_said() -> None:
    model, frames = network(), luminance(20)
    n_grey = round(BatchingConfig().pre_grey_s * RATE_HZ)
    contrast = np.concatenate([np.zeros((n_grey, 11, 13)), frames - np.float32(BACKGROUND)])
    with torch.no_grad():
        trained_on = model(torch.from_numpy(contrast)[None], RATE_HZ).calcium[0, n_grey:].numpy()
    right = dict(zip(model.cell_types, trained_on.T, strict=True))
    assert_same(model.respond(frames, RATE_HZ).calcium, right, 1e-7)
    assert_same(model.predict(frames, RATE_HZ), right, 1e-7)
    assert_same(model.voltages(frames, RATE_HZ), model.respond(frames, RATE_HZ).voltage, 1e-12)
    assert_same(calcium(shown(model.stream(rate_hz=RATE_HZ), frames)), right, 1e-7)
    for command in (stream_command, serve_command):
        assert inspect.signature(command).parameters["start"].default == START


def test_start_from_steady_grey_answers_grey_with_a_constant_that_long_grey_comes_to() -> None:
    model, grey = network(filter=EVERY_FILTER[0]), np.full((400, 11, 13), 0.498, np.float32)
    steady = model.predict(grey, RATE_HZ, start="steady")
    waited = model.predict(grey, RATE_HZ, start="rest")
    for name, trace in steady.items():
        assert np.ptp(trace) < 1e-12
        assert waited[name][-1] == pytest.approx(trace[0], rel=1e-10)
        assert waited[name][0] != pytest.approx(trace[0], rel=1e-3)


def test_calcium_of_given_neurons_is_that_of_the_offline_pass() -> None:
    model, frames = network(), luminance(30)
    found = shown(model.stream(rate_hz=RATE_HZ, start="rest", neurons={"lc11": ("c", "a")}), frames)
    contrast = torch.from_numpy(Movie(frames, RATE_HZ).contrast()).double()
    with torch.no_grad():
        volts = model.voltage_of(contrast[None], RATE_HZ)
        right = model.calcium_of(volts, torch.tensor([0, 0]), torch.tensor([0, 0]), torch.tensor([2, 0]), RATE_HZ)
    np.testing.assert_allclose(found["lc11"].calcium, right.T, rtol=1e-6)
    assert found["lc4"].calcium.shape == (30,)


def test_eight_bit_frames_are_their_luminance() -> None:
    model = network()
    codes = np.random.default_rng(0).integers(0, 256, (10, 11, 13), dtype=np.uint8)
    found = calcium(shown(model.stream(rate_hz=RATE_HZ, start="rest"), codes))
    assert_same(found, model.predict(Movie(codes, RATE_HZ), start="rest"), 1e-12)
    assert_same(found, calcium(shown(model.stream(rate_hz=RATE_HZ, start="rest"), codes / 255)), 1e-6)


def test_frames_of_another_resolution_are_seen_at_their_own() -> None:
    model = network()
    coarse = luminance(10)
    fine = coarse.repeat(2, 1).repeat(2, 2)
    found = calcium(shown(model.stream(rate_hz=RATE_HZ, deg_per_px=0.5), fine))
    model.deg_per_px = 0.5
    assert_same(found, model.predict(Movie(fine, RATE_HZ, deg_per_px=0.5), start="grey"), 1e-12)


def test_a_saved_stream_continues_elsewhere(tmp_path: Path) -> None:
    model, frames = network(), luminance(60)
    stream = model.stream(rate_hz=RATE_HZ)
    shown(stream, frames[:25])
    torch.save(stream.state_dict(), tmp_path / "state.pt")
    right = shown(stream, frames[25:])
    later = model.stream(rate_hz=RATE_HZ)
    later.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert later.n_frames == 25
    assert_same(calcium(shown(later, frames[25:])), calcium(right), 1e-15)


def test_reset_goes_back_to_the_start() -> None:
    for start in ("grey", "steady", "rest"):
        stream = network().stream(rate_hz=RATE_HZ, start=start)
        first = shown(stream, luminance(30))
        stream.reset()
        assert_same(calcium(shown(stream, luminance(30))), calcium(first), 0)


def test_memory_does_not_grow_with_time() -> None:
    stream = network().stream(rate_hz=RATE_HZ)
    shapes = []
    for n_frames in (1, 10, 90):
        shown(stream, luminance(n_frames))
        shapes.append({name: value.shape for name, value in stream.state_dict().items()})
    assert shapes[0] == shapes[1] == shapes[2]


def test_later_changes_of_the_weights_do_not_reach_a_stream() -> None:
    model = network()
    before, after = (model.stream(rate_hz=RATE_HZ) for _ in range(2))
    first = shown(before, luminance(5))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    assert_same(calcium(shown(after, luminance(5))), calcium(first), 0)


NOT_A_NUMBER = luminance(1)[0]
NOT_A_NUMBER[3, 4] = np.nan


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (luminance(2), r"frame 1 has shape \(2, 11, 13\), expected \(11, 13\), as the frames before"),
        (luminance(1)[0, :10], r"frame 1 has shape \(10, 13\)"),
        (np.zeros((11, 13, 3)), r"frame 1 has shape \(11, 13, 3\)"),
        (np.zeros(0), r"frame 1 has shape \(0,\)"),
        (NOT_A_NUMBER, r"frame 1 runs from nan to nan, expected finite values from 0 \(black\) to 1 \(white\)"),
        (luminance(1)[0] * 255, r"luminance of frame 1 runs from .*Divide by the white level"),
        (np.zeros((11, 13), np.int64), "frame 1 is of type int64, expected uint8 or floats"),
        ("frame", r"frame 1 has shape \(\)"),
        (np.full((11, 13), "x"), "frame 1 is of type <U1"),
    ],
)
def test_a_wrong_frame_is_refused_and_changes_nothing(frame: ArrayLike, message: str) -> None:
    model = network()
    stream, undisturbed = (model.stream(rate_hz=RATE_HZ) for _ in range(2))
    for each in (stream, undisturbed):
        each.step(luminance(1)[0])
    with pytest.raises(ShapeError, match=message):
        stream.step(frame)
    assert_same(calcium(shown(stream, luminance(3))), calcium(shown(undisturbed, luminance(3))), 0)


def test_a_stream_of_several_clips_refuses_a_single_frame() -> None:
    with pytest.raises(ShapeError, match=r"frame 0 has shape \(11, 13\), expected \(2, Y, X\)"):
        network().stream(clips=2).step(luminance(1)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 60}, "option rate is 60.*rate_hz"),
        ({"rate_hz": -1}, "option rate_hz is -1.*greater than 0"),
        ({"start": "gray"}, "option start is 'gray'.*'grey', 'steady' or 'rest'"),
        ({"neurons": {"lc12": ("a",)}}, "no cell type 'lc12'.*lc11"),
        ({"neurons": {"lc11": ("a", "z")}}, "lc11 has no neuron 'z'.*a, b, c"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        network().stream(**options)


def test_a_state_of_another_rate_is_refused() -> None:
    state = network().stream(rate_hz=180).state_dict()
    with pytest.raises(RateError, match="at 180 frames per second, expected 60"):
        network().stream(rate_hz=60).load_state_dict(state)
    with pytest.raises(RateError, match="nan"):
        network().stream(rate_hz=60).load_state_dict({})


@pytest.mark.parametrize("movie", ["loom", "noise"])
def test_published_voltage_and_calcium(shared: Path, movie: str) -> None:
    model = open_published(shared / "reference" / "lc_small_3", calcium_tau="per_type")
    with np.load(shared / "reference" / "lc_small_3_outputs.npz") as stored:
        frames, n_frames = stored[f"{movie}/movie"], 150
        right = {
            key: {name: stored[f"{movie}/{key}/{name}"][:n_frames] for name in model.cell_types}
            for key in ("voltage", "calcium")
        }
    found = shown(model.stream(start="rest"), frames[:n_frames])
    assert_same(voltage(found), right["voltage"], 1e-5)
    assert_same(calcium(found), right["calcium"], 1e-5)
