"""The schemas that editors check YAML with accept what the program accepts and name what they mean."""

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from typer.testing import CliRunner

from stcnn import cli
from stcnn.config import composed_values
from stcnn.stimuli import protocol_names

PROTOCOLS = Path(cli.__file__).parent / "stimuli" / "protocols"


@cache
def schema(of: str) -> dict:
    cli._add_commands()
    result = CliRunner().invoke(cli.app, ["schema", of])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


@pytest.mark.parametrize("choice", ["simulated", "published", "store"])
def test_a_composed_training_is_valid(choice: str):
    paths = {"store": ["dataset.path=a"], "published": ["dataset.ca_path=a", "dataset.mov_path=b"]}
    jsonschema.validate(composed_values([f"dataset={choice}", *paths.get(choice, [])]), schema("training"))


def test_a_misspelt_key_is_not_and_keys_are_explained():
    found = schema("training")
    with pytest.raises(jsonschema.ValidationError, match="learning_rat"):
        jsonschema.validate(composed_values(["training.learning_rat=1"]), found)
    training = found["$defs"]["TrainingConfig"]["properties"]
    assert training["learning_rate"]["description"] == "Step size of Adam at the top of the schedule."


def test_an_import_is_valid_by_its_kind(tmp_path: Path):
    found = schema("import")
    jsonschema.validate({"kind": "published", "ca_path": "a", "mov_path": "b"}, found)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"kind": "suite2q"}, found)


def test_it_is_written_to_a_file(tmp_path: Path):
    cli._add_commands()
    CliRunner().invoke(cli.app, ["schema", "model", "--to", str(tmp_path / "s.json")])
    assert "hidden" in json.loads((tmp_path / "s.json").read_text())["properties"]


@cache
def protocols() -> Validator:
    """What judges a protocol; the schema itself is judged once."""
    found = schema("protocol")
    kind = validator_for(found)
    kind.check_schema(found)
    return kind(found)


@pytest.mark.parametrize("name", protocol_names())
def test_our_protocols_are_valid(name: str):
    values = yaml.safe_load((PROTOCOLS / f"{name}.yaml").read_text())
    protocols().validate(json.loads(json.dumps({"name": name, **values})))


def test_a_sweep_is_valid_and_a_misspelt_key_is_not():
    found = schema("sweep")
    jsonschema.validate({"grid": {"seed": [1, 2]}, "where": {"kind": "slurm", "partition": "short"}}, found)
    with pytest.raises(jsonschema.ValidationError, match="seedz"):
        jsonschema.validate({"seedz": 3}, found)
