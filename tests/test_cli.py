"""The ``stcnn`` command: what it mounts, what it passes on, how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stcnn import cli, command_line, folders
from stcnn.errors import FileError
from stcnn.version import __version__

cli._add_commands()


def test_every_module_of_commands_is_mounted_beside_train():
    shown = CliRunner().invoke(cli.app, ["--help"]).output
    modules = [path.stem for path in (Path(cli.__file__).parent / "commands").glob("[a-z]*.py")]
    for name in ("train", *(module.replace("_", "-") for module in modules)):
        assert name in shown


def test_train_hands_every_argument_on_and_returns_its_exit_status(capsys: pytest.CaptureFixture[str]):
    result = CliRunner().invoke(cli.app, ["train", "training.epoch=3"])
    assert result.exit_code == 2
    assert result.stderr == "unknown key 'training.epoch' (did you mean 'epochs'?).\n"


def test_a_fault_of_the_user_is_its_sentence_and_exit_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    @cli.app.command("fail-for-test")
    def fail() -> None:
        raise FileError("there is no x", remedy="look for it")

    monkeypatch.setattr(sys, "argv", ["stcnn", "fail-for-test"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    cli.app.registered_commands.pop()
    assert left.value.code == 2
    assert capsys.readouterr().err == "there is no x. Look for it.\n"


def test_help_does_not_wait_for_pytorch():
    code = "import sys; import stcnn.cli as c; c._add_commands(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_version_and_short_help(capsys: pytest.CaptureFixture[str]):
    assert CliRunner().invoke(cli.app, ["--version"]).output == f"stcnn {__version__}\n"
    assert command_line.main(["--version"]) == 0
    assert capsys.readouterr().out == f"stcnn {__version__}\n"
    for command in ([], ["runs"], ["data", "check"], ["predict"]):
        assert "Usage" in CliRunner().invoke(cli.app, [*command, "-h"]).output


def test_paragraphs_of_the_help_flow():
    shown = CliRunner().invoke(cli.app, ["evaluate", "--help"], terminal_width=200, env={"COLUMNS": "200"}).output
    assert "a second look at the same recordings must be asked for with --again" in shown


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["predict", "experiments/2026-01-0"], ["experiments/2026-01-02_b", "experiments/2026-01-01_a"]),
        (["evaluate", "fo"], ["folder/"]),
        (["predict", "RUN", "klapoetke2022_si"], ["klapoetke2022_size"]),
        (["predict", "RUN", "looming_d"], ["looming_disc:"]),
        (
            ["predict", "RUN", "mov"],
            ["moving_bar:", "moving_dots:", "moving_edge:", "moving_rectangle:", "moving_spot:"],
        ),
        (["train", "dataset=st"], ["dataset=store"]),
        (["train", "training.learning_r"], ["training.learning_rate="]),
        (["train", "dataset.n_an"], ["dataset.n_animals="]),
    ],
)
def test_completion_knows_runs_stimuli_and_keys(
    words: list[str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("2026-01-01_a", "2026-01-02_b"):
        (tmp_path / "experiments" / name).mkdir(parents=True)
        (tmp_path / "experiments" / name / "config.yaml").touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folders, "CHECKOUT", tmp_path / "nowhere")
    asked = {
        "_STCNN_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["stcnn", *words]),
        "COMP_CWORD": str(len(words)),
    }
    shown = CliRunner().invoke(cli.app, [], env=asked, prog_name="stcnn").output
    assert [word for word in shown.split("\n") if word] == expected
