"""Every key of every YAML is explained, with the value that stands there unless it is given."""

import pytest
from pydantic import BaseModel

from stcnn.config import Config, composed_values, validate
from stcnn.data.importers.caiman import CaimanConfig
from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.suite2p import Suite2pConfig
from stcnn.data.importers.tables_config import TablesConfig
from stcnn.key_table import key_table
from stcnn.sweep import SweepSpec


@pytest.mark.parametrize("model", [Config, NwbConfig, Suite2pConfig, CaimanConfig, TablesConfig, SweepSpec])
def test_every_key_has_a_meaning(model: type[BaseModel]):
    assert [key.path for key in key_table(model) if not key.meaning] == []


def test_the_value_is_the_one_that_holds():
    values = validate(composed_values(["training.epochs=7", "model=published"])).model_dump(mode="json")
    table = {key.path: key for key in key_table(Config, values)}
    assert table["training.epochs"].value == "7"
    assert table["experiments_dir"].value == "null"
    assert table["dataset.indicator"].value == "lobula"
    assert "dataset.ca_path" not in table
    assert "dataset.indicator.half_rise_s" not in table
    assert table["dataset.kind"].kind == "simulated or published or store or pooled"
    assert table["training.keep"].kind == "best or last"
