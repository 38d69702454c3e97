"""Tables of traces: names are text, repeats are repeats, and what cannot be told apart is refused with its row."""

from __future__ import annotations

import itertools
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stcnn.data import open_store, write_store
from stcnn.data.audit.checks import RED, audit
from stcnn.data.recordings import Recording
from stcnn.errors import StcnnError
from tests.support.lab_files import ONSETS, STIMULI, SUITE2P, TABLES, opened, opened_table, plane, samples
from tests.support.made_up_data import dataset

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.one_of(
    st.sampled_from(
        ["01", "1", "1.0", "NA", "nan", "None", "null", "12:30", "1e5", "0x1F", "no", "é", "ß", "π/2", "-"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), min_size=1, max_size=6),
).filter(lambda name: name == name.strip() and name == unicodedata.normalize("NFC", name))


@FEW
@given(
    st.lists(NAMES, min_size=2, max_size=3, unique_by=lambda n: unicodedata.normalize("NFC", n)), NAMES, st.booleans()
)
def test_names_are_the_same_text_in_file_and_store(neurons: list[str], animal: str, parquet: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = pd.concat([samples(n, seed=i, animal=animal) for i, n in enumerate(neurons)])
        values = TABLES | {"constants": {"cell_type": "x", "session": animal}}
        if parquet:
            rows.to_parquet(folder / "x.parquet")
            data = opened(folder, values | {"path": "x.parquet"})
        else:
            rows.to_csv(folder / "x.csv", index=False)
            data = opened(folder, values)
        again = open_store(write_store(data, folder / "x.zarr"))
        assert sorted(again.neurons["x"]) == sorted(neurons)
        assert set(again.table.animal) == set(again.table.session) == {animal}
        assert len(again) == len(neurons)


@FEW
@given(st.permutations(list(itertools.product(("n1", "n2"), ("f1", "f2"), ("a", "b"), (0, 1)))), st.booleans())
def test_the_order_of_recordings_and_a_column_of_trials_change_nothing(order: list[Any], numbered: bool) -> None:
    parts = {
        key: samples(key[0], key[2], seed=i, animal=key[1], trial=key[3])
        for i, key in enumerate(itertools.product(("n1", "n2"), ("f1", "f2"), ("a", "b"), (0, 1)))
    }
    kept = order if numbered else sorted(order, key=lambda key: key[3])
    with tempfile.TemporaryDirectory() as name:
        expected = opened_table(Path(name), list(parts.values()))
        found = [parts[key] if numbered else parts[key].drop(columns="trial") for key in kept]
        assert opened_table(Path(name), found).content_hash() == expected.content_hash()
    assert expected.neurons == {"x": ["f1/n1", "f1/n2", "f2/n1", "f2/n2"]}
    assert len(expected) == 16


def test_neurons_of_two_sessions_are_two_until_the_key_says_otherwise(tmp_path: Path) -> None:
    parts = [samples("n1", seed=i, session=s) for i, s in enumerate(("01", "1"))]
    data = opened_table(tmp_path, parts, animal="f1")
    assert data.neurons == {"x": ["01/n1", "1/n1"]}
    assert any("key across_sessions" in note for note in data.notes)
    same = opened(tmp_path, TABLES | {"constants": {"cell_type": "x", "animal": "f1"}, "across_sessions": "true"})
    assert same.neurons == {"x": ["n1"]}


def _shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.iloc[[*range(20, 40), *range(20)]]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            [_shuffled(samples("n"))],
            r"time stamp -1 in row 22 after 2.9, and the recording begins at 1, expected ascend",
        ),
        ([_shuffled(samples("n", trial=0))], r"time stamps that do not go on: 2.9 s, then -1 s"),
        ([samples("n", trial=0), samples("n", trial=0)], r"do not go on: 2.9 s, then -1 s"),
        ([samples("n").iloc[[0, 0, 1, 2]]], r"do not go on: -1 s, then -1 s"),
        ([samples("n").assign(time_s=np.nan)], r"has '' in row 2, column 'time_s'.*expected a number"),
        ([samples("n", trial="t1")], r"has 't1' in row 2, column 'trial'"),
        ([samples("n", trial=-1)], r"has the trial -1 in row 2, expected numbers from 0 on"),
        ([samples("n"), samples("")], r"the neuron in row 42 has no name"),
        ([samples("n"), samples(" n")], r"the neuron in row 42 ' n' begins or ends with a space"),
        ([samples("n\x07")], r"holds the character U\+0007"),
        ([samples("\u00e9"), samples("e\u0301")], r"the neurons of x '.' and '..' look the same"),
        ([samples("n", Animal="f")], r"has the column 'Animal'. Did you mean 'animal'"),
        ([samples("n", stimulus="c")], r"stimulus 'c' has no movie"),
        ([samples("n").assign(trace=np.nan)], r"no recording in .* has 2 finite samples"),
    ],
)
def test_what_cannot_be_told_apart_is_a_sentence(parts: list[pd.DataFrame], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match=sentence):
        opened_table(tmp_path, parts)


