"""`clarion keys`: API keys. A key is shown once, when it is made."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import organization_named, with_database
from clarion.cli.failures import Failure
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, Yes, option
from clarion.cli.output import iso, local, print_json, print_table

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.tenants import KeyView

app = typer.Typer(help="API keys. A key is shown once, when it is made.")

SCOPES = ("send_sms",)

KeyName = Annotated[str, option("--name", help="What the key is for.", metavar="NAME", show_default=False)]
Scope = Annotated[
    list[str] | None,
    option("--scope", help=f"What it may do ({', '.join(SCOPES)}); may be repeated.", metavar="SCOPE", show_default="everything"),
]
KeyId = Annotated[int, typer.Argument(metavar="ID", help="As `clarion keys list` shows it.")]


@app.command("create", epilog="clarion keys create --organization Acme --name backend --scope send_sms")
def create(
    name: KeyName,
    organization: OrganizationName = None,
    scope: Scope = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once."""
    from clarion.store import tenants

    for wanted in scope or ():
        if wanted not in SCOPES:
            raise Failure(f"There is no scope {wanted!r}: choose {', '.join(SCOPES)}, or leave --scope out for all.", 2)

    async def work(runtime: "Runtime") -> dict[str, Any]:
        owner = await organization_named(runtime, organization)
        token = tenants.KEY_PREFIX + runtime.ids.token(tenants.KEY_CHARACTERS)
        new = tenants.NewKey(owner.id, name, tuple(scope) if scope else None)
        key_id = await runtime.store.write(tenants.create_key, new, token, runtime.clock.now())
        return {"id": key_id, "organization": owner.name, "name": name, "scopes": scope or None, "key": token}

    made = with_database(data_dir, database_url, work)
    if as_json:
        print_json(made)
    else:
        typer.echo(f"Made key {made['id']} ({name}) of {made['organization']}. It is shown this once:\n\n    {made['key']}\n")


@app.command("list", epilog="clarion keys list --organization Acme")
def show_list(
    organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """List keys by their first characters; revoked ones too."""
    from clarion.store import tenants

    async def work(runtime: "Runtime") -> "list[KeyView]":
        owner = None if organization is None else await organization_named(runtime, organization)
        return await runtime.store.read(tenants.list_keys, None if owner is None else owner.id)

    found = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"keys": [_fields(key) for key in found]})
        return
    rows = [
        (str(key.id), key.organization, key.name, f"{key.hint}…", " ".join(key.scopes or ("all",)), local(key.created_at), _state(key))
        for key in found
    ]
    print_table([">Id", "Organization", "Name", "Key", "Scopes", "Made", "State"], rows, "There is no key yet.")


@app.command("revoke", epilog="clarion keys revoke 3 --yes")
def revoke(key_id: KeyId, yes: Yes = False, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """End a key for good. A running server refuses it within two seconds."""
    from clarion.store import tenants

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Revoke key {key_id} for good?", abort=True)
    key = with_database(data_dir, database_url, lambda runtime: runtime.store.write(tenants.revoke_key, key_id, runtime.clock.now()))
    if as_json:
        print_json(_fields(key))
    else:
        typer.echo(f"Key {key.id} ({key.name} of {key.organization}) is revoked since {local(key.revoked_at)}.")


def _state(key: "KeyView") -> str:
    return "valid" if key.revoked_at is None else f"revoked {local(key.revoked_at)}"


def _fields(key: "KeyView") -> dict[str, Any]:
    return {
        "id": key.id,
        "organization": key.organization,
        "name": key.name,
        "hint": key.hint,
        "scopes": None if key.scopes is None else list(key.scopes),
        "created_at": iso(key.created_at),
        "revoked_at": iso(key.revoked_at),
    }
