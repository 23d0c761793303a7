"""Options as every command declares them: each is also `CLARION_…` in the environment and a key of the settings file."""

from pathlib import Path
from typing import Annotated, Any

import typer

ENVIRONMENT = "CLARION_"


def option(name: str, *, help: str, prefix: str = "", **more: Any) -> Any:  # noqa: A002, ANN401  (as Typer's own)
    """A Typer option `--name` with its environment variable. `prefix` keeps those of a command apart that share no meaning with others."""
    variable = ENVIRONMENT + prefix + name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, envvar=variable, help=help, **more)


def flag(name: str, *, help: str, prefix: str = "") -> Any:  # noqa: A002, ANN401  (as above)
    """An option that is there or not, without a `--no-name`: what is off is left out."""
    return option(name, help=help, prefix=prefix, metavar=" ")


DATA_DIR = Path("clarion-data")

DataDir = Annotated[Path, option("--data-dir", help="The folder with the data.", metavar="FOLDER")]
DatabaseUrl = Annotated[
    str | None,
    option("--database-url", help="PostgreSQL instead of the folder's file.", metavar="URL", show_default=False),
]
Json = Annotated[bool, flag("--json", help="Print one JSON object and nothing else.")]
Yes = Annotated[bool, flag("--yes", help="Do not ask.")]
OrganizationName = Annotated[
    str | None,
    option("--organization", help="Whose. Needed where there are several.", metavar="NAME", show_default=False),
]
