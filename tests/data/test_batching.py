"""Batches: shared clips hold the same samples as single recordings, shifts and grey are where they belong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data import Batch, BatchingConfig, Dataset, loader
from stcnn.data.batch_order import BatchOrder
from stcnn.data.batching import plan_clips
from stcnn.errors import DataError, FileError, ShapeError
from stcnn.movie import Movie
from tests.support.made_up_data import GREY, MOVIE_FRAMES, RATE_HZ, dataset, movie

SMALL = {"kind": "presentations", "batch_size": 3, "pre_grey_s": 0.2, "loss_start_s": -0.1}


def _batches(data: Dataset, **change: object) -> list[Batch]:
    return list(loader(data, BatchingConfig.model_validate(SMALL | change)))


def _scored(data: Dataset, kind: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Recording to its scored target and the pictures of these frames."""
    samples = {}
    for batch in _batches(data, kind=kind):
        contrast = batch.contrast()
        for place, item in enumerate(batch.item.tolist()):
            scored = batch.weight[place] > 0
            samples[item] = (batch.target[place][scored].numpy(), contrast[batch.clip[place]][scored].numpy())
    return samples


def test_presentations_hold_the_same_scored_samples_as_single_recordings() -> None:
    data = dataset()
    shared, single = _scored(data, "presentations"), _scored(data, "recordings")
    assert sorted(shared) == sorted(single) == list(range(len(data)))
    for item, (target, pictures) in single.items():
        np.testing.assert_array_equal(shared[item][0], target)
        np.testing.assert_array_equal(shared[item][1], pictures)


def test_recordings_of_one_movie_at_one_place_share_a_clip() -> None:
    data = dataset(neurons_per_type=6, trials=2)
    clips = plan_clips(data, BatchingConfig(kind="presentations"))
    assert len(clips) == 6 * len(MOVIE_FRAMES)  # shifts repeat after six neurons, and both types have all of them
    assert sorted(i for clip in clips for i in clip.items) == list(range(len(data)))
    batch = _batches(data)[0]
    assert batch.multiplicity.tolist() == torch.bincount(batch.clip).tolist() == [4, 4, 4]


def test_single_recordings_are_padded_to_the_longest_of_the_set() -> None:
    batches = _batches(dataset(), kind="recordings")
    longest = 12 + max(MOVIE_FRAMES.values()) + 60
    assert {batch.codes.shape[1] for batch in batches} == {longest}
    assert all(len(batch.item) == len(batch.multiplicity) for batch in batches)


def test_traces_are_padded_with_the_mean_of_their_ends() -> None:
    data = dataset()
    batch = _batches(data, kind="recordings")[0]
    trace = data.recordings[0].trace
    assert batch.target[0, :12].numpy() == pytest.approx(trace[:18].mean())
    assert batch.target[0, 12 + len(trace) :].numpy() == pytest.approx(trace[-18:-1].mean())
    scored = np.flatnonzero(batch.weight[0])
    assert (scored[0], scored[-1] + 1) == (12 + 24, 12 + len(trace) - 1)


@given(azi=st.integers(-25, 25), ele=st.integers(-20, 20))
def test_positive_azimuth_moves_the_picture_left_and_positive_elevation_down(azi: int, ele: int) -> None:
    whole = movie("loom").contrast()
    data = dataset(1, ("loom",))
    shifted = Dataset.of(data.movies, [replace(data.recordings[0], shift_px=(azi, ele))])
    picture = _batches(shifted)[0].contrast()[0].numpy()
    expected = np.zeros_like(picture)
    start = 12 + 30  # grey before the trace, and half a second of trace before the movie
    for y in range(16):
        for x in range(20):
            if 0 <= y - ele < 16 and 0 <= x + azi < 20:
                expected[start : start + 40, y, x] = whole[:, y - ele, x + azi]
    np.testing.assert_array_equal(picture, expected)


def test_leading_grey_frames_are_counted_over_all_clips() -> None:
    for batch in _batches(dataset()):
        dark = (batch.contrast() != 0).any(dim=(0, 2, 3))
        assert batch.n_grey == int(dark.int().argmax()) == 12 + 30 + 3


