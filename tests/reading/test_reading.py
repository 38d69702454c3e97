"""Files become values as they are written, or a sentence says what is wrong with them."""

from __future__ import annotations

import io
import json
import os
import socket
import string
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stcnn import reading
from stcnn.errors import DataError, FileError, ShapeError, StcnnError
from stcnn.run_folder import open_run
from stcnn.sweep import Sweep

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LOOKALIKES = (
    "010",
    "1_2",
    "12:30",
    "NO",
    "off",
    "1.50",
    "2026-01-02",
    "1e3",
    "0x1F",
    "true",
    "007",
    "+5",
    ".5",
    "1e-3",
)
IN_YAML = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff")
"""What YAML may hold as it is (YAML 1.2, chapter 5.1), without ends of lines."""
names = st.one_of(
    st.sampled_from(LOOKALIKES),
    st.text(IN_YAML, min_size=1, max_size=12),
)


def _all_of(path: Path) -> dict[str, Any]:
    with reading.open_npz(path) as arrays:
        return {name: arrays[name] for name in arrays}


def _first_of(path: Path) -> object:
    with reading.open_hdf5(path) as file:
        return reading.hdf5_array(file, "a/b", ndim=1)[:]


READERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: reading.read_text(path, "text"),
    "yaml": lambda path: reading.read_yaml(path, "keys"),
    "saved": lambda path: reading.read_saved_yaml(path, "keys"),
    "json": lambda path: reading.read_json(path, "JSON"),
    "csv": reading.read_csv,
    "parquet": reading.read_parquet,
    "npy": reading.read_npy,
    "npz": _all_of,
    "hdf5": _first_of,
    "pt": reading.load_tensors,
}


def _written(folder: Path, kind: str) -> Path:
    path = folder / f"whole.{kind}"
    values = np.arange(600, dtype=np.float32)
    if kind in ("text", "yaml", "saved"):
        path.write_text("a: {b: [1, 2], c: d}\n" * 1)
    elif kind == "json":
        path.write_text(json.dumps({"a": [1, 2.5, "x"], "b": None}))
    elif kind == "csv":
        path.write_text("neuron,x\n" + "".join(f"n{i},{i}\n" for i in range(20)))
    elif kind == "parquet":
        pd.DataFrame({"neuron": ["a", "b"] * 20, "x": np.arange(40.0)}).to_parquet(path)
    elif kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez_compressed(path, a=values, names=np.array(["x", "y"]))
    elif kind == "hdf5":
        with h5py.File(path, "w") as file:
            file["a/b"] = values
    else:
        torch.save({"a": torch.from_numpy(values), "b": {"c": [1, "x"]}}, path)
    return path


def _sentence_of(reader: Callable[[Path], object], path: Path) -> str:
    try:
        reader(path)
    except StcnnError as error:
        return str(error)
    return "damaged, but read"


@pytest.mark.parametrize("kind", READERS)
def test_whole_files_are_read(kind: str, tmp_path: Path):
    assert READERS[kind](_written(tmp_path, kind)) is not None


@pytest.mark.parametrize("kind", READERS)
@quick
@given(damage=st.data())
def test_damage_is_a_sentence_or_harmless(kind: str, tmp_path: Path, damage: st.DataObject):
    content = bytearray(_written(tmp_path, kind).read_bytes())
    if damage.draw(st.booleans()):
        content = content[: damage.draw(st.integers(0, len(content)))]
    for place in damage.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=5)) if content else ():
        content[place] = damage.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content)
    said = _sentence_of(READERS[kind], path)
    assert "damaged" in said  # the sentence names the file
    assert "\n" not in said