def test_two_names_alike_but_for_case_are_said(tmp_path: Path) -> None:
    data = opened_table(tmp_path, [samples("n1"), samples("N1", seed=1)])
    assert len(data.neurons["x"]) == 2
    assert "The neurons of x 'n1', 'N1' are taken as 2 different ones." in data.notes


def test_names_in_numbers_are_text_of_whole_numbers_or_refused(tmp_path: Path) -> None:
    values = TABLES | {"constants": {"cell_type": "x"}, "path": "x.parquet"}
    samples(1).to_parquet(tmp_path / "x.parquet")
    assert opened(tmp_path, values).neurons["x"] == ["1"]
    samples(1.0).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(StcnnError, match=r"the neuron in row 1 is the number 1.0, expected text or a whole number"):
        opened(tmp_path, values)


@pytest.mark.parametrize("ending", ["npz", "h5"])
def test_arrays_without_trials_count_repeats(ending: str, tmp_path: Path) -> None:
    trace = np.random.default_rng(0).standard_normal((4, 40))
    trace[1, 7], trace[2, 35:], trace[3] = np.inf, np.nan, np.nan
    arrays: dict[str, Any] = {
        "trace": trace,
        "time_s": -1 + np.arange(40) / 10,
        "neuron": [1, 1, 1, 2],
        "stimulus": list("aaaa"),
    }
    if ending == "npz":
        np.savez(tmp_path / "x.npz", **arrays)
    else:
        with h5py.File(tmp_path / "x.h5", "w") as file:
            for name, held in arrays.items():
                file[name] = held
    data = opened(tmp_path, TABLES | {"constants": {"cell_type": "x"}, "path": f"x.{ending}"})
    assert [r.trials for r in data.recordings] == [(0,), (1,), (2,)]
    assert [len(r.trace) for r in data.recordings] == [40, 39, 35]
    assert any("1 samples that are not finite were left out, of 1 neurons: 1 (1)" in note for note in data.notes)
    assert any(
        "1 recordings with fewer than 2 finite samples were left out, of 1 neurons: 2 (1)" in n for n in data.notes
    )


@pytest.mark.parametrize(
    ("onsets", "sentence"),
    [
        ("stimulus,onset_s\na,10\nb,10\n", r"two presentations at one time: onset_s 10.0 in the rows 2 and 3"),
        ("stimulus,onset_s,trial\na,10,0\na,20,0\n", r"a trial twice: stimulus a, trial 0 in the rows 2 and 3"),
        ("stimulus,onset_s\na,-5\n", r"was shown at -5.000 s, but .* has imaging frames from 0.050"),
        ("stimulus,onset_s\na,nan\n", r"has 'nan' in row 2, column 'onset_s'"),
        ("stimulus,onset_s\na,10\n,20\n", r"the stimulus in row 3 has no name"),
        ("stimulus,onset_s,trials\na,10,1\n", r"has the column 'trials'. Did you mean 'trial'"),
    ],
)
def test_a_presentation_stands_once_and_on_the_clock(onsets: str, sentence: str, tmp_path: Path) -> None:
    plane(tmp_path / "plane0")
    with pytest.raises(StcnnError, match=sentence):
        opened(tmp_path, SUITE2P | {"path": "plane0"}, onsets)


