"""`clarion templates`: texts with a name, their versions, and who may be sent which."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import Shown, organization_named, shown_organizations, with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, option
from clarion.cli.output import iso, local, print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.templates import TemplateView

app = typer.Typer(help="Texts with a name, that are sent once they were approved.")

NAME_CHARACTERS_MAX = 512
"""The seed's (Teekrr's `templateName`)."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="What requests call it (`templateName`).")]
Text = Annotated[str, option("--text", help="The text, with places like {name}.", metavar="TEXT", show_default=False)]
Version = Annotated[int | None, option("--version", help="Which one.", metavar="NUMBER", min=1, show_default="the newest")]
Values = Annotated[
    list[str] | None,
    option("--value", help="For a place of the text; may be repeated.", metavar="NAME=VALUE", show_default=False),
]


@app.command("add", epilog="clarion templates add welcome --text 'Hi {name}, welcome.' --organization Acme")
def add(
    name: Name,
    text: Text,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Add a template, or its next version. It is a draft until it is approved; the version before is sent until then."""
    from clarion.store import templates

    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.strip():
        raise Failure(f"A template has a name of 1 to {NAME_CHARACTERS_MAX} characters.", 2)
    if not text.strip():
        raise Failure("A template has a text.", 2)

    async def work(runtime: "Runtime") -> "tuple[str, TemplateView]":
        owner = await organization_named(runtime, organization)
        return owner.name, await runtime.store.write(templates.add, owner.id, name, text, runtime.clock.now())

    owner, view = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(view, owner))
        return
    say(f"Added version {view.version} of {name} for {owner}{_places(view)}.")
    say(f"Next: {next_step(data_dir, database_url, 'templates', 'approve', name, '--organization', owner)}")


@app.command("approve", epilog="clarion templates approve welcome --organization Acme")
def approve(
    name: Name,
    version: Version = None,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let a version be sent. Of several approved ones the newest is."""
    from clarion.store import templates

    _decide(name, version, organization, data_dir, database_url, templates.APPROVED, as_json=as_json)


@app.command("reject", epilog="clarion templates reject welcome --version 2 --organization Acme")
def reject(
    name: Name,
    version: Version = None,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Let a version not be sent, one that was approved too. What was accepted with it goes out."""
    from clarion.store import templates

    _decide(name, version, organization, data_dir, database_url, templates.REJECTED, as_json=as_json)


@app.command("list", epilog="clarion templates list --organization Acme")
def show_list(
    organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """List all versions of the templates."""
    from clarion.store import templates

    async def work(runtime: "Runtime") -> "tuple[Shown, list[TemplateView]]":
        shown = await shown_organizations(runtime, organization)
        return shown, await runtime.store.read(templates.list_all, shown.owner_id)

    shown, found = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"templates": [_fields(view, shown.every[view.organization_id].name) for view in found]})
        return
    zone = shown.zone
    rows = [
        (
            shown.every[view.organization_id].name,
            view.name,
            str(view.version),
            f"{view.state}{', in use' if view.in_use else ''}",
            ", ".join(_variables(view)),
            local(view.created_at, zone),
        )
        for view in found
    ]
    print_table(["Organization", "Name", ">Version", "State", "Variables", f"Added ({zone})"], rows, "There is no template yet.")


@app.command("show", epilog="clarion templates show welcome --organization Acme")
def show(
    name: Name,
    version: Version = None,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Show a version: its text, its variables, and whether it is sent."""
    owner, view = _find(name, version, organization, data_dir, database_url)
    if as_json:
        print_json(_fields(view, owner.name))
        return
    print_facts(
        [
            ("Template", f"{view.name}, version {view.version}"),
            ("Organization", owner.name),
            ("State", f"{view.state}{', in use' if view.in_use else ''}"),
            ("Added", local(view.created_at, owner.zone)),
            ("Variables", ", ".join(_variables(view)) or "none"),
            ("Text", view.text),
        ]
    )


@app.command("preview", epilog="clarion templates preview welcome --value name=Asha --organization Acme")
def preview(
    name: Name,
    value: Values = None,
    version: Version = None,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Show what a recipient with these values would get, and in how many segments. Nothing is sent."""
    from clarion.core.template import MissingVariable, Template
    from clarion.core.text import measure

    values = dict(_pair(text) for text in value or ())
    _, view = _find(name, version, organization, data_dir, database_url)
    try:
        text = Template(view.text).render(values)
    except MissingVariable as missing:
        raise Failure(
            f"There is no value for {missing.name}: add --value {missing.name}=… (a recipient without it is refused).", 2
        ) from None
    size = measure(text)
    if as_json:
        print_json({"text": text, "encoding": size.encoding, "segments": size.segments, "version": view.version})
    else:
        say(f"{text}\n\n{size.segments} segment{'s' if size.segments > 1 else ''} of {size.encoding}, version {view.version}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Failure(f"{text!r} is no value: write --value NAME=VALUE.", 2)
    return name, value


def _find(
    name: str, version: int | None, organization: str | None, data_dir: Path, database_url: str | None
) -> "tuple[Organization, TemplateView]":
    from clarion.store import templates

    async def work(runtime: "Runtime") -> "tuple[Organization, TemplateView]":
        owner = await organization_named(runtime, organization)
        return owner, await runtime.store.read(templates.find, owner.id, name, version)

    return with_database(data_dir, database_url, work)


def _decide(
    name: str, version: int | None, organization: str | None, data_dir: Path, database_url: str | None, state: str, *, as_json: bool
) -> None:
    from clarion.store import templates

    async def work(runtime: "Runtime") -> "tuple[str, TemplateView]":
        owner = await organization_named(runtime, organization)
        return owner.name, await runtime.store.write(templates.decide, owner.id, name, version, state)

    owner, view = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(view, owner))
    else:
        say(f"Version {view.version} of {name} is {view.state}{'; it is sent from now on' if view.in_use else ''}.")


def _variables(view: "TemplateView") -> list[str]:
    from clarion.core.template import Template

    return list(dict.fromkeys(Template(view.text).variables))


def _places(view: "TemplateView") -> str:
    names = _variables(view)
    return f", with {', '.join(names)}" if names else ""


def _fields(view: "TemplateView", owner: str) -> dict[str, Any]:
    return {
        "organization": owner,
        "name": view.name,
        "version": view.version,
        "text": view.text,
        "state": view.state,
        "in_use": view.in_use,
        "variables": _variables(view),
        "created_at": iso(view.created_at),
    }
