"""The documentation is true: its examples run, its commands compose, its links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.core import TyperGroup
from typer.main import get_command

from stcnn import baselines, cli, folders
from stcnn.config import compose
from stcnn.errors import FileError
from stcnn.run_folder import Run
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe
from tests.support.browser import browse
from tests.support.made_up_data import dataset

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

cli._add_commands()
COMMANDS = get_command(cli.app)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def command_lines(program: str) -> list[str]:
    """The arguments of every call of a program (a pattern) in the fenced shell code of all pages."""
    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
    return [line[call.end() :] for line in lines if (call := re.match(program, line))]


@pytest.mark.parametrize("overrides", [line for line in command_lines(".*python train.py ") if "--" not in line])
def test_trainings_compose(overrides: str) -> None:
    words = shlex.split(overrides, comments=True)
    folders = [word.split("=", 1)[1] for word in words if word.startswith(("init_from=", "training.teacher="))]
    if not folders:
        compose(words)
        return
    with pytest.raises(FileError, match=f"{folders[0]} does not exist"):  # found out when all keys have been judged
        compose(words)


@pytest.mark.parametrize("line", command_lines("stcnn "))
def test_commands_are_understood(line: str) -> None:
    command, words = COMMANDS, shlex.split(line, comments=True)
    context = command.make_context("stcnn", list(words))
    while isinstance(command, TyperGroup):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command, context = found, found.make_context(name, list(words), parent=context)
    if context.params.get("baselines"):
        baselines.named(context.params["baselines"])


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, of the least training there is."""
    recipe = Recipe.model_validate({"training": {"epochs": 1}, "model": {"hidden": {"channels": [2]}}})
    run = Run.create(tmp_path_factory.mktemp("experiments"), "simulated", recipe.model_dump(mode="json"))
    train(dataset(), recipe, run)
    return run.path


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Path) -> Path:
    """A folder to work in, with the run that the documentation speaks of."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "2026-11-22_14-03-12_simulated").symlink_to(trained)
    (tmp_path / "step.onnx").symlink_to(ROOT / "stcnn" / "example" / "step.onnx")
    (tmp_path / "my_model").symlink_to(ROOT / "stcnn" / "example")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "CHECKOUT", tmp_path / "installed")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_examples_run(page: Path, workplace: Path, request: pytest.FixtureRequest) -> None:
    if "open_published(" in page.read_text():
        published = request.getfixturevalue("shared") / "reference" / "lc_small_3"
        (workplace / "lc_small_3").symlink_to(published)
    names: dict[str, Any] = {"frames": np.full((20, 83, 83), 0.498), "torch": torch}
    for block in blocks(page, "python"):
        exec(block, names)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_the_site_can_be_searched_from_disk_and_shows_no_markup(tmp_path: Path) -> None:
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 200
    assert [page.name for page in pages if re.search(r":(func|meth|class|mod|data):", page.read_text())] == []
    assert [
        page.name for page in pages if re.search(r'(src|href)="(https?:)?//[^"]*\.(js|css)', page.read_text())
    ] == []
    asked = (tmp_path / "site" / "reference" / "nn" / "model.html").as_uri() + "?q=looming"
    shown = browse("--virtual-time-budget=10000", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", asked)
    found = re.search(r"(\d+) matching documents", shown.stdout)
    assert found
    assert int(found[1]) > 5
