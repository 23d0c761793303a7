"""`clarion keys`: API keys. A key is shown once, when it is made."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import organization_named, shown_organizations, with_database
from clarion.cli.failures import Failure
from clarion.cli.moments import moment
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, Yes, option
from clarion.cli.output import iso, local, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.tenants import KeyView

app = typer.Typer(help="API keys. A key is shown once, when it is made.")

SCOPES = ("send_sms", "send_whatsapp", "send_email", "make_calls", "manage")
FACES = ("teli", "talkntalk", "teekrr")

KeyName = Annotated[str, option("--name", help="What the key is for.", metavar="NAME", show_default=False)]
Scope = Annotated[
    list[str] | None,
    option("--scope", help=f"What it may do ({', '.join(SCOPES)}); may be repeated.", metavar="SCOPE", show_default="everything"),
]
AllowIp = Annotated[
    list[str] | None,
    option("--allow-ip", help="A network that it may be used from; may be repeated.", metavar="CIDR", show_default="everywhere"),
]
Expires = Annotated[str | None, option("--expires", help="When it ends: a date or a time.", metavar="TIME", show_default="never")]
Face = Annotated[
    str | None, option("--face", help=f"The one API that it opens ({', '.join(FACES)}).", metavar="NAME", show_default="all of them")
]
KeyId = Annotated[int, typer.Argument(metavar="ID", help="As `clarion keys list` shows it.")]


@app.command(
    "create",
    epilog="clarion keys create --organization Acme --name backend --scope send_sms\n\n"
    "clarion keys create --name shop --face teekrr --allow-ip 192.0.2.0/24 --expires 2027-01-31",
)
def create(
    name: KeyName,
    organization: OrganizationName = None,
    scope: Scope = None,
    allow_ip: AllowIp = None,
    expires: Expires = None,
    face: Face = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once."""
    from clarion.store import tenants

    for wanted in scope or ():
        if wanted not in SCOPES:
            raise Failure(f"There is no scope {wanted!r}: choose {', '.join(SCOPES)}, or leave --scope out for all.", 2)
    if face is not None and face not in FACES:
        raise Failure(f"There is no API {face!r}: choose {', '.join(FACES)}, or leave --face out for all.", 2)
    networks = tuple(_network(text) for text in allow_ip or ()) or None

    async def work(runtime: "Runtime") -> dict[str, Any]:
        owner = await organization_named(runtime, organization)
        token = tenants.KEY_PREFIX + runtime.ids.token(tenants.KEY_CHARACTERS)
        expires_at = None if expires is None else moment("--expires", expires, owner.zone)
        if expires_at is not None and expires_at <= runtime.clock.now():
            raise Failure(f"--expires {expires} is over already.", 2)
        new = tenants.NewKey(owner.id, name, tuple(scope) if scope else None, face, networks, expires_at)
        key_id = await runtime.store.write(tenants.create_key, new, token, runtime.clock.now())
        made = next(key for key in await runtime.store.read(tenants.list_keys, owner.id) if key.id == key_id)
        return _fields(made) | {"key": token}

    made = with_database(data_dir, database_url, work)
    if as_json:
        print_json(made)
    else:
        say(f"Made key {made['id']} ({name}) of {made['organization']}. It is shown this once:\n\n    {made['key']}\n")


@app.command("list", epilog="clarion keys list --organization Acme")
def show_list(
    organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """List keys by their first characters; revoked ones too."""
    from clarion.store import tenants

    async def work(runtime: "Runtime") -> "tuple[list[KeyView], str, int]":
        shown = await shown_organizations(runtime, organization)
        return await runtime.store.read(tenants.list_keys, shown.owner_id), shown.zone, runtime.clock.now()

    found, zone, now = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"keys": [_fields(key) for key in found]})
        return
    rows = [
        (
            str(key.id),
            key.organization,
            key.name,
            f"{key.hint}…",
            " ".join(key.scopes or ("all",)),
            _bounds(key),
            local(key.created_at, zone),
            _state(key, zone, now),
        )
        for key in found
    ]
    print_table([">Id", "Organization", "Name", "Key", "Scopes", "Only", f"Made ({zone})", "State"], rows, "There is no key yet.")


@app.command("revoke", epilog="clarion keys revoke 3 --yes")
def revoke(key_id: KeyId, yes: Yes = False, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """End a key for good. A running server refuses it within two seconds."""
    from clarion.store import tenants

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Revoke key {key_id} for good?", abort=True)

    async def work(runtime: "Runtime") -> "tuple[KeyView, Organization]":
        key = await runtime.store.write(tenants.revoke_key, key_id, runtime.clock.now())
        return key, await organization_named(runtime, key.organization)

    key, owner = with_database(data_dir, database_url, work)
    if as_json:
        print_json(_fields(key))
    else:
        say(f"Key {key.id} ({key.name} of {owner.name}) is revoked since {local(key.revoked_at, owner.zone)}.")


def _network(text: str) -> str:
    from ipaddress import ip_network

    try:
        return str(ip_network(text))
    except ValueError as error:
        raise Failure(f"--allow-ip wants an address or a network, like 192.0.2.7 or 192.0.2.0/24: {error}.", 2) from None


def _bounds(key: "KeyView") -> str:
    """The API and the networks that it is good for."""
    return ", ".join((*(() if key.face is None else (key.face,)), *(key.networks or ()))) or "no limit"


def _state(key: "KeyView", zone: str, now: int) -> str:
    if key.revoked_at is not None:
        return f"revoked {local(key.revoked_at, zone)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now else 'valid until'} {local(key.expires_at, zone)}"


def _fields(key: "KeyView") -> dict[str, Any]:
    return {
        "id": key.id,
        "organization": key.organization,
        "name": key.name,
        "hint": key.hint,
        "scopes": None if key.scopes is None else list(key.scopes),
        "face": key.face,
        "networks": None if key.networks is None else list(key.networks),
        "expires_at": iso(key.expires_at),
        "created_at": iso(key.created_at),
        "revoked_at": iso(key.revoked_at),
    }
