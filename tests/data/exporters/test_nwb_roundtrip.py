"""Whatever leaves as NWB comes back: names, shifts, positions, trials, sessions, clocks (Hypothesis)."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.data import Dataset, Recording
from stcnn.data.exporters import export_nwb, export_published
from stcnn.data.importers import import_config, open_import
from stcnn.data.recordings import TABLE_COLUMNS
from stcnn.errors import DataError
from stcnn.stimuli.specification import specified_movie
from tests.support.made_up_data import dataset, movie

COMPARED = [c for c in TABLE_COLUMNS if c not in ("start_s", "end_s")]
NAMES = st.sampled_from(
    ["01", "1", "a/b", "a-b", ".x", "nan", "None", "NA", "Ünï çödé", "12:30", "1e3", "{a}", "x" * 200]
)
SHIFTS = st.tuples(st.integers(-5, 5), st.integers(-5, 5))


@st.composite
def recordings(draw: st.DrawFn) -> list[Recording]:
    """A few neurons, each shown some movies a few times, with shifts and clocks of their own."""
    cells = draw(st.lists(st.tuples(NAMES, NAMES, NAMES, NAMES), min_size=2, max_size=3, unique_by=lambda c: c[:2]))
    found: list[Recording] = []
    for cell_type, neuron, animal, session in cells:
        shown = draw(
            st.lists(
                st.tuples(st.sampled_from(["loom", "bar"]), st.integers(0, 2)), min_size=1, max_size=3, unique=True
            )
        )
        for stimulus, trial in shown:
            steps_s = draw(st.lists(st.sampled_from([0.1, 0.13, 0.4]), min_size=2, max_size=6))
            time_s = draw(st.sampled_from([-1.0, -0.25, 0.0])) + np.cumsum(steps_s)
            trace = np.random.default_rng(len(found)).normal(size=len(time_s)).astype(np.float32)
            position_deg = draw(st.sampled_from([(np.nan, np.nan), (3.5, -2.25), (-1.0, 0.0)]))
            facts = {"trials": (trial,), "shift_px": draw(SHIFTS), "animal": animal, "session": session}
            facts |= {
                "indicator": draw(st.sampled_from(["", "GCaMP6f"])),
                "exposure_s": draw(st.sampled_from([0, 0.1])),
            }
            names = (cell_type.lower(), neuron, stimulus)
            found.append(Recording(*names, trace, time_s, 10.0, position_deg=position_deg, **facts))  # type: ignore[arg-type]
    return found


@settings(max_examples=6, deadline=None)
@given(recordings())
def test_nwb_and_back(recorded: list[Recording]) -> None:
    data = Dataset.of({name: movie(name) for name in {r.stimulus for r in recorded}}, recorded)
    with tempfile.TemporaryDirectory() as folder:
        paths = export_nwb(data, Path(folder) / "out")
        sessions = [{"path": str(path)} for path in paths]
        again = open_import(import_config({"kind": "nwb", "sessions": sessions}), specified_movie)
        by = ["animal", "session", "cell_type", "neuron", "stimulus", "trials"]
        ours, theirs = (d.table.sort_values(by)[COMPARED] for d in (data, again))
        assert ours.astype(str).to_numpy().tolist() == theirs.astype(str).to_numpy().tolist()
        for before, after in zip(ours.index, theirs.index, strict=True):
            np.testing.assert_array_equal(again.recordings[after].trace, data.recordings[before].trace)
            np.testing.assert_allclose(again.recordings[after].time_s, data.recordings[before].time_s, atol=1e-9)


def test_the_published_layout_refuses_what_it_would_merge(tmp_path: Path) -> None:
    data = dataset(trials=1)
    table = data.table.copy()
    for column, value, sentence in (
        (
            "azi_shift_px",
            9,
            r"several shifts in azimuth for cell type 'lc11', animal 'fly0', neuron '0', stimulus 'loom'",
        ),
        ("session", "b", "several sessions for"),
        ("animal", "a/b", "the animal 'a/b' cannot be the name of a file or folder. Export to NWB"),
    ):
        twice = [*data.recordings, data.recordings[0]]
        changed = Dataset.of(dict(data.movies), twice)
        changed.table.loc[len(table), column] = value
        with pytest.raises(DataError, match=sentence):
            export_published(changed, tmp_path / "out")
