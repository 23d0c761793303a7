"""`clarion simulator smsc`: a carrier to try things with, well or badly behaved."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.failures import Failure
from clarion.cli.options import Json, flag, option
from clarion.cli.output import print_json, say

if TYPE_CHECKING:
    from clarion.simulator.settings import SmscSettings
    from clarion.simulator.smsc import Smsc

app = typer.Typer(help="Carriers to try things with.")

PORT = 2775


def _share(name: str, what: str) -> Any:  # noqa: ANN401  (as Typer's own)
    return option(name, help=what, prefix="SMSC_", min=0.0, max=1.0, metavar="0..1")


def _option(name: str, what: str, **more: Any) -> Any:  # noqa: ANN401  (as Typer's own)
    return option(name, help=what, prefix="SMSC_", **more)


# More of this noun are to come: with a callback Typer keeps the name of a single one.
@app.callback()
def simulator() -> None:
    """Carriers to try things with."""


@app.command(
    "smsc",
    epilog="clarion simulator smsc --port 2775\n\n"
    "clarion simulator smsc --fail 0x0b=0.01 --fail 0x58=0.05 --undelivered-share 0.03 --log-file submits.jsonl\n\n"
    "clarion simulator smsc --plan docs/faults.toml --http-port 2780",
)
def smsc(
    context: typer.Context,
    plan: Annotated[Path | None, _option("--plan", "A plan of faults, TOML; other options go before it.", metavar="FILE")] = None,
    host: Annotated[str, _option("--host", "The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, _option("--port", "The port to listen on; 0 takes a free one.", min=0, max=65535)] = PORT,
    http_port: Annotated[
        int | None,
        _option("--http-port", "Counters by HTTP: /counters, /metrics; 0 takes a free port.", min=0, max=65535, show_default="none"),
    ] = None,
    seed: Annotated[int, _option("--seed", "The same seed, the same faults.")] = 1,
    system_id: Annotated[str, _option("--system-id", "Let in only this one.", show_default="any")] = "",
    password: Annotated[str, _option("--password", "Let in only with this one.", show_default="any")] = "",
    bind_status: Annotated[str, _option("--bind-status", "Refuse binds with this command_status.", metavar="0x0e")] = "0",
    answer_delay_ms: Annotated[int, _option("--answer-delay-ms", "Before an answer.", min=0)] = 0,
    unanswered_share: Annotated[float, _share("--unanswered-share", "Taken and never answered.")] = 0.0,
    fail: Annotated[
        list[str] | None, _option("--fail", "Refuse a share; may be repeated.", metavar="STATUS=SHARE", show_default=False)
    ] = None,
    aimed_failures: Annotated[bool, flag("--aimed-failures", help="The recipient's last four digits decide.", prefix="SMSC_")] = False,
    throttle_per_second: Annotated[int, _option("--throttle-per-second", "Answer what is above with throttling; 0: no limit.", min=0)] = 0,
    disconnect_every: Annotated[int, _option("--disconnect-every", "Break the connection at each n-th submit; 0: never.", min=0)] = 0,
    message_id_form: Annotated[str, _option("--message-id-form", "decimal or hex.", metavar="FORM")] = "decimal",
    receipt_id_form: Annotated[str, _option("--receipt-id-form", "same, decimal, hex, upper or padded.", metavar="FORM")] = "same",
    no_receipts: Annotated[bool, flag("--no-receipts", help="Send none.", prefix="SMSC_")] = False,
    receipt_delay_ms: Annotated[int, _option("--receipt-delay-ms", "Before a receipt.", min=0)] = 0,
    receipt_late_ms: Annotated[int, _option("--receipt-late-ms", "What late receipts add.", min=0)] = 2_000,
    early_share: Annotated[float, _share("--early-share", "Receipts before the answer.")] = 0.0,
    late_share: Annotated[float, _share("--late-share", "Late receipts.")] = 0.0,
    twice_share: Annotated[float, _share("--twice-share", "Receipts that come twice.")] = 0.0,
    never_share: Annotated[float, _share("--never-share", "Receipts that never come.")] = 0.0,
    undelivered_share: Annotated[float, _share("--undelivered-share", "Receipts that say undelivered.")] = 0.0,
    outstanding: Annotated[int, _option("--outstanding", "Receipts that may be unacknowledged.", min=1)] = 1_000,
    log_file: Annotated[Path | None, _option("--log-file", "A JSON line for each submit.", metavar="FILE", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Run a simulated SMSC until Ctrl-C or SIGTERM, then print what it did.

    Its environment variables begin with CLARION_SMSC_.
    """
    # Most options have the name of the setting that they are.
    given: dict[str, Any] = dict(locals())
    from clarion.simulator.plan import PlanError, load_plan
    from clarion.simulator.settings import SmscSettings

    failures = dict(_failure(text) for text in fail or ())
    values = given | {"bind_status": _status(bind_status), "failures": failures, "receipts": not no_receipts}
    chosen = {name: value for name, value in values.items() if name in SmscSettings.__slots__}
    try:
        if plan is not None:
            planned = load_plan(plan)
            # Of the refusals those that are named; everything else as a whole.
            chosen["failures"] = planned.get("failures", {}) | failures
            chosen |= {name: value for name, value in planned.items() if name != "failures" and not _is_given(context, name)}
        settings = SmscSettings(**chosen)
    except PlanError as error:
        raise Failure(f"That plan cannot be followed: {error}.", 2) from None
    except ValueError as error:
        raise Failure(f"That cannot be simulated: {error}.", 2) from None
    import uvloop

    uvloop.run(_run(settings, host, port, http_port, as_json=as_json))


