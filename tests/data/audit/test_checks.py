"""The audit: planted faults are found, clean data raise no alarm, and each flag says why."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from stcnn.data import Dataset, Recording
from stcnn.data.audit.checks import AMBER, RED, Audit, audit
from stcnn.movie import Movie
from tests.support.made_up_data import GREY

RATE_HZ = 60.0
N_STIMULI = 5


def _movies() -> dict[str, Movie]:
    """Dark squares that appear, grow, vanish and come back at different times."""
    movies = {}
    for k in range(N_STIMULI):
        frames = np.full((100, 16, 16), GREY, np.float32)
        for start in (5 + 9 * k, 60 + 7 * ((k * k) % 5)):
            for t in range(12 + 3 * k):
                if start + t < 100:
                    frames[start + t, 2 : 4 + t // 3, 2 : 4 + t // 3] = 0
        movies[f"square_{k}"] = Movie.from_luminance(frames, RATE_HZ, background=GREY)
    return movies


def clean(seed: int = 0, animals: int = 4, noise: float = 0.5) -> Dataset:
    """Neurons that follow darkening through an indicator, each with its own gain; noise is correlated in time."""
    rng = np.random.default_rng(seed)
    movies = _movies()
    time_s = np.arange(-30, 160) / RATE_HZ
    recordings = []
    for animal in range(animals):
        for neuron in range(4):
            gain = rng.uniform(0.7, 1.3)
            for name, movie in movies.items():
                drive = np.maximum(-np.diff(movie.contrast(), axis=0, prepend=0), 0).mean((1, 2)) * 600
                drive = np.pad(drive, (36, 54))  # a tenth of a second of delay
                response = gain * signal.lfilter([1], [1, -np.exp(-1 / (0.4 * RATE_HZ))], drive)
                for trial in range(3):
                    trace = response + noise * _smooth(rng.normal(size=len(time_s)))
                    recordings.append(
                        Recording(
                            *("lc4", f"{animal}-{neuron}", name, trace.astype(np.float32), time_s, RATE_HZ),
                            trials=(trial,),
                            animal=f"fly{animal}",
                        )
                    )
    return Dataset.of(movies, recordings)


def _smooth(noise: np.ndarray) -> np.ndarray:
    return signal.lfilter([1], [1, -0.8], noise)


def _spoil(data: Dataset, change: Callable[[Recording], Recording]) -> Dataset:
    recordings = [change(r) if r.animal == "fly1" else r for r in data.recordings]
    return Dataset.of(data.movies, recordings, data.neurons)


def _flags(found: Audit, check: str) -> list[tuple[str, str]]:
    return [(flag.what, flag.colour) for flag in found.flags if flag.check == check]


def test_a_shift_by_five_frames_is_found() -> None:
    late = _spoil(clean(), lambda r: replace(r, trace=np.roll(r.trace, 5)))
    found = audit(late)
    assert _flags(found, "latency") == [("fly1", RED)]
    reason = next(flag.reason for flag in found.flags if flag.check == "latency")
    assert float(reason.split()[2]) == pytest.approx(5, abs=1)


def test_inverted_polarity_is_found() -> None:
    found = audit(_spoil(clean(), lambda r: replace(r, trace=-r.trace)))
    assert _flags(found, "polarity") == [("fly1", RED)]


def test_a_dropped_block_is_found() -> None:
    def drop(r: Recording) -> Recording:
        return replace(r, trace=np.pad(np.delete(r.trace, slice(25, 33)), (0, 8), mode="edge"))

    found = audit(_spoil(clean(), drop))
    assert _flags(found, "dropped") == [("fly1", RED)]


def test_a_swapped_label_is_found() -> None:
    other = {"square_1": "square_3", "square_3": "square_1"}
    found = audit(_spoil(clean(), lambda r: replace(r, stimulus=other.get(r.stimulus, r.stimulus))))
    assert _flags(found, "label") == [("fly1", RED)]
    assert "'square_1' and 'square_3' look exchanged" in str(found.flags)


def one_session(late_by: dict[str, int]) -> Dataset:
    """Sixteen neurons of one animal; one of them answers each stimulus late by so many samples."""
    data = clean()
    recordings = []
    for recording in data.recordings:
        late = late_by[recording.stimulus] if recording.neuron == "0-0" else 0
        trace = np.roll(recording.trace, late)
        recordings.append(replace(recording, trace=trace, animal="fly"))
    return Dataset.of(dict(data.movies), recordings)


@pytest.mark.parametrize(
    ("late_by", "said"),
    [([8, 8, 8, 8, 8], [(AMBER, "latency", "lc4, neuron 0-0")]), ([24, -10, 20, -6, 12], []), ([0, 0, 0, 0, 0], [])],
)
def test_a_neuron_that_is_late_in_all_stimuli_is_said_and_one_that_answers_here_and_there_is_not(
    late_by: list[int], said: list[tuple[str, str, str]]
) -> None:
    """Of single neurons of T4 and T5 in six animals 16 were called late or early, whose lags told nothing."""
    found = audit(one_session({f"square_{k}": late for k, late in enumerate(late_by)}))
    timing = [flag for flag in found.flags if flag.check in ("latency", "dropped")]
    assert [(flag.colour, flag.check, flag.what) for flag in timing] == said


def test_clean_data_raise_no_alarm() -> None:
    alarms = [flag for seed in range(6) for flag in audit(clean(seed, noise=0.3 + 0.2 * seed)).flags]
    assert alarms == []


def test_neurons_are_described() -> None:
    neurons = audit(clean()).neurons
    assert len(neurons) == 16
    assert (neurons.reliability > 0.3).all()
    assert (neurons.follows == "darkening").all()
    assert neurons.latency_s.to_numpy() == pytest.approx(0.1, abs=0.06)
    assert (neurons.colour == "green").all()


def _first(data: Dataset, change: Callable[[Recording], Recording]) -> Audit:
    return audit(Dataset.of(data.movies, [change(data.recordings[0]), *list(data.recordings)[1:]], data.neurons))


SINGLE: list[tuple[str, str, Callable[[Recording], Recording], str]] = [
    ("NaN", RED, lambda r: replace(r, trace=np.where(np.arange(190) == 7, np.nan, r.trace)), "first is sample 7"),
    ("duration", RED, lambda r: replace(r, trace=r.trace[:20], time_s=r.time_s[:20]), "without stimulus onset"),
    ("duration", AMBER, lambda r: replace(r, trace=r.trace[:99], time_s=r.time_s[:99]), "before its movie at 1.67 s"),
    (
        "clock",
        RED,
        lambda r: replace(r, time_s=np.where(np.arange(190) == 50, r.time_s[40], r.time_s)),
        "sample 50 is at 0.167 s, the one before at 0.317 s",
    ),
    ("rate", RED, lambda r: replace(r, time_s=r.time_s * 1.2), "time stamps run at 50 Hz, the stated rate is 60 Hz"),
    (
        "dropped frames",
        AMBER,
        lambda r: replace(r, trace=np.delete(r.trace, [40, 41]), time_s=np.delete(r.time_s, [40, 41])),
        "2 samples are missing",
    ),
    ("saturation", AMBER, lambda r: replace(r, trace=np.minimum(r.trace, 0.1)), "samples are at the maximum of 0.1"),
]


@pytest.mark.parametrize(("check", "colour", "change", "reason"), SINGLE)
def test_a_fault_in_one_recording_is_flagged_with_its_reason(
    check: str, colour: str, change: Callable[[Recording], Recording], reason: str
) -> None:
    found = [flag for flag in _first(clean(animals=3), change).flags if flag.check == check]
    assert [flag.colour for flag in found] == [colour]
    assert reason in found[0].reason
    assert "neuron 0-0, square_0, trial 0" in found[0].what


def test_the_same_trace_twice_and_the_same_movie_under_two_names() -> None:
    data = clean(animals=3)
    copied = replace(data.recordings[5], trace=data.recordings[0].trace)
    movies = dict(data.movies) | {"another": data.movies["square_2"]}
    found = audit(Dataset.of(movies, [*list(data.recordings)[:5], copied, *list(data.recordings)[6:]], data.neurons))
    assert [flag.reason for flag in found.flags if flag.check == "duplicate movie"] == [
        "shows the same as 'square_2', frame by frame"
    ]
    assert [f.what for f in found.flags if f.check == "duplicate trace"] == ["lc4, neuron 0-0, square_1, trial 2"]


def test_drift_and_unreliable_neurons_are_flagged() -> None:
    rng = np.random.default_rng(1)
    data = clean(animals=3)
    drifting = [
        replace(r, trace=r.trace + 100 * r.trials[0] + 10 * i) if r.neuron == "0-0" else r
        for i, r in enumerate(data.recordings)
    ]
    noisy = [replace(r, trace=rng.normal(size=190).astype(np.float32)) if r.neuron == "1-1" else r for r in drifting]
    found = audit(Dataset.of(data.movies, noisy, data.neurons))
    assert ("lc4, neuron 0-0", AMBER) in _flags(found, "drift")
    assert ("lc4, neuron 1-1", AMBER) in _flags(found, "reliability")
