"""`clarion broadcasts`: what was accepted, and where its messages stand."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from clarion.cli.database import Shown, shown_organizations, with_database
from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName, Yes, option
from clarion.cli.output import amount, iso, local, money, print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.catalog import Organization
    from clarion.store.control import Controlled
    from clarion.store.ends import Ends
    from clarion.store.history import Hold
    from clarion.store.views import BroadcastView

app = typer.Typer(help="What was accepted, and where its messages stand.")

BroadcastId = Annotated[str, typer.Argument(metavar="ID", help="Of the broadcast (campaign_id), or of one of its messages.")]
BroadcastIdOrNewest = Annotated[str | None, typer.Argument(metavar="[ID]", help="Of the broadcast; the newest one without it.")]
Limit = Annotated[int, option("--limit", help="How many.", min=1, max=1000)]
Before = Annotated[str | None, option("--before", help="Only those older than this one: the next page.", metavar="ID", show_default=False)]
Pace = Annotated[str, typer.Argument(metavar="PACE", help="At most so many messages: 600/min, 10/s, or off.")]
Interval = Annotated[int, option("--interval-ms", help="Between two looks.", min=100, max=60_000)]


@app.command("list", epilog="clarion broadcasts list --organization Acme")
def show_list(
    organization: OrganizationName = None,
    limit: Limit = 20,
    before: Before = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List broadcasts, the newest first: look here before a request that timed out is sent again."""
    from clarion.store import views

    async def work(runtime: "Runtime") -> "tuple[Shown, list[BroadcastView]]":
        shown = await shown_organizations(runtime, organization)
        older = None if before is None else (await find(runtime, before)).id
        return shown, await runtime.store.read(views.broadcasts, shown.owner_id, older, limit)

    shown, found = with_database(data_dir, database_url, work)
    if as_json:
        print_json({"broadcasts": [fields(view, shown.every[view.organization_id]) for view in found]})
        return
    zone = shown.zone
    rows = [
        (
            str(view.public_id),
            shown.every[view.organization_id].name,
            local(view.created_at, zone),
            view.state,
            f"{view.recipients:,}",
            f"{view.counts['delivered']:,}",
            f"{sum(view.counts[state] for state in FAILED):,}",
            f"{open_messages(view):,}",
        )
        for view in found
    ]
    print_table(
        ["Id", "Organization", f"Accepted ({zone})", "State", ">Messages", ">Delivered", ">Failed", ">Open"],
        rows,
        "There is no broadcast yet.",
    )
    if len(found) == limit:
        whose = () if organization is None else ("--organization", organization)
        words = ("broadcasts", "list", *whose, "--before", str(found[-1].public_id))
        say(f"Older ones: {next_step(data_dir, database_url, *words)}")


