"""``stcnn schema``: JSON schemas of the YAML files, for editors that complete and check them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pydantic import TypeAdapter

app = typer.Typer(help="Write the JSON schema of a YAML file, for an editor.")

Kind = Literal["training", "model", "import", "protocol", "sweep"]


@app.command()
def schema(
    of: Annotated[Kind, typer.Argument(help="Which YAML: of a training, of conf/model, of an import, ...")],
    to: Annotated[Path | None, typer.Option(help="File to write; else it is printed.")] = None,
) -> None:
    """Write the JSON schema of a YAML file: keys, types, bounds and what each key means.

    An editor with a YAML language server takes it from the first line of the YAML:

        # yaml-language-server: $schema=import.schema.json
    """
    import json

    from stcnn.writing import atomic_write

    text = json.dumps(_adapter(of).json_schema(), indent=2, ensure_ascii=False) + "\n"
    if to is None:
        typer.echo(text, nl=False)
        return
    with atomic_write(to) as draft:
        draft.write_text(text, encoding="utf-8")
    typer.echo(f"schema in {to}")


def _adapter(of: Kind) -> TypeAdapter[Any]:
    from functools import reduce
    from operator import or_

    from pydantic import Field, TypeAdapter

    from stcnn.config import Config
    from stcnn.data.importers.importer import IMPORTERS
    from stcnn.nn.model_config import ModelConfig
    from stcnn.stimuli import Protocol
    from stcnn.sweep import SweepSpec

    if of == "import":
        kinds: Any = reduce(or_, [importer.config for importer in IMPORTERS.values()])
        union: Any = Annotated[kinds, Field(discriminator="kind")]
        return TypeAdapter(union)
    return TypeAdapter({"training": Config, "model": ModelConfig, "protocol": Protocol, "sweep": SweepSpec}[of])
