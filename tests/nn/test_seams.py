"""What it costs to add to the network: each page of docs/developing is carried out on a copy of the package."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.support.developing_package import carry_out


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


def test_a_core_costs_one_file_and_one_line(tmp_path: Path) -> None:
    addition = carry_out("core", tmp_path)
    assert addition.new_files == ["stcnn/nn/cores/motion_detectors.py"]
    assert addition.changed_lines == ["stcnn/nn/cores/__init__.py"]
    turns = 2 * math.pi * 4 * 0.05
    without_sampling = turns / (1 + turns**2) * math.sin(0.7)
    assert float(addition.run()) == pytest.approx(without_sampling, rel=0.06)
