"""The command that is said to the user is the one that was typed, quoted for a shell."""

import shlex
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.invocation import called_as, train_command


@pytest.mark.parametrize(
    ("argv", "called", "resume"),
    [
        (["/a b/train.py", "seed=2"], "python train.py seed=2", "python train.py resume=x"),
        (
            ["/bin/stcnn", "train", "model.hidden.channels=[2, 3]"],
            "stcnn train 'model.hidden.channels=[2, 3]'",
            "stcnn train resume=x",
        ),
        (["/a/stcnn/cli.py", "train"], "stcnn train", "stcnn train resume=x"),
    ],
)
def test_the_program_that_was_called(argv: list[str], called: str, resume: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", argv)
    assert called_as() == called
    assert train_command("resume=x") == resume


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_a_shell_reads_the_same_arguments(arguments: list[str]):
    assert shlex.split(train_command(*arguments))[2:] == arguments
