"""Steps of luminance behind neutral density filters, from the laboratory's MATLAB files to recordings."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.io import loadmat

from stcnn.data.importers import open_import, read_import_config
from stcnn.stimuli.specification import specified_movie

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FILE = "Two-photon calcium imaging_L2 (fig 1, 2, S1)/quantification_ND1.2_stepsTo8_30sEachLum.mat"


@pytest.mark.slow
def test_flies_filters_and_luminances_arrive_as_they_were_measured(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.syspath_prepend(BENCHMARKS)
    steps = importlib.import_module("luminance_steps")
    config = read_import_config(steps.tables(shared / "data" / "ketkar_l2l3", tmp_path / "set", "ratios"))
    data = open_import(config, specified_movie)

    assert len(data.movies) == 5 * 8 + 4 * 5
    assert sum(r.cell_type == "l2" for r in data.recordings) == 8 * (10 + 10 + 11 + 9 + 6)
    assert sum(r.cell_type == "l3" for r in data.recordings) == 5 * (12 + 10 + 12 + 8)
    with ZipFile(shared / "data" / "ketkar_l2l3" / "l2.zip") as archive:
        traces = loadmat(io.BytesIO(archive.read(FILE)))["flyMeanTraces"]
    ours = [r for r in data.recordings if r.stimulus == "l2_nd1.2_to3"]
    found = np.stack([r.trace for r in sorted(ours, key=lambda r: r.trials)])
    np.testing.assert_allclose(found, traces[:, 250:, 3], rtol=1e-6)  # from 5 s before the step on

    movie = data.movies["l2_nd1.2_to3"]
    luminance = movie.contrast()[:, 2, 2] + movie.background
    dark = 0.005 / 2.6
    shown = (dark + (1 - dark) * 2.0 ** np.arange(-7, 1)) * 10**-1.2
    np.testing.assert_allclose(luminance[[0, 249, 250, -1]], [shown.mean()] * 2 + [shown[3]] * 2, rtol=1e-5)
    assert ours[0].time_s[50] == pytest.approx(250 / movie.rate_hz + 0.05)  # the first sample behind the step

    dim = data.movies["l3_nd2.7_to4"]
    luminance = dim.contrast()[:, 0, 0] + dim.background
    np.testing.assert_allclose(luminance[[250, 279, 280]], [dark * 10**-2.7] * 2 + [10**-2.7], atol=1e-7)
