"""``stcnn data``: from a lab's files to a store, its check, its split and its export, on the command line."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from stcnn.commands.data import app
from stcnn.data import open_store
from stcnn.data.importers import read_import_config
from stcnn.errors import FileError, StcnnError
from tests.data.importers.test_importers import Truth, csv
from tests.support.made_up_data import GREY, RATE_HZ, write_published


def answer(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if isinstance(result.exception, StcnnError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return re.sub(r"\s+", " ", result.output)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_published(tmp_path)
    path = tmp_path / "recordings.yaml"
    keys = {"kind": "published", "ca_path": "ca", "mov_path": "mov", "rate_hz": RATE_HZ, "background": GREY}
    path.write_text(yaml.safe_dump(keys))
    return path


def test_import_describe_check_split_and_export(config: Path, tmp_path: Path) -> None:
    store = tmp_path / "set.zarr"
    assert "Nothing was written" in answer("import", config, store, "--dry-run")
    assert not store.exists()
    assert "24 recordings in" in answer("import", config, store)
    assert len(open_store(store)) == 24
    assert "lc11 2 1 3 12 2" in answer("describe", store)
    page = tmp_path / "check.html"
    assert "repeats correlate" in answer("check", store, "--page", page, "--csv", tmp_path / "neurons.csv")
    assert page.read_text().count("<figure>") == 3
    assert "train" in answer("split", store, "validation=0", "test=0.3", "--to", tmp_path / "split.json")
    assert len(json.loads((tmp_path / "split.json").read_text())["test"]) == 8
    assert "1 files in" in answer("export", store, tmp_path / "nwb")
    assert "Recordings in" in answer("export", store, tmp_path / "out", "--as", "published")


def test_generators_are_named_in_a_table(tmp_path: Path) -> None:
    values = csv(Truth.lasting(), tmp_path)
    names = values.pop("stimuli")
    rows = [f"{name},looming_disc,{speed},60,0.5" for name, speed in zip(names, (50, 100, 200), strict=True)]
    header = "stimulus,kind,edge_speed_deg_s,rate_hz,background"
    (tmp_path / "stimuli.csv").write_text("\n".join([header, *rows]))
    values["stimulus_table"] = "stimuli.csv"
    (tmp_path / "tables.yaml").write_text(yaml.safe_dump(values))
    assert "lc4 2 1 3 12 2" in answer("describe", tmp_path / "tables.yaml")


def test_a_red_flag_exits_with_1(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "ca" / "LC4" / "fly1.pt"
    content = torch.load(path, weights_only=True)
    content["vstim_bar"]["neuron"][7] = content["vstim_bar"]["neuron"][12]
    torch.save(content, path)
    answer("import", config, tmp_path / "set.zarr", "--no-check")
    assert "duplicate trace" in answer("check", tmp_path / "set.zarr", exit_code=1)


def test_faults_are_sentences(config: Path, tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match="is not a store"):
        answer("describe", tmp_path / "nothing.zarr")
    with pytest.raises(StcnnError, match=r"a split has no key 'kid'. Did you mean 'kind'"):
        answer("split", config, "kid=stimulus")
    config.write_text("kind: publisht")
    with pytest.raises(StcnnError, match=r"kind is 'publisht', expected one of .* Did you mean 'published'"):
        answer("describe", config)


def test_only_a_store_is_replaced(config: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(FileError, match=r"mine is there and is no store of stcnn, which alone is replaced"):
        answer("import", config, mine, "--overwrite")
    assert (mine / "thesis.tex").read_text() == "years of work"
    store = tmp_path / "set.zarr"
    answer("import", config, store, "--no-check")
    with pytest.raises(FileError, match=r"set.zarr exists already. Choose another name, or replace it"):
        answer("import", config, store, "--no-check")
    assert "24 recordings in" in answer("import", config, store, "--no-check", "--overwrite")


def test_a_page_replaces_pages_only(config: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"the page '.*recordings.yaml' does not end in .html. Name it NAME.html"):
        answer("import", config, tmp_path / "set.zarr", "--dry-run", "--page", config)
    assert "published" in config.read_text()


def test_an_interrupted_import_leaves_nothing(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stcnn.data.store.writer._write_traces", interrupted)
    result = CliRunner().invoke(app, ["import", str(config), str(tmp_path / "set.zarr")])
    assert result.exit_code != 0
    assert sorted(f.name for f in tmp_path.iterdir()) == ["ca", "mov", "recordings.yaml", "set.import.html"]


PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)]


@pytest.mark.parametrize("values", [v for v in EXAMPLES if "kind" in v], ids=lambda v: v["kind"])
def test_the_documented_imports_are_understood(values: dict, tmp_path: Path) -> None:
    (tmp_path / "nwb").mkdir()
    (tmp_path / "nwb" / "fly1.nwb").touch()
    (tmp_path / "flies.yaml").write_text(yaml.safe_dump(values))
    assert getattr(read_import_config(tmp_path / "flies.yaml"), "kind", "") in (values["kind"], "sessions")


@pytest.mark.parametrize("command", ["import", "describe", "check", "split", "export"])
def test_help_has_an_example(command: str) -> None:
    assert f"stcnn data {command}" in answer(command, "--help")
