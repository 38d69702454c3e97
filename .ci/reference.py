"""Makes a page of the API reference for every module of the package when the site is built."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "stcnn"
SECTION = "Reference"
ENTRIES = ("train", "cli")
"""Modules that are commands, not to be imported."""
OPTIONS = "      show_root_heading: false\n      show_root_toc_entry: false\n      show_submodules: false\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages to the navigation, a section for every package."""
    for entry in config.nav or ():
        if SECTION in entry:
            entry[SECTION] += _navigation(PACKAGE)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that are built."""
    for module in sorted(PACKAGE.rglob("*.py")):
        if _is_shown(module):
            files.append(File.generated(config, _page(module), content=_content(module)))
    return files


def _navigation(folder: Path) -> list[Any]:
    modules = [
        {path.stem: _page(path)} for path in sorted(folder.glob("*.py")) if _is_shown(path) and not _is_package(path)
    ]
    packages = [path for path in sorted(folder.iterdir()) if (path / "__init__.py").is_file()]
    inner = [{package.name: [_page(package / "__init__.py"), *_navigation(package)]} for package in packages]
    return [*inner, *modules]


def _is_shown(module: Path) -> bool:
    """Whether a module says something; a package without a docstring only holds others."""
    return module.stem not in ENTRIES and module != PACKAGE / "__init__.py" and bool(ast.get_docstring(_tree(module)))


def _is_package(module: Path) -> bool:
    return module.name == "__init__.py"


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _dotted(module: Path) -> str:
    place = module.parent if _is_package(module) else module.with_suffix("")
    return ".".join(place.relative_to(ROOT).parts)


def _page(module: Path) -> str:
    return f"reference/{_dotted(module).removeprefix('stcnn.').replace('.', '/')}.md"


def _content(module: Path) -> str:
    name = _dotted(module)
    options = OPTIONS + ("      members: false\n" if _is_package(module) else "")
    return f"---\ntitle: {name}\n---\n\n# `{name}`\n\n::: {name}\n    options:\n{options}\n{_contents(module)}"


def _first_sentence(module: Path) -> str:
    """The first line of its docstring, roles as plain code."""
    first = (ast.get_docstring(_tree(module)) or "").splitlines()[0]
    return re.sub(r":\w+:(?=`)", "", first)


def _contents(module: Path) -> str:
    """The modules of a package with the first sentence of each."""
    if not _is_package(module):
        return ""
    inner = [*module.parent.glob("*.py"), *module.parent.glob("*/__init__.py")]
    rows = (
        f"| [`{_dotted(path)}`][{_dotted(path)}] | {_first_sentence(path)} |"
        for path in sorted(inner)
        if path != module and _is_shown(path)
    )
    return "| module | holds |\n|---|---|\n" + "\n".join(rows) + "\n"
