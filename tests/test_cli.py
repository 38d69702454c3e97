"""The ``stcnn`` command: what it mounts, what it passes on, how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stcnn import cli
from stcnn.errors import FileError


def test_every_module_of_commands_is_mounted_beside_train():
    cli._add_commands()
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
