"""The tutorial of two flies is true: its commands, pasted as they stand, lead from files of Suite2p to a good model."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "two_flies.md").read_text(encoding="utf-8")


def pasted(folder: Path, training: str = "") -> Path:
    """Run every command of the page in a folder that has the environment and docs of a checkout.

    Args:
        folder: where.
        training: overrides added to the training.

    Returns:
        The run folder.
    """
    (folder / "docs").symlink_to(ROOT / "docs")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text(f'export PATH="{Path(sys.executable).parent}:$PATH"\n')
    commands = "".join(re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE))
    commands = re.sub(r"^stcnn train .*$", rf"\g<0> {training}", commands, flags=re.MULTILINE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 flags" in done.stdout
    (run,) = (folder / "two_flies" / "runs").iterdir()
    assert (run / "report.html").is_file()
    assert len(pd.read_csv(folder / "two_flies" / "loom_50.csv")) > 50
    return run


def test_every_command_of_the_page_runs(tmp_path: Path) -> None:
    run = pasted(tmp_path, "training.steps=2 model.hidden.channels=[2]")
    assert pd.read_csv(run / "scores.csv").cell_type.unique().tolist() == ["lc11", "lplc2"]


@pytest.mark.slow
def test_pasting_the_page_alone_reaches_95_percent_of_the_ceiling(tmp_path: Path) -> None:
    run = pasted(tmp_path)
    command = [sys.executable, "-m", "stcnn.cli", "evaluate", str(run)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    scores = pd.read_csv(run / "validation_scores.csv")
    types = scores[scores.level == "cell_type"].set_index("cell_type")
    share = types.single_trial_correlation / types.single_trial_ceiling
    assert share.index.tolist() == ["lc11", "lplc2"]
    assert share.min() > 0.95
