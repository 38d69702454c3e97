"""The layout of the code: no import circle, even among imports for types; sentences of one statement, not too dense."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "stcnn"
SUPPORT = {"support", "reference", "fuzz"}
"""Folders of tests that are no mirror: what tests use, independent references, and damaged files."""
OF_THE_WHOLE = {"cases", "documentation", "layout", "notebooks", "repository", "two_flies"}
"""Tests of the checkout rather than of one part of the package."""
NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ("stcnn", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(path: Path, known: set[str]) -> Iterator[str]:
    """Modules of the package that a module imports anywhere, for types or in a function included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "stcnn":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def test_no_import_circle_even_among_types():
    known = modules()
    graph = {name: set(imported(path, set(known))) - {name} for name, path in known.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def test_each_room_of_the_package_has_its_folder_of_tests():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {path.name for path in TESTS.iterdir() if any(path.glob("**/test_*.py"))} - SUPPORT == rooms


def test_tests_stand_in_folders_as_those_of_the_package():
    for path in TESTS.glob("*/**/test_*.py"):
        folder = path.parent.relative_to(TESTS)
        assert folder.parts[0] in SUPPORT or (PACKAGE / folder / "__init__.py").is_file(), path


def test_a_test_at_the_top_is_of_a_module_at_the_top():
    for path in TESTS.glob("test_*.py"):
        name = path.stem.removeprefix("test_")
        assert name in OF_THE_WHOLE or any(name.startswith(module.stem) for module in PACKAGE.glob("*.py")), path.name


def test_what_tests_use_stands_in_its_folder():
    elsewhere = [path.name for path in TESTS.glob("*.py") if path.name != "conftest.py" and not path.match("test_*")]
    assert not elsewhere


MOST_LINES = 300


def test_no_file_of_the_package_is_longer_than_one_reads_at_a_time():
    code = [path for ending in ("py", "js", "h", "cpp") for path in PACKAGE.rglob(f"*.{ending}")]
    lines = {path.relative_to(PACKAGE).as_posix(): path.read_text().count("\n") for path in code}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}
