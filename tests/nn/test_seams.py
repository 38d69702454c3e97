"""What it costs to add to the network: each page of docs/developing is carried out on a copy of the package."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from stcnn.errors import ConfigError
from stcnn.nn.readout_map import spacing_deg
from tests.support.developing_package import carry_out
from tests.support.developing_page import page_run


def test_a_kind_of_filter_costs_one_file_and_one_line(tmp_path: Path) -> None:
    addition = carry_out("filter", tmp_path)
    assert addition.new_files == ["stcnn/nn/filters/rise_and_decay.py"]
    assert addition.changed_lines == ["stcnn/nn/filters/__init__.py"]
    assert addition.run() == "peak at 100 ms\n"


def test_a_lattice_costs_one_file_and_one_line(tmp_path: Path) -> None:
    addition = carry_out("lattice", tmp_path)
    assert addition.new_files == ["stcnn/nn/lattices/acute_zone.py"]
    assert addition.changed_lines == ["stcnn/nn/lattices/__init__.py"]
    said = addition.run()
    assert said.startswith(
        "neurons of this network cannot read where they sit: the columns of a lattice of kind 'acute"
    )


def test_a_kind_of_readout_costs_one_file_and_one_line(tmp_path: Path) -> None:
    addition = carry_out("readout", tmp_path)
    assert addition.new_files == ["stcnn/nn/readout/gaussian.py"]
    assert addition.changed_lines == ["stcnn/nn/readout/__init__.py"]
    assert addition.run() == "at 4.0 and 2.0 degrees\n"


def test_a_core_costs_no_line_of_the_package() -> None:
    with page_run("core") as page:
        turns = 2 * math.pi * 4 * 0.05
        assert page["opponent"] == pytest.approx(turns / (1 + turns**2) * math.sin(0.7), rel=0.06)  # without sampling
        core, model = page["MotionDetectors"], page["model"]
    assert list(model.maps(page["contrast"], 180.0)) == ["eye", "core", "voltage", "calcium"]
    steady = model.predict(np.full((3, 29, 29), 0.498, np.float32), 180, start="steady")["t4"]
    np.testing.assert_allclose(steady, steady[0], rtol=1e-6)
    model.hidden.freeze()
    assert isinstance(model.hidden, core)
    assert not model.hidden.tau_s.requires_grad
    model.hidden.compute = "native"
    with pytest.raises(ConfigError, match="its core is not made of hidden layers"):
        model.stream()
    with pytest.raises(ConfigError, match="not made of hidden layers"):
        spacing_deg(model)
