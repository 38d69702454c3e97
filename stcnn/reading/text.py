"""Text and JSON, read strictly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stcnn.errors import DataError, FileError
from stcnn.reading.faults import readable, reading, require_file

TEXT_BYTES = 4 * 2**20
"""Longest text that is taken for a configuration."""
JSON_BYTES = 256 * 2**20
DEPTH = 100
"""Deepest nesting of values that any of our files has, with room to spare."""
WHOLE_NUMBERS = 2**64
"""Whole numbers of larger size are no number that anything here can hold."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_text(path: str | Path, what: str, limit_bytes: int = TEXT_BYTES) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Args:
        path: of the file.
        what: what is expected there.
        limit_bytes: longest file that is read.

    Raises:
        FileError: there is no such file, it is special, too long, or not UTF-8.
    """
    size = require_file(path, what)
    if size > limit_bytes:
        raise FileError(f"{path} has {size} bytes", expected=f"{what} of at most {limit_bytes} bytes")
    with reading(path, what):
        content = Path(path).read_bytes()
    return decoded(content, path, what)


def decoded(content: bytes, path: str | Path, what: str) -> str:
    """Text of UTF-8 bytes.

    Raises:
        FileError: they are not UTF-8; the first byte that is not is named.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(
            f"{path} is not UTF-8: byte {error.start + 1}, in line {line}, is 0x{content[error.start]:02x}",
            expected=what,
            remedy="save it as UTF-8" + (", not as UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ""),
        ) from None


def read_json(path: str | Path, what: str, limit_bytes: int = JSON_BYTES, *, allow_nan: bool = False) -> Any:  # noqa: ANN401 - JSON holds anything
    """Read a JSON file; arguments as :func:`read_text`, and as :func:`parse_json`.

    Raises:
        FileError: as :func:`read_text` and :func:`parse_json`.
    """
    return parse_json(read_text(path, what, limit_bytes), str(path), what, allow_nan=allow_nan)


def parse_json(text: str, where: str, what: str, *, allow_nan: bool = False) -> Any:  # noqa: ANN401 - JSON holds anything
    """Values of a JSON text.

    Args:
        text: the JSON.
        where: what to call it in a sentence.
        what: what is expected there.
        allow_nan: whether NaN and Infinity, which JSON has not but Python writes, are taken.

    Raises:
        FileError: it is no JSON, holds a key twice, numbers that are not finite or of no sensible size, or nests more
            than 100 deep.
    """

    def number(digits: str) -> float:
        value = float(digits)
        if not allow_nan and not math.isfinite(value):
            raise ValueError(f"it holds {readable(digits, 40)}, which is no finite number")
        return value

    def whole(digits: str) -> int:
        if len(digits) > 21 or abs(value := int(digits)) >= WHOLE_NUMBERS:
            raise ValueError(f"it holds the number {readable(digits, 40)}, which is too large")
        return value

    with reading(where, what, remedy="correct it or copy it again"):
        value = json.loads(text, parse_float=number, parse_constant=number, parse_int=whole, object_pairs_hook=_unique)
        require_plain(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it holds the key '{readable(twice)}' twice")
    return values


def require_name(name: str, what: str) -> None:
    """Refuse a name that no table or store can hold: with half of a surrogate pair, as of a file not named in UTF-8.

    Raises:
        DataError: it is one.
    """
    if _SURROGATE.search(name):
        raise DataError(f"the {what} '{readable(name)}' is no text", expected="a name in UTF-8", remedy="rename it")


def require_plain(values: object) -> None:
    """Refuse values nested too deeply, and text with half of a surrogate pair, which no file name or store can hold.

    Raises:
        ValueError: with a clause that says which.
    """
    waiting = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEPTH:
            raise ValueError("it is nested too deeply")
        if isinstance(value, str):
            if _SURROGATE.search(value):
                raise ValueError(f"it holds '{readable(value)}', which is no text")
        elif isinstance(value, Mapping):
            waiting += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]