def test_every_recording_comes_once_in_an_order_that_seed_and_epoch_decide() -> None:
    config = BatchingConfig(kind="presentations", batch_size=4)
    batches = loader(dataset(6), config, seed=3, shuffle=True)

    def epoch(number: int) -> list[int]:
        assert isinstance(batches.sampler, BatchOrder)
        batches.sampler.set_epoch(number)
        return [i for batch in batches for i in batch.item.tolist()]

    first, second = epoch(0), epoch(1)
    assert sorted(first) == sorted(second) == list(range(36))
    assert first != second
    assert epoch(0) == first


def test_batches_hold_clips_of_similar_length() -> None:
    batches = _batches(dataset(6), batch_size=6)
    lengths = [b.codes.shape[1] for b in batches]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == len(MOVIE_FRAMES)


def test_two_workers_give_the_same_batches() -> None:
    data, config = dataset(), BatchingConfig.model_validate(SMALL)
    for ours, theirs in zip(loader(data, config), loader(data, config, n_workers=2), strict=True):
        assert torch.equal(ours.codes, theirs.codes)
        assert torch.equal(ours.target, theirs.target)


def _shown(shown: Movie) -> Batch:
    data = dataset(1, ("loom",))
    return _batches(Dataset.of({"loom": shown}, data.recordings[:1]))[0]


def test_a_movie_of_many_grey_values_comes_as_contrast() -> None:
    luminance = np.linspace(0, 1, 40 * 16 * 20, dtype=np.float32).reshape(40, 16, 20)
    batch = _shown(Movie(luminance, RATE_HZ, background=GREY))
    assert batch.levels is None
    np.testing.assert_array_equal(batch.contrast()[0, 42:82], luminance - np.float32(GREY))
    assert not batch.contrast()[0, :42].any()


def test_grey_is_exactly_zero_even_where_all_256_codes_are_taken() -> None:
    codes = np.arange(40 * 16 * 20).reshape(40, 16, 20).astype(np.uint8)
    batch = _shown(Movie(codes, RATE_HZ, background=0.498))
    assert not batch.contrast()[0, :42].any()
    np.testing.assert_allclose(batch.contrast()[0, 42:82], codes / 255 - 0.498, atol=1 / 510)


def test_a_subset_keeps_neurons_and_their_indices() -> None:
    data = dataset()
    part = data.subset([10, 3])
    assert part.neurons == data.neurons
    assert [r.neuron for r in part.recordings] == [data.recordings[10].neuron, data.recordings[3].neuron]
    assert part.content_hash() != data.content_hash()
    assert data.subset(range(len(data))).content_hash() == data.content_hash()


def test_a_batch_moves_as_a_whole() -> None:
    moved = _batches(dataset())[0].to("meta")
    assert {v.device.type for v in vars(moved).values() if isinstance(v, torch.Tensor)} == {"meta"}


def test_a_batch_without_pictures_holds_none_of_their_memory() -> None:
    for batch in _batches(dataset()):
        kept = batch.without_pictures()
        held = [value for value in vars(kept).values() if isinstance(value, torch.Tensor)]
        assert len(held) > 5
        assert all(value.untyped_storage().nbytes() == value.nbytes for value in held)
        torch.testing.assert_close(kept.target, batch.target)


def test_faults_of_a_data_set_are_sentences() -> None:
    data = dataset(1, ("loom", "bar"))
    movies, recordings = dict(data.movies), list(data.recordings)
    with pytest.raises(DataError, match="holds no recording"):
        Dataset.of(movies, [])
    with pytest.raises(DataError, match=r"stimulus 'baz' have no movie .* did you mean 'bar'"):
        Dataset.of(movies, [replace(recordings[0], stimulus="baz")])
    with pytest.raises(ShapeError, match="expected movies of one size and resolution"):
        Dataset.of(movies | {"bar": replace(movies["bar"], deg_per_px=2)}, recordings)
    with pytest.raises(DataError, match=r"trace of neuron '0' .* ends at 1.15 s, expected samples after loss_start_s"):
        _batches(data, loss_start_s=3)


def test_a_batch_that_no_machine_holds_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stcnn.reading.faults.memory_limit", lambda: 100_000)
    with pytest.raises(FileError, match=r"a batch of 4 clips of up to \d+ frames of \d+x\d+ pixels would take"):
        loader(dataset(), BatchingConfig(kind="presentations", pre_grey_s=60.0))
