"""The C interface: each struct has the fields of its header, in order and type, and sizes are compared at load."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from stcnn.nn.kernels.native import interface, training_structs
from stcnn.nn.kernels.native.compile import Geometry, library, why_unavailable
from stcnn.nn.kernels.native.interface import STRUCTS, require_same_structs

SOURCES = Path(interface.__file__).parent / "csrc"
NUMBERS = {"int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "float": ctypes.c_float, "double": ctypes.c_double}
ALL = {struct.__name__: struct for structs in STRUCTS.values() for struct in structs}


def fields(name: str) -> list[tuple[str, type]]:
    """Return the fields of a struct as its header declares them: name, and type as ctypes has it."""
    text = "\n".join(path.read_text() for path in sorted(SOURCES.iterdir()))
    body = re.search(rf"^struct {name} {{(.*?)^}};", text, re.DOTALL | re.MULTILINE)
    assert body, f"there is no struct {name} in {SOURCES}"
    found: list[tuple[str, type]] = []
    for line in re.sub(r"//[^\n]*", "", body[1]).split("\n"):
        declared = re.fullmatch(r" {4}(?:const )?(\w+)((?: ?\*? ?\w+,?)+);\s*", line)
        if not declared or "(" in line:
            continue
        base = declared[1]
        for each in re.sub(r"^\*", " *", declared[2]).split(","):
            plain = NUMBERS.get(base) or ALL.get(base)
            pointer = "*" in each or plain is None
            found.append((re.split(r"[ *]", each)[-1], ctypes.c_void_p if pointer else cast("type", plain)))
    return found


@pytest.mark.parametrize("name", ALL)
def test_fields_are_those_of_the_header(name: str) -> None:
    ours = [(field[0], field[1]) for field in ALL[name]._fields_]
    assert [field for field, _ in ours] == [field for field, _ in fields(name)]
    assert ours == fields(name)


@pytest.mark.parametrize("source", STRUCTS)
def test_sizes_are_given_for_all_structs_in_their_order(source: str) -> None:
    named = re.search(r"^SIZES\((.*)\)", (SOURCES / f"{source}.cpp").read_text(), re.MULTILINE)
    assert named
    assert named[1].split(", ") == [struct.__name__ for struct in STRUCTS[source]]


@pytest.mark.parametrize("source", STRUCTS)
@pytest.mark.parametrize("change", [4, -8])
def test_a_library_with_a_struct_of_another_size_is_refused_by_its_names(source: str, change: int) -> None:
    sizes = [*(ctypes.sizeof(struct) for struct in STRUCTS[source]), -1]
    require_same_structs(cast("ctypes.CDLL", SimpleNamespace(struct_size=sizes.__getitem__)), source)
    sizes[1] += change
    with pytest.raises(
        RuntimeError, match=rf"{source}: structs .*{STRUCTS[source][1].__name__}.* bytes in compiled code"
    ):
        require_same_structs(cast("ctypes.CDLL", SimpleNamespace(struct_size=sizes.__getitem__)), source)


@pytest.mark.skipif(why_unavailable() is not None, reason="there is no compiler")
def test_compiled_code_is_compared_when_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Longer(ctypes.Structure):
        _fields_ = (*training_structs.Maps._fields_, ("more", ctypes.c_int64))

    geometry = Geometry.of((2, 3), (1, 1, 1, 1))
    assert isinstance(library.__wrapped__(geometry), ctypes.CDLL)
    monkeypatch.setitem(STRUCTS, "layer", (Longer, *STRUCTS["layer"][1:]))
    with pytest.raises(RuntimeError, match="layer: structs Longer, Input, Forward"):
        library.__wrapped__(geometry)
