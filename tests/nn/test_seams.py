"""What it costs to add to the network: each page of docs/developing is carried out on a copy of the package."""

from __future__ import annotations

from pathlib import Path

from tests.support.developing_package import carry_out


def test_a_kind_of_filter_costs_one_file_and_one_line(tmp_path: Path) -> None:
    addition = carry_out("filter", tmp_path)
    assert addition.new_files == ["stcnn/nn/filters/rise_and_decay.py"]
    assert addition.changed_lines == ["stcnn/nn/filters/__init__.py"]
    assert addition.run() == "peak at 100 ms\n"
