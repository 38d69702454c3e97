"""Where the checkout lies and where runs go; imports nothing, so that completion in a shell is quick."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
CHECKOUT = PACKAGE.parent


def experiments_folder() -> Path:
    """Return where run folders go unless ``experiments_dir`` says otherwise."""
    here = CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()
    return here / "experiments"


def run_folders(parent: Path) -> list[Path]:
    """Return the run folders in a folder, the oldest first by the date in their names."""
    return [path.parent for path in sorted(parent.glob("*/config.yaml"))]
