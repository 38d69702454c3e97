"""Text of ``stcnn train --help``: examples, the choices of each group, and every key with type, value and meaning."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stcnn.config import Config, composed_values, validate
from stcnn.errors import StcnnError
from stcnn.invocation import train_command
from stcnn.key_table import key_table
from stcnn.overrides import choices

EXAMPLES = (
    ((), "simulated recordings, a few minutes"),
    (("dataset=store", "dataset.path=NAME.zarr"), "recordings brought in by stcnn data import"),
    (("training.steps=2000", "seed=2"), "any key below, by its path"),
    (("model=published",), "the published network, initialisation and batching"),
    (("dataset=published", "dataset.ca_path=FOLDER", "dataset.mov_path=FOLDER"), "the folders of the published study"),
    (("init_from=FOLDER", "training.freeze=core"), "new cell types on a trained core"),
    (("resume=experiments/RUN",), "go on with a run that was stopped"),
    (("--multirun", "seed=1,2,3"), "a run for each value, side by side; add where.kind=slurm for a cluster"),
    (("--cfg", "job"), "show the configuration and stop"),
    (("dataset=store", "--help"), "this page with the keys of another choice"),
)


def print_help(overrides: Sequence[str] = ()) -> None:
    """Print the help for the configuration that these overrides choose.

    Raises:
        ConfigError: they choose something that does not exist.
    """
    console = Console()
    console.print("Train a model of visual neurons on recordings.\n", highlight=False)
    examples = Table.grid(padding=(0, 3))
    for words, what in EXAMPLES:
        examples.add_row(Text(f"  {train_command(*words)}"), Text(what))
    console.print(examples, "\n[bold]Choices[/bold] (GROUP=CHOICE)")
    for group, names in choices().items():
        console.print(f"  {group}: {', '.join(names)}", highlight=False)
    console.print("\n[bold]Keys[/bold] (PATH.TO.KEY=VALUE), as they are now, with their types")
    for key in key_table(Config, _values(overrides)):
        value = f"={key.value}" if key.value else "  needed"
        console.print(Text.assemble("  ", (key.path, "bold"), value, "  ", (key.kind, "dim")), soft_wrap=True)
        console.print(Padding(Text(_first_sentence(key.meaning)), (0, 0, 0, 6)))


def _first_sentence(meaning: str) -> str:
    return re.split(r"(?<!al)(?<=\.)\s+(?=[A-Za-z`])", meaning)[0]


def _values(overrides: Sequence[str]) -> dict[str, object]:
    """The values that hold without further keys; as composed where something needed is still missing."""
    values = composed_values(overrides)
    try:
        return validate(values).model_dump(mode="json")
    except StcnnError:
        return values
