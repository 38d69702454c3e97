"""``stcnn data split``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stcnn.commands.data.opened import Store, opened

if TYPE_CHECKING:
    from stcnn.data import SplitConfig


def split(
    store: Store,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of the split, KEY=VALUE.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write the split to this JSON file.")] = None,
) -> None:
    """Split recordings so that nothing a neuron saw stands on two sides, and show what falls where.

    Keys are those of the group split of a training: kind, validation, test, seed, shifted_movies. For instance:

    stcnn data split recordings.zarr kind=stimulus test=0.2 --to split.json
    """
    import json

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from stcnn.data import split_recordings
    from stcnn.data.splitting.splits import SIDES
    from stcnn.writing import atomic_write

    config = _split_config(keys or [])
    data = opened(store)
    sides = split_recordings(data, config)
    table = Table("cell type", *SIDES, box=None)
    for cell_type in data.cell_types:
        counts = [(data.table.cell_type.iloc[list(getattr(sides, side))] == cell_type).sum() for side in SIDES]
        table.add_row(escape(cell_type), *map(str, counts))
    Console().print(table)
    if to is not None:
        content = json.dumps({"config": config.model_dump(mode="json")} | sides.to_json(data), indent=1)
        with atomic_write(to) as draft:
            draft.write_text(content)
        typer.echo(f"Split: {to}")


def _split_config(keys: list[str]) -> SplitConfig:

    from stcnn.data import SplitConfig
    from stcnn.errors import ConfigError
    from stcnn.reading import parse_value
    from stcnn.validation import Fault, validated

    pairs = [key.partition("=") for key in keys]
    given = {name: parse_value(value, f"'{name}={value}'", "a value of the split") for name, _, value in pairs}

    def explained(fault: Fault) -> ConfigError:
        name = fault.key.partition(".")[0]
        if fault.is_unknown:
            return ConfigError(f"a split has no key '{name}'", remedy=fault.nearest(SplitConfig))
        return ConfigError(f"split.{name}: {fault.message}")

    return validated(SplitConfig, given, explained)
