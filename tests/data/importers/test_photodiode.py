"""Onsets from the log of an acquisition board: true times come back, and what is wrong with a log is said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stcnn.commands.data import app
from stcnn.data.importers.photodiode import LogConfig, read_log, rises
from stcnn.errors import DataError, FileError

LOG_HZ = 1000.0
FRAME_S = 0.1003  # of a microscope that says 10 Hz
FRAMES_S = 2.0 + FRAME_S * np.arange(300)
ONSETS_S = (4.0123, 9.5, 14.7777, 20.25, 26.9)
NAMES = ("loom", "bar", "01", "bar", "loom")


def pulses(time_s: np.ndarray, starts_s: Sequence[float] | np.ndarray, last_s: float) -> np.ndarray:
    """1 from each start on, as long as it lasts."""
    since = np.searchsorted(starts_s, time_s, "right") - 1
    return (since >= 0) & (time_s - np.asarray(starts_s)[since.clip(0)] < last_s)


def logged(folder: Path, **changed: Any) -> tuple[Path, Path]:
    """A log in which the patch flickers at 60 Hz while it is lit, and the order of the stimuli."""
    onsets_s, frames_s = changed.pop("onsets_s", ONSETS_S), changed.pop("frames_s", FRAMES_S)
    time_s = np.arange(0, 33, 1 / LOG_HZ)
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(time_s))
    lit = pulses(time_s, onsets_s, 1.5) * np.where((time_s % (1 / 60)) < 1 / 80, 2.0, 0.0)
    lit[np.searchsorted(time_s, onsets_s)] = 2.0
    log = {"time_s": time_s, "photodiode_v": 0.3 + lit + noise, "frame_v": 5.0 * pulses(time_s, frames_s, 0.005)}
    pd.DataFrame(log | changed).to_csv(folder / "daq.csv", index=False)
    pd.DataFrame({"stimulus": NAMES}).to_csv(folder / "order.csv", index=False)
    return folder / "daq.csv", folder / "order.csv"


def test_onsets_are_counted_in_imaging_frames(tmp_path: Path) -> None:
    found = read_log(*logged(tmp_path))
    assert found.imaging_rate_hz == pytest.approx(1 / FRAME_S, rel=1e-4)
    assert tuple(found.table.stimulus) == NAMES
    np.testing.assert_allclose(found.table.onset_s, np.array(ONSETS_S) - FRAMES_S[0], atol=2 / LOG_HZ)


def test_of_several_planes_the_clock_is_that_of_the_first(tmp_path: Path) -> None:
    found = read_log(*logged(tmp_path), LogConfig(n_planes=3))
    assert found.imaging_rate_hz == pytest.approx(1 / (3 * FRAME_S), rel=1e-4)
    assert found.n_frames == 100


def test_a_table_in_parquet_is_read_too(tmp_path: Path) -> None:
    log, order = logged(tmp_path)
    pd.read_csv(log).to_parquet(tmp_path / "daq.parquet")
    pd.testing.assert_frame_equal(read_log(tmp_path / "daq.parquet", order).table, read_log(log, order).table)


@given(st.lists(st.floats(0.5, 3.0), min_size=1, max_size=8), st.floats(0.05, 0.4), st.integers(0, 99))
def test_every_rise_after_a_long_darkness_comes_back(gaps_s: list[float], lit_s: float, seed: int) -> None:
    starts_s = np.cumsum(gaps_s)
    time_s = np.arange(0, starts_s[-1] + 1, 1 / 500)
    signal = 7.0 * pulses(time_s, starts_s, lit_s) + 0.1 * np.random.default_rng(seed).standard_normal(len(time_s))
    np.testing.assert_allclose(rises(time_s, signal, "x", low_s=0.05), starts_s, atol=1 / 400)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"frame_v": 0.0}, r"column 'frame_v' is 0 throughout, expected a signal with two levels"),
        ({"onsets_s": ONSETS_S[:4]}, r"lights up 4 times, 5.28 to 5.49 s apart, expected 5, the presentations in"),
        ({"onsets_s": (0.5, *ONSETS_S[1:])}, r"1 of 5 onsets are outside the imaging, the first at 0.499 s"),
        ({"frames_s": np.delete(FRAMES_S, 100)}, r"1 uneven intervals .* the first of 0.201 s after frame 99"),
        ({"time_s": np.r_[np.arange(32999), 5] / LOG_HZ}, r"time in row 33001 that does not come after"),
        ({"photodiode_v": np.linspace(0, 1, 33000)}, r"is between its two levels in 20% of its samples"),
    ],
)
def test_a_faulty_log_is_refused_with_what_is_wrong(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_log(*logged(tmp_path, **change))


def test_the_command_writes_the_table_of_an_import_and_never_over_another(tmp_path: Path) -> None:
    log, order = logged(tmp_path)
    words = ["onsets", str(log), str(order), str(tmp_path / "onsets.csv")]
    assert "5 onsets of 3 stimuli" in CliRunner().invoke(app, words).output
    assert pd.read_csv(tmp_path / "onsets.csv", dtype=str).stimulus.tolist() == list(NAMES)
    refused = CliRunner().invoke(app, words).exception
    assert isinstance(refused, FileError)
    assert "onsets.csv exists. Give another name, or add --overwrite." in str(refused)
