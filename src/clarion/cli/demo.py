"""`clarion demo`: a server with the simulated carrier, a broadcast through the public API, and what became of it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from clarion.cli.failures import Failure
from clarion.cli.next_step import next_step
from clarion.cli.options import DataDir, Json, flag, option
from clarion.cli.output import add_row, make_console, make_table, print_json, say
from clarion.cli.serve import PORT, Port

if TYPE_CHECKING:
    from rich.progress import Progress

    from clarion.cli.child_server import ChildServer
    from clarion.cli.vendor_client import VendorClient
    from clarion.core.clock import Timer

EPILOG = """clarion demo

clarion demo --recipients 100000 --port 9000 --exit"""

HOST = "127.0.0.1"
DATA_DIR = Path("demo-data")
TEXT = "Your promo code is SAVE20. Valid today only!"

FIRST_NUMBER = 254_712_000_000
"""Kenyan mobile numbers from here on. They go nowhere but to the simulator."""

REQUEST_MAX = 10_000
"""Recipients in one request: TalkNTalk's limit."""

RECIPIENTS_MAX = 1_000_000

READY_S = 60.0
STALL_S = 120.0
"""Without any message ending for so long, something is wrong."""

QUICK_POLLS = 80
QUICK_POLL_S = 0.1
POLL_S = 0.75
"""Two requests a poll, 300 a minute allowed: quick ones first, so that a short run is measured well."""

ENDS = ("delivered", "undelivered", "failed")
"""How a message ends, in the vendor's words; the simulator leaves none in any other state."""

Recipients = Annotated[int, option("--recipients", help="How many texts to send.", min=1, max=RECIPIENTS_MAX)]
Exit = Annotated[bool, flag("--exit", help="Stop the server at the end.")]


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a broadcast. Amounts are decimal strings of the currency; `id` is that of the first of the `broadcasts`."""

    id: str
    broadcasts: list[str]
    recipients: int
    accepted_s: float
    total_s: float
    messages_per_s: int
    delivered: int
    undelivered: int
    failed: int
    currency: str
    charged: str
    balance_before: str
    balance_after: str
    data_dir: str
    url: str
    key: str


def demo(
    recipients: Recipients = 10_000, port: Port = PORT, data_dir: DataDir = DATA_DIR, leave: Exit = False, as_json: Json = False
) -> None:
    """Start a server with a simulated carrier, send a broadcast through it, and show what became of every message.

    The server goes on in the foreground until Ctrl-C. It knows no settings but the port and the folder, and the numbers are made up:
    nothing of it reaches anybody.
    """
    from clarion.cli.child_server import ChildServer, require_port
    from clarion.wiring.opening import database_file, is_there

    require_port(HOST, port)
    if is_there(database_file(data_dir)):
        asyncio.run(_require_simulator_only(data_dir))
    server = ChildServer(HOST, port, data_dir)
    try:
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_run(server, port, data_dir, recipients, stay=not leave, as_json=as_json))
    finally:
        code = server.stop()
    if code:
        raise Failure(f"The server ended with code {code}; its log is {server.log_file}.")


async def _run(server: "ChildServer", port: int, data_dir: Path, recipients: int, *, stay: bool, as_json: bool) -> None:
    from clarion.cli.vendor_client import VendorClient
    from clarion.wiring.machine import SystemTimer

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    timer = SystemTimer()
    url = f"http://{HOST}:{port}"
    if not as_json:
        say(f"Clarion starts on {url} with a simulated carrier. Data and log: {data_dir}")
    client = VendorClient(HOST, port, timer)
    await _until_ready(server, client, timer)
    await _require_simulator_only(data_dir)
    client.key = await _prepare(data_dir, recipients)
    summary = await _send(_Sending(client, timer, recipients, quiet=as_json), data_dir, url)
    if as_json:
        print_json(asdict(summary))
    else:
        _print_summary(summary, stay=stay)
    while stay:
        server.check()
        await timer.sleep(QUICK_POLL_S)


async def _until_ready(server: "ChildServer", client: "VendorClient", timer: "Timer") -> None:
    """Wait until the carrier is bound. Raises Failure if the server ends, or is not ready in READY_S."""
    until = timer.monotonic() + READY_S
    while (reason := client.not_ready()) is not None:
        server.check()
        if timer.monotonic() > until:
            raise Failure(f"The server is not ready after {READY_S:.0f} s ({reason}); its log is {server.log_file}.")
        await timer.sleep(QUICK_POLL_S)


async def _require_simulator_only(data_dir: Path) -> None:
    """Raises Failure where another carrier would take the texts: the numbers are made up, and may be somebody's."""
    from clarion.store import carriers, catalog
    from clarion.store.errors import OlderDatabase
    from clarion.wiring.opening import open_database

    # The server migrates an older one; then it is looked at again.
    with contextlib.suppress(OlderDatabase):
        async with open_database(data_dir, None) as runtime:
            real = [carrier.name for carrier in await runtime.store.read(carriers.list_carriers) if carrier.kind != catalog.SIMULATOR]
            if real:
                raise Failure(f"{data_dir} has the carrier {real[0]}, to which a demo sends nothing. Name another folder with --data-dir.")


