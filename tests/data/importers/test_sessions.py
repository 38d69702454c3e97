"""Several files are imported together: by a path with ``*``, or as a list of what differs between them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from stcnn.data import Dataset
from stcnn.data.exporters import export_nwb
from stcnn.data.importers import import_config, open_import, read_import_config
from stcnn.data.importers.suite2p import Suite2pConfig
from stcnn.errors import StcnnError
from tests.data.importers.test_importers import STIMULI, Truth, make_movie, suite2p
from tests.support.made_up_data import dataset


def two_sessions(folder: Path, **second: str) -> dict:
    """A configuration of two Suite2p folders whose neurons have the same numbers."""
    sessions = []
    for name in ("one", "two"):
        (folder / name).mkdir()
        sessions.append(suite2p(Truth.lasting(), folder / name) | {"neurons": None, "cell_type": "lc4"})
    shared = {key: sessions[0][key] for key in ("kind", "cell_type", "stimuli", "dff")}
    differing = [{key: session[key] for key in ("path", "onsets")} for session in sessions]
    return shared | {"sessions": [differing[0] | {"animal": "a", "session": "one"}, differing[1] | second]}


def opened(values: dict) -> Dataset:
    return open_import(import_config(values), make_movie)


def test_sessions_differ_in_the_keys_that_are_listed(tmp_path: Path) -> None:
    data = opened(two_sessions(tmp_path, animal="b", session="two"))
    assert data.neurons == {"lc4": ["one/0", "one/2", "two/0", "two/2"]}
    assert list(data.table.animal) == ["a"] * 12 + ["b"] * 12
    np.testing.assert_array_equal(data.recordings[0].trace, data.recordings[12].trace)


def test_a_path_with_a_star_takes_all_files(tmp_path: Path) -> None:
    data = dataset(trials=2)
    export_nwb(data, tmp_path / "nwb")
    (tmp_path / "nwb.yaml").write_text(yaml.safe_dump({"kind": "nwb", "path": "nwb/*.nwb"}))
    again = open_import(read_import_config(tmp_path / "nwb.yaml"), make_movie)
    assert len(again) == len(data)
    assert sorted(again.table.animal.unique()) == ["fly0", "fly1"]
    with pytest.raises(StcnnError, match=r"no file fits .*nowhere/\*\.nwb. Correct the path"):
        import_config({"kind": "nwb", "path": "nowhere/*.nwb"}, tmp_path)


def test_the_order_does_not_depend_on_the_way_in(tmp_path: Path) -> None:
    truth = Truth.lasting()
    values = suite2p(truth, tmp_path)
    first = opened(values)
    onsets = pd.read_csv(values["onsets"])
    onsets["trial"] = onsets.groupby("stimulus").cumcount()
    onsets.iloc[::-1].to_csv(values["onsets"], index=False)
    assert opened(values).content_hash() == first.content_hash()


def test_animals_and_sessions_may_be_named_by_numbers_and_dates(tmp_path: Path) -> None:
    (tmp_path / "session.yaml").write_text("kind: suite2p\npath: plane0\nanimal: 7\nsession: 2026-11-20\n")
    config = read_import_config(tmp_path / "session.yaml")
    assert isinstance(config, Suite2pConfig)
    assert (config.animal, config.session) == ("7", "2026-11-20")


def test_one_name_in_two_animals_is_two_neurons_and_for_two_movies_a_sentence(tmp_path: Path) -> None:
    values = two_sessions(tmp_path, animal="b", session="one")
    data = opened(values)
    assert data.neurons == {"lc4": ["a/one/0", "a/one/2", "b/one/0", "b/one/2"]}
    assert any("2 names stand for neurons of several animals" in note for note in data.notes)
    values["sessions"][1] |= {"session": "two", "stimuli": STIMULI | {"loom": {"kind": "made up", "name": "spot"}}}
    with pytest.raises(StcnnError, match="two sessions have different movies under the name 'loom'"):
        opened(values)
    with pytest.raises(StcnnError, match="sessions holds no list of keys"):
        import_config(values | {"sessions": []})
