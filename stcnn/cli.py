"""The ``stcnn`` command: ``stcnn train`` and whatever ``stcnn/commands`` holds.

Only the standard library and typer are imported here, so that ``stcnn --help`` answers at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import typer

from stcnn.shortage import sentence_of

app = typer.Typer(
    help="Models of visual neurons from calcium recordings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _stcnn() -> None:
    pass


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
    help="Train a model; `stcnn train --help` lists all choices and keys.",
)
def train(context: typer.Context) -> None:
    """Hand every argument to ``train.py``."""
    from stcnn.command_line import main as train_main

    raise typer.Exit(train_main(context.args))


def _add_commands() -> None:
    """Mount the typer ``app`` of every module in ``stcnn/commands`` under the module's name."""
    try:
        commands = import_module("stcnn.commands")
    except ModuleNotFoundError:
        return
    for module in iter_modules(commands.__path__):
        name, sub = module.name.replace("_", "-"), import_module(f"stcnn.commands.{module.name}").app
        if len(sub.registered_commands) == 1 and not sub.registered_groups:
            app.command(name)(sub.registered_commands[0].callback)  # a single command needs no name of its own
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
        sys.exit(fault.exit_code)


if __name__ == "__main__":
    main()