async def _prepare(data_dir: Path, recipients: int) -> str:
    """Make a key, and put in the wallet what the broadcast will cost; returns the key."""
    from clarion.cli.database import organization_named
    from clarion.core.money import parse_amount
    from clarion.store import carriers, tenants, wallets
    from clarion.wiring.opening import open_database

    async with open_database(data_dir, None) as runtime:
        owner = await organization_named(runtime, "default")
        token = tenants.KEY_PREFIX + runtime.ids.token(tenants.KEY_CHARACTERS)
        now = runtime.clock.now()
        await runtime.store.write(tenants.create_key, tenants.NewKey(owner.id, "demo"), token, now)
        needed_milli = recipients * parse_amount(carriers.SIMULATOR_PRICE, owner.currency)
        wallet = await runtime.store.read(wallets.wallet_of, owner.id)
        if wallet.available_milli < needed_milli:
            await runtime.store.write(wallets.top_up_wallet, owner, needed_milli - wallet.available_milli, now)
    return token


@dataclass(frozen=True, slots=True)
class _Sending:
    client: "VendorClient"
    timer: "Timer"
    recipients: int
    quiet: bool


async def _send(sending: _Sending, data_dir: Path, url: str) -> Summary:
    """Send, and watch until every message has ended."""
    from clarion.core.money import format_amount, parse_amount

    client, timer = sending.client, sending.timer
    currency, before = await client.balance()
    began = timer.monotonic()
    queued: dict[str, int] = {}
    accepted_s = 0.0
    with _progress(quiet=sending.quiet) as progress:
        task = progress.add_task("accepted", total=sending.recipients)
        for start in range(0, sending.recipients, REQUEST_MAX):
            end = min(start + REQUEST_MAX, sending.recipients)
            asked = timer.monotonic()
            answer = await client.send_bulk([str(FIRST_NUMBER + number) for number in range(start, end)], TEXT)
            accepted_s += timer.monotonic() - asked
            queued[answer["campaign_id"]] = answer["queued"]
            progress.update(task, completed=end)
        task = progress.add_task("to the end", total=sum(queued.values()))
        await _follow(sending, queued, lambda done: progress.update(task, completed=done))
    total_s = timer.monotonic() - began
    ended = [[await client.total(campaign, status) for campaign in queued] for status in ENDS]
    after = (await client.balance())[1]
    charged_milli = parse_amount(before, currency) - parse_amount(after, currency)
    return Summary(
        id=next(iter(queued)),
        broadcasts=list(queued),
        recipients=sending.recipients,
        accepted_s=round(accepted_s, 3),
        total_s=round(total_s, 3),
        messages_per_s=round(sending.recipients / total_s),
        delivered=sum(ended[0]),
        undelivered=sum(ended[1]),
        failed=sum(ended[2]),
        currency=currency,
        charged=format_amount(charged_milli, currency),
        balance_before=before,
        balance_after=after,
        data_dir=str(data_dir),
        url=url,
        key=client.key,
    )


async def _follow(sending: _Sending, queued: dict[str, int], show: Callable[[int], None]) -> None:
    """Poll until every message has ended, the oldest broadcast first. Raises Failure if nothing moves for STALL_S."""
    timer = sending.timer
    ended = polls = 0
    moved = (0, timer.monotonic())
    for campaign, count in queued.items():
        while open_ := await _open(sending.client, campaign):
            polls += 1
            done = ended + count - open_
            show(done)
            if done > moved[0]:
                moved = (done, timer.monotonic())
            if timer.monotonic() - moved[1] > STALL_S:
                raise Failure(
                    f"{open_} messages of {campaign} have not moved for {STALL_S:.0f} s: `clarion doctor` and the log may say why."
                )
            await timer.sleep(QUICK_POLL_S if polls < QUICK_POLLS else POLL_S)
        ended += count
        show(ended)


async def _open(client: "VendorClient", campaign: str) -> int:
    """Messages without an end. Asked in the order that they go through, so that none is missed; one that moves meanwhile counts twice."""
    return sum([await client.total(campaign, status) for status in ("queued", "sent")])


def _progress(*, quiet: bool) -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(40), TaskProgressColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, disable=quiet)


def _print_summary(summary: Summary, *, stay: bool) -> None:
    currency = summary.currency
    table = make_table([f"{summary.recipients:,} texts", ""])
    for row in (
        ("accepted in", f"{summary.accepted_s:.2f} s, durably, over HTTP"),
        ("to the last receipt", f"{summary.total_s:.2f} s, {summary.messages_per_s:,} messages/s"),
        ("delivered", f"{summary.delivered:,}"),
        ("undelivered", f"{summary.undelivered:,} (the carrier took them, the phone did not)"),
        ("failed", f"{summary.failed:,} (the carrier refused them: not charged)"),
        ("charged", f"{currency} {summary.charged}"),
        ("balance", f"{currency} {summary.balance_before} before, {currency} {summary.balance_after} after"),
        ("data", summary.data_dir),
    ):
        add_row(table, row)
    make_console().print(table)
    if stay:
        data_dir = Path(summary.data_dir)
        say(
            f"The server goes on, {summary.url}/docs describes it. Next, in another terminal:\n\n"
            f"  {next_step(data_dir, None, 'broadcasts', 'show', summary.id)}\n"
            f"  {next_step(data_dir, None, 'doctor')}\n"
            f"  curl -X POST {summary.url}/v1/sms/send-bulk/ -H 'Authorization: Bearer {summary.key}' \\\n"
            f'    -d \'{{"recipients": ["254712345678"], "message": "Hello"}}\'\n\n'
            "Ctrl-C stops it."
        )
