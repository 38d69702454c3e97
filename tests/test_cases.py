"""Inputs of labs that once went wrong (``../shared/cases``): each is right now, or asks.

The scripts stay as they were written, so those that import what has moved since are given it by its old name.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import runpy
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
IMPORTERS = "data/importers/test_"
SUMS = "data/store/test_sums.py"
OURS = {
    "caiman_rows_differ": (2, IMPORTERS + "caiman_rows.py::test_rows_are_those_of_the_accepted_components"),
    "export_nwb_loses_shifts": (1, "data/exporters/test_nwb_roundtrip.py::test_nwb_and_back"),
    "nan_frame_moves_baseline": (1, IMPORTERS + "identity.py::test_a_missing_frame_hardly_moves_the_baseline"),
    "no_cell_left": (1, IMPORTERS + "identity.py::test_what_does_not_fit_in_a_folder_is_a_sentence"),
    "npy_binary_noise": (3, "test_movie_values.py::test_binary_noise_is_black_and_white_however_it_is_saved"),
    "nwb_conversion_of_neuropil": (
        1,
        IMPORTERS + "nwb.py::test_neuropil_in_its_own_container_is_scaled_like_the_fluorescence",
    ),
    "nwb_data_offset": (1, IMPORTERS + "nwb.py::test_an_offset_of_dff_is_added"),
    "nwb_external_files": (1, IMPORTERS + "nwb.py::test_several_external_files_are_one_movie"),
    "nwb_index_series_images": (
        1,
        IMPORTERS + "nwb.py::test_pictures_that_may_have_been_followed_by_grey_are_asked_for",
    ),
    "nwb_index_series_order": (
        2,
        IMPORTERS + "nwb.py::test_an_index_series_holds_pictures_and_knows_repeats_from_pauses",
    ),
    "nwb_movie_width_height": (1, IMPORTERS + "nwb.py::test_the_field_of_view_tells_the_axes"),
    "nwb_neuropil_beside": (1, IMPORTERS + "nwb.py::test_neuropil_beside_the_fluorescence_is_matched_by_cell"),
    "one_faint_roi_stops_all": (1, IMPORTERS + "identity.py::test_one_faint_region_and_one_bad_frame_cost_themselves"),
    "run_folder_race": (1, "writing/test_drafts.py::test_four_processes_at_once_never_collide"),
    "store_traces_edited": (
        1,
        "data/store/test_sums.py::test_edited_samples_are_noticed_by_the_hash_and_not_on_opening",
    ),
    "suite2p_ops_of_old_numpy": (4, IMPORTERS + "identity.py::test_the_rate_is_read_from_settings_of_any_numpy"),
    "suite2p_planes_merge": (2, IMPORTERS + "identity.py::test_cells_of_two_planes_are_different_cells"),
    "tables_neuron_in_two_animals": (
        1,
        IMPORTERS + "sessions.py::test_one_name_in_two_animals_is_two_neurons_and_for_two_movies_a_sentence",
    ),
    "tables_trials_run_together": (
        1,
        IMPORTERS + "identity_tables.py::test_the_order_of_recordings_and_a_column_of_trials_change_nothing",
    ),
    "tiff_polarity_and_series": (3, "test_movie_values.py::test_polarity_and_palette_of_a_tiff_are_applied"),
    "tracebacks_of_small_slips": (9, "reading/test_reading.py::test_faulty_tables_name_the_row"),
    "two_writers_of_one_file": (1, "writing/test_drafts.py::test_threads_write_one_file_at_once"),
    "video_cut_short": (1, "stimuli/formats/test_video_clock.py::test_a_video_that_breaks_off_is_refused"),
    "video_rotation": (0, "stimuli/formats/test_video_clock.py::test_a_rotation_is_asked_for_and_applied"),
    "video_starts_late": (
        3,
        "stimuli/formats/test_video_clock.py::test_a_late_start_is_noted_and_the_movie_starts_with_its_first_frame",
    ),
    "yaml_changes_names": (2, IMPORTERS + "identity_tables.py::test_a_stimulus_that_stands_twice_is_refused"),
}
"""Script to how many facts it finds true, and the test of ours that has the true values of its kind."""
MOVED_MODULES = {"stcnn.runs": "stcnn.run_folder", "stcnn.data.checks": "stcnn.data.audit.checks"}
ASKED = {"video_rotation": r"is to be turned \(90 degrees clockwise\) when it is shown\. Say rotation: apply"}
"""What is asked for in a sentence, after which the script, which takes an answer for granted, ends."""
ALONE = "import sys; from pathlib import Path; from tests import test_cases as t; print(*t.said(Path(sys.argv[1])))"
FORKING = ("run_folder_race", "two_writers_of_one_file")


def said(script: Path) -> list[str]:
    """Run a case and return its lines; an exception is the last of them."""
    for old, new in MOVED_MODULES.items():
        sys.modules.setdefault(old, importlib.import_module(new))
    writing = importlib.import_module("stcnn.writing")
    written = io.StringIO()
    with contextlib.redirect_stdout(written), warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "whole_file", writing.atomic_write, raising=False)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
    return written.getvalue().splitlines()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in ("caiman_rows_differ", *FORKING) else n for n in OURS]
)
def test_what_went_wrong_once_is_right(
    name: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = shared / "cases" / f"{name}.py"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if name in FORKING:
        code = (
            "import sys; from pathlib import Path; from tests.test_cases import said; print(*said(Path(sys.argv[1])))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", code, str(script)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        lines = ended.stdout.splitlines()
    else:
        lines = said(script)
    if name in ASKED:
        assert re.search(ASKED[name], lines.pop())
    assert [line for line in lines if line.startswith(("FAULT", "Traceback"))] == []
    assert sum(line.startswith("ok") for line in lines) == OURS[name][0]
    assert all(re.match("ok| |mean", line) for line in lines)


def test_each_case_has_a_test_of_ours_that_needs_no_script() -> None:
    for name, (_, test) in OURS.items():
        file, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(), name


def test_there_is_no_case_beside_these(shared: Path) -> None:
    assert {path.stem for path in (shared / "cases").glob("*.py")} == set(OURS)
