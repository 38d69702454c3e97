"""``python train.py --multirun`` is a sweep: the same table, folder and engines, nothing written elsewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from stcnn import command_line
from stcnn.config import compose
from stcnn.errors import ConfigError
from stcnn.overrides import CONF
from stcnn.run_folder import open_run
from stcnn.sweep import Sweep
from stcnn.sweep.multirun import sweep_of
from stcnn.sweep.spec import Slurm
from stcnn.sweep.tasks import points_of
from tests.support.made_up_data import write_published
from tests.test_train import folders


def test_several_values_are_the_axes_of_a_grid():
    sweep = sweep_of(
        [
            *("--multirun", "seed=range(1,3)", "model.hidden.channels=[8],[8,4]", "training.steps=40"),
            *("model=glob(d*)", "++training.patience=null,3", "name=depth", "experiments_dir=/data/runs"),
            *("where.kind=slurm", "where.partition=short", "where.setup=['module load gcc']", "report=true"),
        ]
    )
    assert sweep.path == Path("/data/runs/depth")
    assert isinstance(sweep.spec.where, Slurm)
    assert (sweep.spec.where.partition, sweep.spec.where.setup) == ("short", ("module load gcc",))
    assert sweep.spec.reports
    points = points_of(sweep.spec)
    assert len(points) == 8
    assert dict(points[-1].axes) == {
        "seed": "2",
        "model.hidden.channels": "[8,4]",
        "model": "default",
        "training.patience": "3",
    }
    made = compose(points[-1].overrides)
    assert (made.seed, made.model.hidden.channels, made.training.patience) == (2, (8, 4), 3)
    assert made.training.steps == 40


def test_without_a_name_the_same_command_finds_the_same_folder():
    one = sweep_of(["-m", "seed=1,2", "experiments_dir=/x"])
    assert one.path.name.startswith("multirun_")
    assert sweep_of(["seed=1,2", "-m", "experiments_dir=/x", "where.at_once=3"]).path == one.path
    assert sweep_of(["seed=1,3", "-m", "experiments_dir=/x"]).path != one.path


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--cfg", "job"], r"'--cfg' cannot be given with --multirun, expected overrides"),
        (["name=a,b"], r"'name=a,b' has several values, expected one 'name' for all runs"),
        (["where.kind=slurm,lsf"], r"has several values, expected one 'where.kind'"),
        (["resume=auto"], r"'resume=auto' cannot be given with --multirun\. Leave it out"),
        (["hydra/launcher=joblib"], r"'hydra/launcher=joblib' cannot be given"),
        (["training.learning_rate=interval(0,1)"], r"names an interval, not values\. Describe a search"),
        (["where.cores=3"], r"the command line: unknown key 'where.cores'"),
        (["seed=1,"], r"'seed=1,' cannot be read as an override"),
    ],
)
def test_what_several_runs_cannot_have_is_a_sentence(words: list[str], sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        sweep_of(["--multirun", *words])


def test_a_dry_run_shows_the_runs_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--multirun", "--dry-run", "seed=1,2", f"experiments_dir={tmp_path / 'runs'}", "where.kind=lsf"]
    assert command_line.main(words) == 0
    shown = capsys.readouterr().out
    assert "# 0002 seed=2\n# 2 runs in " in shown
    assert "#BSUB -J " in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_runs_are_trained_side_by_side_once_and_nothing_is_written_elsewhere(tmp_path: Path):
    write_published(tmp_path / "data")
    before = sorted(CONF.parent.iterdir()), sorted(CONF.parents[1].iterdir())
    words = ["--multirun", "seed=1,2", *folders(tmp_path / "data"), "training.epochs=1", "name=two"]
    words.append(f"experiments_dir={tmp_path / 'runs'}")
    train = [sys.executable, "train.py", *words]
    done = subprocess.run(train, cwd=CONF.parent, capture_output=True, text=True, timeout=200, check=True)
    assert "2 finished; table in " in done.stdout
    sweep = Sweep.open(tmp_path / "runs" / "two")
    tasks = sweep.tasks()
    assert [open_run(sweep.runs_folder / task.run).config()["seed"] for task in tasks] == [1, 2]
    assert command_line.main(words) == 0  # begins nothing
    assert [task.attempts for task in sweep.tasks()] == [1, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "runs"]
    assert (sorted(CONF.parent.iterdir()), sorted(CONF.parents[1].iterdir())) == before
