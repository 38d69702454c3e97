"""Ways in which files are damaged or odd, chosen at random."""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch

ODD = (
    *("nan", ".nan", "inf", "-.inf", "-1", "0", "1e308", "1e-320", "1000000000000", "9" * 30, "0x10", "010", "12:30"),
    *("''", "[]", "{}", "[1, 2]", "null", "true", "NO", "x", "1_0", "[[[[[]]]]]", '"\\ud800"', '"a\\nb"', "2026-01-02"),
    *("../..", "/dev/zero", "10,5", "NaN", "Infinity", "&a [*a]", "!!python/name:os.system ''", "*", "\x00", "é"),
)
"""What may stand where a value stands in a text."""
ENDINGS = (".yaml", ".json", ".csv")


def damaged(folder: Path, rng: random.Random) -> str:
    """Damage one file in a folder, and say how."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    chosen = (
        rng.choice(files) if rng.random() < 0.6 else rng.choice([f for f in files if len(f.parts) == _least(files)])
    )
    ways: list[Callable[[Path, random.Random], str]] = [_bytes, _in_place, _of_its_kind, _of_its_kind]
    way = rng.choice(ways)
    try:
        said = way(chosen, rng)
    except Exception as error:  # the file cannot be read so that it could be written otherwise
        said = f"not possible ({type(error).__name__}), so that it is cut: {_cut(chosen, rng)}"
    return f"{chosen.relative_to(folder)}: {said}"


def _least(files: list[Path]) -> int:
    return min(len(path.parts) for path in files)


def _cut(path: Path, rng: random.Random) -> str:
    content = path.read_bytes()
    n_bytes = rng.randrange(len(content)) if content else 0
    path.write_bytes(content[:n_bytes])
    return f"cut to {n_bytes} bytes"


def _bytes(path: Path, rng: random.Random) -> str:
    """Damage without knowledge of the format."""
    content = bytearray(path.read_bytes())
    way = rng.choice(("cut", "flip", "flip", "noise", "zeros", "empty", "longer", "twice"))
    if way == "cut" or not content:
        return _cut(path, rng)
    start = rng.randrange(min(len(content), rng.choice((64, 1024, 10**9))))
    if way == "flip":
        for _ in range(rng.choice((1, 1, 4, 32))):
            place = min(len(content) - 1, start + rng.randrange(64))
            content[place] ^= 1 << rng.randrange(8)
    elif way == "noise":
        content[start : start + 16] = rng.randbytes(16)
    elif way == "zeros":
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    elif way == "longer":
        content[start:start] = rng.randbytes(rng.choice((1, 7, 4096)))
    else:
        content = bytearray() if way == "empty" else content * 2
    path.write_bytes(content)
    return f"{way} at {start}"


def _in_place(path: Path, rng: random.Random) -> str:
    """Something else in the place of the file."""
    way = rng.choice(("missing", "folder", "pipe", "loop", "device", "huge", "other", "named"))
    if way == "other":
        others = sorted(other for other in path.parent.iterdir() if other.is_file() and other != path)
        content = rng.choice(others).read_bytes() if others else rng.randbytes(100)
        path.write_bytes(content)
        return "the content of another file"
    if way == "named":
        name = rng.choice((b"a\nb", b"\xff\xfe", b"x" * 200, b"%s{}", b"-r"))
        os.rename(os.fsencode(path), os.path.join(os.fsencode(path.parent), name + os.fsencode(path.suffix)))  # noqa: PTH104, PTH118
        return f"renamed to {name!r}"
    if way == "huge":
        with path.open("r+b") as file:
            file.truncate(1 << 40)
        return "followed by a terabyte of zeros"
    path.unlink()
    if way == "folder":
        path.mkdir()
    elif way == "pipe":
        os.mkfifo(path)
    elif way != "missing":
        path.symlink_to(path if way == "loop" else "/dev/zero")
    return f"{way} in its place"


def _of_its_kind(path: Path, rng: random.Random) -> str:
    """Damage that leaves the format whole."""
    ending = path.suffix.lower()
    if ending in ENDINGS or ending == ".json":
        return _text(path, rng)
    ways = {".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5, ".nwb": _hdf5, ".pt": _tensors, ".ckpt": _tensors}
    return ways.get(ending, _parquet if ending == ".parquet" else _header)(path, rng)


def _header(path: Path, rng: random.Random) -> str:
    """A number of the header becomes huge."""
    content = bytearray(path.read_bytes())
    place = rng.randrange(max(1, min(len(content) - 8, 256)))
    code, value = rng.choice((("<I", 2**31 - 1), (">I", 2**32 - 1), ("<Q", 2**62), ("<H", 65535), ("<I", 0)))
    struct.pack_into(code, content, place, value)
    path.write_bytes(content)
    return f"{value} at byte {place}"


def _text(path: Path, rng: random.Random) -> str:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    way = rng.choice(("value", "value", "value", "line", "twice", "swap", "deep", "latin", "mark", "key", "tabs"))
    lines = text.splitlines(keepends=True)
    if way == "value":
        values = list(re.finditer(r"(?<=[\s:,\[{])[^\s:,\[\]{}]+(?=[\s,\]}]|$)", text)) or list(
            re.finditer(r"\S+", text)
        )
        chosen, odd = rng.choice(values), rng.choice(ODD)
        text, way = text[: chosen.start()] + odd + text[chosen.end() :], f"{chosen[0]!r} becomes {odd[:20]!r}"
    elif way == "line":
        del lines[rng.randrange(len(lines))]
        text = "".join(lines)
    elif way == "twice":
        place = rng.randrange(len(lines))
        text = "".join([*lines[:place], lines[place], *lines[place:]])
    elif way == "swap":
        rng.shuffle(lines)
        text = "".join(lines)
    elif way == "deep":
        text = text.rstrip()[:-1] + rng.choice(("[", "{a: ", '{"a":', "- ")) * rng.choice((40, 5000, 100000))
    elif way == "key":
        text = re.sub(r"\w+(?=\W*:)", "no_such_key", text, count=1)
    elif way == "tabs":
        text = text.replace("  ", "\t").replace(",", rng.choice((";", "\t", ",,")))
    content = text.encode("utf-8", "surrogateescape")
    content = (
        b"\xff\xfe" + content
        if way == "mark"
        else content[:9] + b"M\xfcller" + content[9:]
        if way == "latin"
        else content
    )
    path.write_bytes(content)
    return way


def _odd_array(values: np.ndarray, rng: random.Random) -> np.ndarray:
    """An array of another type, shape or content."""
    ways: list[Callable[[], np.ndarray]] = [
        lambda: values[..., None],
        lambda: values[:0],
        lambda: values.ravel()[:1].reshape(()),
        lambda: values[: len(values) // 2] if values.ndim else values[None],
        lambda: np.full(values.shape, np.nan, np.float32),
        lambda: np.full(values.shape, np.inf, np.float64),
        lambda: values.astype(complex) if values.dtype.kind in "fiub" else values[::-1],
        lambda: np.full(values.shape, "x"),
        lambda: np.zeros(values.shape, [("a", "f4")]),
        lambda: np.full(values.shape, 1e300),
        lambda: np.full(values.shape, -1),
        lambda: np.asfortranarray(values),
        lambda: values.astype(values.dtype.newbyteorder(">")),
        lambda: np.zeros(values.shape, values.dtype),
        lambda: np.full(values.shape, 2**63, np.uint64),
        lambda: np.zeros(values.shape, bool),
        lambda: np.zeros(values.shape, "M8[s]"),
        lambda: np.repeat(values, 2, axis=0) if values.ndim else values,
    ]
    return rng.choice(ways)()


def _npy(path: Path, rng: random.Random) -> str:
    if rng.random() < 0.4:
        shape = rng.choice(((10**9, 10**9), (2**62, 4), (-1, 3), (10**6, 10**4), ()))
        header = {"descr": rng.choice(("<f4", "|O", "<U9999999", "<f8")), "fortran_order": False, "shape": shape}
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, header)
        path.write_bytes(file.getvalue() + path.read_bytes()[128:])
        return f"header {header}"
    values = _odd_array(np.load(path, allow_pickle=False), rng)
    np.save(path, values, allow_pickle=False)
    return f"{values.dtype} {values.shape}"


def _npz(path: Path, rng: random.Random) -> str:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    name = rng.choice(sorted(arrays))
    way = rng.choice(("odd", "odd", "missing", "bomb", "swapped", "twice"))
    if way == "odd":
        arrays[name] = _odd_array(arrays[name], rng)
    elif way == "missing":
        del arrays[name]
    elif way == "swapped":
        other = rng.choice(sorted(arrays))
        arrays[name], arrays[other] = arrays[other], arrays[name]
    np.savez_compressed(path, allow_pickle=False, **arrays)
    if way in ("bomb", "twice"):
        mode: Literal["a", "w"] = "a" if way == "twice" else "w"
        with zipfile.ZipFile(path, mode, zipfile.ZIP_DEFLATED) as file:
            content = io.BytesIO()
            np.save(content, np.zeros(3 * 10**7, np.float32))
            file.writestr(f"{name}.npy", content.getvalue())
    return f"{way} {name}"


def _hdf5(path: Path, rng: random.Random) -> str:
    names: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name = rng.choice(names)
        way = rng.choice(("odd", "odd", "odd", "missing", "loop", "outside", "huge", "group", "attribute"))
        values = file[name][()]
        attributes = dict(file[name].attrs)
        if way == "attribute" and attributes:
            key = rng.choice(sorted(attributes))
            file[name].attrs[key] = rng.choice((np.nan, -1, "x", np.arange(3), 1e308, 0))
            return f"attribute {key} of {name}"
        del file[name]
        if way == "loop":
            file[name] = h5py.SoftLink(f"/{name}")
        elif way == "outside":
            os.mkfifo(path.parent / "pipe")
            file[name] = h5py.ExternalLink("pipe", "/x")
        elif way == "huge":
            file.create_dataset(name, (10**6, 10**7), "f4", chunks=(10, 10))
        elif way == "group":
            file.create_group(name)
        elif way != "missing":
            odd = _odd_array(np.asarray(values), rng)
            file[name] = odd.astype(bytes) if odd.dtype.kind in "UO" else odd
        if way != "missing" and isinstance(file.get(name, getlink=True), h5py.HardLink):
            for key, value in attributes.items():
                file[name].attrs[key] = value
    return f"{way} {name}"


ODD_LEAVES: tuple[Any, ...] = (
    *(None, "x", -1, 0, float("nan"), float("inf"), 10**30, [], {}, True, [1, "a"], {"a": 1}, torch.zeros(0)),
    *(
        torch.tensor(3.0),
        torch.full((3, 4), torch.nan),
        torch.zeros(1).expand(10**6, 10**6),
        torch.zeros(3, dtype=torch.complex64),
    ),
    *(torch.zeros(2, 3).to_sparse(), torch.zeros(5, requires_grad=True), torch.zeros(4, dtype=torch.bfloat16)),
)


def _tensors(path: Path, rng: random.Random) -> str:
    content = torch.load(path, map_location="cpu", weights_only=True)
    at, place = content, ""
    while True:
        keys = sorted(at, key=str) if isinstance(at, dict) else list(range(len(at)))
        key = rng.choice(keys)
        place += f"/{key}"
        if not isinstance(at[key], dict | list) or not at[key] or rng.random() < 0.15:
            break
        at = at[key]
    if rng.random() < 0.15 and isinstance(at, dict):
        del at[key]
        said = "missing"
    elif isinstance(at[key], torch.Tensor) and rng.random() < 0.4:
        value = at[key]
        at[key] = rng.choice((value[None], value.double(), value.flatten()[:1], value * torch.nan, -value.float()))
        said = f"{at[key].dtype} {tuple(at[key].shape)}"
    else:
        at[key] = rng.choice(ODD_LEAVES)
        said = type(at[key]).__name__
    torch.save(content, path)
    return f"{place} becomes {said}"


def _parquet(path: Path, rng: random.Random) -> str:
    import pandas as pd

    table = pd.read_parquet(path)
    name = rng.choice(list(table))
    way = rng.choice(("missing", "text", "numbers", "lists", "nulls", "empty", "category"))
    n = len(table)
    columns: dict[str, Any] = {
        "text": ["x"] * n,
        "numbers": np.full(n, np.nan),
        "lists": [[1, 2]] * n,
        "nulls": [None] * n,
        "category": pd.Categorical(["1"] * n),
    }
    table = (
        table.drop(columns=name)
        if way == "missing"
        else table[:0]
        if way == "empty"
        else table.assign(**{str(name): columns[way]})
    )
    table.to_parquet(path, index=False)
    return f"{way} {name}"


def copied(sample: Path, case: Path) -> None:
    """Copy a whole sample to where it is damaged; paths to it in its text are mended."""
    shutil.copytree(sample, case, symlinks=True)
    for path in (*case.rglob("config.yaml"), *case.rglob("model.json")):
        path.write_text(path.read_text().replace(str(sample), str(case)))


def as_json(verdict: dict[str, Any]) -> str:
    """A verdict on one line."""
    return json.dumps(verdict, ensure_ascii=True)
