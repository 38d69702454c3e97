"""Addresses of files elsewhere: ``https://``, ``s3://`` or ``dandi://DANDISET/VERSION/FILE``.

An address has a stand-in, a path in the folder of caches from which it can be told again; whoever opens the path of a
store or of an HDF5 file looks whether it is one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import BeforeValidator, PlainSerializer

from stcnn.errors import FileError
from stcnn.writing import cache_folder

_ADDRESS = re.compile(r"(https?|s3|dandi):/{1,2}(?=[^/])")


def is_address(text: object) -> bool:
    """Whether something names a file elsewhere; a ``Path`` loses one of the two slashes, and still does."""
    return _ADDRESS.match(str(text)) is not None


def stand_in(address: str | Path) -> Path:
    """Return the path that stands for an address.

    Raises:
        FileError: it is no address, or there is no folder for caches.
    """
    found = _ADDRESS.match(str(address))
    rest = str(address)[found.end() :].rstrip("/") if found else ""
    parts = rest.split("/")
    if found is None or not rest or any(part in ("", ".", "..") for part in parts):
        raise FileError(f"'{address}' is no address", expected="one such as https://HOST/FOLDER/FILE.nwb")
    return _root() / found[1] / Path(*(quote(part, safe="") for part in parts))


def address_of(path: Path) -> str | None:
    """Return the address that a path stands for; None of any other path."""
    try:
        root = _root()
    except FileError:
        return None  # without a folder for caches there are no stand-ins
    if not path.is_relative_to(root):
        return None
    scheme, *parts = path.relative_to(root).parts
    return f"{scheme}://{'/'.join(map(unquote, parts))}"


def _root() -> Path:
    return (cache_folder() / "remote").absolute()


def located(path: str | Path) -> Path:
    """Return a path as it is, and the stand-in of an address."""
    return stand_in(path) if is_address(path) else Path(path)


Location = Annotated[
    Path,
    BeforeValidator(lambda given: stand_in(given) if is_address(given) else given),
    PlainSerializer(lambda path: address_of(path) or str(path), when_used="json"),
]
"""A path or an address, kept as the path that stands for it and written as it was given."""
