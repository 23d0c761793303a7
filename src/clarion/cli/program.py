"""The commands put together, and what is true of all of them: the settings file, the exit code, and errors as sentences."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from clarion import __version__
from clarion.cli import (
    backup,
    broadcasts,
    carriers,
    demo,
    doctor,
    erase,
    imports,
    keys,
    keywords,
    messages,
    optouts,
    organizations,
    prices,
    restore,
    send,
    senders,
    serve,
    simulator,
    templates,
    wallet,
)
from clarion.cli.failures import explain, shortened
from clarion.cli.options import option
from clarion.cli.output import say
from clarion.cli.settings_file import load_settings

EPILOG = """Every option is also an environment variable, CLARION_PORT for --port, and a key of the settings file, port = 8080.
What is typed goes before the environment, the environment before the file.

Begin with: clarion serve --simulator"""

app = typer.Typer(
    name="clarion",
    help="Sends bulk SMS over SMPP, follows every message to its end, and keeps the money right.",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("serve", epilog=serve.EPILOG)(serve.serve)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.add_typer(organizations.app, name="organizations")
app.add_typer(keys.app, name="keys")
app.add_typer(templates.app, name="templates")
app.add_typer(keywords.app, name="keywords")
app.add_typer(wallet.app, name="wallet")
app.add_typer(carriers.app, name="carriers")
broadcasts.app.command("import", epilog=imports.EPILOG)(imports.import_file)
app.add_typer(broadcasts.app, name="broadcasts")
messages.app.command("erase", epilog=erase.EPILOG)(erase.erase)
app.add_typer(messages.app, name="messages")
app.command("send", epilog=send.EPILOG)(send.send)
app.add_typer(senders.app, name="senders")
app.add_typer(prices.app, name="prices")
app.add_typer(optouts.app, name="optouts")
app.command("backup", epilog=backup.EPILOG)(backup.backup)
app.command("restore", epilog=restore.EPILOG)(restore.restore)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor)
app.add_typer(simulator.app, name="simulator")


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code: 0, 1 for what failed, 2 for what was typed wrongly, 130 after Ctrl-C."""
    try:
        code = COMMAND.main(_config_first(arguments) or ["--help"], prog_name="clarion", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough of it; the interpreter's own flush at the end must not fail over it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        say(f"Error: {shortened(explained.sentence)}", err=True)
        return explained.exit_code
    return code if isinstance(code, int) else 0


def _config_first(arguments: Sequence[str]) -> list[str]:
    """`--config FILE` may stand anywhere, though it belongs to the program and not to one command."""
    first: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            others += [argument, *rest]
        elif argument == "--config":
            first += [argument, *[value for value in (next(rest, None),) if value is not None]]
        elif argument.startswith("--config="):
            first.append(argument)
        else:
            others.append(argument)
    return first + others


def _print_version(value: bool) -> None:
    if value:
        say(__version__)
        raise typer.Exit


@app.callback()
def clarion(
    context: typer.Context,
    config: Annotated[
        Path | None, option("--config", help="The settings file, TOML.", metavar="FILE", show_default="./clarion.toml if it is there")
    ] = None,
    version: Annotated[  # noqa: ARG001  (its callback answers)
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Sends bulk SMS over SMPP, follows every message to its end, and keeps the money right."""
    context.default_map = load_settings(config, context.command)


COMMAND = get_command(app)
"""Made once: it takes longer than most of the commands."""