@pytest.mark.parametrize("kind", READERS)
def test_special_files_are_refused_unopened(kind: str, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, said in {"pipe": "is a pipe", "folder": "is a folder", "socket": "is a socket"}.items():
            with pytest.raises(FileError, match=said):
                READERS[kind](tmp_path / name)
    for path, said in {
        tmp_path / "loop": "symbolic links",
        Path("/dev/zero"): "device",
        tmp_path / "no": "exist",
    }.items():
        with pytest.raises(FileError, match=said):
            READERS[kind](path)


@quick
@given(content=st.dictionaries(names, st.lists(names), max_size=5))
def test_yaml_text_survives(content: object, tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(json.dumps(content, ensure_ascii=False) if content else "{}", encoding="utf-8")
    assert reading.read_yaml(path, "keys") == content


@quick
@given(name=st.text(string.ascii_letters + string.digits + "_.+", min_size=1, max_size=8))
def test_plain_yaml_text_survives(name: str, tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(f"{name}: {name}\n")
    expected = None if name.lower() == "null" and name in ("null", "Null", "NULL") else name
    assert reading.read_yaml(path, "keys") == {name: expected}


@pytest.mark.parametrize("text", LOOKALIKES)
def test_yaml_lookalikes_stay_text(text: str, tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(f"neuron: {text}\n{text}: [{text}]\n")
    assert reading.read_yaml(path, "keys") == {"neuron": text, text: [text]}


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@quick
@given(content=st.dictionaries(names, plain, max_size=4))
def test_saved_yaml_reads_back(content: object, tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    assert reading.read_saved_yaml(path, "a configuration") == content


def test_yaml_types_only_under_chosen_keys(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text('animal: 010\nstimuli: {7: {speed: 1.50, n: 3, on: true, name: "3", id: 010, at: 1e-3, no: ~}}\n')
    typed = {"speed": 1.5, "n": 3, "on": True, "name": "3", "id": "010", "at": 0.001, "no": None}
    assert reading.read_yaml(path, "x", typed_under=["stimuli"]) == {"animal": "010", "stimuli": {"7": typed}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands twice, in lines 1 and 3"),
        ("stimuli:\n  x: {a: 1}\n  x: {b: 2}\n", "the key 'x' stands twice, in lines 2 and 3"),
        ("a: !!python/object/apply:os.system ['true']\n", "line 1 has the tag"),
        ("a: &x [*x]\n", "line 1 repeats '\\*x', which is not complete before it"),
        ("a: " + "[" * 5000, "line 1 is nested too deeply"),
        ("- 1\n", "holds no keys"),
        ("a: 1\n---\nb: 1\n", "line 2 begins a second document"),
        ("a: [1\n", "is not valid YAML \\(line"),
        ("? [a]\n: 1\n", "line 1 has a list or keys in the place of a key"),
        ('a: "\\uD800"\n', "is not|cannot be read"),
        (
            "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
            "makes more than 200000 values",
        ),
    ],
)
def test_faulty_yaml_gets_a_sentence(text: str, said: str, tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(FileError, match=said):
        reading.read_yaml(path, "keys")


def test_yaml_merges_keys(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("base: &b {x: 1, y: 2}\nsquare:\n  <<: *b\n  y: 3\n")
    assert reading.read_yaml(path, "keys")["square"] == {"x": "1", "y": "3"}


def test_text_that_is_not_utf8_names_the_byte(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_bytes("animal: 1\nwho: Müller\n".encode("latin-1"))
    with pytest.raises(FileError, match="not UTF-8: byte 17, in line 2, is 0xfc"):
        reading.read_yaml(path, "keys")
    path.write_bytes("a: Müller\n".encode("utf-8-sig"))
    assert reading.read_yaml(path, "keys") == {"a": "Müller"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "it holds the key 'a' twice"),
        ('{"a": NaN}', "NaN, which is no finite number"),
        ('{"a": 1e999}', "1e999, which is no finite number"),
        ('{"a": ' + "9" * 5000 + "}", "which is too large"),
        ("[" * 100000, "nested too deeply"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
        ('{"a": "\\ud800"}', "which is no text"),
        ("{", "cannot be read"),
    ],
)
def test_faulty_json_gets_a_sentence(text: str, said: str, tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FileError, match=said):
        reading.read_json(path, "JSON")


cells = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8) | st.sampled_from(
    ("01", "NA", "None", "1.50", "nan", '"', "a,b", "NULL", " x ", "TRUE")
)


@quick
@given(rows=st.lists(st.tuples(names, cells, cells), min_size=1, max_size=8))
def test_cells_of_a_table_survive(rows: list[tuple[str, str, str]], tmp_path: Path):
    path = tmp_path / "a.csv"
    pd.DataFrame(rows, columns=["neuron", "b", "c"]).to_csv(path, index=False, quoting=1)
    table = reading.read_csv(path, ["neuron"])
    assert [tuple(row) for row in table.itertuples(index=False)] == rows
    assert table.index.tolist() == list(range(2, len(rows) + 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3\n", "has 1 cell in row 3 .*expected 2"),
        ("a,b\n1,2\n3,4,5\n", "has 3 cells in row 3"),
        ("a,a\n1,2\n", "has 2 columns named 'a'"),
        ("a;b\n1;2\n", "has ';' between its columns, expected commas"),
        ("a,b\n1,2\n,\n3,4\n", "has nothing in row 3"),
        ("a,b\n1,2\n\n3,4\n", "has nothing in row 3"),
        ("a,b\n", "has no rows"),
        ("", "is empty"),
        ("b,c\n1,2\n", "has no column 'a'"),
    ],
)
def test_faulty_tables_name_the_row(text: str, said: str, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises((FileError, DataError), match=said):
        reading.read_csv(path, ["a"])


def test_empty_end_and_byte_order_mark_do_no_harm(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n01,x\r\n02,y\r\n,\r\n\r\n")
    table = reading.read_csv(path, ["a", "b"])
    assert table.a.tolist() == ["01", "02"]
    assert table.index.tolist() == [2, 3]


def test_columns_are_typed_or_the_cell_is_named(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('a,b,c,d\n1,1.5,x,1\n2.0,"10,5",,NA\n')
    table = reading.read_csv(path)
    assert reading.whole_numbers(table, "a").tolist() == [1, 2]
    with pytest.raises(
        DataError, match=r"has '10,5' in row 3, column 'b', expected a number. Write decimals with a point"
    ):
        reading.numbers(table, "b")
    with pytest.raises(DataError, match="has '' in row 3, column 'c', expected a name"):
        reading.texts(table, "c")
    assert np.isnan(reading.numbers(table, "d", allow_missing=True)[1])
    with pytest.raises(DataError, match="'NA' in row 3"):
        reading.numbers(table, "d")
    with pytest.raises(DataError, match="'10,5' in row 3, column 'b'"):
        reading.whole_numbers(table, "b")


@quick
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_read_exactly(values: list[float], tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f"{value!r},1\n" for value in values))
    assert reading.numbers(reading.read_csv(path), "x").tolist() == values


def test_parquet_names_are_text(tmp_path: Path):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"neuron": ["01", "NA"], "n": [1, 2], "k": pd.Categorical(["x", "y"])})
    frame.to_parquet(path)
    table = reading.read_parquet(path, ["neuron"])
    assert reading.texts(table, "neuron").tolist() == ["01", "NA"]
    assert reading.texts(table, "n").tolist() == ["1", "2"]
    assert reading.texts(table, "k").tolist() == ["x", "y"]
    pd.DataFrame({"x": [[1, 2]]}).to_parquet(path)
    with pytest.raises(FileError, match="has lists in its column 'x'"):
        reading.read_parquet(path)


def test_arrays_in_any_order_and_mapped(tmp_path: Path):
    values = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    np.save(tmp_path / "a.npy", values)
    for mmap in (False, True):
        assert (reading.read_npy(tmp_path / "a.npy", ndim=2, mmap=mmap) == values).all()
    with pytest.raises(ShapeError, match=r"has the shape \(3, 4\), expected an array with 1 dimensions"):
        reading.read_npy(tmp_path / "a.npy", "an array", ndim=1)
    np.save(tmp_path / "text.npy", np.array(["a"]))
    with pytest.raises(ShapeError, match="holds values of type"):
        reading.read_npy(tmp_path / "text.npy")
    np.save(tmp_path / "object.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(FileError, match="holds Python objects"):
        reading.read_npy(tmp_path / "object.npy")


def _npy(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_sizes_are_judged_before_memory_is_taken(tmp_path: Path):
    (tmp_path / "a.npy").write_bytes(_npy((10**9, 10**9)))
    with pytest.raises(FileError, match="cut short"):
        reading.read_npy(tmp_path / "a.npy")
    (tmp_path / "a.npz").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", _npy((10**9, 10**9)) + b"0")
    with pytest.raises(FileError, match="needs more"):
        _all_of(tmp_path / "a.npz")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (10**8, 10**8), "f4", chunks=(10, 10))
    with reading.open_hdf5(tmp_path / "a.h5") as file, pytest.raises(FileError, match="would take"):
        reading.hdf5_array(file, "x")
    torch.save({"x": torch.zeros(1).expand(10**7, 10**7)}, tmp_path / "a.pt")
    with pytest.raises(FileError, match="tensor 'x' would take 400 TB"):
        reading.load_tensors(tmp_path / "a.pt")


def test_hdf5_links_to_other_files_are_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["there"] = np.arange(3.0)
        file["soft"] = h5py.SoftLink("/there")
        file["loop"] = h5py.SoftLink("/loop")
        file["outside"] = h5py.ExternalLink(str(tmp_path / "pipe.h5"), "/x")
    with reading.open_hdf5(tmp_path / "a.h5") as file:
        assert reading.hdf5_array(file, "soft")[:].tolist() == [0, 1, 2]
        with pytest.raises(FileError, match="lies in another file"):
            reading.hdf5_array(file, "outside")
        for name in ("loop", "missing"):
            with pytest.raises(FileError, match=f"there is no '{name}' in"):
                reading.hdf5_array(file, name)


def test_tensor_files_run_nothing(tmp_path: Path):
    torch.save({"a": Path("x")}, tmp_path / "a.pt")
    with pytest.raises(FileError, match="holds objects other than tensors"):
        reading.load_tensors(tmp_path / "a.pt")
    torch.save([1], tmp_path / "a.pt")
    with pytest.raises(FileError, match="holds a list, expected a dictionary"):
        reading.load_tensors(tmp_path / "a.pt")


def test_a_file_that_is_not_named_in_utf8_is_a_sentence(tmp_path: Path) -> None:
    from stcnn.data import read_published
    from tests.support.made_up_data import write_published

    config = write_published(tmp_path)
    file = tmp_path / "ca" / "LC4" / "fly1.pt"
    os.rename(os.fsencode(file), os.fsencode(file.parent) + b"/\xff.pt")  # noqa: PTH104
    with pytest.raises(DataError, match=r"the animal '.+' is no text, expected a name in UTF-8"):
        read_published(config)


def test_codes_of_an_enumeration_are_no_numbers(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("names", data=np.array([1, 0]), dtype=h5py.enum_dtype({"n1": 0, "n2": 1}))
        file["truth"] = np.array([True, False])
        with pytest.raises(ShapeError, match=r"'names' in .* holds an enumeration, .* Save the names as text"):
            reading.hdf5_array(file, "names")
        assert reading.hdf5_array(file, "truth", kinds="b")[:].tolist() == [True, False]


@pytest.mark.parametrize("text", ["https://host.org/a/b.yaml", "s3://bucket/b.yaml"])
@pytest.mark.parametrize("reader", [reading.read_yaml, open_run, Sweep.open])
def test_an_address_where_only_a_path_can_be_is_shown_as_it_was_given(
    text: str, reader: Callable[..., Any], tmp_path: Path
) -> None:
    arguments = (Path(text), "the YAML of an import")[: 2 if reader is reading.read_yaml else 1]
    with pytest.raises(FileError, match=rf"^{text} is an address, from where only stores and NWB files are read"):
        reader(*arguments)
