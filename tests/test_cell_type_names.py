"""Cell types are one whatever the case they are written in: in data, configurations, networks and selections."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.cell_type_names import by_cell_type, cell_type_name
from stcnn.config import compose
from stcnn.data import BatchingConfig, Dataset
from stcnn.data.dataset import select
from stcnn.data.published import read_published
from stcnn.errors import ConfigError, DataError
from stcnn.experiments.shown import show
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.simulation.recordings import SimulatedDataConfig
from tests.support.made_up_data import dataset, write_published


@given(st.text(min_size=1))
def test_a_name_in_any_case_is_one_name(name: str) -> None:
    assert cell_type_name(cell_type_name(name)) == cell_type_name(name)
    assert cell_type_name(name.lower()) == cell_type_name(name)


def test_a_data_set_takes_and_gives_them_in_any_case() -> None:
    data = dataset()
    shouted = Dataset.of(dict(data.movies), [replace(r, cell_type=r.cell_type.upper()) for r in data.recordings])
    assert shouted.neurons == data.neurons
    assert shouted.content_hash() == data.content_hash()
    assert select(data, ("LC4",), average_trials=False).cell_types == ("lc4",)
    with pytest.raises(DataError, match=r"of the cell types LC4, lc4 one stands twice"):
        select(data, ("LC4", "lc4"), average_trials=False)


def test_the_window_of_a_type_is_found_in_any_case() -> None:
    config = ModelConfig.model_validate({"cell_types": {"default": {}, "LC11": {"window_columns": 5}}})
    model = STCNN(config, Population(neurons={"Lc11": ("a",), "lc4": ("b",)}))
    assert model.cell_types == ("lc11", "lc4")
    assert [readout.weights[0].shape[-1] for readout in model.readouts.each] == [5, 9]
    with pytest.raises(ValueError, match="'LC11' and 'lc11' are one cell type: case makes no difference"):
        ModelConfig.model_validate({"cell_types": {"default": {}, "LC11": {}, "lc11": {}}})
    with pytest.raises(ValueError, match="'a' and 'A' are one cell type"):
        by_cell_type({"a": 1, "A": 2})


def test_windows_and_selections_of_the_command_line_take_them_in_any_case() -> None:
    config = compose(
        ["model.cell_types.LC4.window_columns=5", "+model.cell_types.Lc99={}", "dataset.cell_types=[LC11]"]
    )
    assert config.model.cell_types["lc4"].window_columns == 5
    assert config.model.cell_types["lc99"].window_columns == 9
    assert isinstance(config.dataset, SimulatedDataConfig)
    assert config.dataset.cell_types == ("lc11",)


def test_published_folders_of_one_type_in_two_cases_are_a_sentence(tmp_path: Path) -> None:
    config = write_published(tmp_path)
    assert read_published(config.model_copy(update={"cell_types": ("lc11",)})).cell_types == ("lc11",)
    shutil.copytree(tmp_path / "ca" / "LC11", tmp_path / "ca" / "lc11")
    with pytest.raises(ConfigError, match=r"holds two folders of one cell type: 'LC11' and 'lc11' are one"):
        read_published(config)


def test_simulations_and_new_neurons_take_them_in_any_case() -> None:
    assert SimulatedDataConfig(cell_types=("LC11", "LPLC2")).cell_types == ("lc11", "lplc2")
    data = dataset(1).subset([0, 1])
    model = STCNN(ModelConfig(), Population(neurons={"lc4": ("a",)}))
    shown = show(model, data, BatchingConfig(), "LC4")
    assert {each.cell_type for each in shown} == {0}