@app.command("show", epilog="clarion broadcasts show 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000")
def show(broadcast_id: BroadcastId, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Show where a broadcast's messages stand, over which carriers they went, why some failed, what is open, and its money."""
    from clarion.cli import ends
    from clarion.store import history, views
    from clarion.store.ends import ends as ends_of

    async def work(runtime: "Runtime") -> "tuple[BroadcastView, Organization, Ends, Hold, dict[str, int]]":
        view = await find(runtime, broadcast_id)
        told = await runtime.store.read(ends_of, view)
        words = vendor_words(view, await runtime.store.read(views.unmarked_open, view.id))
        return view, await owner_of(runtime, view), told, await runtime.store.read(history.hold_of, view.id), words

    view, owner, told, hold, words = with_database(data_dir, database_url, work)
    if as_json:
        print_json(fields(view, owner) | ends.fields(told) | {"money": _money(hold, owner)} | ({"labels": words} if words else {}))
        return
    print_facts(
        [
            ("Broadcast", str(view.public_id)),
            ("Name", view.name),
            ("Organization", owner.name),
            ("State", f"{view.state}{f' ({view.reason})' if view.reason else ''}"),
            ("Waits for you", _late(view)),
            ("Face", f"{view.face}, lane {view.lane}"),
            ("Sender", view.sender or "the carrier's"),
            ("Text", view.text),
            ("Accepted", local(view.created_at, owner.zone)),
            ("Request", view.request_id),
            ("Scheduled", local(view.not_before, owner.zone)),
            ("Pace", None if view.pace is None else f"at most {view.pace:,} a minute"),
            ("First marked", local(view.started_at, owner.zone)),
            ("Completed", local(view.finished_at, owner.zone)),
            ("Open", open_until(view, owner.zone)),
            ("Money", f"{_told(hold, owner)}"),
            ("In Teekrr's words", ", ".join(f"{word} {count:,}" for word, count in words.items()) or None),
        ]
    )
    rows = [(state, f"{count:,}") for state, count in by_state(view).items() if count]
    print_table(["State", ">Messages"], [*rows, *([("rejected", f"{view.rejected:,}")] if view.rejected else [])], "It has no messages.")
    ends.show(told)


@app.command("watch", epilog="clarion broadcasts watch\n\nclarion broadcasts watch 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000 --json")
def watch(
    broadcast_id: BroadcastIdOrNewest = None,
    interval_ms: Interval = 500,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Watch a broadcast until its last message has ended: rate, states, reasons, what is open and until when.

    With --json one object a line, whenever something has changed.
    """
    from clarion.cli.watch import follow

    async def work(runtime: "Runtime") -> None:
        view = await find(runtime, broadcast_id)
        await follow(runtime, view, await owner_of(runtime, view), interval_ms / 1000, as_json=as_json)

    with_database(data_dir, database_url, work)


@app.command("pause", epilog="clarion broadcasts pause 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000")
def pause(broadcast_id: BroadcastId, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Send nothing more of a broadcast until it is resumed; what a connection has in hand still goes out."""
    from clarion.store import control

    _control(lambda runtime, view: runtime.store.write(control.pause, view.id), broadcast_id, data_dir, database_url, as_json)


@app.command("resume", epilog="clarion broadcasts resume 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000")
def resume(broadcast_id: BroadcastId, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Let a paused broadcast go on, also one whose schedule came too late."""
    from clarion.store import control

    _control(
        lambda runtime, view: runtime.store.write(control.resume, view.id, runtime.clock.now()),
        broadcast_id,
        data_dir,
        database_url,
        as_json,
    )


@app.command("cancel", epilog="clarion broadcasts cancel 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000 --yes")
def cancel(
    broadcast_id: BroadcastId, yes: Yes = False, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Call a broadcast off for good: a running server ends what was not sent within seconds, and its money returns."""
    from clarion.store import control

    if not yes and sys.stdin.isatty():
        typer.confirm(f"Cancel {broadcast_id} for good?", abort=True)
    _control(lambda runtime, view: runtime.store.write(control.cancel, view.id), broadcast_id, data_dir, database_url, as_json)


@app.command(
    "pace",
    epilog="clarion broadcasts pace 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000 600/min\n\n"
    "clarion broadcasts pace 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000 off",
)
def pace(
    broadcast_id: BroadcastId, pace: Pace, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Let at most so many messages a minute of a broadcast begin, from now on; spread over the minute, on all carriers and servers."""
    from clarion.core.pace import read_pace
    from clarion.store import paces

    try:
        per_minute = read_pace(pace)
    except ValueError as error:
        raise Failure(f"{error}.", 2) from None
    _control(lambda runtime, view: runtime.store.write(paces.set_pace, view.id, per_minute), broadcast_id, data_dir, database_url, as_json)


def _control(
    ask: "Callable[[Runtime, BroadcastView], Awaitable[Controlled]]",
    broadcast_id: str,
    data_dir: Path,
    database_url: str | None,
    as_json: bool,
) -> None:
    from clarion.broker.interface import PLAN, carrier_topic

    async def work(runtime: "Runtime") -> "tuple[Controlled, BroadcastView, Organization]":
        done = await ask(runtime, await find(runtime, broadcast_id))
        for topic in (PLAN, *map(carrier_topic, done.carriers)):
            runtime.broker.ring(topic)
        view = await find(runtime, broadcast_id)
        return done, view, await owner_of(runtime, view)

    done, view, owner = with_database(data_dir, database_url, work)
    if as_json:
        print_json(fields(view, owner) | {"changed": done.changed})
        return
    counts = by_state(view)
    left = f"{counts['waiting'] + counts['retry']:,} to be sent, {counts['marked']:,} on the way"
    paced = f", at most {view.pace:,} a minute" if view.pace is not None else ""
    say(f"{view.public_id} is {'' if done.changed else 'already '}{done.state}{paced}: {left}.")


FAILED = ("undelivered", "refused", "suppressed", "expired", "cancelled", "undetermined")
ENDED = ("delivered", *FAILED)


async def find(runtime: "Runtime", text: str | None) -> "BroadcastView":
    """The broadcast of this id, or the newest one. Raises Failure."""
    from clarion.core.public_id import parse
    from clarion.store import views

    if text is None:
        newest = await runtime.store.read(views.broadcasts, None, None, 1)
        if not newest:
            raise Failure("There is no broadcast yet.")
        return newest[0]
    parsed = parse(text.strip())
    if parsed is None:
        raise Failure(f"{text!r} is no id: it looks like 018f3a2b-4c5d-7e6f-8a9b-0c1d00000000.", 2)
    found = await runtime.store.read(views.broadcast, None, parsed[0])
    if found is None:
        raise Failure(f"There is no broadcast {parsed[0]}; `clarion broadcasts list` shows the newest.")
    return found


async def owner_of(runtime: "Runtime", view: "BroadcastView") -> "Organization":
    """Whose broadcast it is."""
    from clarion.store import catalog

    every = await runtime.store.read(catalog.load_organizations)
    return next(organization for organization in every if organization.id == view.organization_id)


def vendor_words(view: "BroadcastView", unmarked_open: int) -> dict[str, int]:
    """A Teekrr broadcast's rows by the words of its documents, which send people here with a `broadcastUuid`; empty for other faces."""
    from clarion.api.faces.teekrr.choices import NAME, labelled

    return labelled(view, unmarked_open) if view.face == NAME else {}


def by_state(view: "BroadcastView") -> dict[str, int]:
    """Messages by state, in the order of their way; together they are all of them."""
    order = ("waiting", "retry", "marked", "unknown", "sent", *ENDED)
    counts = {state: view.counts.get(state, 0) for state in order}
    # A first attempt on its way has no row: it counts as marked.
    counts["marked"] += view.on_the_way
    return counts


def open_messages(view: "BroadcastView") -> int:
    """Messages whose end is not known yet."""
    return view.recipients - sum(view.counts[state] for state in ENDED)


def open_until(view: "BroadcastView", zone: str) -> str | None:
    """What is open and until when, in words; None if nothing is."""
    counts = by_state(view)
    unsent = counts["waiting"] + counts["retry"]
    expires = f", expire {local(view.expires_at, zone)}" if view.expires_at is not None else ""
    parts = [
        f"{unsent:,} to be sent{expires}" if unsent else "",
        f"{counts['marked']:,} on the way" if counts["marked"] else "",
        f"{counts['unknown']:,} unknown, until a receipt comes or their carrier's time is over" if counts["unknown"] else "",
        f"{counts['sent']:,} sent, their receipts may come at any time" if counts["sent"] else "",
    ]
    return "; ".join(part for part in parts if part) or None


def fields(view: "BroadcastView", owner: "Organization") -> dict[str, Any]:
    """A broadcast for programs."""
    return {
        "id": str(view.public_id),
        "organization": owner.name,
        "face": view.face,
        "lane": view.lane,
        "state": view.state,
        "reason": view.reason,
        "sender": view.sender,
        "text": view.text,
        "name": view.name,
        "messages": view.recipients,
        "rejected": view.rejected,
        "states": by_state(view),
        "open": open_messages(view),
        "created_at": iso(view.created_at),
        "request_id": view.request_id,
        "scheduled_at": iso(view.not_before),
        "pace_per_minute": view.pace,
        "started_at": iso(view.started_at),
        "finished_at": iso(view.finished_at),
        "expires_at": iso(view.expires_at),
    }


def message_id(broadcast: UUID, offset: int) -> str:
    """The public id of a message."""
    from clarion.core.public_id import message_ids

    return f"{message_ids(broadcast)}{offset:08x}"


def _late(view: "BroadcastView") -> str | None:
    from clarion.store.control import LATE_SCHEDULE

    if view.state != "paused" or view.reason != LATE_SCHEDULE:
        return None
    public_id = view.public_id
    return f"its time was more than an hour ago; `clarion broadcasts resume {public_id}` sends it now, `cancel` gives its money back"


def _money(hold: "Hold", owner: "Organization") -> dict[str, str]:
    held = hold.reserved_milli - hold.charged_milli - hold.released_milli
    amounts = {"reserved": hold.reserved_milli, "charged": hold.charged_milli, "released": hold.released_milli, "held": held}
    return {"currency": owner.currency} | {name: amount(milli, owner.currency) for name, milli in amounts.items()}


def _told(hold: "Hold", owner: "Organization") -> str:
    held = hold.reserved_milli - hold.charged_milli - hold.released_milli
    shown = [money(milli, owner.currency) for milli in (hold.reserved_milli, hold.charged_milli, hold.released_milli, held)]
    return f"{shown[0]} reserved: {shown[1]} charged, {shown[2]} released, {shown[3]} held"