def _is_given(context: typer.Context, setting: str) -> bool:
    """Whether somebody chose this option: what is left at its default gives way to the plan."""
    source = context.get_parameter_source({"receipts": "no_receipts"}.get(setting, setting))
    return source is not None and source.name != "DEFAULT"


async def _run(settings: "SmscSettings", host: str, port: int, http_port: int | None, *, as_json: bool) -> None:
    from clarion.simulator.smsc import Smsc
    from clarion.wiring.machine import SystemClock, SystemTimer

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        server = Smsc(settings, SystemClock(), SystemTimer())
        bound = await server.start(host, port)
    except OSError as error:
        raise Failure(f"The simulator cannot start on {host}:{port}: {error.strerror or error}. Choose another --port.") from None
    async with _counting(server, host, http_port) as counted:
        # On standard error, so that standard output is the counters alone.
        url = f"smpp://{settings.system_id or 'simulator'}@{host}:{bound}"
        say(f"A simulated SMSC listens on {host}:{bound}. Add it: clarion carriers add simulated '{url}' --price 1.00", err=True)
        if counted:
            say(f"Its counters: {counted}/counters and /metrics", err=True)
        await stop.wait()
    await server.stop()
    counters = server.counters.as_dict()
    if as_json:
        print_json(counters)
        return
    for counter, count in counters.items():
        if isinstance(count, int):
            say(f"{counter.replace('_', ' '):<32} {count:>12,}")
        else:
            for name, part in count.items():
                say(f"{counter.replace('_', ' ')}: {name.replace('_', ' ') if name.islower() else name}".ljust(32) + f" {part:>12,}")


@asynccontextmanager
async def _counting(server: "Smsc", host: str, http_port: int | None) -> AsyncIterator[str]:
    """The counters by HTTP for the length of the block, if somebody wants them; their URL."""
    if http_port is None:
        yield ""
        return
    from clarion.wiring.counting import make_app
    from clarion.wiring.http import answering, open_socket
    from clarion.wiring.machine import SystemTimer

    try:
        opened = open_socket(host, http_port)
    except OSError as error:
        raise Failure(
            f"The counters cannot be told on {host}:{http_port}: {error.strerror or error}. Choose another --http-port."
        ) from None
    async with answering(make_app(server), opened, SystemTimer()):
        yield f"http://{host}:{opened.getsockname()[1]}"


def _failure(text: str) -> tuple[int, float]:
    status, equals, share = text.partition("=")
    try:
        return int(status, 0), float(share if equals else "1")
    except ValueError:
        raise Failure(f"--fail {text!r} is no STATUS=SHARE, like 0x0b=0.01.", 2) from None


def _status(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise Failure(f"{text!r} is no command_status, like 0x0b.", 2) from None
