"""`clarion serve`: the server in the foreground, and what a first start has to say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clarion.cli.failures import Failure
from clarion.cli.next_step import place, place_note
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, flag, option
from clarion.cli.output import say

if TYPE_CHECKING:
    from clarion.wiring.server import Announcement

EPILOG = """clarion serve --simulator

clarion serve --port 9000 --data-dir ./elsewhere

clarion serve --database-url postgresql://clarion:password@db.example.net/clarion"""

HOST = "127.0.0.1"
PORT = 8080
LOG_FORMATS = ("auto", "terminal", "json")

Host = Annotated[str, option("--host", help="The address to listen on.")]
Port = Annotated[int, option("--port", help="The port to listen on; 0 takes a free one.", min=0, max=65535)]
Simulator = Annotated[bool, flag("--simulator", help="Add the built-in SMSC as a carrier, at 1.00 a segment.")]
LogFormat = Annotated[str, option("--log-format", help="auto, terminal or json. Auto is terminal on one, else json.", metavar="FORMAT")]
TrustedProxy = Annotated[
    list[str] | None,
    option(
        "--trusted-proxy",
        help="A network whose X-Forwarded-For counts; may be repeated.",
        metavar="NETWORK",
        show_default=False,
    ),
]
PoweredBy = Annotated[str, option("--powered-by", help="What Teli's answers call powered_by.", metavar="NAME")]
OutcomeWait = Annotated[
    float,
    option("--outcome-wait-s", help="How many seconds Teli's sends wait to hear what became of the texts.", min=0, max=600),
]
BodyLimit = Annotated[int, option("--body-limit-bytes", help="A longer request is refused.", min=1024)]

RetentionDays = Annotated[
    int,
    option(
        "--retention-days",
        help="Delete messages of broadcasts that ended so many days ago, and old texts and receipts; 0 keeps all.",
        min=0,
    ),
]


def serve(
    host: Host = HOST,
    port: Port = PORT,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    simulator: Simulator = False,
    log_format: LogFormat = "auto",
    trusted_proxy: TrustedProxy = None,
    body_limit_bytes: BodyLimit = 16 * 1024 * 1024,
    powered_by: PoweredBy = "Teli",
    outcome_wait_s: OutcomeWait = 20.0,
    retention_days: RetentionDays = 0,
) -> None:
    """Serve the API and send, until Ctrl-C or SIGTERM.

    A first start makes the database, an organization called default and its API key, which is printed once. Logs go to standard error.
    """
    from clarion.wiring import server

    if log_format not in LOG_FORMATS:
        raise Failure(f"There is no log format {log_format!r}: choose {', '.join(LOG_FORMATS)}.", 2)
    options = server.ServeOptions(
        host=host,
        port=port,
        data_dir=data_dir,
        database_url=database_url,
        simulator=simulator,
        log_format=log_format,
        trusted_proxies=tuple(trusted_proxy or ()),
        body_limit_bytes=body_limit_bytes,
        powered_by=powered_by,
        outcome_wait_s=outcome_wait_s,
        retention_days=retention_days,
    )
    try:
        options.networks  # noqa: B018  (refuses what is no network before anything is started)
    except ValueError as error:
        raise Failure(f"--trusted-proxy wants networks like 10.0.0.0/8: {error}.", 2) from None
    try:
        code = server.serve(options, lambda announcement: _announce(announcement, data_dir, database_url))
    except OSError as error:
        about = error.filename or f"{host}:{port}"
        raise Failure(f"The server cannot start: {error.strerror or error} ({about}). {_way_out(error)}") from None
    raise typer.Exit(code)


def _way_out(error: OSError) -> str:
    if error.filename is not None:
        return "Choose another folder with --data-dir."
    return "Choose another port with --port, or another address with --host."


def _announce(started: "Announcement", data_dir: Path, database_url: str | None) -> None:
    """Say what to do next. The key is printed here and nowhere else: it is stored as a digest only."""
    lines = [f"Clarion answers on {started.url} (documentation: {started.url}/docs). Ctrl-C stops it."]
    if started.migration.backup is not None:
        lines.append(f"The database was migrated; a copy from before is {started.migration.backup}.")
    if started.key is not None:
        lines += [
            "",
            f"The organization {started.organization} was made. Its API key, shown this once:",
            "",
            f"    {started.key}",
            "",
            *_next_steps(started, data_dir, database_url),
        ]
    say("\n".join(lines))


def _next_steps(started: "Announcement", data_dir: Path, database_url: str | None) -> list[str]:
    send = [
        "    curl -X POST " + started.url + "/v1/sms/send-bulk/ \\",
        f"      -H 'Authorization: Bearer {started.key}' \\",
        '      -d \'{"recipients": ["254712345678", "0734567890"], "message": "Hello from Clarion"}\'',
    ]
    if started.simulator:
        return ["The simulator is its carrier, and 10,000.00 to play with are in its wallet. Send:", "", *send]
    there, note = place(data_dir, database_url), place_note(database_url)
    return [
        "Next, in another terminal: a carrier, money, and a first send.",
        *([] if note is None else [note]),
        "",
        f"    clarion carriers add north 'smpp://system_id@smsc.example.net:2775' --password-file FILE --price 1.00{there}",
        f"    clarion wallet top-up --organization {started.organization} 1000.00{there}",
        *send,
    ]