def test_presentations_that_overlap_are_said_and_their_order_counts_trials(tmp_path: Path) -> None:
    plane(tmp_path / "plane0")
    data = opened(tmp_path, SUITE2P | {"path": "plane0"}, "stimulus,onset_s\na,30\na,10\nb,30.5\n")
    assert "1 of 3 presentations begin before the movie shown before them has ended, the first is 'b' at 30.500" in (
        " ".join(data.notes)
    )
    later = data.recordings[1]
    assert later.trials == (1,)
    folder = tmp_path / "plane0"
    corrected = np.load(folder / "F.npy")[0] - 0.7 * np.load(folder / "Fneu.npy")[0]
    assert np.corrcoef(later.trace, corrected[290 : 290 + len(later.trace)])[0, 1] > 0.99


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("roi\n0\n0\n", r"names roi 0 in the rows 2 and 3"),
        ("roi,neuron\n0,n\n1,n\n", r"names the neuron n \(x\) in the rows 2 and 3"),
        ("roi,neuron\n0,\n", r"the neuron in row 2 has no name"),
        ("roi\n0.5\n", r"has '0.5' in row 2, column 'roi', expected a whole number"),
        ("roi\n7\n", r"names roi 7 in row 2, which .* does not have, expected one of 3 neurons, 0 to 2"),
        ("roi,cell_typ\n0,y\n", r"has the column 'cell_typ'. Did you mean 'cell_type'"),
    ],
)
def test_a_neuron_stands_once_in_its_table(rows: str, sentence: str, tmp_path: Path) -> None:
    plane(tmp_path / "plane0")
    (tmp_path / "n.csv").write_text(rows)
    with pytest.raises(StcnnError, match=sentence):
        opened(tmp_path, SUITE2P | {"path": "plane0", "neurons": "n.csv"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stimuli": {"a": {"file": "x.mp4", "kind": "flash"}}}, r"both a file \(.*x.mp4\) and a kind \(flash\)"),
        ({"stimuli": {"a": {"rate_hz": 3}}}, "neither a file nor a kind"),
        ({"stimuli": {"a": {"file": "x.npy", "rate": 3}}}, r"the movie file .*x.npy has the key 'rate'. Did you mean"),
        (
            {"stimuli": {"a": {"kind": "flash", "rate_hz": "abc"}}},
            r"the screen of the stimulus 'flash' has rate_hz='abc'",
        ),
        ({"animal": " f"}, r"the key animal ' f' begins or ends with a space"),
    ],
)
def test_keys_of_a_stimulus_are_judged(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    plane(tmp_path / "plane0")
    with pytest.raises(StcnnError, match=sentence):
        opened(tmp_path, SUITE2P | {"path": "plane0"} | change, "stimulus,onset_s\na,10\n")


def test_a_stimulus_that_stands_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("stimulus,kind,luminance,duration_s\na,flash,1,1\n")
    samples("n").to_csv(tmp_path / "x.csv", index=False)
    values = TABLES | {"constants": {"cell_type": "x"}, "stimulus_table": "s.csv", "stimuli": {}}
    assert opened(tmp_path, values).movies["a"].rate_hz == 180
    with pytest.raises(StcnnError, match=r"the stimulus 'a' has two movies"):
        opened(tmp_path, values | {"stimuli": STIMULI})


def test_a_clock_that_runs_back_is_red() -> None:
    data = dataset(1)
    one: Recording = data.recordings[0]
    one.time_s[3] = one.time_s[1]
    assert [flag.colour for flag in audit(data).flags if flag.check == "clock"] == [RED]


def test_an_absolute_path_may_hold_a_star(tmp_path: Path) -> None:
    plane(tmp_path / "plane0")
    assert len(opened(tmp_path, SUITE2P | {"path": str(tmp_path / "plane*")})) == 3 * (ONSETS.count("\n") - 1)
