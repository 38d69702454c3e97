"""The ``stcnn`` command: ``stcnn train`` and whatever ``stcnn/commands`` holds.

Only the standard library and typer are imported here, so that ``stcnn --help`` answers at once.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from stcnn.completion import training_keys
from stcnn.shortage import leave_without_memory, sentence_of
from stcnn.version import __version__

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    help="Models of visual neurons from calcium recordings.",
    no_args_is_help=True,
    context_settings=HELP_OPTIONS,
    rich_markup_mode="markdown",  # lets the paragraphs of docstrings flow
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"stcnn {__version__}")
        raise typer.Exit


@app.callback()
def _stcnn(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
    help="Train a model; `stcnn train --help` lists all choices and keys.",
)
def train(
    context: typer.Context,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", autocompletion=training_keys)
    ] = None,
) -> None:
    """Hand every argument to ``train.py``."""
    from stcnn.command_line import main as train_main

    raise typer.Exit(train_main([*(arguments or ()), *context.args]))


@cache
def _add_commands() -> None:
    """Mount the typer ``app`` of every module in ``stcnn/commands`` under the module's name, once."""
    try:
        commands = import_module("stcnn.commands")
    except ModuleNotFoundError:
        return
    for module in iter_modules(commands.__path__):
        name, sub = module.name.replace("_", "-"), import_module(f"stcnn.commands.{module.name}").app
        if len(sub.registered_commands) == 1 and not sub.registered_groups:
            only = sub.registered_commands[0]
            app.command(name, cls=only.cls)(only.callback)  # a single command needs no name of its own
        else:
            app.add_typer(sub, name=name)


def main() -> None:
    """Run the command line; a fault of the user is printed as one sentence and exits with 2."""
    try:
        _add_commands()
        app()
    except Exception as error:
        fault = sentence_of(error)
        if fault is None:
            raise
        print(fault, file=sys.stderr)
        leave_without_memory(error, fault.exit_code)
        sys.exit(fault.exit_code)


if __name__ == "__main__":
    main()
