"""A page of docs/developing carried out on a copy of the package: files written, lines exchanged, code run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import stcnn
from tests.support.developing_page import PAGES

BLOCK = re.compile(r'^```(python|diff)(?: title="([^"]+)")?\n(.*?)^```', flags=re.DOTALL | re.MULTILINE)


@dataclass
class Addition:
    """What a page makes of the package."""

    folder: Path
    """Where the copy lies."""
    new_files: list[str] = field(default_factory=list)
    changed_lines: list[str] = field(default_factory=list)
    """The file of each line that is exchanged."""
    script: str = ""
    """The code without a title, one block after the other."""

    def run(self) -> str:
        """Run the code of the page against the copy; return what it prints."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-c", self.script]
        found = subprocess.run(
            command, check=False, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert found.returncode == 0, found.stderr
        return found.stdout


def carry_out(name: str, folder: Path) -> Addition:
    """Carry out a page, whose files and lines have the path as the title of their block.

    Args:
        name: of the page, without ``.md``.
        folder: where the package is copied to.
    """
    shutil.copytree(Path(stcnn.__file__).parent, folder / "stcnn", ignore=shutil.ignore_patterns("__pycache__"))
    addition = Addition(folder)
    for language, title, text in BLOCK.findall((PAGES / f"{name}.md").read_text(encoding="utf-8")):
        if not title:
            addition.script += text
        elif language == "python":
            assert not (folder / title).exists(), f"{title} is there already"
            (folder / title).write_text(text, encoding="utf-8")
            addition.new_files.append(title)
        else:
            _exchange(folder / title, text)
            addition.changed_lines += [title] * sum(line.startswith("+") for line in text.splitlines())
    return addition


def _exchange(path: Path, diff: str) -> None:
    """Exchange the lines of a file that begin with a minus in ``diff`` for those that begin with a plus."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has another line than the page says: {old}"
    path.write_text(text.replace(old, new), encoding="utf-8")
